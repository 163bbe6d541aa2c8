"""Functions of the core under `jit`, so that a call compiles one program.

Without `jit`, every operation compiles its own program, and a test of formulas has hundreds.
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
    """Wraps a function in `jit`; strings and bools among the keywords are static."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        static = tuple(name for name, value in kwargs.items() if isinstance(value, (str, bool)))
        return _jitted(function, static)(*args, **kwargs)

    return call


def as_programs(module: ModuleType) -> SimpleNamespace:
    """Wraps the public functions of a module by `as_program`."""
    functions = {name: getattr(module, name) for name in module.__all__}
    return SimpleNamespace(
        **{name: as_program(f) if callable(f) else f for name, f in functions.items()}
    )
