"""Tables of pandas, polars or NumPy as arrays of numbers, and new rows of them back."""

from datetime import timedelta
from typing import Any

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler

from imbax.engine.float32 import in_float32
from imbax.errors import InputError, shortened
from imbax.estimators.parameters import parameters
from imbax.estimators.value_scale import as_dtype

__all__ = ["Table", "TableSampler", "is_frame"]


class Table:
    """A table as the user has it, `[n, d]`: a frame of pandas or polars, an array, or lists."""

    def __init__(self, given: Any):
        if type(given).__name__ == "LazyFrame":
            raise InputError("X is a polars LazyFrame, expected a DataFrame; collect() it first")
        self.given = _rows(given) if isinstance(given, list | tuple) else given
        self.is_list, self.is_frame = isinstance(given, list), is_frame(given)
        # Of each column of categories, rows that have one each.
        self._examples: dict[int, np.ndarray] = {}

    @property
    def names(self) -> list:
        """Of the frame's columns; an array's are numbers."""
        return list(self.given.columns if self.is_frame else range(self.given.shape[1]))

    @property
    def columns(self) -> list:
        """As series of the frame's own kind, or one-dimensional arrays."""
        if not self.is_frame:
            return list(self.given.T)
        at = self.given if _is_polars(self.given) else self.given.iloc
        return [at[:, j] for j in range(self.given.shape[1])]

    def categories(self) -> list[int]:
        """The columns of a frame that have a type of categories."""
        kinds = ("category", "Categorical", "Enum")  # of pandas, and of polars
        return [j for j, c in enumerate(self.columns) if str(c.dtype).split("(")[0] in kinds]

    def without_numbers(self) -> list[int]:
        """The columns of categories, of text, or of dates."""
        known = self.categories() if self.is_frame else []
        return [j for j, c in enumerate(self.columns) if j in known or _without_numbers(c)]

    def encoded(self, categorical: np.ndarray) -> np.ndarray:
        """`[n, d]`, float64: numbers as they are; 0, 1, ... for what is in a categorical column."""
        from pandas import factorize

        encoded = np.empty(self.given.shape)
        for j, column in enumerate(self.columns):
            try:
                if j in categorical:
                    encoded[:, j], _ = factorize(np.asarray(column), use_na_sentinel=False)
                    self._examples[j] = np.unique(encoded[:, j], return_index=True)[1]
                else:
                    encoded[:, j] = np.asarray(column, np.float64)
            except (TypeError, ValueError) as error:
                wanted = "string or number, as its category" if j in categorical else "number"
                raise InputError(
                    f"column {self.names[j]!r} of X: {error}; give each row one {wanted}"
                ) from None
        return encoded

    def extended(self, made: np.ndarray, moved: np.ndarray | None = None) -> Any:
        """The given rows, then those of `made [n + s, d]`, encoded, that follow the first n.

        Rows that were `moved [n]` are taken from `made` too. Where a column has whole numbers only,
        new ones are rounded.
        """
        n = len(self.given)
        changed = np.zeros(0, int) if moved is None else np.flatnonzero(moved)
        rows = made[np.append(changed, np.arange(n, len(made)))]
        new = [self._decoded(j, column, rows[:, j]) for j, column in enumerate(self.columns)]
        order = np.append(np.arange(n), n + np.arange(len(changed), len(rows)))
        order[changed] = n + np.arange(len(changed))
        if _is_polars(self.given):
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
        """Of a column, in its own kind and dtype."""
        if j in self._examples:
            rows = self._examples[j][values.astype(int)]
            if self.is_frame and not _is_polars(column):
                return column.iloc[rows].reset_index(drop=True)
            return column[rows]
        values = as_dtype(values, _numbers_dtype(column))
        if not self.is_frame:
            return values
        if _is_polars(column):
            return type(column)(column.name, values, dtype=column.dtype)
        return type(column)(values, dtype=column.dtype)


