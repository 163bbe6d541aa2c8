"""Sparse matrices as rows of samplers: dense inside, new rows sparse again."""

from typing import Any

import numpy as np
from scipy import sparse

from imbax.errors import InputError
from imbax.estimators.value_scale import Scale, blocks

__all__ = ["refuse_large_whole_numbers", "sparse_like", "sparse_outside", "stacked"]

# float64 holds whole numbers apart up to here.
_EXACT = 2**53


def sparse_outside(scale: Scale, x: np.ndarray, like: Any, *, clip: bool) -> Any:
    """New rows `[n, d]` in [-1, 1], each between two given ones, in the user's range.

    What is 0 in both rows is 0 in the new one, without rounding.

    Parameters
    ----------
    scale
        Of the given rows.
    x
        The new rows.
    like
        The given rows, a matrix whose class and format the new ones get.
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
    """Rows as a sparse matrix, or array, of another's class and format."""
    return type(like)(rows)


def stacked(given: Any, new: Any) -> Any:
    """Given rows, then new ones, in the form and dtype of those given."""
    if sparse.issparse(given):
        return sparse.vstack([given, new.astype(given.dtype)], format=given.format)
    return np.concatenate([given, new], dtype=given.dtype)


def refuse_large_whole_numbers(X: Any) -> None:
    """InputError if a sparse matrix has whole numbers that floats cannot tell apart."""
    if X.dtype.kind in "iu" and X.nnz and max(-int(X.data.min()), int(X.data.max())) > _EXACT:
        raise InputError(
            "X is a sparse matrix with whole numbers beyond 2**53, which floats cannot tell apart; "
            "use X.toarray()"
        )
