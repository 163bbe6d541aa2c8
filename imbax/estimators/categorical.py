"""Interpolation between rows of a table that has categories beside numbers: SMOTE-NC.

Rows are near by their numbers, scaled as they are without categories, and by their categories: each
in which two rows differ adds m² to the squared distance, where m is the median, over the numeric
columns, of the class's standard deviations (1 where that is 0 or no column is numeric). Inside, a
category is a 1 among 0s, times m / √2. Source: Chawla et al. 2002 (arXiv:1106.1813), section 6.1.
"""

from typing import Any

import jax
import numpy as np
from sklearn.utils import check_array, check_X_y
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import validate_data

from imbax.errors import InputError, did_you_mean
from imbax.estimators.frames import Table, is_frame
from imbax.estimators.inputs import errors_in_one_line, missing_told, refuse_columns
from imbax.estimators.over_sampler import OverSampler, padded
from imbax.estimators.parameters import parameters
from imbax.neighbors import nearest

__all__ = ["MixedOverSampler"]

_nearest = jax.jit(nearest, static_argnums=3)


@parameters
class MixedOverSampler(OverSampler):
    """An over-sampler of rows between two others.

    Their categories are those of the nearer one, or those `_voted` by its neighbours, as in SMOTE.
    """

    categorical_features: Any = None

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "categorical_features": ["array-like", StrOptions({"auto"}), None],
    }

    def _table(self, X):
        if self.categorical_features is None:
            return super()._table(X)
        if not (is_frame(X) or isinstance(X, list | tuple)):
            X = check_array(X, dtype=None, ensure_all_finite=False)
        return Table(X)

    def _check_X_y(self, X, y):
        self.categorical_features_ = np.zeros(0, int)
        if self.categorical_features is None:
            return super()._check_X_y(X, y)
        if self.image_shape is not None:
            raise InputError("categorical_features is for tables, image_shape for images; give one")
        table = X if isinstance(X, Table) else self._table(X)
        self.categorical_features_ = self._positions(table)
        refuse_columns(
            table,
            remedy=self._remedy,
            categorical=self.categorical_features_,
            shifts=self._shifts(),
        )
        told = lambda: missing_told(self, table.given, self.categorical_features_)
        with errors_in_one_line(told):
            validate_data(self, X=table.given, y=y, skip_check_array=True)
            return check_X_y(table.encoded(self.categorical_features_), y)

    @property
    def _remedy(self):
        return "name them in categorical_features"

    def _positions(self, table):
        """Of the columns of categories."""
        given, names = self.categorical_features, table.names
        if isinstance(given, str):
            if not table.is_frame:
                raise InputError(
                    'categorical_features="auto" needs a frame of pandas or polars, whose columns '
                    "have types; give their positions"
                )
            return np.array(table.categories(), int)
        if np.asarray(given).dtype == bool:
            if len(given) != len(names):
                raise InputError(
                    f"categorical_features has {len(given)} truth values, expected one for each of "
                    f"the {len(names)} columns of X"
                )
            return np.flatnonzero(given)
        columns = [names.index(c) if isinstance(c, str) and c in names else c for c in given]
        for column in columns:
            if isinstance(column, str):
                raise InputError(
                    f"categorical_features has {column!r}, which is no column of X"
                    + did_you_mean(column, map(str, names))
                )
            whole = np.ndim(column) == 0 and np.asarray(column).dtype.kind in "iu"
            if not (whole and 0 <= column < len(names)):
                raise InputError(
                    f"categorical_features has {column}, expected positions of columns from 0 to "
                    f"{len(names) - 1}, whole numbers"
                )
        return np.unique(np.array(columns, int))

    def _begin(self, X, y):
        columns = self.categorical_features_
        if not len(columns):
            return super()._begin(X, y)
        numbers, codes = np.delete(X, columns, 1), X[:, columns].astype(int)
        x = super()._begin(numbers, y)
        spread = np.ones(len(self.classes_))
        if x.shape[1]:
            spread = [np.median(x[self._y == c].std(0)) for c in range(len(spread))]
        self._weights = np.where(np.greater(spread, 0), spread, 1) / np.sqrt(2)
        self._levels = codes.max(0) + 1
        ones = [np.eye(k)[code] for k, code in zip(self._levels, codes.T, strict=True)]
        return np.hstack([x, *ones]).astype(np.float32)

    def _weighted(self, x, c):
        """Rows `[n, d]` with their categories as class `c`, or `c [n]`, weighs them."""
        if not len(self.categorical_features_):
            return x
        numbers, ones = np.split(x, [len(self.scale_.only)], 1)
        return np.hstack([numbers, ones * self._weights[c, None]]).astype(np.float32)

    def _voted(self, made, x, k):
        """New rows with each category the most frequent among their first parent's k neighbours.

        Of equally frequent ones, that of the nearer neighbours.
        """
        if not len(self.categorical_features_):
            return made
        labels, new = made.y, np.array(made.x)
        start, first = len(self.scale_.only), made.parents[:, 0]
        for c in np.unique(labels):
            rows = np.flatnonzero(self._y == c)
            if (several := min(k, len(rows) - 1)) == 0:
                continue
            own, _, w = padded(x[rows], rows)
            near = np.asarray(_nearest(own, own, w, k, own=np.arange(len(own)))[0])[: len(rows)]
            share = 1 + np.arange(several, 0, -1) / (several + 1) ** 2
            votes = sum(share[r] * x[rows[near[:, r]], start:] for r in range(several))
            new[labels == c, start:] = votes[np.searchsorted(rows, first[labels == c])]
        return made._replace(x=new)

    def _outside(self, x):
        columns = self.categorical_features_
        if not len(columns):
            return super()._outside(x)
        numbers, *ones = np.split(x, len(self.scale_.only) + np.cumsum([0, *self._levels[:-1]]), 1)
        codes = np.stack([one.argmax(1) for one in ones], 1)
        outside = np.empty((len(x), self.n_features_in_))
        outside[:, columns] = codes
        outside[:, np.setdiff1d(np.arange(self.n_features_in_), columns)] = super()._outside(
            numbers
        )
        return outside
