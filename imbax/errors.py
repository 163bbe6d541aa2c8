"""The one exception that says: the mistake is in what was given, and here is the remedy."""

import difflib
from collections.abc import Iterable, Sequence

__all__ = ["InputError", "did_you_mean", "shortened"]


class InputError(ValueError):
    """Bad input from the user: the message names what was given, what was expected and what to do.

    The command line prints it as one line and exits with status 2.
    """


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest one, then some of all."""
    names = list(names)
    near = difflib.get_close_matches(str(given), names, n=1)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" there are: {shortened(names, 8)}"


def shortened(names: Sequence[str], limit: int = 5) -> str:
    """The names with commas, cut after `limit`."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