@parameters
class TableSampler(BaseOverSampler):
    """Takes frames of pandas and polars too, and gives the same back."""

    sampling_strategy: Any = "auto"
    random_state: Any = None

    @in_float32
    def fit_resample(self, X, y, **params):
        """The given rows, then new ones, and the labels of both.

        Parameters
        ----------
        X : array, or DataFrame of pandas or polars, of shape (n_samples, n_features)
        y : array, or Series of pandas or polars, of shape (n_samples,)

        Returns
        -------
        X : of shape (n_samples_new, n_features)
            As it was given: columns have their names and dtypes.
        y : of shape (n_samples_new,)
        """
        if _is_polars(y) and is_frame(y):
            kind = type(y).__name__
            raise InputError(f"y is a polars {kind}, expected a Series; take its column")
        table, labels = self._table(X), np.asarray(y) if _is_polars(y) else y
        made, labels = super().fit_resample(X if table is None else table, labels, **params)
        if table is not None:
            made = table.extended(made, getattr(self, "moved_", None))
        return made, type(y)(y.name, labels, dtype=y.dtype) if _is_polars(y) else labels

    def _table(self, X):
        """X as a table, where more than an array of numbers is to be given back."""
        return Table(X) if is_frame(X) else None

    def _numeric(self, X):
        """What was given as X, to be validated; InputError if it has columns without numbers."""
        X = X.given if isinstance(X, Table) else X
        if isinstance(X, list | tuple) and np.asarray(X).dtype.kind not in "biufc":
            X = np.array(X, object)
        if is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2):
            self._refuse_text(Table(X))
        if _is_polars(X) and is_frame(X):
            X = X.cast({column.name: float for column in X if column.dtype.is_decimal()})
        return X.sparse.to_dense() if hasattr(X, "sparse") else X

    def _refuse_text(self, table, categorical=()):
        if wrong := [j for j in table.without_numbers() if j not in categorical]:
            names = shortened([repr(table.names[j]) for j in wrong])
            told = f"X has columns without numbers, {names}"
            if hasattr(self, "categorical_features"):
                raise InputError(f"{told}; name them in categorical_features")
            raise InputError(
                f"{told}, and {type(self).__name__} knows numbers only; encode them, or use "
                "SMOTE(categorical_features=...)"
            )


def is_frame(data) -> bool:
    """Whether it is a DataFrame of pandas or polars."""
    return hasattr(type(data), "columns") and hasattr(type(data), "dtypes")


def _is_polars(data) -> bool:
    return type(data).__module__.split(".")[0] == "polars"


def _rows(given) -> np.ndarray:
    """Lists as an array of objects `[n, d]`."""
    try:
        rows = np.array(given, object)
    except ValueError:  # a column has sequences of several lengths
        rows = np.empty(len(given))
    if rows.ndim != 2:
        raise InputError(
            f"X is a {type(given).__name__} of shape {rows.shape}, expected (n_samples, "
            "n_features); give rows of one length, with one value in each column"
        )
    return rows


def _without_numbers(column) -> bool:
    if _is_polars(column):
        return not (column.dtype.is_numeric() or str(column.dtype) in ("Boolean", "Null"))
    if column.dtype.kind != "O":  # M: pandas' dates of a time zone too
        return column.dtype.kind in "SUMm"
    known = str | bytes | timedelta | np.datetime64 | np.timedelta64
    # Dates, times, pandas' periods and its NaT have strftime.
    return any(isinstance(v, known) or hasattr(v, "strftime") for v in np.asarray(column))


def _numbers_dtype(column) -> np.dtype:
    """NumPy's, of a column of numbers, be it of pandas' nullable ones or of Python's own."""
    dtype = getattr(column.dtype, "numpy_dtype", np.asarray(column).dtype)
    if dtype.kind == "O":
        dtype = np.array(np.asarray(column).tolist()).dtype
    return np.dtype(float) if dtype.kind == "O" else dtype  # of Decimals
