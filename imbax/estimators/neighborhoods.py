"""Neighbour search of over-samplers, with a built-in search or a nearest-neighbours estimator.

An integer k gives the k nearest other rows by Euclidean distance between columns scaled to their
range. An estimator, such as scikit-learn's `NearestNeighbors`, is fitted to unscaled columns with
its own metric and number of neighbours, which counts the row itself as in imbalanced-learn.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import ClassVar

import jax
import numpy as np
from imblearn.utils import check_neighbors_object
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import HasMethods

from imbax.errors import InputError
from imbax.estimators.categorical import MixedOverSampler
from imbax.estimators.inputs import errors_in_one_line
from imbax.estimators.over_sampler import SAMPLE, size, stream
from imbax.estimators.parameters import Interval, parameters
from imbax.methods.sampling import Made, uniform_by_row

__all__ = ["NEIGHBORS", "NeighborSampler", "between", "picked", "uniforms"]

NEIGHBORS = [
    Interval(Integral, 1, None, closed="left"),
    HasMethods(["kneighbors", "kneighbors_graph"]),
]

_uniforms = jax.jit(uniform_by_row, static_argnums=(1, 2))

Others = Callable[[str, int, np.ndarray, np.ndarray], np.ndarray]


@parameters
class NeighborSampler(MixedOverSampler):
    """Over-sampler whose numbers of neighbours may be estimators.

    Subclasses define `_searches`, the attributes of fitted estimators by parameter, and `_made_by`,
    which makes rows from given neighbours. If all parameters are integers, the method's `sample`
    is used instead.
    """

    _searches: ClassVar[dict[str, str]] = {}

    def _neighbors(self, name):
        """Returns the value of a parameter, which may be set by an old name."""
        return getattr(self, name)

    def _begin(self, X, y):
        x = super()._begin(X, y)
        for name, attribute in self._searches.items():
            value = self._neighbors(name)
            if not isinstance(value, Integral):
                _check_estimator(name, value)
            setattr(self, attribute, check_neighbors_object(name, value, additional_neighbor=1))
        return x

    def _fit_resample(self, X, y):
        is_number = {name: isinstance(self._neighbors(name), Integral) for name in self._searches}
        # Parents determine missing values in synthetic rows, but a method may not return them.
        if all(is_number.values()) and (self._missing is None or self._parents == 2):
            return super()._fit_resample(X, y)
        x, number = self._begin(X, y), self._wanted(self.sampling_strategy_)

        def others(name, c, points, queries):
            rows = self._weighted(x, c) if is_number[name] else self._as_given(X, x, c)
            estimator = getattr(self, self._searches[name])
            own_index = np.searchsorted(points, queries)
            with errors_in_one_line():
                near = _found(name, estimator, rows[points], rows[queries], own_index)
            return points[near]

        made = self._made_by(others, stream(self._seed, SAMPLE), x, number)
        return self._joined(X, y, made)

    @abstractmethod
    def _made_by(self, others: Others, key, x, number) -> Made:
        """Returns rows like `_draw`.

        `others(parameter, class, points [n], queries [q])` returns the neighbours `[q, k]` of the
        rows `queries` among the training rows `points`, with the class's weights of categories.
        """

    def _class_by_class(self, make, key, x, number) -> Made:
        """Makes rows of each class by `make(class, key, rows) -> (start rows, end rows, gaps)`."""
        labels, parts, parents = [], [x[:0]], [np.zeros((0, 2), int)]
        for c in np.flatnonzero(number):
            rows = np.flatnonzero(self._y == c)
            if len(rows) == 1:
                start = end = np.repeat(rows, number[c])
                gap = np.zeros(number[c], np.float32)
            else:
                start, end, gap = make(c, jax.random.fold_in(key, int(c)), rows)
            parts.append(between(x, start, end, gap))
            labels += [c] * len(start)
            parents.append(np.stack([start, end], 1))
        x = np.concatenate(parts)
        w = np.ones(len(x), np.float32)
        return Made(x, np.array(labels, int), w, np.concatenate(parents))


def uniforms(key: jax.Array, n: int, streams: int) -> np.ndarray:
    """Returns the result of `sampling.uniform_by_row` in NumPy."""
    return np.asarray(_uniforms(key, size(n), streams))[:, :n]


def picked(uniform: np.ndarray, count: int) -> np.ndarray:
    """Returns the result of `sampling.pick` in NumPy."""
    return np.clip((uniform * np.float32(count)).astype(int), 0, max(count - 1, 0))


def between(x: np.ndarray, start: np.ndarray, end: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Interpolates rows of `x [n, d]` from `start [s]` to `end [s]` at positions `gap [s]`."""
    return x[start] + gap[:, None] * (x[end] - x[start])


def _check_estimator(name, estimator):
    number, metric = (getattr(estimator, name, None) for name in ("n_neighbors", "metric"))
    if not isinstance(number, Integral) or number < 2:
        raise InputError(
            f"{name}={estimator!r} has n_neighbors={number!r}, expected a whole number of at least "
            "2, since a row counts itself"
        )
    if metric == "precomputed":
        raise InputError(
            f"{name}={estimator!r} has the metric 'precomputed', but X contains rows, not "
            "distances; give a metric such as 'euclidean', 'manhattan' or 'cosine'"
        )
    if isinstance(estimator, ClassifierMixin | RegressorMixin):
        raise InputError(
            f"{name}={estimator!r} needs labels, but neighbours are searched without labels; give "
            f"sklearn.neighbors.NearestNeighbors(n_neighbors={number})"
        )


def _found(name, estimator, points, queries, own_index):
    """Returns positions `[q, k]` of the queries' neighbours among the other points."""
    n = points.shape[0]
    estimator.fit(points)
    search = partial(estimator.kneighbors, queries, return_distance=False)
    found = np.asarray(search(n_neighbors=min(estimator.n_neighbors, n)))
    if found.ndim != 2 or len(found) != len(own_index) or found.min() < 0 or found.max() >= n:
        raise InputError(
            f"{name}={estimator!r} returned an array of shape {found.shape} with {found.min()} to "
            f"{found.max()} as neighbours of {len(own_index)} rows, expected 0 to {n - 1}"
        )
    is_own = found == own_index[:, None]
    # Equal rows may have been returned instead of the row itself.
    is_own[~is_own.any(1), -1] = True
    return found[~is_own].reshape(len(found), -1)
