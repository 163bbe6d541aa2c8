"""Borderline-SMOTE as an over-sampler, on imbalanced-learn's contract."""

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
    """SMOTE from those rows only that many rows of other classes surround.

    See `imbax.methods.borderline_smote` for equations. X may be a table, dense or sparse (CSR,
    CSC), images `(n, height, width)` or `(n, height, width, channels)`, or flat rows of images with
    `image_shape`. What comes out has the form and dtype of what went in: first the original rows,
    bit for bit, then the new ones. Rows are computed in float32. Of more than two classes each is
    the minority against all others. A class without a row in danger gets no new ones, with a
    warning.

    A drop-in for imbalanced-learn's class of this name, with three differences: random draws are
    jax's; a number of neighbours is searched between columns scaled to their range; and where there
    are fewer rows than neighbours wanted, all count, where imbalanced-learn raises an error. With
    `NearestNeighbors(n_neighbors=...)` neighbours are imbalanced-learn's.

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
        Nearest rows that new ones lie towards: of the class, or of all classes in "borderline-2".
        An estimator with `kneighbors`, such as scikit-learn's `NearestNeighbors`, searches the
        columns as they are given, with its own metric; it counts a row itself, so that
        `n_neighbors=6` asks for 5 others.
    m_neighbors : int or nearest-neighbours estimator, default=10
        Nearest rows of all classes that say whether a row is in danger; an estimator as above.
    kind : {"borderline-1", "borderline-2"}, default="borderline-1"
        "borderline-2" also goes half way towards rows of other classes. 1 and 2 are deprecated.
    categorical_features : "auto" or array-like of int, bool or str, default=None
        Columns of a table that are categories: positions, a mask, or names; "auto": those of a
        frame whose type says so. A new row has those of the nearer of the two rows that it lies
        between. A missing value is a category. Distances: `imbax.estimators.categorical`.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    nn_k_, nn_m_ : estimator
        Nearest neighbours as `k_neighbors` and `m_neighbors` say; fitted only where those are
        estimators.
    in_danger_indices : dict
        Class to its rows in danger, for classes that have such. Where both numbers of neighbours
        are integers they are searched again when this is first read.
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
        "no row is in danger of being taken for another class; no rows of it are made. "
        "Use SMOTE for them"
    )
    _adds_all_the_same = False
    _searches = {"k_neighbors": "nn_k_", "m_neighbors": "nn_m_"}  # noqa: RUF012

    def _read_parameters(self):
        if self.kind not in _KINDS:
            warn_of_old(f"BorderlineSMOTE(kind={self.kind}) is now kind={_KINDS[self.kind - 1]!r}")

    @property
    def in_danger_indices(self):
        if "_danger" not in vars(self):
            raise AttributeError("in_danger_indices is there after fit_resample")
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
        """1 or 2."""
        return 1 + _KINDS.index(self.kind) if self.kind in _KINDS else int(self.kind)

    def _draw(self, key, x, number):
        # Searched only for who asks: it takes as long as all else.
        self._danger, self._x = None, x
        return super()._draw(key, x, number)

    @in_float32
    def _in_danger(self):
        """Rows in danger by class, as the method has found them."""
        m, found = self.m_neighbors, {}
        for label, number in self.sampling_strategy_.items():
            c = np.flatnonzero(self.classes_ == label)[0]
            rows = np.flatnonzero(self._y == c)
            if number == 0 or len(rows) == 1:
                continue
            every, y, w = padded(self._weighted(self._x, c), self._y)
            own, places, _ = padded(every[rows], rows)
            width = max(m, self._at_most_all(self.k_neighbors))
            near, square = (np.asarray(a) for a in _nearest(own, every, w, width, own=places))
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
            which, column, gap, v = uniforms(key, number[c], 4)
            base = picked(which, len(danger))
            end = near[base, picked(column, near.shape[1])]
            half = borderline_smote.shortened(gap, v / 2, "multiply")
            return danger[base], end, np.where(self._y[end] == c, gap, half)

        return self._class_by_class(make, key, x, number)
