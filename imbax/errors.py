"""The one exception that says: the mistake is in what was given, and here is the remedy."""

import difflib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = [
    "InputError",
    "StorageError",
    "argument",
    "at_least",
    "did_you_mean",
    "on_command_line",
    "one_of",
    "shortened",
]

_ON_COMMAND_LINE = ContextVar("on_command_line", default=False)
_METAVARS = {"minority": "LABEL"}


class InputError(ValueError):
    """Bad input from the user: the message names what was given, what was expected and what to do.

    The command line prints it as one line and exits with status 2.
    """

    def __init__(self, message: object = "") -> None:
        # Names and values in a message are the user's, and may have line breaks.
        super().__init__(" ".join(str(message).splitlines()))


@contextmanager
def on_command_line() -> Iterator[None]:
    """Inside, `argument` names flags."""
    token = _ON_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _ON_COMMAND_LINE.reset(token)


def argument(name: str, value: Any = None) -> str:
    """An argument as the user writes it, fit to be pasted.

    In Python `drop=['a b']`, on the command line `--drop 'a b'`. Without a value `drop=`, or
    `--drop COLUMN`; a value `False` is that of a flag, `header=False` or `--no-header`.
    """
    flag = f"--{name.replace('_', '-')}"
    if not _ON_COMMAND_LINE.get():
        return f"{name}=" if value is None else f"{name}={value!r}"
    if value is None:
        return f"{flag} {_METAVARS.get(name, 'COLUMN')}"
    if value is False:
        return f"--no-{flag[2:]}"
    values = map(str, value if isinstance(value, list) else [value])
    # With "=" a value that begins with a dash is not taken for a flag.
    return " ".join(
        f"{flag}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}" for value in values
    )


class StorageError(InputError, OSError):
    """A folder cannot be written: full, read-only, or gone. What was stored there before is whole.

    Unlike other errors it stops all cells of a run, since none could be kept.
    """


def one_of(config: Any, **allowed: Iterable[Any]) -> None:
    """Raises InputError unless each named field of a record has one of the allowed values."""
    for field, values in allowed.items():
        if (value := getattr(config, field)) not in (values := tuple(values)):
            expected = " or ".join(map(repr, values))
            raise InputError(f"{field}={value!r}, expected {expected}")


def at_least(config: Any, **least: float) -> None:
    """Raises InputError unless each named field of a record has at least that value."""
    for field, minimum in least.items():
        if (value := getattr(config, field)) < minimum:
            raise InputError(f"{field}={value!r}, expected at least {minimum}")


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest one, then some of all."""
    names = list(names)
    near = difflib.get_close_matches(str(given), names, n=1)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" there are: {shortened(names, 8)}"


def shortened(names: Sequence[str], limit: int = 5) -> str:
    """The names with commas, cut after `limit`."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
