"""ADASYN as an over-sampler, on imbalanced-learn's contract."""

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
    """SMOTE with the more rows, the more rows of other classes are near; totals are exact.

    See `imbax.methods.adasyn` for equations. X may be a table, dense or sparse (CSR, CSC), images
    `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images with
    `image_shape`. What comes out has the form and dtype of what went in: first the original rows,
    bit for bit, then the new ones. Rows are computed in float32. Of more than two classes each is
    the minority against all others.

    A drop-in for imbalanced-learn's class of this name, with these differences: random draws are
    jax's; a number of neighbours is searched between columns scaled to their range; where there are
    fewer rows than neighbours wanted, all count; as many rows are made as `sampling_strategy`
    asks for, where imbalanced-learn's number is rounded row by row; and where no row of another
    class is near any of it, rows are made as by SMOTE, with a warning. In the last and third case
    imbalanced-learn raises an error. With `n_neighbors=NearestNeighbors(n_neighbors=6)` neighbours
    are imbalanced-learn's.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Least and greatest value there can be; None: (0, 255) for images of uint8, else those in X,
        column by column in a table. What is -1 and 1 inside.
    n_neighbors : int or nearest-neighbours estimator, default=5
        Nearest rows, both those that are counted and those that new ones lie towards. An estimator
        with `kneighbors`, such as scikit-learn's `NearestNeighbors`, searches the columns as they
        are given, with its own metric; it counts a row itself, so that `n_neighbors=6` asks for 5
        others.
    categorical_features : "auto" or array-like of int, bool or str, default=None
        Columns of a table that are categories: positions, a mask, or names; "auto": those of a
        frame whose type says so. A new row has those of the nearer of the two rows that it lies
        between. A missing value is a category. Distances: `imbax.estimators.categorical`.
    k_neighbors : int
        Deprecated: the old name of `n_neighbors`.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    nn_ : estimator
        Nearest neighbours as `n_neighbors` says; fitted only where that is an estimator.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X is a frame whose names are text.
    categorical_features_ : ndarray of int
        Positions of the columns of categories.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    """

    n_neighbors: Any = 5
    k_neighbors: Any = "deprecated"

    _parameter_constraints = {  # noqa: RUF012
        **NeighborSampler._parameter_constraints,
        "n_neighbors": NEIGHBORS,
        "k_neighbors": [*NEIGHBORS, DEPRECATED],
    }
    _sample = compiled(adasyn.sample)
    _fallback = "no row of another class is near any of it; rows are made as by SMOTE"
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
            which, column, gap = uniforms(key, number[c], 3)
            hard = (self._y[around] != c).sum(1)
            if hard.any():
                padding = (0, size(len(rows)) - len(rows))
                counts = np.asarray(_apportion(np.pad(hard, padding), number[c]))
                base = np.repeat(np.arange(len(rows)), counts[: len(rows)])
            else:
                self._warn_of_fallback(c)
                base = picked(which, len(rows))
            return rows[base], near[base, picked(column, near.shape[1])], gap

        return self._class_by_class(make, key, x, number)
