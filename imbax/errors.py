"""The one exception that says: the mistake is in what was given, and here is the remedy."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["InputError", "StorageError", "at_least", "did_you_mean", "one_of", "shortened"]


class InputError(ValueError):
    """Bad input from the user: the message names what was given, what was expected and what to do.

    The command line prints it as one line and exits with status 2.
    """


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
