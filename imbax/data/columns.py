"""One column of a table: its inferred type, and how its values are parsed."""

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.written import EXACT, as_text, dates, is_date, is_missing, merged_numbers, numbers
from imbax.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "READERS",
    "Column",
    "has_time",
    "kind_of",
    "moments_of",
    "refuse_merged",
    "span_of",
]


@dataclass(frozen=True)
class Column:
    """Kind of one column and the format of its values."""

    name: str
    kind: str
    """`"number"`, `"category"`, `"boolean"` or `"date"`."""
    unit: tuple[str, str] = ("", "")
    """Prefix and suffix of numbers written as text, such as "$" or "%"."""
    decimal: str = "."
    """Decimal mark of numbers written as text."""
    form: str = "ISO8601"
    """Format of dates written as text."""
    has_time: bool = False
    """Whether the dates have different times of day."""


def kind_of(column: "pd.Series") -> str:
    """Returns "numbers", "text", "boolean", "categories", "dates", "empty" or pandas' term."""
    import pandas as pd

    if str(column.dtype).startswith("dictionary<"):
        return "categories"  # a pyarrow type
    if str(column.dtype).startswith("null"):
        return "empty"  # a pyarrow type
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    kind = pd.api.types.infer_dtype(column)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "numbers"
    if "date" in kind or "time" in kind or kind == "period":
        return "dates"
    if kind == "mixed" and all(isinstance(v, str | Real) for v in column.dropna()):
        return "text" if any(isinstance(v, str) for v in column) else "numbers"
    names = {"string": "text", "mixed-integer": "text", "categorical": "categories"}
    return names.get(kind, kind)


def has_time(values: np.ndarray) -> bool:
    """Returns whether dates `[n]`, datetime64, have different times of day."""
    return len(np.unique(values - values.astype("datetime64[D]"))) > 1


