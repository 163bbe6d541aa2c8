"""Text columns: detection of numbers, dates and categories."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.written import (
    Dates,
    Reading,
    as_text,
    dates,
    is_date,
    is_missing,
    is_number_of_days,
    is_span,
    like_number,
    unlike_most_dates,
)
from imbax.data.written import numbers as read_numbers
from imbax.errors import InputError, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MAX_LEVELS", "MAX_LEVELS_IF_MOSTLY_DISTINCT", "Texts", "decimal_mark"]

# A text column above either limit is an identifier: its one-hot columns would be noise.
MAX_LEVELS = 1000
MAX_LEVELS_IF_MOSTLY_DISTINCT = 30


class Texts:
    """Distinct entries of a text column, without empty cells.

    Parameters
    ----------
    name
        Name of the column.
    column
        Column of text; cells may be missing.
    table
        Name of the table in messages.
    remedies
        `Remedies` for messages.
    """

    def __init__(self, name: str, column: "pd.Series", table: str, remedies: Any):
        import pandas as pd

        self.name, self.table, self.remedies = name, table, remedies
        codes, values = pd.factorize(column)
        merged, levels = pd.factorize(np.array([as_text(v).strip() for v in values], object))
        counts = np.bincount(merged[codes[codes >= 0]], minlength=len(levels))
        is_filled = np.array([bool(level) for level in levels], bool)
        self.levels, self.counts = np.asarray(levels, object)[is_filled], counts[is_filled]
        self.missing = np.array([is_missing(level) for level in self.levels], bool)
        self.rest = list(self.levels[~self.missing])
        self.reading = read_numbers(self.rest) if self.rest else None

    @property
    def is_open(self) -> bool:
        """Whether the texts are numbers and some of them are ambiguous."""
        return self.reading is not None and self.reading.values is None

    @property
    def words(self) -> str:
        """Words that stand for missing values, with their numbers of rows."""
        found = zip(self.levels[self.missing], self.counts[self.missing], strict=True)
        return shortened([f"{level!r} ({count} rows)" for level, count in found])

    def numbers(self, decimal: str | None, separator: str) -> Reading | None:
        """Parses `rest` as numbers; None if it is not numeric.

        Raises InputError if a number is ambiguous.
        """
        found = self.reading
        if found is None:
            return None
        if found.values is None:
            text, *_ = found.meanings
            if decimal is None and separator != ";" and "," not in text:
                decimal = "."
            found = read_numbers(self.rest, decimal) if decimal else found
        if found.values is None:
            text, one, other = found.meanings
            raise InputError(
                f"{self.table}: column {self.name!r} holds numbers such as {text!r}, which can be "
                f"{one:.15g} or {other:.15g}; write them with a decimal point and without "
                f"thousands separators, or {self._remedy()}"
            )
        return found

    def dates(self) -> Dates | None:
        """Parses `rest` as dates; None if it does not hold dates.

        Raises InputError if a date is ambiguous, or if there are times without a date.
        """
        if not self.rest or not all(map(is_date, self.rest)):
            return None
        found = dates(self.rest)
        if found is None:
            raise InputError(
                f"{self.table}: column {self.name!r} holds {self._wrong_dates()}, or "
                f"{self._remedy()}"
            )
        if found.values is None:
            text, one, other = found.meanings
            raise InputError(
                f"{self.table}: column {self.name!r} holds dates such as {text!r}, which can be "
                f"{one} or {other}; write them as {one}, or {self._remedy()}"
            )
        return found

    def check_levels(self) -> None:
        """Raises InputError for numbers or dates mixed with words, and for an identifier."""
        n = self.counts.sum()
        is_number, is_day, is_count = (
            np.array([is_one(level) for level in self.levels], bool)
            for is_one in (like_number, is_date, is_number_of_days)
        )
        is_day &= ~is_count  # "7 days" is also a category
        if 2 * self.counts[is_day].sum() > n:
            raise InputError(
                f"{self.table}: column {self.name!r} holds dates or times such as "
                f"{self.levels[is_day][0]!r}, and {self._entries(~is_day & ~self.missing)}; "
                f"correct them, or {self._remedy()}"
            )
        if 2 * self.counts[is_number].sum() > n:
            is_word = ~is_number & ~self.missing
            if not is_word.any():
                one, other = self._incompatible_levels()
                raise InputError(
                    f"{self.table}: column {self.name!r} holds numbers in several formats, such as "
                    f"{one!r} and {other!r}; write them in one format, or {self._remedy()}"
                )
            raise InputError(
                f"{self.table}: column {self.name!r} is text because of {self._entries(is_word)}; "
                f"correct them, or {self._remedy()}"
            )
        levels = len(self.levels)
        mostly_distinct = 2 * levels > n and levels > MAX_LEVELS_IF_MOSTLY_DISTINCT
        if mostly_distinct or levels > MAX_LEVELS:
            raise InputError(
                f"{self.table}: column {self.name!r} holds {levels} distinct texts in {n} rows, "
                f"like an identifier; leave it out with {self.remedies.drop([self.name])}"
            )

    def _entries(self, is_one: np.ndarray) -> str:
        """Describes the entries that a mask of `levels` selects: their number and the first one."""
        count = self.counts[is_one].sum()
        entries = "1 entry" if count == 1 else f"{count} entries"
        return f"{entries} such as {self.levels[is_one][0]!r}"

    def _incompatible_levels(self) -> tuple[str, str]:
        """Returns two levels that cannot be parsed together as numbers."""
        first, *others = self.rest
        unlike_first = (one for one in others if read_numbers([first, one]) is None)
        return first, next(unlike_first, self.rest[-1])

    def _wrong_dates(self) -> str:
        """Describes dates and times that cannot be parsed, and how to write them."""
        if all(map(is_span, self.rest)):
            return (
                f"times of day or durations as text, such as {self.rest[0]!r}; "
                "convert them to hours or days"
            )
        remedy = "write all as 2020-01-31 or 2020-01-31 23:59"
        is_wrong = unlike_most_dates(self.rest)
        if is_wrong is None:
            return f"dates or times such as {self.rest[0]!r}, which cannot be parsed; {remedy}"
        is_entry = ~self.missing
        is_entry[is_entry] = is_wrong
        example = self.rest[int(np.argmin(is_wrong))]
        return (
            f"dates such as {example!r} and, invalid or in another format, "
            f"{self._entries(is_entry)}; {remedy}"
        )

    def _remedy(self) -> str:
        drop, keep = self.remedies.drop([self.name]), self.remedies.keep([self.name])
        return f"leave it out with {drop}, or keep its texts as categories with {keep}"


def decimal_mark(frame: "pd.DataFrame", texts: Iterable[Texts]) -> str | None:
    """Returns the decimal mark that all columns of a table agree on, or None."""
    marks = {mark for text in texts if text.reading for mark in text.reading.only_mark}
    for _, column in frame.items():
        if column.dtype.kind == "f":
            values = column.dropna().to_numpy(float)
            # 1.234 may be 1234 with a thousands separator; 0.5 and 1.2345 cannot.
            if (
                not np.isclose(values, np.round(values, 3), 1e-12, 0).all()
                or ((np.abs(values) < 1) & (values != 0)).any()
            ):
                marks.add(".")
    return marks.pop() if len(marks) == 1 else None
