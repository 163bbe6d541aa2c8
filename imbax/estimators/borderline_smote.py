"""Borderline-SMOTE over-sampler, with imbalanced-learn's API."""

from numbers import Integral
from typing import Any

import jax
import numpy as np
from sklearn.utils._param_validation import Hidden, Options, StrOptions

from imbax.engine.float32 import in_float32
from imbax.estimators.neighborhoods import NEIGHBORS, NeighborSampler, picked, uniforms
from imbax.estimators.one_vs_rest import OneVsRest
from imbax.estimators.over_sampler import compiled, padded
from imbax.estimators.parameters import parameters, warn_of_old
from imbax.methods import borderline_smote
from imbax.neighbors import nearest

__all__ = ["BorderlineSMOTE"]

_KINDS = ("borderline-1", "borderline-2")
_nearest = jax.jit(nearest, static_argnums=3)


@parameters
class BorderlineSMOTE(NeighborSampler, OneVsRest):
    """SMOTE from rows that are mostly surrounded by other classes.

    See `imbax.methods.borderline_smote` for equations. X may be a table, dense or sparse (CSR,
    CSC), images `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images with
    `image_shape`. The output has the form and dtype of X: the original rows, unchanged, followed by
    the synthetic rows. Rows are computed in float32. More than two classes are treated one-vs-rest.
    A class without a row in danger gets no new ones, with a warning.

    Drop-in replacement for imbalanced-learn's class of this name, with three differences: random
    numbers come from JAX; with integers, distances use columns scaled to their range; and if there
    are fewer rows than requested neighbours, all rows are used, whereas imbalanced-learn raises an
    error. `NearestNeighbors(n_neighbors=...)` gives imbalanced-learn's neighbours.

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
        Number of nearest rows that are interpolation partners: of the class, or of all classes in
        "borderline-2". An estimator with `kneighbors`, such as scikit-learn's `NearestNeighbors`,
        uses unscaled columns and its own metric; it counts the row itself, so `n_neighbors=6` gives
        5 other rows.
    m_neighbors : int or nearest-neighbours estimator, default=10
        Number of nearest rows of all classes that decide whether a row is in danger; an estimator
        as above.
    kind : {"borderline-1", "borderline-2"}, default="borderline-1"
        Variant; "borderline-2" also interpolates up to half way to rows of other classes. 1 and 2
        are deprecated.
    categorical_features : "auto" or array-like of int, bool or str, default=None
        Categorical columns of a table: positions, a mask or names; "auto" selects a frame's columns
        of a categorical type. A synthetic row gets the categories of the nearer of its two parents.
        A missing value is a category. See `imbax.estimators.categorical` for distances.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    nn_k_, nn_m_ : estimator
        Nearest-neighbours estimators of `k_neighbors` and `m_neighbors`, fitted only if those are
        estimators.
    in_danger_indices : dict
        Rows in danger by class, for classes that have some. With integer numbers of neighbours, the
        search is repeated when this attribute is first read.
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

    k_neighbors: Any = 5
    m_neighbors: Any = 10
    kind: Any = "borderline-1"

    _parameter_constraints = {  # noqa: RUF012
        **NeighborSampler._parameter_constraints,
        "k_neighbors": NEIGHBORS,
        "m_neighbors": NEIGHBORS,
        "kind": [StrOptions(set(_KINDS)), Hidden(Options(Integral, {1, 2}))],
    }
    _sample = compiled(borderline_smote.sample)
    _fallback = (
        "no row is in danger of being misclassified, so no rows of the class are made; "
        "use SMOTE for it"
    )
    _adds_all_the_same = False
    _searches = {"k_neighbors": "nn_k_", "m_neighbors": "nn_m_"}  # noqa: RUF012

    def _read_parameters(self):
        if self.kind not in _KINDS:
            warn_of_old(f"BorderlineSMOTE(kind={self.kind}) is now kind={_KINDS[self.kind - 1]!r}")

    @property
    def in_danger_indices(self):
        if "_danger" not in vars(self):
            raise AttributeError("in_danger_indices is available after fit_resample")
        if self._danger is None:
            self._danger = self._in_danger()
        return self._danger

    def _options(self):
        return {
            "k_neighbors": self._at_most_all(self.k_neighbors),
            "m_neighbors": self.m_neighbors,
            "kind": self._kind(),
        }

    def _kind(self):
        """Returns the variant as 1 or 2."""
        return 1 + _KINDS.index(self.kind) if self.kind in _KINDS else int(self.kind)

    def _draw(self, key, x, number):
        # The search runs only on request because it takes as long as everything else.
        self._danger, self._x = None, x
        return super()._draw(key, x, number)

    @in_float32
    def _in_danger(self):
        """Returns rows in danger by class, found as in the method."""
        m, found = self.m_neighbors, {}
        for label, number in self.sampling_strategy_.items():
            c = np.flatnonzero(self.classes_ == label)[0]
            rows = np.flatnonzero(self._y == c)
            if number == 0 or len(rows) == 1:
                continue
            every, y, w = padded(self._weighted(self._x, c), self._y)
            queries, places, _ = padded(every[rows], rows)
            width = max(m, self._at_most_all(self.k_neighbors))
            near, square = (np.asarray(a) for a in _nearest(queries, every, w, width, own=places))
            is_found = np.isfinite(square)[: len(rows), :m]
            danger = borderline_smote.in_danger(y[near[: len(rows), :m]] != c, is_found)
            if danger.any():
                found[label] = rows[danger]
        return found

    def _made_by(self, others, key, x, number):
        every, self._danger = np.arange(len(x)), {}

        def make(c, key, rows):
            around = others("m_neighbors", c, every, rows)
            is_other = self._y[around] != c
            danger = rows[borderline_smote.in_danger(is_other, np.ones_like(is_other))]
            if not len(danger):
                self._warn_of_fallback(c)
                return rows[:0], rows[:0], np.zeros(0, np.float32)
            self._danger[self.classes_[c]] = danger
            near = others("k_neighbors", c, rows if self._kind() == 1 else every, danger)
            row_uniform, column, gap, v = uniforms(key, number[c], 4)
            base = picked(row_uniform, len(danger))
            end = near[base, picked(column, near.shape[1])]
            half = borderline_smote.shortened(gap, v / 2, "multiply")
            return danger[base], end, np.where(self._y[end] == c, gap, half)

        return self._class_by_class(make, key, x, number)
