"""Arithmetic in 32 bits behind the doors of estimators and experiments.

jax's 64-bit mode is one switch of a process, which a user may have turned on for code of their own.
It changes what numbers without a type are, so that random draws and rounding would differ, and with
them results. So what trains, samples or predicts for a user runs with the switch off, and gives the
same bits either way. Functions of arrays (`imbax.methods`, `imbax.losses`, ...) keep the precision
of what they are given; their draws name their type.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

__all__ = ["in_float32"]

P = ParamSpec("P")
T = TypeVar("T")


def in_float32(f: Callable[P, T]) -> Callable[P, T]:
    """`f` with jax's 64-bit mode off while it runs, whatever the user has set."""

    @functools.wraps(f)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with jax.enable_x64(False):
            return f(*args, **kwargs)

    return run
