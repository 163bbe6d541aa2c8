"""Functions of the core called as users call them under `jit`: one compiled program for a call.

A call without `jit` compiles a program for every operation, and a test of formulas has hundreds.
"""

import functools
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import jax

__all__ = ["as_program", "as_programs"]


@functools.cache
def _jitted(function: Callable, static: tuple[str, ...]) -> Callable:
    return jax.jit(function, static_argnames=static)


def as_program(function: Callable) -> Callable:
    """The function under `jit`; keywords that are words or truth values are static."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        static = tuple(name for name, value in kwargs.items() if isinstance(value, (str, bool)))
        return _jitted(function, static)(*args, **kwargs)

    return call


def as_programs(module: ModuleType) -> SimpleNamespace:
    """A module's public functions, each `as_program`."""
    functions = {name: getattr(module, name) for name in module.__all__}
    return SimpleNamespace(
        **{name: as_program(f) if callable(f) else f for name, f in functions.items()}
    )
