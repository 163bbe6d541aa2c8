"""Affine scaling of features; fitted on training rows, applied to any rows."""

from typing import NamedTuple

import numpy as np

__all__ = ["Scaling", "condition", "fit_min_max", "fit_z_score", "identity", "scale"]


class Scaling(NamedTuple):
    """x_scaled = (x - shift) * factor; a column that was constant has factor 0."""

    shift: np.ndarray  # [d]
    factor: np.ndarray  # [d]


def fit_min_max(x: np.ndarray) -> Scaling:
    """Each column of x [n, d] to [0, 1]; dtype of x."""
    low, span = _range(x)
    return Scaling(low.astype(x.dtype), _inverse(span, span, x.dtype))


def fit_z_score(x: np.ndarray) -> Scaling:
    """Each column of x [n, d] to mean 0 and standard deviation 1 (divisor n); dtype of x."""
    # The span decides what is constant: rounding gives a constant column a tiny deviation.
    wide = x.astype(np.float64)
    mean = wide.mean(axis=0).astype(x.dtype)
    return Scaling(mean, _inverse(wide.std(axis=0), _range(x)[1], x.dtype))


def identity(d: int) -> Scaling:
    """No scaling of d features, float32."""
    return Scaling(np.zeros(d, np.float32), np.ones(d, np.float32))


def scale(x: np.ndarray, scaling: Scaling) -> np.ndarray:
    """x [n, d] scaled; rows outside the fitted range land outside [0, 1]."""
    return (x - scaling.shift) * scaling.factor


def condition(x: np.ndarray) -> np.ndarray:
    """x [n, d] float64 as float32 [n, d], each column mapped to [0, 1]; constant columns to 0.

    In float32 a column such as 1e9 plus a small number would be constant; mapped first, it
    keeps its digits. The map is taken from all rows, test rows included, and yet leaks nothing:
    it is affine, and min-max or z-score scaling fitted on a run's training rows gives the same
    values with it as without it. It changes how numbers are stored, not what a model sees.
    """
    low, span = _range(x)
    return ((x - low) / np.where(span > 0, span, 1.0)).astype(np.float32)


def _range(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and maximum minus minimum of each column, float64."""
    low = x.min(axis=0).astype(np.float64)
    return low, x.max(axis=0).astype(np.float64) - low


def _inverse(width: np.ndarray, span: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """1 / width, or 0 where the column is constant or so narrow that 1 / width overflows."""
    usable = (span > 0) & (width > 1 / np.finfo(dtype).max)
    return np.where(usable, 1 / np.where(usable, width, 1.0), 0.0).astype(dtype)
