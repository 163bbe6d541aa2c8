"""SMOTE as an over-sampler of tables or images, on imbalanced-learn's contract."""

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
    """New rows between a row and a near one of the same class.

    See `imbax.methods.smote` for equations. X may be a table, dense or sparse (CSR, CSC), images
    `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images with
    `image_shape`. What comes out has the form and dtype of what went in: first the original rows,
    bit for bit, then the new ones. Rows are computed in float32.

    A drop-in for imbalanced-learn's class of this name, with three differences: random draws are
    jax's; a number of neighbours is searched between columns scaled to their range; and a class of
    n <= k_neighbors rows uses n - 1 of them, where imbalanced-learn raises an error. With
    `k_neighbors=NearestNeighbors(n_neighbors=6)` neighbours are imbalanced-learn's.

    imbalanced-learn's `SMOTEENN(smote=...)` and `SMOTETomek(smote=...)` take their own class only;
    a pipeline does the same: `imblearn.pipeline.make_pipeline(imbax.SMOTE(),
    imblearn.under_sampling.EditedNearestNeighbours())`.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Least and greatest value there can be; None: (0, 255) for images of uint8, else those in X,
        column by column in a table. What is -1 and 1 inside.
    k_neighbors : int or nearest-neighbours estimator, default=5
        Nearest rows of the class that new ones lie towards. An estimator with `kneighbors`, such as
        scikit-learn's `NearestNeighbors`, searches the columns as they are given, with its own
        metric; it counts a row itself, so that `n_neighbors=6` asks for 5 others.
    categorical_features : "auto" or array-like of int, bool or str, default=None
        Deprecated: use `SMOTENC`.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    nn_k_ : estimator
        Nearest neighbours as `k_neighbors` says; fitted only where that is an estimator.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X is a frame whose names are text.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    parent_indices_ : ndarray of shape (n_synthetic, 2)
        The training rows between which each new one lies.
    interpolation_weights_ : ndarray of shape (n_synthetic,)
        How far from the first parent to the second, in [0, 1).
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
        made = super()._draw(key, x, number)
        return self._voted(made, x, lambda c, rows: nearest_of_class(x, rows, k))

    def _made_by(self, others, key, x, number):
        c_of = np.repeat(np.arange(len(number)), number)
        which, column, gap = uniforms(key, len(c_of), 3)
        start, end, near = np.empty(len(c_of), int), np.empty(len(c_of), int), {}
        for c in np.flatnonzero(number):
            rows, is_new = np.flatnonzero(self._y == c), c_of == c
            near[c] = others("k_neighbors", c, rows, rows)
            base, k = picked(which[is_new], len(rows)), near[c].shape[1]
            start[is_new] = rows[base]
            end[is_new] = near[c][base, picked(column[is_new], k)] if k else rows[base]
        w = np.ones(len(c_of), np.float32)
        made = Made(between(x, start, end, gap), c_of, w, np.stack([start, end], 1), gap)
        return self._voted(made, x, lambda c, rows: near[c])
