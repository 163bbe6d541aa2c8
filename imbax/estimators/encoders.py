"""Fitting of scikit-learn's category encoders to columns of a user's table."""

from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from imbax.errors import InputError
from imbax.estimators.frames import is_frame, is_polars

__all__ = ["fitted"]


def fitted(encoder: Any, table: Any, columns: np.ndarray) -> Any:
    """Fits an encoder to columns of a frame or an array and returns the encoded columns.

    Missing values of all kinds are passed as NaN.

    Raises
    ------
    InputError
        The encoder refuses the columns, such as mixed text and numbers.
    """
    table = _safe_indexing(table, columns, axis=1)
    try:
        return encoder.fit_transform(_with_nan(table))
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{type(encoder).__name__} refuses the categories of X: {reason}"
        ) from None


def _with_nan(table):
    """Replaces missing values with NaN, because encoders do not support pandas' NA and NaT."""
    from pandas import DataFrame

    if is_polars(table):
        table = np.stack([column.to_numpy() for column in table], 1).astype(object)
    if not is_frame(table) and table.dtype != object:
        return table
    frame = DataFrame(table)
    missing = frame.isna()
    if not missing.any(axis=None):
        return table
    frame = frame.astype(dict.fromkeys(frame.columns[missing.any()], object)).mask(missing, np.nan)
    return frame if is_frame(table) else frame.to_numpy()
