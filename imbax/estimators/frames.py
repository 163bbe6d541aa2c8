"""Conversion of pandas, polars and NumPy tables to arrays of numbers, and of new rows back."""

import sys
from datetime import timedelta
from decimal import Context, Decimal
from typing import Any

import numpy as np

from imbax.errors import InputError
from imbax.estimators.moments import Moments
from imbax.estimators.value_scale import as_dtype

__all__ = ["Table", "is_frame", "is_polars", "missing_in"]

# Largest whole number up to which float64 represents all whole numbers.
_EXACT = 2**53
# Arithmetic with more digits than any float64 that is rounded to the places of a Decimal.
_DIGITS = Context(prec=2000)


class Table:
    """The user's table `[n, d]`: a frame of pandas or polars, an array, or lists."""

    def __init__(self, data: Any):
        if type(data).__name__ == "LazyFrame":
            raise InputError("X is a polars LazyFrame, expected a DataFrame; call collect() first")
        self.given = _rows(data) if isinstance(data, list | tuple) else data
        self.is_list, self.is_frame = isinstance(data, list), is_frame(data)
        # For each categorical column, one row per category.
        self._examples: dict[int, np.ndarray] = {}
        # Minimum subtracted from a column.
        self._least: dict[int, int] = {}
        # Date columns as numbers, and a row with a missing value for each column that has any.
        self._moments: dict[int, Moments] = {}
        self._gaps: dict[int, int] = {}

    @property
    def names(self) -> list:
        """Names of the frame's columns, or positions of an array's columns."""
        return list(self.given.columns if self.is_frame else range(self.given.shape[1]))

    @property
    def columns(self) -> list:
        """Columns as series of the frame's library, or as one-dimensional arrays."""
        if not self.is_frame:
            return list(self.given.T)
        at = self.given if is_polars(self.given) else self.given.iloc
        return [at[:, j] for j in range(self.given.shape[1])]

    def categories(self) -> list[int]:
        """Returns the positions of a frame's columns with a categorical type."""
        kinds = ("category", "Categorical", "Enum")  # types of pandas and polars
        return [j for j, c in enumerate(self.columns) if str(c.dtype).split("(")[0] in kinds]

    def moments(self) -> dict[int, Moments]:
        """Returns a frame's columns of dates, times of day or durations."""
        if self.is_frame and not self._moments:
            found = {j: Moments.of(column) for j, column in enumerate(self.columns)}
            self._moments = {j: moments for j, moments in found.items() if moments}
        return self._moments

    def kinds(self) -> dict[int, str]:
        """Returns the kind of each non-numeric column: categories, text, dates, ..."""
        known = self.categories() if self.is_frame else []
        found = {
            j: "categories" if j in known else _kind_of(column)
            for j, column in enumerate(self.columns)
        }
        return {j: kind for j, kind in found.items() if kind}

    def least(self) -> dict[int, int]:
        """Returns the minimum of each column of whole numbers that float64 cannot represent."""
        found = {j: _least_of_close(column) for j, column in enumerate(self.columns)}
        return {j: least for j, least in found.items() if least is not None}

    def can_shift(self, j: int) -> bool:
        """Returns whether NumPy has a type for the whole numbers of a column."""
        return _numbers_dtype(self.columns[j]).kind in "iu"

    def shifted(self) -> Any:
        """Subtracts the minimum from these columns of the table; `extended` adds it back."""
        self._least, data = self.least(), self.given
        if not self._least:
            return data
        columns = {j: _shifted_column(self.columns[j], least) for j, least in self._least.items()}
        if is_polars(data):
            series = type(self.columns[0])
            return data.with_columns(*(series(self.names[j], c) for j, c in columns.items()))
        data = data.copy()
        for j, column in columns.items():
            if self.is_frame:
                data.isetitem(j, column)
            else:
                data[:, j] = column
        return data

    def encoded(self, categorical: np.ndarray) -> np.ndarray:
        """Returns `[n, d]`, float64: numbers, codes 0, 1, ... of categories, and steps of dates.

        Missing numbers and dates are NaN.
        """
        from pandas import factorize

        encoded, self._least = np.empty(self.given.shape), self.least()
        for j, column in enumerate(self.columns):
            try:
                if j in categorical:
                    encoded[:, j], _ = factorize(np.asarray(column), use_na_sentinel=False)
                    self._examples[j] = np.unique(encoded[:, j], return_index=True)[1]
                elif j in self.moments():
                    encoded[:, j] = self._moments[j].numbers
                else:
                    least = self._least.get(j)
                    encoded[:, j] = _floats(
                        column if least is None else _shifted_column(column, least)
                    )
            except (TypeError, ValueError) as error:
                wanted = "string or number, as its category" if j in categorical else "number"
                raise InputError(
                    f"column {self.names[j]!r} of X: {error}; give each row one {wanted}"
                ) from None
        missing = np.isnan(encoded)
        self._gaps = {j: int(missing[:, j].argmax()) for j in np.flatnonzero(missing.any(0))}
        return encoded

    def hold_examples(self, codes: np.ndarray) -> None:
        """Stores codes `[n, d]` of all columns as categories, which `extended` decodes."""
        last_first = np.arange(len(codes))[::-1]
        for j, code in enumerate(codes.T):
            self._examples[j] = np.zeros(code.max() + 1, int)
            self._examples[j][code[last_first]] = last_first

    def extended(self, made: np.ndarray, moved: np.ndarray | None = None) -> Any:
        """Returns the original rows and the encoded rows of `made [n + s, d]` after the first n.

        Rows marked in `moved [n]` are taken from `made`, too. New values of a column of whole
        numbers are rounded.
        """
        n = len(self.given)
        changed = np.zeros(0, int) if moved is None else np.flatnonzero(moved)
        rows = made[np.append(changed, np.arange(n, len(made)))]
        new = [self._decoded(j, column, rows[:, j]) for j, column in enumerate(self.columns)]
        order = np.append(np.arange(n), n + np.arange(len(changed), len(rows)))
        order[changed] = n + np.arange(len(changed))
        if is_polars(self.given):
            return self.given.vstack(type(self.given)(new))[order]
        if self.is_frame:
            from pandas import DataFrame, concat

            new = DataFrame(dict(enumerate(new))).set_axis(self.given.columns, axis=1)
            return concat([self.given, new]).iloc[order].reset_index(drop=True)
        every = np.empty((n + len(rows), len(new)), self.given.dtype)
        every[:n] = self.given
        for j, column in enumerate(new):
            every[n:, j] = column
        return every[order].tolist() if self.is_list else every[order]

    def _decoded(self, j, column, values):
        """Decodes values to a column of the original type and dtype."""
        if j in self._examples:
            return _repeated(column, self._examples[j][values.astype(int)])
        if j in self._gaps and (is_gap := np.isnan(values)).any():
            gaps = _repeated(column, np.full(len(values), self._gaps[j]))
            if is_gap.all():
                return gaps
            return _joined(self._decoded(j, column, np.where(is_gap, 0, values)), gaps, is_gap)
        if j in self._moments:
            return self._moments[j].column(values)
        dtype = _numbers_dtype(column)
        if (least := self._least.get(j)) is None:
            values = as_dtype(values, dtype)
        else:
            ends = (end - least for end in (np.iinfo(dtype).min, np.iinfo(dtype).max))
            values = np.clip(np.rint(values), *map(float, ends)).astype(np.int64)
            values = values.astype(dtype) + np.array(
                least, dtype
            )  # integer overflow wraps to the correct value
        if is_polars(column):
            return type(column)(column.name, values, dtype=column.dtype)
        if (places := _decimal_places(column)) is not None:
            values = _as_decimals(values, places)
        if not self.is_frame:
            return values
        return type(column)(values, dtype=column.dtype)