def span_of(column: "pd.Series") -> "pd.Series | None":
    """Converts durations to days and times of day to hours, float64; None for other types."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(column)
    if kind.startswith("timedelta"):
        days = pd.to_timedelta(column) / pd.Timedelta(days=1)
        return pd.Series(days.to_numpy(np.float64, na_value=np.nan), column.index)
    if kind == "time":
        return column.map(
            lambda t: t.hour + t.minute / 60 + (t.second + t.microsecond / 1e6) / 3600,
            na_action="ignore",
        ).astype(np.float64)
    return None


def moments_of(column: "pd.Series") -> "pd.Series":
    """Converts dates of any type to datetime64, in UTC if they have a time zone."""
    import pandas as pd

    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    elif pd.api.types.infer_dtype(column) == "period":
        column = column.map(lambda period: period.to_timestamp(), na_action="ignore")
    try:
        moments = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        return moments.astype("datetime64[us]")
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"column {column.name!r} holds dates that cannot be parsed "
            f"({' '.join(str(error).split())}); convert it, for example to a number of days"
        ) from error


def refuse_merged(column: "pd.Series", name: str, table: str) -> None:
    """Raises InputError if different whole numbers of a column are equal in float64."""
    if column.dtype.kind not in "iuO":
        return
    known = column.dropna().to_numpy()
    is_object = known.dtype.kind == "O" and all(isinstance(value, int) for value in known)
    if not len(known) or not (known.dtype.kind in "iu" or is_object):
        return
    if max(-int(known.min()), int(known.max())) <= EXACT:
        return
    values = np.unique(known)
    if len(merged := np.flatnonzero(np.diff(values.astype(np.float64)) == 0)):
        raise _merged(values[merged[0]], values[merged[0] + 1], name, table)


def _merged(one: int, other: int, name: str, table: str) -> InputError:
    return InputError(
        f"{table}: column {name!r} holds different whole numbers beyond 2^53 that are equal in "
        f"float64, such as {one} and {other}; subtract the smallest value from the column, or "
        "leave it out if it is an identifier"
    )


def _read_numbers(column: "pd.Series", spec: Column, table: str) -> "pd.Series":
    import pandas as pd

    kind = kind_of(column)
    if kind == "text":
        values = _read_texts(column, spec, table, _number_parser(spec, table), np.nan)
    elif kind == "dates" and (span := span_of(column)) is not None:
        values = span
    elif kind in ("numbers", "boolean", "empty"):
        if spec.unit != ("", "") and kind == "numbers":
            raise _mismatch(column, spec, table, f"numbers with {''.join(spec.unit)!r}")
        refuse_merged(column, spec.name, table)
        values = column.astype(object) if column.dtype.kind == "O" else column
        values = pd.Series(values.to_numpy(np.float64, na_value=np.nan), column.index)
    else:
        raise _mismatch(column, spec, table, "numbers")
    if is_infinite := int(np.isinf(values).sum()):
        raise InputError(
            f"{table} has infinite values in column {spec.name!r} ({is_infinite} rows); replace "
            "them, or drop these rows or the column"
        )
    return values


def _number_parser(spec: Column, table: str):
    def parse(texts):
        parsed = numbers(texts, spec.decimal)
        if parsed is None or parsed.unit != spec.unit:
            return None
        if parsed.values is not None and (merged := merged_numbers(texts, parsed)):
            raise _merged(*merged, spec.name, table)
        return parsed.values

    return parse


def _read_booleans(column: "pd.Series", spec: Column, table: str) -> "pd.Series":
    import pandas as pd

    if (kind := kind_of(column)) == "text":
        truth = {"true": 1.0, "false": 0.0}

        def parse(texts):
            known = all(text.casefold() in truth for text in texts)
            return np.array([truth[text.casefold()] for text in texts]) if known else None

        return _read_texts(column, spec, table, parse, np.nan)
    if kind not in ("boolean", "numbers", "empty"):
        raise _mismatch(column, spec, table, "truth values")
    values = column.astype(object).to_numpy(np.float64, na_value=np.nan)
    if not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise _mismatch(column, spec, table, "truth values")
    return pd.Series(values, column.index)


def _read_dates(column: "pd.Series", spec: Column, table: str) -> "pd.Series":
    if (kind := kind_of(column)) == "text":

        def parse(texts):
            parsed = dates(texts, spec.form)
            return None if parsed is None else parsed.values

        return _read_texts(column, spec, table, parse, np.datetime64("NaT", "us"))
    if kind not in ("dates", "empty") or span_of(column) is not None:
        raise _mismatch(column, spec, table, "dates")
    return moments_of(column)


def _read_levels(column: "pd.Series", spec: Column, table: str) -> "pd.Series":
    import pandas as pd

    codes, levels = pd.factorize(column)
    words = np.array([*(as_text(level).strip() or np.nan for level in levels), np.nan], object)
    return pd.Series(words[codes], column.index, dtype=object)


def _read_texts(column, spec, table, parse, missing):
    """Parses a text column level by level; words for missing values become `missing`."""
    import pandas as pd

    codes, levels = pd.factorize(column)
    texts = [as_text(level).strip() for level in levels]
    is_known = np.array([bool(text) and not is_missing(text) for text in texts], bool)
    known = [text for text, flag in zip(texts, is_known, strict=True) if flag]
    values = np.full(len(texts) + 1, missing)
    if known:
        if (parsed := parse(known)) is None:
            wrong = next((text for text in known if parse([text]) is None), known[0])
            expected = {"number": "numbers", "boolean": "truth values", "date": "dates"}[spec.kind]
            if is_date(wrong) and spec.kind == "date":
                expected = f"dates written as {spec.form}"
            raise _mismatch(column, spec, table, expected, repr(wrong))
        values[:-1][is_known] = parsed
    return pd.Series(values[codes], column.index)


def _mismatch(column, spec, table, expected, content=None):
    content = f"values of type {column.dtype}" if content is None else content
    return InputError(
        f"{table}: column {spec.name!r} holds {content}, expected {expected} as in the table used "
        "for fitting; correct the values, or convert the column before fitting"
    )


READERS = {
    "number": _read_numbers,
    "boolean": _read_booleans,
    "date": _read_dates,
    "category": _read_levels,
}
"""Parsers by kind: `(column, spec, table)` to float64, datetime64 or text, or InputError."""
