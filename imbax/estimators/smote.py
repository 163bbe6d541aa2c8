"""SMOTE over-sampler for tables and images, with imbalanced-learn's API."""

from typing import Any

import numpy as np

from imbax.estimators.categorical import nearest_of_class
from imbax.estimators.neighborhoods import NEIGHBORS, NeighborSampler, between, picked, uniforms
from imbax.estimators.over_sampler import compiled
from imbax.estimators.parameters import parameters, warn_of_old
from imbax.methods import smote
from imbax.methods.sampling import Made

__all__ = ["SMOTE"]


@parameters
class SMOTE(NeighborSampler):
    """Synthetic rows between a row and one of its nearest neighbours of the same class.

    See `imbax.methods.smote` for equations. X may be a table, dense or sparse (CSR, CSC), images
    `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images with
    `image_shape`. The output has the form and dtype of X: the original rows, unchanged, followed by
    the synthetic rows. Rows are computed in float32.

    Drop-in replacement for imbalanced-learn's class of this name, with three differences: random
    numbers come from JAX; with an integer `k_neighbors`, distances use columns scaled to their
    range; and a class of n <= k_neighbors rows uses n - 1 neighbours, whereas imbalanced-learn
    raises an error. `k_neighbors=NearestNeighbors(n_neighbors=6)` gives imbalanced-learn's
    neighbours.

    imbalanced-learn's `SMOTEENN(smote=...)` and `SMOTETomek(smote=...)` accept only its own class;
    a pipeline is equivalent: `imblearn.pipeline.make_pipeline(imbax.SMOTE(),
    imblearn.under_sampling.EditedNearestNeighbours())`.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values, scaled to [-1, 1] internally. None uses (0, 255) for
        uint8 images, otherwise the range of X, separately for each column of a table.
    k_neighbors : int or nearest-neighbours estimator, default=5
        Number of nearest rows of the class that are interpolation partners. An estimator with
        `kneighbors`, such as scikit-learn's `NearestNeighbors`, uses unscaled columns and its own
        metric; it counts the row itself, so `n_neighbors=6` gives 5 other rows.
    categorical_features : "auto" or array-like of int, bool or str, default=None
        Deprecated: use `SMOTENC`.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    nn_k_ : estimator
        Nearest-neighbours estimator of `k_neighbors`, fitted only if that is an estimator.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it is a frame with text names.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    parent_indices_ : ndarray of shape (n_synthetic, 2)
        Row numbers of the two training rows that each synthetic row interpolates.
    interpolation_weights_ : ndarray of shape (n_synthetic,)
        Position between the first and the second parent, in [0, 1).
    """

    k_neighbors: Any = 5

    _parameter_constraints = {  # noqa: RUF012
        **NeighborSampler._parameter_constraints,
        "k_neighbors": NEIGHBORS,
    }
    _sample = compiled(smote.sample)
    _parents = 2
    _searches = {"k_neighbors": "nn_k_"}  # noqa: RUF012

    def _read_parameters(self):
        if self.categorical_features is not None:
            warn_of_old("SMOTE(categorical_features=...) is now SMOTENC(...)")

    @property
    def _remedy(self):
        return "name them in categorical_features of SMOTENC"

    def _options(self):
        return {"k_neighbors": self._at_most_all(self.k_neighbors)}

    def _draw(self, key, x, number):
        x, k = self._weighted(x, self._y), self._at_most_all(self.k_neighbors)
        synthetic = super()._draw(key, x, number)
        return self._voted(synthetic, x, lambda c, rows: nearest_of_class(x, rows, k))

    def _made_by(self, others, key, x, number):
        classes = np.repeat(np.arange(len(number)), number)
        row_uniform, column, gap = uniforms(key, len(classes), 3)
        start, end, near = np.empty(len(classes), int), np.empty(len(classes), int), {}
        for c in np.flatnonzero(number):
            rows, is_new = np.flatnonzero(self._y == c), classes == c
            near[c] = others("k_neighbors", c, rows, rows)
            base, k = picked(row_uniform[is_new], len(rows)), near[c].shape[1]
            start[is_new] = rows[base]
            end[is_new] = near[c][base, picked(column[is_new], k)] if k else rows[base]
        w = np.ones(len(classes), np.float32)
        synthetic = Made(between(x, start, end, gap), classes, w, np.stack([start, end], 1), gap)
        return self._voted(synthetic, x, lambda c, rows: near[c])