def is_frame(data) -> bool:
    """Returns whether `data` is a DataFrame of pandas or polars."""
    return hasattr(type(data), "columns") and hasattr(type(data), "dtypes")


def is_polars(data) -> bool:
    return type(data).__module__.split(".")[0] == "polars"


def missing_in(column) -> np.ndarray:
    """Marks the missing entries of a column `[n]`."""
    import pandas as pd

    return pd.isna(np.asarray(column))


def _floats(column) -> np.ndarray:
    """Converts numbers to float64, with NaN for missing values of all kinds."""
    values = np.asarray(column)
    if values.dtype == object and (missing := missing_in(values)).any():
        values = np.where(missing, np.nan, values)
    return values.astype(np.float64)


def _repeated(column, rows):
    """Returns entries of a column at the given rows, in its type."""
    return column.iloc[rows].reset_index(drop=True) if hasattr(column, "iloc") else column[rows]


def _joined(made, gaps, is_gap):
    """Returns new entries, replaced by those of `gaps` where they are missing."""
    if isinstance(made, np.ndarray):
        return np.where(is_gap, gaps, made)
    if is_polars(made):
        return gaps.zip_with(type(made)(is_gap), made)
    return made.where(~is_gap, gaps)


def _rows(data) -> np.ndarray:
    """Converts lists to an object array `[n, d]`."""
    try:
        rows = np.array(data, object)
    except ValueError:  # a column has sequences of different lengths
        rows = np.empty(len(data))
    if rows.ndim != 2:
        raise InputError(
            f"X is a {type(data).__name__} of shape {rows.shape}, expected (n_samples, "
            "n_features); give rows of equal length with one value per column"
        )
    return rows


