"""The methods: one idea, one file, pure; importing one loads only those it is made of.

Names for them are in `imbax.catalogue`.
"""

from importlib import import_module

_MOVED = ("Facts", "Method", "get", "names", "refit", "register")


def __getattr__(name: str):
    """Names that moved to `imbax.catalogue`, for one version."""
    if name not in _MOVED:
        raise AttributeError(f"module 'imbax.methods' has no attribute {name!r}")
    return getattr(import_module("imbax.catalogue"), name)
