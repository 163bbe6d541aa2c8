"""32-bit arithmetic inside estimators and experiments.

The 64-bit mode of jax is a global switch that users may have turned on for other code. It changes
the default dtype of numbers and therefore random draws, rounding and results. Estimators and
experiments train, sample and predict with the switch off and give the same bits in both modes.
Functions of arrays (`imbax.methods`, `imbax.losses`, ...) keep the precision of their inputs; their
random draws have an explicit dtype.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

__all__ = ["in_float32"]

P = ParamSpec("P")
T = TypeVar("T")


def in_float32(f: Callable[P, T]) -> Callable[P, T]:
    """Wraps `f` so that it runs with jax's 64-bit mode off."""

    @functools.wraps(f)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with jax.enable_x64(False):
            return f(*args, **kwargs)

    return run
