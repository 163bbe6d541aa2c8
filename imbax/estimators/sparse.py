"""Sparse matrices in samplers: rows are dense internally, and new rows become sparse."""

from typing import Any

import numpy as np
from scipy import sparse

from imbax.errors import InputError
from imbax.estimators.value_scale import Scale, blocks

__all__ = ["refuse_large_whole_numbers", "sparse_like", "sparse_outside", "stacked"]

# Largest whole number up to which float64 represents all whole numbers.
_EXACT = 2**53


def sparse_outside(scale: Scale, x: np.ndarray, like: Any, *, clip: bool) -> Any:
    """Converts synthetic rows `[n, d]` in [-1, 1], each between two rows, to the user's range.

    A value that is 0 in both rows is exactly 0 in the synthetic row.

    Parameters
    ----------
    scale
        Scale of the original rows.
    x
        Synthetic rows.
    like
        Original rows, whose matrix class and format are used.
    clip
        As in `Scale.outside`.
    """
    zero = scale.inside(np.zeros((1, x.shape[1])))[0]
    parts = [like[:0]]
    for block in blocks(*x.shape):
        new = scale.outside(x[block], clip=clip, fixed=True)
        new[x[block] == zero] = 0
        parts.append(sparse_like(new, like))
    return sparse.vstack(parts, format=like.format)


def sparse_like(rows: np.ndarray, like: Any) -> Any:
    """Converts rows to a sparse matrix or array of another's class and format."""
    return type(like)(rows)


def stacked(original: Any, new: Any) -> Any:
    """Concatenates original and new rows in the form and dtype of the original ones."""
    if sparse.issparse(original):
        return sparse.vstack([original, new.astype(original.dtype)], format=original.format)
    return np.concatenate([original, new], dtype=original.dtype)


def refuse_large_whole_numbers(X: Any) -> None:
    """Raises InputError for whole numbers in a sparse matrix that float64 cannot represent."""
    if X.dtype.kind in "iu" and X.nnz and max(-int(X.data.min()), int(X.data.max())) > _EXACT:
        raise InputError(
            "X is a sparse matrix with whole numbers beyond 2**53, which floats cannot represent "
            "exactly; use X.toarray()"
        )
