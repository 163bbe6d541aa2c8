"""Labels as users have them, as one array, and new ones in the same form."""

from numbers import Integral, Real
from typing import Any

import numpy as np

from imbax.errors import InputError, shortened
from imbax.estimators.frames import is_frame, is_polars

__all__ = ["Target", "class_labels"]


class Target:
    """y of a sampler: `labels [n]`, and `extended`, which gives such labels the form of y.

    A one-hot matrix, of NumPy, of lists, or a frame of pandas, stands for the numbers of its
    columns.
    """

    def __init__(self, y: Any):
        if is_polars(y) and is_frame(y):
            kind = type(y).__name__
            raise InputError(f"y is a polars {kind}, expected a Series; take its column")
        self._given, labels = y, plain_labels(y)
        self._columns = labels.shape[1] if labels.ndim == 2 and labels.shape[1] > 1 else None
        self.labels = labels if self._columns is None else _from_one_hot(labels)
        if labels.ndim == 2 and self._columns is None:
            self.labels = labels.ravel()

    def extended(self, labels: np.ndarray) -> Any:
        """The labels of all rows, given and new, in the form of y."""
        given = self._given
        if self._columns is not None:
            kind = given.dtype if isinstance(given, np.ndarray) else np.int64
            labels = np.eye(self._columns, dtype=np.int64)[labels].astype(kind)
        if is_polars(given):
            return type(given)(given.name, labels, dtype=given.dtype)
        if is_frame(given):
            from pandas import DataFrame

            table = DataFrame(labels)
            kinds = dict(enumerate(given.dtypes))
            return table.astype(kinds).set_axis(given.columns, axis=1)
        if type(given).__name__ == "Series":
            return type(given)(labels, dtype=given.dtype, name=given.name)
        if isinstance(given, list):
            return labels.tolist()
        return labels.astype(given.dtype) if isinstance(given, np.ndarray) else labels


def class_labels(y: Any) -> np.ndarray:
    """y of a classifier, as `plain_labels`; InputError if it has several columns."""
    labels = plain_labels(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise InputError(
            f"Multilabel and multioutput targets are not supported: y has {labels.shape[1]} "
            "columns, expected one"
        )
    return labels


def plain_labels(y: Any) -> np.ndarray:
    """y as an array, of numbers also where it is an object array of such.

    Raises
    ------
    InputError
        No labels, missing ones, or such of several types.
    """
    import pandas as pd

    if hasattr(y, "toarray"):
        raise InputError("y is a sparse matrix, expected labels; use y.toarray()")
    if y is None:
        raise InputError("an estimator requires y to be passed, but the target y is None")
    labels = np.asarray(y)
    if labels.ndim == 0:  # text, a set, ...
        raise InputError(f"y is {str(y)[:40]!r}, expected one label for each row of X")
    if labels.ndim > 2:
        raise InputError(f"y has shape {labels.shape}, expected one label for each row of X")
    if labels.dtype.kind == "c":
        raise InputError(
            "Complex data not supported: y has complex numbers; give whole numbers or text"
        )
    if labels.dtype.kind not in "OfmM":
        return labels
    if missing := np.count_nonzero(pd.isna(labels)):
        raise InputError(f"Input y contains NaN: {missing} labels are missing; drop these rows")
    if labels.dtype.kind != "O":
        return labels
    kinds = [type(value) for value in labels.ravel()]
    if all(issubclass(kind, Real | np.bool_) for kind in kinds):
        whole = all(issubclass(kind, Integral | np.bool_) for kind in kinds)
        return np.array(labels.tolist()) if whole else labels.astype(np.float64)
    if len(names := sorted({kind.__name__ for kind in kinds})) > 1:
        raise InputError(
            f"y has labels of several types, {shortened(names)}; make them all text or all numbers"
        )
    return labels


def _from_one_hot(labels):
    if not (np.isin(labels, (0, 1)).all() and labels.dtype.kind in "biuf"):
        raise InputError(
            f"Multilabel and multioutput targets are not supported: y has {labels.shape[1]} "
            "columns, expected one, or one-hot labels"
        )
    ones = labels.astype(np.int64).sum(1)
    if (wrong := np.flatnonzero(ones != 1)).size:
        raise InputError(
            f"Multilabel and multioutput targets are not supported: row {wrong[0]} of y has "
            f"{ones[wrong[0]]} ones, expected one-hot labels with a single 1"
        )
    return labels.argmax(1)
