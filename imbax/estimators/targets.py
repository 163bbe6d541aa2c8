"""Conversion of users' labels to one array, and of new labels to the form of y."""

from numbers import Integral, Real
from typing import Any

import numpy as np

from imbax.data.checks import array_of
from imbax.data.labels import refuse_missing_labels
from imbax.errors import InputError, shortened
from imbax.estimators.frames import is_frame, is_polars

__all__ = ["Target", "class_labels", "internal_classes"]


class Target:
    """Target of a sampler: `labels [n]`, and `extended`, which converts labels to the form of y.

    A one-hot matrix, as NumPy array, lists or pandas frame, is converted to column indices.
    """

    def __init__(self, y: Any):
        if is_polars(y) and is_frame(y):
            kind = type(y).__name__
            raise InputError(f"y is a polars {kind}, expected a Series; select its column")
        self._original, labels = y, plain_labels(y)
        self._columns = labels.shape[1] if labels.ndim == 2 and labels.shape[1] > 1 else None
        self.labels = labels if self._columns is None else _from_one_hot(labels)
        if labels.ndim == 2 and self._columns is None:
            self.labels = labels.ravel()

    def extended(self, labels: np.ndarray) -> Any:
        """Returns the labels of all rows, original and new, in the form of y."""
        original = self._original
        if self._columns is not None:
            kind = original.dtype if isinstance(original, np.ndarray) else np.int64
            labels = np.eye(self._columns, dtype=np.int64)[labels].astype(kind)
        if is_polars(original):
            return type(original)(original.name, labels, dtype=original.dtype)
        if is_frame(original):
            from pandas import DataFrame

            table = DataFrame(labels)
            kinds = dict(enumerate(original.dtypes))
            return table.astype(kinds).set_axis(original.columns, axis=1)
        if type(original).__name__ == "Series":
            return type(original)(labels, dtype=original.dtype, name=original.name)
        if isinstance(original, list):
            return labels.tolist()
        return labels.astype(original.dtype) if isinstance(original, np.ndarray) else labels


def class_labels(y: Any) -> np.ndarray:
    """Returns y of a classifier as `plain_labels`; raises InputError for several columns."""
    labels = plain_labels(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise InputError(
            f"Multilabel and multioutput targets are not supported: y has {labels.shape[1]} "
            "columns, expected one"
        )
    return labels


def plain_labels(y: Any) -> np.ndarray:
    """Converts y to an array; an object array of numbers becomes numeric.

    Raises
    ------
    InputError
        There are no labels, some are missing or stand for missing values, or they have several
        types.
    """
    import pandas as pd

    if hasattr(y, "toarray"):
        raise InputError("y is a sparse matrix, expected labels; use y.toarray()")
    if y is None:
        raise InputError("an estimator requires y to be passed, but the target y is None")
    labels = array_of(y)
    if labels.ndim == 0:  # text, a set, ...
        raise InputError(f"y is {str(y)[:40]!r}, expected one label for each row of X")
    if labels.ndim > 2:
        raise InputError(f"y has shape {labels.shape}, expected one label for each row of X")
    if labels.dtype.kind == "c":
        raise InputError(
            "Complex data not supported: y has complex numbers; give whole numbers or text"
        )
    if labels.dtype.kind == "U":
        _refuse_missing(labels)
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
    if names == ["str"]:
        _refuse_missing(labels.astype(str))
    return labels


def _refuse_missing(labels):
    values, counts = np.unique(labels, return_counts=True)
    refuse_missing_labels(values, counts, "y")


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


def internal_classes(counts):
    """Returns the internal index `[K]` of each class; the rarer of two classes is 1."""
    if len(counts) == 2 and counts[0] < counts[1]:
        return np.array([1, 0])
    return np.arange(len(counts))
