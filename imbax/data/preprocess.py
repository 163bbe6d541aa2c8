"""Feature scaling and principal axes, fitted on training rows and applied to any rows."""

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
    """x_scaled = (x - shift) * factor [@ project]; the factor of a constant column is 0."""

    shift: np.ndarray  # [d]
    factor: np.ndarray  # [d]
    project: np.ndarray | None = None  # [d, k]


def fit_min_max(x: np.ndarray) -> Scaling:
    """Fits a map of each column of x `[n, d]` to [0, 1], in x's dtype."""
    low, span = _range(x)
    return Scaling(low.astype(x.dtype), _inverse(span, span, x.dtype))


def fit_z_score(x: np.ndarray) -> Scaling:
    """Fits a map of each column of x `[n, d]` to mean 0 and standard deviation 1, in x's dtype.

    The deviation has the divisor n.
    """
    # The span identifies constant columns: after rounding, their deviation may be above 0.
    wide = x.astype(np.float64)
    mean = wide.mean(axis=0).astype(x.dtype)
    return Scaling(mean, _inverse(wide.std(axis=0), _range(x)[1], x.dtype))


SCALINGS = {"min_max": fit_min_max, "z_score": fit_z_score}


def fit_principal_axes(x: np.ndarray, scaling: Scaling, k: int) -> Scaling:
    """Extends `scaling` by a projection of x `[n, d]` onto its k leading principal axes.

    Raises ValueError if k is larger than n or d.
    """
    from sklearn.decomposition import PCA

    pca = PCA(k, svd_solver="covariance_eigh").fit(scale(x, scaling))
    # Centring z = (x - shift) * factor is equivalent to a larger shift.
    mean = np.divide(
        pca.mean_, scaling.factor, out=np.zeros_like(pca.mean_), where=scaling.factor != 0
    )
    shift = (scaling.shift + mean).astype(x.dtype)
    return Scaling(shift, scaling.factor, pca.components_.T.astype(x.dtype))


def identity(d: int) -> Scaling:
    """Returns the identity scaling of d features, float32."""
    return Scaling(np.zeros(d, np.float32), np.ones(d, np.float32))


def scale(x: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Scales and projects x `[n, d]`; values outside the fitted range fall outside [0, 1]."""
    scaled = (x - scaling.shift) * scaling.factor
    return scaled if scaling.project is None else scaled @ scaling.project


def unscale(x: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Inverts `scale` without the projection; constant columns get their constant."""
    live = scaling.factor != 0
    return np.where(live, x / np.where(live, scaling.factor, 1), 0) + scaling.shift


def condition(x: np.ndarray) -> np.ndarray:
    """Maps each column of x `[n, d]`, float64, to [0, 1] in float32; constant columns to 0.

    A column such as 1e9 plus a small number would be constant in float32; mapping it first keeps
    its digits. The map is fitted on all rows, test rows included, without any leakage: it is
    affine, so min-max or z-score scaling fitted on a run's training rows gives the same values
    with and without it. It changes the stored numbers, not the input of a model.
    """
    low, span = _range(x)
    return ((x - low) / np.where(span > 0, span, 1.0)).astype(np.float32)


def _range(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the minimum and the span of each column, float64."""
    low = x.min(axis=0).astype(np.float64)
    return low, x.max(axis=0).astype(np.float64) - low


def _inverse(width: np.ndarray, span: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Returns 1 / width, or 0 for columns that are constant or so narrow that it overflows."""
    usable = (span > 0) & (width > 1 / np.finfo(dtype).max)
    return np.where(usable, 1 / np.where(usable, width, 1.0), 0.0).astype(dtype)
