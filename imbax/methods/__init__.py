"""Methods as pure functions, one per file; importing a method loads only those that it uses.

`imbax.catalogue` registers them by name.
"""

from importlib import import_module

_MOVED = ("Facts", "Method", "get", "names", "refit", "register")


def __getattr__(name: str):
    """Forwards names that moved to `imbax.catalogue`, for one version."""
    if name not in _MOVED:
        raise AttributeError(f"module 'imbax.methods' has no attribute {name!r}")
    return getattr(import_module("imbax.catalogue"), name)
