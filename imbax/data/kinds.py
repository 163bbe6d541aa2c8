"""The kind of every column of a table, decided from all its rows and never from labels."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.columns import READERS, Column, has_time, kind_of, moments_of, span_of
from imbax.data.texts import Texts, decimal_mark
from imbax.errors import InputError, did_you_mean, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "IN_PYTHON",
    "Column",
    "Kinds",
    "Remedies",
    "column_positions",
    "distinct_names",
    "kinds_of_columns",
]


@dataclass(frozen=True)
class Remedies:
    """How a message tells the user to leave columns out, or to keep their texts as levels."""

    drop: Callable[[list[str]], str]
    keep: Callable[[list[str]], str]


IN_PYTHON = Remedies(
    drop=lambda names: f"drop(columns={names!r})", keep=lambda names: f"categorical={names!r}"
)
"""Remedies for a frame that is given in Python."""


@dataclass(frozen=True)
class Kinds:
    """The columns of a table in order."""

    columns: tuple[Column, ...]
    notices: tuple[str, ...] = ()
    """Notices to the user, one line each."""
    table: str = "X"
    """How messages call the table."""

    def names(self, *kinds: str) -> list[str]:
        """Names of the columns of some kinds; of all without any."""
        return [column.name for column in self.columns if not kinds or column.kind in kinds]

    @property
    def are_numbers(self) -> bool:
        """Whether all columns are numbers or booleans, and so one column each when encoded."""
        return len(self.names("number", "boolean")) == len(self.columns)

    def read(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The rows of any frame with these columns in the form that `table_encoder` takes.

        Numbers and booleans become float64, dates datetime64, categories text; missing values
        become NaN or NaT, and text is read as in the table that the kinds were taken from.

        Parameters
        ----------
        frame
            `[m, d]`, a pandas frame; columns may stand in any order, and others are left out.

        Raises
        ------
        InputError
            A column is missing, a value does not fit its column's kind, or a number is infinite.
        """
        import pandas as pd

        names = list(map(str, frame.columns))
        if absent := [name for name in self.names() if name not in names]:
            raise InputError(
                f"{self.table} lacks column {shortened(list(map(repr, absent)))}; "
                f"give the columns that were there when it was fitted: {shortened(self.names(), 8)}"
            )
        parts = {
            column.name: READERS[column.kind](
                frame.iloc[:, names.index(column.name)], column, self.table
            )
            for column in self.columns
        }
        return pd.DataFrame(parts, index=frame.index)


def kinds_of_columns(
    frame: "pd.DataFrame",
    *,
    categorical: Any = None,
    name: str = "X",
    separator: str = ",",
    remedies: Remedies = IN_PYTHON,
) -> Kinds:
    """The kind of every column: number, category, boolean or date.

    Types decide first. Text is numbers, such as "20%" or "4,5", or dates, where all of its entries
    are, but for words such as "?" that stand for missing values; otherwise its entries are levels,
    and such words are levels too. Text is refused as an identifier or free text where it has more
    than 1,000 levels, or more than 30 and more than half as many as rows; text of which most
    entries are numbers is refused for the others. Durations become days, times of day hours.

    Parameters
    ----------
    frame
        All rows `[n, d]` of a table, a pandas frame without the labels; `as_pandas` makes one.
    categorical
        Columns that are categories whatever they hold: names, positions, or truth values `[d]`.
    name
        How messages call the table.
    separator
        Separator of the cells in the file that was read, if any; it tells numbers such as 1,234.
    remedies
        How messages name the ways out.

    Raises
    ------
    InputError
        Two columns share a name, or a column is of no such kind; the message names it and the
        remedy.
    """
    names = distinct_names(frame, name)
    as_levels = set(column_positions(categorical, names, "categorical"))
    series = [frame.iloc[:, place] for place in range(len(names))]
    types = ["categories" if j in as_levels else kind_of(one) for j, one in enumerate(series)]
    texts = {
        j: Texts(names[j], series[j], name, remedies)
        for j, kind in enumerate(types)
        if kind == "text"
    }
    is_open = any(text.is_open for text in texts.values())
    decimal = decimal_mark(frame, texts.values()) if is_open else None
    columns, heard = [], _Heard()
    for j, kind in enumerate(types):
        if kind == "text":
            columns.append(_of_text(texts[j], decimal, separator, heard))
        elif kind == "dates":
            columns.append(_of_moments(names[j], series[j], heard))
        elif kind in ("numbers", "boolean", "categories", "empty"):
            if kind == "empty":
                heard.empty.append(names[j])
            plain = {"boolean": "boolean", "categories": "category"}.get(kind, "number")
            columns.append(Column(names[j], plain))
        else:
            raise InputError(
                f"{name}: column {names[j]!r} holds {kind} values, expected numbers or text; "
                f"convert it or leave it out with {remedies.drop([names[j]])}"
            )
    return Kinds(tuple(columns), tuple(heard.lines()), name)


