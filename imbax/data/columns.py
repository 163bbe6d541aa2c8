"""One column of a table: its type as pandas tells it, and how its values are read."""

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.written import as_text, dates, is_date, is_missing, numbers
from imbax.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["READERS", "Column", "has_time", "kind_of", "moments_of", "span_of"]


@dataclass(frozen=True)
class Column:
    """One column of a table, and how its values are read."""

    name: str
    kind: str
    """`"number"`, `"category"`, `"boolean"` or `"date"`."""
    unit: tuple[str, str] = ("", "")
    """Prefix and suffix of each number in text, such as "$" or "%"."""
    decimal: str = "."
    """Decimal mark of numbers in text."""
    form: str = "ISO8601"
    """Format of dates in text."""
    has_time: bool = False
    """Whether dates differ in their times of day."""


def kind_of(column: "pd.Series") -> str:
    """Numbers, text, boolean, categories, dates or empty; or what else pandas calls it."""
    import pandas as pd

    if str(column.dtype).startswith("dictionary<"):
        return "categories"  # pyarrow's
    if str(column.dtype).startswith("null"):
        return "empty"  # pyarrow's
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
    """Whether dates `[n]`, datetime64, differ in their times of day."""
    return len(np.unique(values - values.astype("datetime64[D]"))) > 1


def span_of(column: "pd.Series") -> "pd.Series | None":
    """Durations as days, times of day as hours, float64; None for anything else."""
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
    """Dates of any type as datetime64, UTC where they have a time zone."""
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
            f"column {column.name!r} holds dates that are not read "
            f"({' '.join(str(error).split())}); convert it, for example to numbers of days"
        ) from error


def _read_numbers(column: "pd.Series", how: Column, table: str) -> "pd.Series":
    import pandas as pd

    kind = kind_of(column)
    if kind == "text":
        values = _read_texts(column, how, table, _numbers_like(how), np.nan)
    elif kind == "dates" and (span := span_of(column)) is not None:
        values = span
    elif kind in ("numbers", "boolean", "empty"):
        if how.unit != ("", "") and kind == "numbers":
            raise _unlike(column, how, table, f"numbers with {''.join(how.unit)!r}")
        values = column.astype(object) if column.dtype.kind == "O" else column
        values = pd.Series(values.to_numpy(np.float64, na_value=np.nan), column.index)
    else:
        raise _unlike(column, how, table, "numbers")
    if is_infinite := int(np.isinf(values).sum()):
        raise InputError(
            f"{table} has infinite values in column {how.name!r} ({is_infinite} rows); replace "
            "them, or drop these rows or the column"
        )
    return values


def _numbers_like(how: Column):
    def read(texts):
        found = numbers(texts, how.decimal)
        return found.values if found is not None and found.unit == how.unit else None

    return read


def _read_booleans(column: "pd.Series", how: Column, table: str) -> "pd.Series":
    import pandas as pd

    if (kind := kind_of(column)) == "text":
        truth = {"true": 1.0, "false": 0.0}

        def read(texts):
            known = all(text.casefold() in truth for text in texts)
            return np.array([truth[text.casefold()] for text in texts]) if known else None

        return _read_texts(column, how, table, read, np.nan)
    if kind not in ("boolean", "numbers", "empty"):
        raise _unlike(column, how, table, "truth values")
    values = column.astype(object).to_numpy(np.float64, na_value=np.nan)
    if not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise _unlike(column, how, table, "truth values")
    return pd.Series(values, column.index)


def _read_dates(column: "pd.Series", how: Column, table: str) -> "pd.Series":
    if (kind := kind_of(column)) == "text":

        def read(texts):
            found = dates(texts, how.form)
            return None if found is None else found.values

        return _read_texts(column, how, table, read, np.datetime64("NaT", "us"))
    if kind not in ("dates", "empty") or span_of(column) is not None:
        raise _unlike(column, how, table, "dates")
    return moments_of(column)


def _read_levels(column: "pd.Series", how: Column, table: str) -> "pd.Series":
    import pandas as pd

    codes, levels = pd.factorize(column)
    words = np.array([*(as_text(level).strip() or np.nan for level in levels), np.nan], object)
    return pd.Series(words[codes], column.index, dtype=object)


def _read_texts(column, how, table, read, missing):
    """A column of text by its levels: words for missing values become `missing`."""
    import pandas as pd

    codes, levels = pd.factorize(column)
    texts = [as_text(level).strip() for level in levels]
    is_known = np.array([bool(text) and not is_missing(text) for text in texts], bool)
    known = [text for text, told in zip(texts, is_known, strict=True) if told]
    values = np.full(len(texts) + 1, missing)
    if known:
        if (found := read(known)) is None:
            wrong = next((text for text in known if read([text]) is None), known[0])
            expected = {"number": "numbers", "boolean": "truth values", "date": "dates"}[how.kind]
            if is_date(wrong) and how.kind == "date":
                expected = f"dates written as {how.form}"
            raise _unlike(column, how, table, expected, repr(wrong))
        values[:-1][is_known] = found
    return pd.Series(values[codes], column.index)


def _unlike(column, how, table, expected, found=None):
    found = f"values of type {column.dtype}" if found is None else found
    return InputError(
        f"{table}: column {how.name!r} holds {found}, expected {expected} as in the table that "
        "was fitted; correct it, or convert the column before fitting"
    )


READERS = {
    "number": _read_numbers,
    "boolean": _read_booleans,
    "date": _read_dates,
    "category": _read_levels,
}
"""By kind: `(column, how, table)` to float64, datetime64 or text; InputError for other values."""
