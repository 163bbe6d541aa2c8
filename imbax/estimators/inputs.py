"""Input checks of X for samplers and classifiers: non-numeric columns are refused by name."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from imbax.data.columns import refuse_merged
from imbax.errors import InputError, shortened
from imbax.estimators.frames import Table, is_frame, is_polars, missing_in

__all__ = [
    "as_numbers",
    "errors_in_one_line",
    "missing_message",
    "refuse_columns",
    "refuse_masked",
    "validated",
]

# Remedies by kind of column.
_REMEDIES = {
    "dates": "dates: convert to numbers, such as days since the earliest",
    "numbers as text": "numbers written as text: convert with pandas.to_numeric",
}


def as_numbers(X: Any, remedy: str, shifts: bool = False) -> Any:
    """Converts X, a table or images, to input of scikit-learn's validation.

    Parameters
    ----------
    X
        The user's X, or a `Table` of it.
    remedy
        Advice for text and categories.
    shifts
        Whether to subtract the minimum from large whole numbers of a `Table`, which adds it back.

    Raises
    ------
    InputError
        X has non-numeric columns, masked values, duplicate column names, or whole numbers that
        floats cannot represent exactly.
    """
    if isinstance(X, Table):
        refuse_columns(X, remedy=remedy, shifts=shifts)
        X = X.shifted()
    refuse_masked(X)
    if isinstance(X, list | tuple) and np.asarray(X).dtype.kind not in "biufc":
        X = np.array(X, object)
    if is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2):
        refuse_columns(Table(X), remedy=remedy)
    if is_polars(X) and is_frame(X):
        X = X.cast({column.name: float for column in X if column.dtype.is_decimal()})
    elif is_frame(X):
        X = _without_arrow_decimals(X)
    return X.sparse.to_dense() if hasattr(X, "sparse") else X


def refuse_masked(X: Any) -> None:
    """Raises InputError for masked values, which NumPy and scikit-learn take for the data below."""
    if np.ma.is_masked(X):
        raise InputError("X has masked values; fill them, or drop these rows or columns")


def _without_arrow_decimals(X):
    """Converts pyarrow's decimals in a pandas frame to floats; scikit-learn makes them objects."""
    decimals = [j for j, kind in enumerate(X.dtypes) if str(kind).startswith("decimal")]
    converted = X.copy(deep=False) if decimals else X
    for j in decimals:
        converted.isetitem(j, X.iloc[:, j].astype(float))
    return converted


def refuse_columns(
    table: Table, *, remedy: str, categorical: Any = (), shifts: bool = False
) -> None:
    """Raises InputError for non-numeric columns of a table, except `categorical` ones.

    Whole numbers that floats cannot represent exactly are refused unless the caller `shifts` them.
    """
    if not table.given.shape[1]:
        raise InputError(
            f"Found array with 0 feature(s) (shape={table.given.shape}) while a minimum of 1 is "
            "required; X needs at least one column"
        )
    if not table.is_frame and table.given.dtype.kind in "bf":
        return
    names = table.names
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise InputError(f"X has several columns called {twice!r}; rename or drop all but one")
    kinds = {j: kind for j, kind in table.kinds().items() if j not in categorical}
    if kinds:
        raise InputError(_column_message(names, kinds, remedy))
    close = [j for j in table.least() if j not in categorical]
    if close := [j for j in close if not (shifts and table.can_shift(j))]:
        raise InputError(
            f"column {names[close[0]]!r} of X has whole numbers beyond 2**53 in a small range, "
            "which floats cannot represent exactly; subtract the minimum"
        )


def _column_message(names, kinds, remedy):
    shown = shortened([repr(names[j]) for j in kinds])
    if "complex" in kinds.values():
        return (
            f"Complex data not supported: X has complex numbers in columns {shown}; give real and "
            "imaginary parts as separate columns"
        )
    found = dict.fromkeys(kinds.values())
    remedies = [_REMEDIES[kind] for kind in _REMEDIES if kind in found]
    if found.keys() - _REMEDIES.keys():
        remedies.append(f"others: {remedy}" if remedies else remedy)
    joined = "; ".join(remedies)
    between = ", and" if joined is remedy and " knows " in remedy else ";"
    return f"X has non-numeric columns, {shown}{between} {joined}"


def validated(estimator: Any, X: Any, *y: Any, remedy: str, **options: Any) -> Any:
    """Returns a classifier's rows, and labels, from scikit-learn's `validate_data`.

    `remedy` is the advice for text and categories.
    """
    import pandas as pd

    X = as_numbers(X, remedy)
    if is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "iuO"):
        table = Table(X)
        for name, column in zip(table.names, table.columns, strict=True):
            refuse_merged(pd.Series(column), name, "X")
    with errors_in_one_line():
        return validate_data(estimator, X, *y, **options)


def missing_message(sampler: Any, X: Any) -> str:
    """Returns a sampler's message about missing numbers: the columns, and a pipeline to use.

    Parameters
    ----------
    sampler
        Any estimator, the last step of the pipeline.
    X
        A frame of pandas or polars, an array `[n, d]`, a sparse matrix, images, or lists.
    """
    if is_sparse := issparse(X):  # one row with the columns that have missing values is enough
        X = X.tocoo()
        gaps = np.unique(X.col[np.isnan(X.data)])
        X = np.where(np.isin(np.arange(X.shape[1]), gaps), np.nan, 0)[None]
    table = Table(X) if is_frame(X) or np.ndim(X) == 2 else None
    if table is None:
        return "Input X contains NaN; fill missing values, or drop these rows"
    names = table.names
    gaps = [j for j, column in enumerate(table.columns) if missing_in(column).any()]
    shown = shortened([repr(names[j]) for j in gaps])
    imputer = "sklearn.impute.SimpleImputer(strategy='median')"
    if table.is_frame:
        imputer += f".set_output(transform={('polars' if is_polars(X) else 'pandas')!r})"
    written = " ".join(repr(sampler).split())
    message = (
        f"Input X contains NaN: values are missing in {shown}; fill them first, as in "
        f"imblearn.pipeline.make_pipeline({imputer}, imbax.{written})"
    )
    if is_sparse:
        return message
    categories = '"auto"' if table.is_frame else "[]"
    return f"{message}, or keep them missing with imbax.SMOTENC(categorical_features={categories})"


@contextlib.contextmanager
def errors_in_one_line(missing_text: Callable[[], str] | None = None) -> Iterator[None]:
    """Converts scikit-learn's validation errors to one-line InputErrors.

    `missing_text` returns the message about missing values. Overflow warnings are silenced because
    the validation sums values.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except InputError:
        raise
    except ValueError as error:
        if str(error).startswith("The feature names should match"):
            raise  # scikit-learn's estimator checks require this message
        is_missing = str(error).startswith("Input X contains NaN")
        message = missing_text() if is_missing and missing_text else _in_one_line(error)
        raise InputError(message) from None


def _in_one_line(error):
    lines = re.sub(r"array=.*?\.\n", "", str(error), flags=re.DOTALL).splitlines()
    if lines[0].startswith("Input X contains NaN"):
        return f"{lines[0].rstrip('.')}; fill missing values, or drop these rows or columns"
    return lines[0] if lines[0].startswith("Complex") else " ".join(map(str.strip, lines))
