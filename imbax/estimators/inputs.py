"""X at the door of samplers and classifiers: what is no number is refused by name, in one line."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from imbax.errors import InputError, shortened
from imbax.estimators.frames import Table, is_frame, is_polars, missing_in

__all__ = ["as_numbers", "errors_in_one_line", "missing_told", "refuse_columns", "validated"]

# By the kind of a column: what to do about it.
_REMEDIES = {
    "dates": "dates: convert to numbers, such as days since the earliest",
    "numbers as text": "numbers written as text: convert with pandas.to_numeric",
}


def as_numbers(X: Any, remedy: str, shifts: bool = False) -> Any:
    """X, a table or images, as scikit-learn's validation takes it.

    Parameters
    ----------
    X
        As given by the user, or a `Table` of it.
    remedy
        What to do with text and categories.
    shifts
        Take large whole numbers of a `Table` less their least value, which it adds again.

    Raises
    ------
    InputError
        Columns that are no numbers, masked values, two columns of one name, or whole numbers that
        floats cannot tell apart.
    """
    if isinstance(X, Table):
        refuse_columns(X, remedy=remedy, shifts=shifts)
        X = X.shifted()
    if np.ma.is_masked(X):
        raise InputError("X has masked values; fill them, or drop these rows or columns")
    if isinstance(X, list | tuple) and np.asarray(X).dtype.kind not in "biufc":
        X = np.array(X, object)
    if is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2):
        refuse_columns(Table(X), remedy=remedy)
    if is_polars(X) and is_frame(X):
        X = X.cast({column.name: float for column in X if column.dtype.is_decimal()})
    return X.sparse.to_dense() if hasattr(X, "sparse") else X


def refuse_columns(
    table: Table, *, remedy: str, categorical: Any = (), shifts: bool = False
) -> None:
    """InputError for columns of a table, but those that are `categorical`, that are no numbers.

    So are whole numbers that floats cannot tell apart, unless the caller `shifts` them.
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
        raise InputError(_told(names, kinds, remedy))
    if close := [j for j in table.least() if j not in categorical and not shifts]:
        raise InputError(
            f"column {names[close[0]]!r} of X has whole numbers beyond 2**53 that lie close "
            "together, which floats cannot tell apart; subtract its least value"
        )


def _told(names, kinds, remedy):
    shown = shortened([repr(names[j]) for j in kinds])
    if "complex" in kinds.values():
        return (
            f"Complex data not supported: X has complex numbers in columns {shown}; give real and "
            "imaginary parts as columns of their own"
        )
    found = dict.fromkeys(kinds.values())
    told = [_REMEDIES[kind] for kind in _REMEDIES if kind in found]
    if found.keys() - _REMEDIES.keys():
        told.append(f"others: {remedy}" if told else remedy)
    joined = "; ".join(told)
    between = ", and" if joined is remedy and " knows " in remedy else ";"
    return f"X has columns without numbers, {shown}{between} {joined}"


def validated(estimator: Any, X: Any, *y: Any, remedy: str, **options: Any) -> Any:
    """What scikit-learn's `validate_data` gives of the rows, and labels, of a classifier.

    `remedy` says what to do with text and categories.
    """
    X = as_numbers(X, remedy)
    with errors_in_one_line():
        return validate_data(estimator, X, *y, **options)


def missing_told(sampler: Any, X: Any) -> str:
    """The message for missing numbers in a table given to a sampler: the columns, and a pipeline.

    Parameters
    ----------
    sampler
        Any estimator; the pipeline ends in it.
    X
        A frame of pandas or polars, an array `[n, d]`, a sparse matrix, images, or lists.
    """
    if is_sparse := issparse(X):  # a row for each column that misses values is enough
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
    told = (
        f"Input X contains NaN: values are missing in {shown}; fill them first, as in "
        f"imblearn.pipeline.make_pipeline({imputer}, imbax.{written})"
    )
    if is_sparse:
        return told
    categories = '"auto"' if table.is_frame else "[]"
    return f"{told}, or keep them missing with imbax.SMOTENC(categorical_features={categories})"


@contextlib.contextmanager
def errors_in_one_line(of_missing: Callable[[], str] | None = None) -> Iterator[None]:
    """scikit-learn's validation errors become InputErrors of one line; it sums up huge values.

    `of_missing` makes the line about missing values.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except InputError:
        raise
    except ValueError as error:
        if str(error).startswith("The feature names should match"):
            raise  # a list of names, in words that scikit-learn's checks ask for
        is_missing = str(error).startswith("Input X contains NaN")
        told = of_missing() if is_missing and of_missing else _in_one_line(error)
        raise InputError(told) from None


def _in_one_line(error):
    lines = re.sub(r"array=.*?\.\n", "", str(error), flags=re.DOTALL).splitlines()
    if lines[0].startswith("Input X contains NaN"):
        return f"{lines[0].rstrip('.')}; fill missing values, or drop these rows or columns"
    return lines[0] if lines[0].startswith("Complex") else " ".join(map(str.strip, lines))