def _kind_of(column) -> str | None:
    """Returns the kind of a non-numeric column, or None for numbers."""
    if is_polars(column):
        if column.dtype.is_temporal():
            return "dates"
        if column.dtype.is_numeric() or str(column.dtype) in ("Boolean", "Null"):
            return None
    elif column.dtype.kind in "SUMmcV":  # M includes pandas' dates with a time zone
        plain = {"M": "dates", "m": "dates", "c": "complex", "V": "records"}
        return plain.get(column.dtype.kind) or _kind_of_text(np.asarray(column))
    elif column.dtype.kind != "O":
        return None
    values = np.asarray(column)
    # Dates, times, pandas' periods and NaT have strftime.
    moment = timedelta | np.datetime64 | np.timedelta64
    if any(isinstance(v, moment) or hasattr(v, "strftime") for v in values):
        return "dates"
    if any(isinstance(v, complex | np.complexfloating) for v in values):
        return "complex"
    if any(isinstance(v, str | bytes) for v in values):
        return _kind_of_text(values)
    return "objects" if is_polars(column) else None


def _kind_of_text(values) -> str:
    """Returns "text", or "numbers as text" if all entries are numbers."""
    try:
        [float(value) for value in values if isinstance(value, str | bytes)]
    except ValueError:
        return "text"
    return "numbers as text"


def _least_of_close(column) -> int | None:
    """Returns the minimum if float64 rounds the values more than float32 rounds their range."""
    kind = getattr(column.dtype, "kind", "")
    if kind and kind in "bfcmM":
        return None
    values = _known(column)
    if not len(values):
        return None
    if values.dtype.kind == "O":
        if not all(isinstance(v, int | np.integer) for v in values):
            return None
    elif values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return None
    low, high = int(values.min()), int(values.max())
    if (largest := max(-low, high)) <= _EXACT:
        return None
    if largest > sys.float_info.max:
        return low
    if low == high and int(float(low)) == low:
        return None
    return low if high - low < 2**24 * np.spacing(float(largest)) else None


def _shifted_column(column, least) -> np.ndarray:
    """Subtracts the minimum from a column exactly; missing values become NaN."""
    known, missing = _known(column), missing_in(column)
    less = np.array([int(value) - least for value in known], np.int64)
    if not missing.any():
        return less
    values = np.full(len(missing), np.nan)
    values[~missing] = less
    return values


def _known(column) -> np.ndarray:
    """Returns the entries that are not missing, in the column's dtype."""
    if is_polars(column):
        return np.asarray(column.drop_nulls())
    if hasattr(column, "dropna"):
        return np.asarray(column.dropna())
    return column[~missing_in(column)] if column.dtype == object else column


def _numbers_dtype(column) -> np.dtype:
    """Returns the NumPy dtype of a numeric column, also of pandas' nullable or Python's types."""
    dtype = getattr(column.dtype, "numpy_dtype", None) or _known(column).dtype
    if dtype.kind == "O":
        dtype = np.array(_known(column).tolist()).dtype
    return np.dtype(float) if dtype.kind == "O" else dtype  # object for Decimals


def _decimal_places(column) -> int | None:
    """Returns the largest number of decimal places in a column of Decimals, None for others."""
    known = _known(column)
    if (
        known.dtype.kind != "O"
        or not len(known)
        or not all(isinstance(value, Decimal) for value in known)
    ):
        return None
    return max(0, *(-value.as_tuple().exponent for value in known))


def _as_decimals(values, places) -> np.ndarray:
    """Converts floats to Decimals, rounded to a number of decimal places."""
    step = Decimal(1).scaleb(-places)
    decimals = np.empty(len(values), object)
    decimals[:] = [Decimal(value).quantize(step, context=_DIGITS) for value in values.tolist()]
    return decimals
