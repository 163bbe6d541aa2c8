"""Exceptions for mistakes in user input, and helpers that write their messages."""

import difflib
import json
import math
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral, Real
from typing import Any, NamedTuple

__all__ = [
    "InputError",
    "Range",
    "StorageError",
    "argument",
    "check_ranges",
    "did_you_mean",
    "in_suite_file",
    "on_command_line",
    "one_of",
    "shortened",
]

_ON_COMMAND_LINE = ContextVar("on_command_line", default=False)
_SUITE_FILE = ContextVar("suite_file", default="")
_METAVARS = {"folds": "N", "minority": "LABEL", "data_home": "DIR"}
_IN_SUITE_FILE = ("target", "minority", "groups", "drop", "categorical", "header")
"""Options of a data set that a suite file may set instead of the command line."""


class InputError(ValueError):
    """Bad user input; the message says what was given, what was expected and what to do.

    The command line prints the message as one line and exits with status 2.
    """

    def __init__(self, message: object = "") -> None:
        # Names and values from the user may contain line breaks.
        super().__init__(" ".join(str(message).splitlines()))


@contextmanager
def on_command_line() -> Iterator[None]:
    """Context in which `argument` writes command-line flags."""
    token = _ON_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _ON_COMMAND_LINE.reset(token)


@contextmanager
def in_suite_file(name: str) -> Iterator[None]:
    """Context in which `argument` writes keys of the suite file `name`; "" means no file."""
    token = _SUITE_FILE.set(name)
    try:
        yield
    finally:
        _SUITE_FILE.reset(token)


def argument(name: str, value: Any = None) -> str:
    """Formats an argument as the user would type it, ready to paste.

    The result is `drop=['a b']` in Python, `--drop 'a b'` on the command line, and
    `drop = ["a b"]` with the file's name in a suite file. Without a value it is `drop=`,
    `--drop COLUMN` or `drop = "COLUMN"`. The value `False` is written as a flag: `header=False`,
    `--no-header` or `no_header = true`.
    """
    if (file := _SUITE_FILE.get()) and name in _IN_SUITE_FILE:
        key = f"no_{name}" if value is False else name
        if not isinstance(value, list):
            value = {None: _METAVARS.get(name, "COLUMN"), False: True}.get(value, value)
        return f"{key} = {json.dumps(value, ensure_ascii=False)} in {file}"
    flag = f"--{name.replace('_', '-')}"
    if not _ON_COMMAND_LINE.get():
        return f"{name}=" if value is None else f"{name}={value!r}"
    if value is None:
        return f"{flag} {_METAVARS.get(name, 'COLUMN')}"
    if value is False:
        return f"--no-{flag[2:]}"
    values = map(str, value if isinstance(value, list) else [value])
    # "=" keeps argparse from reading a value that starts with a dash as a flag.
    return " ".join(
        f"{flag}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}" for value in values
    )


class StorageError(InputError, OSError):
    """A folder that cannot be written: full, read-only or missing. Stored results stay intact.

    Unlike other errors, this one stops all cells, since no result could be saved.
    """


class Range(NamedTuple):
    """Range of the finite numbers that a parameter accepts, from `low` to `high`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    """Whether `low` itself is excluded."""
    below: bool = False
    """Whether `high` itself is excluded."""
    whole: bool = False
    """Whether only integers are accepted."""

    def check(self, name: str, value: Any) -> Any:
        """Returns the value as an `int` or `float`; raises InputError if it is out of range."""
        number: Any = value.item() if getattr(value, "shape", None) == () else value
        kind: Any = Integral if self.whole else Real
        if not isinstance(number, kind) or isinstance(number, bool) or not math.isfinite(number):
            noun = "a whole number" if self.whole else "a finite number"
            bounds = f", {self}" if str(self) else ""
            raise InputError(f"{name}={value!r}, expected {noun}{bounds}")
        is_high = number > self.low if self.above else number >= self.low
        is_low = number < self.high if self.below else number <= self.high
        if not (is_high and is_low):
            raise InputError(f"{name}={value!r}, expected {self}")
        return int(number) if self.whole else float(number)

    def __str__(self):
        low, high = math.isfinite(self.low), math.isfinite(self.high)
        if low and high and not (self.above or self.below):
            return f"from {self.low} to {self.high}"
        ends = [f"above {self.low}" if self.above else f"at least {self.low}"] * low
        ends += [f"below {self.high}" if self.below else f"at most {self.high}"] * high
        return " and ".join(ends)


def check_ranges(record: Any, where: str = "") -> None:
    """Raises InputError if a field of a record is out of its range.

    Parameters
    ----------
    record
        Record whose module defines `RANGES`, a `Range` by field name. Other records, and fields
        that are None, are not checked.
    where
        Prefix of the field's name in a message.
    """
    module = sys.modules.get(type(record).__module__)
    for name, allowed in getattr(module, "RANGES", {}).items():
        if getattr(record, name, None) is not None:
            allowed.check(f"{where}{name}", getattr(record, name))


def one_of(config: Any, **allowed: Iterable[Any]) -> None:
    """Raises InputError if a named field of a record is not one of its allowed values."""
    for field, values in allowed.items():
        if (value := getattr(config, field)) not in (values := tuple(values)):
            expected = " or ".join(map(repr, values))
            raise InputError(f"{field}={value!r}, expected {expected}")


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """Returns the end of a message about an unknown name: the closest name, then a short list."""
    names, parts = list(names), [part.strip() for part in str(given).split(",")]
    if len(parts) > 1 and set(parts) & set(names):
        return (
            f"; give {' and '.join(map(repr, parts))} separately; there are: {shortened(names, 8)}"
        )
    near = _closest(str(given), names)
    return (f"; did you mean {near!r}?" if near else ";") + f" there are: {shortened(names, 8)}"


def _closest(name: str, names: Sequence[str]) -> str | None:
    """Returns the same name in another case, the shortest continuation, or a similar name."""
    word, by_word = name.casefold(), {one.casefold(): one for one in names}
    if word in by_word:
        return by_word[word]
    longer = [one for one in by_word if len(word) > 2 and one.startswith(word)]
    near = sorted(longer, key=len) or difflib.get_close_matches(word, by_word, n=1)
    return by_word[near[0]] if near else None


def shortened(names: Sequence[str], limit: int = 5) -> str:
    """Joins names with commas; shows at most `limit` of them and counts the rest."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
