"""ADASYN over-sampler, with imbalanced-learn's API."""

from typing import Any

import jax
import numpy as np

from imbax.estimators.neighborhoods import NEIGHBORS, NeighborSampler, picked, uniforms
from imbax.estimators.one_vs_rest import OneVsRest
from imbax.estimators.over_sampler import compiled, size
from imbax.estimators.parameters import DEPRECATED, parameters, renamed
from imbax.methods import adasyn
from imbax.methods.sampling import apportion

__all__ = ["ADASYN"]

_apportion = jax.jit(apportion)


@parameters
class ADASYN(NeighborSampler, OneVsRest):
    """SMOTE with more rows where more neighbours belong to other classes; totals are exact.

    See `imbax.methods.adasyn` for equations. X may be a table, dense or sparse (CSR, CSC), images
    `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images with
    `image_shape`. The output has the form and dtype of X: the original rows, unchanged, followed by
    the synthetic rows. Rows are computed in float32. More than two classes are treated one-vs-rest.

    Drop-in replacement for imbalanced-learn's class of this name, with these differences: random
    numbers come from JAX; with an integer `n_neighbors`, distances use columns scaled to their
    range; if there are fewer rows than requested neighbours, all rows are used (imbalanced-learn
    raises an error); the total number of rows is exact (imbalanced-learn rounds it row by row); and
    if no row of another class is near any row of the class, rows are made as by SMOTE, with a
    warning (imbalanced-learn raises an error). `n_neighbors=NearestNeighbors(n_neighbors=6)` gives
    imbalanced-learn's neighbours.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values, scaled to [-1, 1] internally. None uses (0, 255) for
        uint8 images, otherwise the range of X, separately for each column of a table.
    n_neighbors : int or nearest-neighbours estimator, default=5
        Number of nearest rows, both for counting other classes and as interpolation partners. An
        estimator with `kneighbors`, such as scikit-learn's `NearestNeighbors`, uses unscaled
        columns and its own metric; it counts the row itself, so `n_neighbors=6` gives 5 other rows.
    categorical_features : "auto" or array-like of int, bool or str, default=None
        Categorical columns of a table: positions, a mask or names; "auto" selects a frame's columns
        of a categorical type. A synthetic row gets the categories of the nearer of its two parents.
        A missing value is a category. See `imbax.estimators.categorical` for distances.
    k_neighbors : int
        Deprecated: old name of `n_neighbors`.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    nn_ : estimator
        Nearest-neighbours estimator of `n_neighbors`, fitted only if that is an estimator.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it is a frame with text names.
    categorical_features_ : ndarray of int
        Positions of the categorical columns.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    """

    n_neighbors: Any = 5
    k_neighbors: Any = "deprecated"

    _parameter_constraints = {  # noqa: RUF012
        **NeighborSampler._parameter_constraints,
        "n_neighbors": NEIGHBORS,
        "k_neighbors": [*NEIGHBORS, DEPRECATED],
    }
    _sample = compiled(adasyn.sample)
    _fallback = "no row of another class is near any row of it; rows are made as by SMOTE"
    _searches = {"n_neighbors": "nn_"}  # noqa: RUF012

    def _read_parameters(self):
        self._number = renamed(self, "k_neighbors", "n_neighbors")

    def _neighbors(self, name):
        return self._number

    def _options(self):
        return {"k_neighbors": self._number}

    def _made_by(self, others, key, x, number):
        every = np.arange(len(x))

        def make(c, key, rows):
            around = others("n_neighbors", c, every, rows)
            near = others("n_neighbors", c, rows, rows)
            row_uniform, column, gap = uniforms(key, number[c], 3)
            other_counts = (self._y[around] != c).sum(1)
            if other_counts.any():
                padding = (0, size(len(rows)) - len(rows))
                counts = np.asarray(_apportion(np.pad(other_counts, padding), number[c]))
                base = np.repeat(np.arange(len(rows)), counts[: len(rows)])
            else:
                self._warn_of_fallback(c)
                base = picked(row_uniform, len(rows))
            return rows[base], near[base, picked(column, near.shape[1])], gap

        return self._class_by_class(make, key, x, number)
