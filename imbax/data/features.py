"""Column checks: saved row indices, missing values and columns that are not numeric."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.columns import kind_of
from imbax.data.written import (
    PLAIN,
    example_of_format,
    is_date,
    is_missing,
    like_number,
    numbers,
)
from imbax.errors import InputError, argument, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "counts_up",
    "described",
    "is_index_name",
    "is_permuted_index",
    "is_unnamed",
    "refuse_missing",
    "refuse_single_column",
    "saved_index_notices",
    "tidied",
    "without_index",
]

_UNNAMED = re.compile(r"Unnamed: [0-9]+(?:\.[0-9]+)*|__index_level_[0-9]+__|")
_ROW_NAMES = frozenset(
    str.split(
        "index idx level0 row rows rowid rowno rownum rownumber rowname rownames id obs no nr"
    )
)
"""Names of columns that number the rows, in lower case, with letters and digits only."""


def tidied(frame: "pd.DataFrame") -> tuple["pd.DataFrame", list[str]]:
    """Drops a saved row index and empty columns; returns the other features and notices."""
    frame, notices = without_index(frame)
    if empty := [name for name, column in frame.items() if column.isna().all()]:
        columns = f"{len(empty)} column{'s' * (len(empty) > 1)}"
        notices.append(f"{columns} empty, left out: {shortened(empty)}")
        frame = frame.drop(columns=empty)
    for name, column in frame.items():
        if (values := _whole_numbers(column)) is not None and counts_up(values):
            remedy = argument("drop", [name])
            notices.append(f"column {name!r} only counts rows; {remedy} leaves it out")
    return frame, notices


def refuse_missing(frame: "pd.DataFrame", file: str) -> None:
    """Raises InputError with the names of columns that must be complete and are not."""
    counts = frame.isna().sum()
    if counts.any():
        missing = [f"{column!r} ({count} rows)" for column, count in counts.items() if count]
        raise InputError(
            f"{file}: missing values in column {shortened(missing)}; fill them or remove these rows"
        )


def refuse_single_column(frame: "pd.DataFrame", file: str) -> None:
    """Raises InputError if a table has one column; its separator may not be a known one."""
    if frame.shape[1] == 1:
        raise InputError(
            f"{file}: one column was read, expected the target and at least one feature; separate "
            "the columns of a text file with commas, semicolons, tabs or bars"
        )


def without_index(frame: "pd.DataFrame") -> tuple["pd.DataFrame", list[str]]:
    """Drops the row index that was saved with a frame; returns the frame and notices.

    A row index is a leading column without a name, or a column with a name such as "index" or "id"
    that holds consecutive whole numbers from 0 or 1, in any order.
    """
    leading, index, notices = True, [], []
    for name, column in frame.items():
        leading = leading and is_unnamed(name)
        if column.isna().any():
            continue
        values = _whole_numbers(column)
        if leading:
            is_name = kind_of(column) in ("text", "categories", "dates") and column.is_unique
            if values is not None or is_name:
                index.append(name)
        elif values is not None and is_index_name(name):
            if is_permuted_index(values):
                index.append(name)
            elif column.is_unique and not counts_up(values):
                notices.append(
                    f"column {name!r} holds a distinct whole number in each row and looks like "
                    f"an identifier; {argument('drop', [name])} leaves it out"
                )
    if index:
        notices.insert(0, f"row index saved with the table, left out: {shortened(index)}")
        frame = frame.drop(columns=index)
    return frame, notices


def saved_index_notices(columns: Iterable[tuple[str, np.ndarray]]) -> Iterable[str]:
    """Yields notices of unnamed columns of numbers (name, values) that look like a saved index."""
    for name, values in columns:
        if is_unnamed(name) and (counts_up(values) or is_permuted_index(values)):
            yield f"column {name!r} only counts rows, as a saved index does; drop it from x"


def is_index_name(name: str) -> bool:
    """Returns whether a name such as "index" or "id" can be that of a row index."""
    return re.sub(r"[\W_]+", "", name).casefold() in _ROW_NAMES | {""}


def is_unnamed(name: str) -> bool:
    """Returns whether `name` is pandas' name for an unnamed column, such as a saved index."""
    return _UNNAMED.fullmatch(name) is not None


def is_permuted_index(values: np.ndarray) -> bool:
    """Returns whether values are consecutive whole numbers from 0 or 1, in any order."""
    values = np.sort(values)
    return len(values) > 1 and values[0] in (0, 1) and counts_up(values)


def counts_up(values: np.ndarray) -> bool:
    """Returns whether each value is one more than the value in the row above."""
    values = np.asarray(values)
    return len(values) > 1 and _are_whole(values) and bool((np.diff(values) == 1).all())


def _whole_numbers(column: "pd.Series") -> np.ndarray | None:
    """Returns whole numbers, also of digits as text, as float64; None for any other column."""
    if column.dtype.kind in "iuf":
        values = column.to_numpy(float, na_value=np.nan)
    elif all(isinstance(cell, str) and cell.isdecimal() for cell in column):
        values = np.array([float(cell) for cell in column])
    else:
        return None
    return values if _are_whole(values) else None


def _are_whole(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and (np.floor(values) == values).all())


def described(column: "pd.Series") -> tuple[str, str]:
    """Describes a column that is not numeric, and how to make it numeric."""
    kind, dtype = kind_of(column), column.dtype
    if kind == "dates":
        return f"dates or times ({dtype})", "convert it, for example to days"
    if kind == "numbers":
        return f"numbers as {dtype}", "use astype(float)"
    if kind not in ("text", "categories"):
        return str(dtype), "encode or drop it"
    levels = [str(level).strip() for level in column.dropna().unique()]
    rest = [level for level in levels if not is_missing(level)]
    if rest and all(map(is_date, rest)):
        return f"dates or times as text, such as {rest[0]!r}", "convert it, for example to days"
    if rest and (found := numbers(rest)) is not None:
        how = f" ({found.how})" if found.how else ""
        if len(rest) < len(levels):
            example = next(filter(is_missing, levels))
            return (
                f"numbers as {dtype}{how}, and {example!r} for missing ones",
                "fill and convert it",
            )
        example = example_of_format(rest)
        remedy = "use astype(float)" if PLAIN.fullmatch(example) else "convert it to numbers"
        return f"numbers as {dtype}{how}, such as {example!r}", remedy
    if rest and 2 * sum(map(like_number, rest)) > len(rest):
        example = next((level for level in rest if not like_number(level)), rest[0])
        return f"{dtype} because of entries such as {example!r}", "correct them and convert it"
    return str(dtype), "encode or drop it, for example with pd.get_dummies(x)"
