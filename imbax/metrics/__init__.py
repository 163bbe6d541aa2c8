"""Metrics as pure array functions: ranking, confusion, calibration, density, thresholds.

Those that `public` has are its own here: they also take NumPy, and then check it. Names load on
first use, since `thresholds` is NumPy's alone and needs no jax.
"""

from importlib import import_module
from importlib.util import find_spec

_HOMES = ("public", "calibration", "confusion", "density", "ranking")


def __getattr__(name: str):
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is None:  # else a module
        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
