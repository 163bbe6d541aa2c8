"""Metrics as pure array functions: ranking, confusion, calibration and density.

Metrics that `public` defines are taken from there; they also accept and check NumPy arrays. Names
load on first use, so that importing the package does not import jax.
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
