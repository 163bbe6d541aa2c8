"""Interpolation between rows of a table with numeric and categorical columns: SMOTE-NC.

Distances use scaled numbers and categories. Each category in which two rows differ adds m² to the
squared distance, where m is the median, over the numeric columns, of the class's standard
deviations (1 if that is 0 or no column is numeric). Internally, a category is one-hot encoded and
multiplied by m / √2. A missing number or date counts as the column's median in distances. In a
synthetic row, it is missing if the first parent's is, and copied from the first parent if only the
second parent's is, so that no value is interpolated with a median. Source: Chawla et al.
2002 (arXiv:1106.1813), section 6.1.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_X_y
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import validate_data

from imbax.data.kinds import column_positions
from imbax.errors import InputError, shortened
from imbax.estimators.frames import Table, is_frame
from imbax.estimators.inputs import errors_in_one_line, refuse_columns, refuse_masked
from imbax.estimators.levels import levels_of_text
from imbax.estimators.notices import warn_user
from imbax.estimators.over_sampler import OverSampler, padded
from imbax.estimators.parameters import parameters
from imbax.estimators.sparse import refuse_large_whole_numbers, sparse_like, sparse_outside
from imbax.neighbors import nearest

__all__ = ["MixedOverSampler", "nearest_of_class"]

_nearest = jax.jit(nearest, static_argnums=3)


@parameters
class MixedOverSampler(OverSampler):
    """Over-sampler that interpolates between two rows, dense or sparse.

    Categories are those of the nearer parent, or `_voted` by the first parent's neighbours, as in
    SMOTE.
    """

    categorical_features: Any = None

    _parameter_constraints = {  # noqa: RUF012
        **OverSampler._parameter_constraints,
        "categorical_features": ["array-like", StrOptions({"auto"}), None],
    }
    _accepts: ClassVar[dict[str, Any]] = {"allow_nd": True, "accept_sparse": ["csr", "csc"]}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.categorical_features is not None
        return tags

    def _table(self, X):
        if self.categorical_features is None or sparse.issparse(X):
            return super()._table(X)
        refuse_masked(X)
        if not (is_frame(X) or isinstance(X, list | tuple)):
            X = check_array(X, dtype=None, ensure_all_finite=False)
        return Table(X)

    def _check_X_y(self, X, y):
        self.categorical_features_, self._missing = np.zeros(0, int), None
        if self.categorical_features is not None and self.image_shape is not None:
            raise InputError("categorical_features is for tables, image_shape for images; give one")
        if self.categorical_features is None or sparse.issparse(X):
            X, y = super()._check_X_y(X, y)
            if sparse.issparse(X):
                refuse_large_whole_numbers(X)
            if self.categorical_features is not None:
                self._find_categories(list(range(X.shape[1])))
            return X, y
        table = X if isinstance(X, Table) else self._table(X)
        self._find_categories(table.names, table)
        dates = [table.names[j] for j in table.moments() if j not in self.categorical_features_]
        if dates and self.value_range is not None:
            raise InputError(
                f"value_range={self.value_range!r} applies to numbers, but X has dates in "
                f"{shortened(list(map(repr, dates)))}; leave value_range out"
            )
        refuse_columns(
            table,
            remedy=self._remedy,
            categorical={*self.categorical_features_, *table.moments()},
            shifts=self._shifts(),
        )
        with errors_in_one_line():
            validate_data(self, X=table.given, y=y, skip_check_array=True)
            X, y = check_X_y(
                table.encoded(self.categorical_features_), y, ensure_all_finite="allow-nan"
            )
        return self._filled(X, table.names), y

    def _filled(self, X, names):
        """Replaces missing values with medians and stores their mask as `_missing`."""
        missing = np.isnan(X)
        if not missing.any():
            return X
        gaps = np.flatnonzero(missing.any(0))
        warn_user(
            f"X has missing values in {shortened([repr(names[j]) for j in gaps])}: they count as "
            "their column's median in distances; a synthetic row lacks those of its first parent"
        )
        self._missing, X = missing, X.copy()
        for j in gaps:
            known = X[~missing[:, j], j]
            X[missing[:, j], j] = np.median(known) if len(known) else 0
        return X

    @property
    def _remedy(self):
        return "name them in categorical_features"

    def _find_categories(self, names, table=None):
        """Stores the positions of categorical and of other columns."""
        self.categorical_features_ = self._positions(names, table)
        self.continuous_features_ = np.setdiff1d(np.arange(len(names)), self.categorical_features_)

    def _positions(self, names, table):
        """Returns the positions of categorical columns in ascending order."""
        columns = self.categorical_features
        if isinstance(columns, str):
            if table is None or not table.is_frame:
                raise InputError(
                    'categorical_features="auto" needs a frame of pandas or polars, whose columns '
                    "have types: the input data should be a pandas.DataFrame or a polars one; give "
                    "positions of columns instead"
                )
            # imbalanced-learn refuses text where no column has a type of categories.
            found = table.categories()
            return np.array(sorted([*found, *levels_of_text(table)]) if found else [], int)
        return np.array(column_positions(columns, names, "categorical_features"), int)

    def _begin(self, X, y):
        columns = self.categorical_features_
        if not len(columns):
            return super()._begin(X, y)
        numbers, codes = X[:, self.continuous_features_], self._codes(X[:, columns])
        x = super()._begin(numbers, y)
        self._weights = self._weights_of(x)
        self.median_std_ = {
            label: _median_std(numbers[y == label])
            for label, number in self.sampling_strategy_.items()
            if number
        }
        self._levels = codes.max(0) + 1
        ones = [np.eye(k)[code] for k, code in zip(self._levels, codes.T, strict=True)]
        return np.hstack([x, *ones]).astype(np.float32)

    def _codes(self, categories):
        """Returns codes from 0 `[n, columns]`; stores a sparse matrix's values for `_outside`."""
        self._values = None
        if not sparse.issparse(categories):
            return categories.astype(int)
        pairs = [np.unique(c, return_inverse=True) for c in categories.toarray().T]
        self._values = [values for values, _ in pairs]
        return np.stack([code for _, code in pairs], 1)

    def _weights_of(self, x):
        """Returns m / √2 of each class `[K]` from scaled numbers."""
        spread = np.ones(len(self.classes_))
        if x.shape[1]:
            spread = [np.median(x[self._y == c].std(0)) for c in range(len(spread))]
        return np.where(np.greater(spread, 0), spread, 1) / np.sqrt(2)

    def _weighted(self, x, c):
        """Returns rows `[n, d]` with categories times the weight of class `c` or `c [n]`."""
        if not len(self.categorical_features_):
            return x
        numbers, ones = np.split(x, [len(self.scale_.only)], 1)
        return np.hstack([numbers, ones * self._weights[c, None]]).astype(np.float32)

    def _as_given(self, X, x, c):
        """Returns rows `[n, d]` with the user's numbers X and weighted categories of class `c`.

        The weight is in the scale of X; `x` are the same rows in the internal scale.
        """
        if not len(self.categorical_features_):
            return X.tocsr() if sparse.issparse(X) else X.reshape(len(X), -1)
        weight = (self.median_std_[self.classes_[c]] or 1) / np.sqrt(2)
        numbers, ones = X[:, self.continuous_features_], x[:, len(self.scale_.only) :] * weight
        if sparse.issparse(X):
            return sparse.hstack([numbers, sparse.csr_array(ones)], format="csr")
        return np.hstack([numbers, ones])

    def _voted(self, made, x, near: Callable[[int, np.ndarray], np.ndarray]):
        """Sets each category to the most frequent one among the first parent's neighbours.

        Ties go to the nearer neighbours; `near(class, its rows)` returns their row numbers
        `[rows, k]`.
        """
        if not len(self.categorical_features_):
            return made
        labels, new = made.y, np.array(made.x)
        start, first = len(self.scale_.only), made.parents[:, 0]
        for c in np.unique(labels):
            rows = np.flatnonzero(self._y == c)
            around = near(c, rows)
            if (several := around.shape[1]) == 0:
                continue
            share = 1 + np.arange(several, 0, -1) / (several + 1) ** 2
            votes = sum(share[r] * x[around[:, r], start:] for r in range(several))
            new[labels == c, start:] = votes[np.searchsorted(rows, first[labels == c])]
        return made._replace(x=new)

    def _joined(self, X, y, made):
        # A row that defines class, format and dtype of synthetic rows if rows are sparse.
        self._like = X[:1] if sparse.issparse(X) else None
        rows, labels = super()._joined(X, y, made)
        self._like = None
        if self._missing is not None:
            start, end = made.parents.T
            new = np.where(self._missing[end], X[start], rows[len(X) :])
            rows[len(X) :] = np.where(self._missing[start], np.nan, new)
            self._missing = None
        return rows, labels

    def _outside(self, x):
        columns = self.categorical_features_
        if not len(columns):
            return self._numbers_outside(x)
        numbers, *ones = np.split(x, len(self.scale_.only) + np.cumsum([0, *self._levels[:-1]]), 1)
        codes, numbers = [one.argmax(1) for one in ones], self._numbers_outside(numbers)
        if (like := self._like) is not None:
            values = [v[code] for v, code in zip(self._values, codes, strict=True)]
            joined = sparse.hstack([numbers, sparse_like(np.stack(values, 1), like)], format="csc")
            order = np.argsort(np.concatenate([self.continuous_features_, columns]))
            return type(like)(joined[:, order])
        outside = np.empty((len(x), self.n_features_in_))
        outside[:, columns] = np.stack(codes, 1)
        outside[:, self.continuous_features_] = numbers
        return outside

    def _numbers_outside(self, x):
        """New rows without their categories in the user's form."""
        if self._like is None:
            return super()._outside(x)
        has_categories = len(self.categorical_features_)
        like = self._like[:, self.continuous_features_] if has_categories else self._like
        return sparse_outside(self.scale_, x, like, clip=self._is_bounded())


def nearest_of_class(x: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Returns row numbers of the k nearest other rows, or all, for the rows of a class."""
    points, _, w = padded(x[rows], rows)
    near = np.asarray(_nearest(points, points, w, k, own=np.arange(len(points)))[0])
    return rows[near[: len(rows), : min(k, len(rows) - 1)]]


def _median_std(numbers):
    """Returns the median, over columns, of the standard deviations."""
    if not numbers.shape[1]:
        return 0.0
    if sparse.issparse(numbers):
        return float(np.median(np.sqrt(mean_variance_axis(numbers.astype(np.float64), 0)[1])))
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.median(numbers.std(0)))
