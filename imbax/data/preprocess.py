"""Scaling and principal axes of features; fitted on some rows, applied to any rows."""

from typing import NamedTuple

import numpy as np

__all__ = [
    "SCALINGS",
    "Scaling",
    "condition",
    "fit_min_max",
    "fit_principal_axes",
    "fit_z_score",
    "identity",
    "scale",
    "unscale",
]


class Scaling(NamedTuple):
    """x_scaled = (x - shift) * factor [@ project]; a column that was constant has factor 0."""

    shift: np.ndarray  # [d]
    factor: np.ndarray  # [d]
    project: np.ndarray | None = None  # [d, k]


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


SCALINGS = {"min_max": fit_min_max, "z_score": fit_z_score}


def fit_principal_axes(x: np.ndarray, scaling: Scaling, k: int) -> Scaling:
    """`scaling` followed by centring and projection onto the k leading principal axes of x [n, d].

    Raises ValueError when k is larger than n or d.
    """
    from sklearn.decomposition import PCA

    pca = PCA(k, svd_solver="covariance_eigh").fit(scale(x, scaling))
    # (z - mean) with z = (x - shift) * factor is the same as a larger shift.
    mean = np.divide(
        pca.mean_, scaling.factor, out=np.zeros_like(pca.mean_), where=scaling.factor != 0
    )
    shift = (scaling.shift + mean).astype(x.dtype)
    return Scaling(shift, scaling.factor, pca.components_.T.astype(x.dtype))


def identity(d: int) -> Scaling:
    """No scaling of d features, float32."""
    return Scaling(np.zeros(d, np.float32), np.ones(d, np.float32))


def scale(x: np.ndarray, scaling: Scaling) -> np.ndarray:
    """x [n, d] scaled and projected; rows outside the fitted range land outside [0, 1]."""
    scaled = (x - scaling.shift) * scaling.factor
    return scaled if scaling.project is None else scaled @ scaling.project


def unscale(x: np.ndarray, scaling: Scaling) -> np.ndarray:
    """x [n, d] before `scale`, without a projection; columns that were constant get their value."""
    live = scaling.factor != 0
    return np.where(live, x / np.where(live, scaling.factor, 1), 0) + scaling.shift


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