def distinct_names(frame: "pd.DataFrame", table: str) -> list[str]:
    """The columns' names as text. Raises InputError if there are none, or two are the same."""
    names = [str(column) for column in frame.columns]
    if len(set(names)) < len(names):
        twice = next(one for place, one in enumerate(names) if one in names[:place])
        raise InputError(
            f"{table} has several columns called {twice!r}; rename or drop all but one"
        )
    if not names:
        raise InputError(f"{table} has no columns, expected at least one")
    return names


def column_positions(given: Any, names: Sequence[str], argument: str) -> list[int]:
    """Positions of columns that are named, numbered (from the end: -1), or told by truth values.

    Raises
    ------
    InputError
        A name or position that no column has, or truth values for another number of columns.
    """
    if given is None:
        return []
    given = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    if given and all(isinstance(one, bool | np.bool_) for one in given):
        if len(given) != len(names):
            raise InputError(
                f"{argument} has {len(given)} truth values, expected one for each of "
                f"the {len(names)} columns of X"
            )
        return np.flatnonzero(given).tolist()
    columns = [_position(column, names) for column in given]
    for column in columns:
        if isinstance(column, str):
            raise InputError(
                f"{argument} has {column!r}, which is no column of X"
                + did_you_mean(column, map(str, names))
            )
        whole = np.ndim(column) == 0 and np.asarray(column).dtype.kind in "iu"
        d = len(names)
        if not (whole and -d <= column < d):
            raise InputError(
                f"{argument} has {column}, expected positions of columns from 0 to {d - 1}, whole "
                f"numbers: all features must be in [0, {d - 1}] or [-{d}, -1]"
            )
    return sorted({int(column) % len(names) for column in columns})


def _position(column, names):
    """Position of a named column; numbers that are no positions, and tuples, are names too."""
    is_position = isinstance(column, int | np.integer) and -len(names) <= column < len(names)
    return names.index(str(column)) if not is_position and str(column) in names else column


class _Heard:
    """Notices to the user, gathered over columns."""

    def __init__(self):
        self.read, self.dates, self.spans = [], [], []
        self.gaps, self.kept, self.empty = [], [], []

    def lines(self) -> Iterable[str]:
        for names, what in (
            (self.read, "of text read as numbers"),
            (self.dates, "of dates as days and cycles"),
            (self.spans, "of durations as days, or of times of day as hours"),
            (self.empty, "without any value, constant"),
        ):
            if names:
                yield f"{len(names)} column{'s' * (len(names) > 1)} {what}: {shortened(names)}"
        for name, words in self.gaps:
            yield f"column {name!r}: {words} taken as missing"
        for name, words in self.kept:
            yield f"column {name!r}: {words} kept as a level, not as missing"


def _of_text(text: Texts, decimal: str | None, separator: str, heard: _Heard) -> Column:
    if (found := text.numbers(decimal, separator)) is not None:
        if found.how:
            heard.read.append(f"{text.name} ({found.how}, such as {text.rest[0]!r})")
        column = Column(text.name, "number", unit=found.unit, decimal=found.mark)
    elif (moments := text.dates()) is not None:
        heard.dates.append(f"{text.name} (such as {text.rest[0]!r})")
        is_timed = has_time(moments.values)
        column = Column(text.name, "date", form=moments.form, has_time=is_timed)
    else:
        text.check_levels()
        if text.rest and text.words:
            heard.kept.append((text.name, text.words))
        return Column(text.name, "category")
    if text.words:
        heard.gaps.append((text.name, text.words))
    return column


def _of_moments(name: str, column: "pd.Series", heard: _Heard) -> Column:
    if span_of(column) is not None:
        heard.spans.append(name)
        return Column(name, "number")
    heard.dates.append(name)
    return Column(name, "date", has_time=has_time(moments_of(column).dropna().to_numpy()))
