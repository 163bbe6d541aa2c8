"""Inference of column kinds from all rows of a table, without labels."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.columns import READERS, Column, has_time, kind_of, moments_of, span_of
from imbax.data.texts import Texts, decimal_mark
from imbax.data.written import PADDED, example_of_format, padded_notice
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
    """Wording of messages that tell the user to drop columns or keep their texts as levels."""

    drop: Callable[[list[str]], str]
    keep: Callable[[list[str]], str]


IN_PYTHON = Remedies(
    drop=lambda names: f"drop(columns={names!r})", keep=lambda names: f"categorical={names!r}"
)
"""Remedies for a frame passed in Python."""


@dataclass(frozen=True)
class Kinds:
    """Kinds of a table's columns, in order."""

    columns: tuple[Column, ...]
    notices: tuple[str, ...] = ()
    """Messages to the user, one line each."""
    table: str = "X"
    """Name of the table in messages."""

    def names(self, *kinds: str) -> list[str]:
        """Returns the names of the columns of the given kinds, or of all columns."""
        return [column.name for column in self.columns if not kinds or column.kind in kinds]

    @property
    def are_numbers(self) -> bool:
        """Whether all columns are numbers or booleans, which are encoded as one column each."""
        return len(self.names("number", "boolean")) == len(self.columns)

    def read(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """Converts rows of a frame with these columns to the input of `table_encoder`.

        Numbers and booleans become float64, dates datetime64 and categories text; missing values
        become NaN or NaT. Text is parsed as in the table that the kinds were inferred from.

        Parameters
        ----------
        frame
            A pandas frame `[m, d]`; its columns may be in any order, and others are ignored.

        Raises
        ------
        InputError
            A column is missing, a value does not match its column's kind, or a number is infinite.
        """
        import pandas as pd

        names = list(map(str, frame.columns))
        if absent := [name for name in self.names() if name not in names]:
            raise InputError(
                f"{self.table} lacks column {shortened(list(map(repr, absent)))}; "
                f"expected the columns of the fitted table: {shortened(self.names(), 8)}"
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
    """Infers the kind of every column: number, category, boolean or date.

    The column's type decides first. A text column holds numbers, such as "20%" or "4,5", or dates
    if all of its entries do, except words such as "?" that stand for missing values. Otherwise its
    entries are levels of a category, and so are such words. A text column with more than 1,000
    levels, or with more than 30 levels and more than half as many levels as rows, is refused as an
    identifier or free text. A text column whose entries are mostly numbers or mostly dates is
    refused because of the other entries. Durations become days, times of day hours.

    Parameters
    ----------
    frame
        All rows `[n, d]` of a table as a pandas frame without the labels; see `as_pandas`.
    categorical
        Columns to treat as categories whatever they hold: names, positions or a mask `[d]`.
    name
        Name of the table in messages.
    separator
        Separator of the cells in the file, if any; it helps to interpret numbers such as 1,234.
    remedies
        Wording of remedies in messages.

    Raises
    ------
    InputError
        Two columns share a name, or a column is of none of these kinds; the message names the
        column and the remedy.
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
    columns, notices = [], _Notices()
    for j, kind in enumerate(types):
        if kind == "text":
            columns.append(_text_column(texts[j], decimal, separator, notices))
        elif kind == "dates":
            columns.append(_date_column(names[j], series[j], notices))
        elif kind in ("numbers", "boolean", "categories", "empty"):
            if kind == "empty":
                notices.empty.append(names[j])
            plain = {"boolean": "boolean", "categories": "category"}.get(kind, "number")
            columns.append(Column(names[j], plain))
        else:
            raise InputError(
                f"{name}: column {names[j]!r} holds {kind} values, expected numbers or text; "
                f"convert it or leave it out with {remedies.drop([names[j]])}"
            )
    return Kinds(tuple(columns), tuple(notices.lines()), name)


def distinct_names(frame: "pd.DataFrame", table: str) -> list[str]:
    """Returns the columns' names as text; raises InputError if two are equal or there are none."""
    names = [str(column) for column in frame.columns]
    if len(set(names)) < len(names):
        twice = next(one for place, one in enumerate(names) if one in names[:place])
        raise InputError(
            f"{table} has several columns called {twice!r}; rename or drop all but one"
        )
    if not names:
        raise InputError(
            f"{table} has no column left as a feature, expected at least one; the target, groups, "
            "dropped and empty columns, and a saved row index are not features"
        )
    return names


def column_positions(columns: Any, names: Sequence[str], argument: str) -> list[int]:
    """Returns positions of columns given by names, positions (-1 is the last) or a mask.

    Raises
    ------
    InputError
        A name or position does not exist, a position occurs twice, or a mask does not have one
        entry per column.
    """
    if columns is None:
        return []
    columns = (
        list(columns)
        if isinstance(columns, Iterable) and not isinstance(columns, str)
        else [columns]
    )
    if columns and all(isinstance(one, bool | np.bool_) for one in columns):
        if len(columns) != len(names):
            raise InputError(
                f"{argument} has {len(columns)} booleans, expected one for each of "
                f"the {len(names)} columns of X"
            )
        return np.flatnonzero(columns).tolist()
    columns = [_position(column, names) for column in columns]
    for column in columns:
        if isinstance(column, str):
            raise InputError(
                f"{argument} has {column!r}, which is not a column of X"
                + did_you_mean(column, map(str, names))
            )
        whole = np.ndim(column) == 0 and np.asarray(column).dtype.kind in "iu"
        d = len(names)
        if not (whole and -d <= column < d):
            raise InputError(
                f"{argument} has {column}, expected positions of columns from 0 to {d - 1}, whole "
                f"numbers: all features must be in [0, {d - 1}] or [-{d}, -1]"
            )
    positions = [int(column) % len(names) for column in columns]
    if len(set(positions)) < len(positions):
        twice = next(at for n, at in enumerate(positions) if at in positions[:n])
        raise InputError(
            f"{argument} has column {names[twice]!r} twice, expected each once; if it is a mask, "
            "write True and False"
        )
    return sorted(positions)


def _position(column, names):
    """Returns a named column's position; numbers out of range and tuples may be names, too."""
    is_position = isinstance(column, int | np.integer) and -len(names) <= column < len(names)
    return names.index(str(column)) if not is_position and str(column) in names else column


class _Notices:
    """Messages to the user, collected over columns."""

    def __init__(self):
        self.read, self.dates, self.spans = [], [], []
        self.gaps, self.kept, self.empty, self.padded = [], [], [], []

    def lines(self) -> Iterable[str]:
        for names, kind in (
            (self.read, "of text parsed as numbers"),
            (self.dates, "of dates encoded as days and cycles"),
            (self.spans, "of durations encoded as days, or of times of day encoded as hours"),
            (self.empty, "without any value, encoded as constants"),
        ):
            if names:
                yield f"{len(names)} column{'s' * (len(names) > 1)} {kind}: {shortened(names)}"
        yield from self.padded
        for name, words in self.gaps:
            yield f"column {name!r}: {words} treated as missing"
        for name, words in self.kept:
            yield f"column {name!r}: {words} treated as a level, not as missing"


def _text_column(text: Texts, decimal: str | None, separator: str, notices: _Notices) -> Column:
    if (found := text.numbers(decimal, separator)) is not None:
        if found.how:
            notices.read.append(
                f"{text.name} ({found.how}, such as {example_of_format(text.rest)!r})"
            )
        if padded := next(filter(PADDED.fullmatch, text.rest), None):
            notices.padded.append(padded_notice(text.name, padded, text.remedies.keep))
        column = Column(text.name, "number", unit=found.unit, decimal=found.mark)
    elif (moments := text.dates()) is not None:
        notices.dates.append(f"{text.name} (such as {text.rest[0]!r})")
        is_timed = has_time(moments.values)
        column = Column(text.name, "date", form=moments.form, has_time=is_timed)
    else:
        text.check_levels()
        if text.rest and text.words:
            notices.kept.append((text.name, text.words))
        return Column(text.name, "category")
    if text.words:
        notices.gaps.append((text.name, text.words))
    return column


def _date_column(name: str, column: "pd.Series", notices: _Notices) -> Column:
    if span_of(column) is not None:
        notices.spans.append(name)
        return Column(name, "number")
    notices.dates.append(name)
    return Column(name, "date", has_time=has_time(moments_of(column).dropna().to_numpy()))
