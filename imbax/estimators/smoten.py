"""SMOTE-N over-sampler for tables of categories, with imbalanced-learn's API."""

from dataclasses import field
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from imblearn.metrics.pairwise import ValueDifferenceMetric
from imblearn.utils import check_neighbors_object
from scipy import sparse
from scipy.stats import mode
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import check_array, check_random_state, check_X_y
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import validate_data

from imbax.errors import InputError
from imbax.estimators.encoders import fitted
from imbax.estimators.frames import Table, is_frame
from imbax.estimators.inputs import errors_in_one_line, refuse_masked
from imbax.estimators.neighborhoods import NEIGHBORS
from imbax.estimators.notices import warn_of_lone_rows, warn_user
from imbax.estimators.parameters import parameters
from imbax.estimators.sparse import sparse_like, stacked
from imbax.estimators.table_sampler import TableSampler

__all__ = ["SMOTEN"]

# Maximum number of distances in memory.
_DISTANCES = 2**22
# Code of missing values in the default encoder.
_MISSING = -1


@parameters
class SMOTEN(TableSampler):
    """SMOTE for tables with only categorical columns.

    Each category of a synthetic row is the most frequent one among a row and its k nearest rows of
    the same class; ties go to the first in order. The distance of two rows compares the class
    distributions of their categories (value difference metric; Chawla et al. 2002, section 6.2):

        d(a, b)² = Σ_columns (Σ_classes |P(class | a_column) - P(class | b_column)|)²

    X may be a frame of pandas or polars, an array, or a sparse matrix (CSR, CSC), which is
    converted to a dense array. The output has the form and dtypes of X: the original rows followed
    by the synthetic rows.

    Drop-in replacement for imbalanced-learn's class of this name, with the same random draws and
    two differences: among rows at the same distance, the first is nearer; and if a class has fewer
    rows than requested neighbours, all are used, whereas imbalanced-learn raises an error. A
    missing value is a category.

    Parameters
    ----------
    categorical_encoder : estimator, default=None
        Ordinal encoder, which sets the order of categories. None uses `OrdinalEncoder(dtype=int32)`
        with -1 for missing values.
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    k_neighbors : int or nearest-neighbours estimator, default=5
        Number of nearest other rows of the class. From an estimator only `n_neighbors` is used,
        which counts the row itself; the metric is the one above, as in imbalanced-learn.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    nn_k_ : estimator
        Unfitted nearest-neighbours estimator of `k_neighbors`.
    categorical_encoder_ : estimator
        Fitted encoder.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it is a frame with text names.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    parent_indices_ : ndarray of shape (n_synthetic,)
        Row number of the training row whose neighbours voted on the categories of each synthetic
        row.
    """

    categorical_encoder: Any = field(default=None, kw_only=False)
    k_neighbors: Any = 5

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TableSampler._parameter_constraints,
        "categorical_encoder": [HasMethods(["fit_transform", "inverse_transform"]), None],
        "k_neighbors": NEIGHBORS,
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        return tags

    def _table(self, X):
        if sparse.issparse(X):
            return None
        refuse_masked(X)
        if not (is_frame(X) or isinstance(X, list | tuple)):
            X = check_array(X, dtype=None, ensure_all_finite=False)
        return Table(X)

    def _check_X_y(self, X, y):
        """Returns the codes of categories `[n, d]`, and labels."""
        self._like = None
        if sparse.issparse(X):
            message = "SMOTEN makes a sparse matrix dense, which is not really efficient"
            warn_user(message, DataConversionWarning)
            self._like = check_array(X, accept_sparse=["csr", "csc"])
            X = Table(self._like.toarray())
        table = X if isinstance(X, Table) else self._table(X)
        columns = np.arange(table.given.shape[1])
        with errors_in_one_line():
            validate_data(self, X=table.given, y=y, skip_check_array=True)
            codes, y = check_X_y(self._codes(table.given, columns), y, dtype=None)
        table.hold_examples(codes)
        return codes, y

    def _codes(self, data, columns):
        encoder = self.categorical_encoder
        if encoder is None:
            encoder = OrdinalEncoder(dtype=np.int32, encoded_missing_value=_MISSING)
        self.categorical_encoder_ = clone(encoder)
        codes = np.asarray(fitted(self.categorical_encoder_, data, columns))
        levels = np.array([len(each) for each in self.categorical_encoder_.categories_])
        if is_one_each := codes.shape == data.shape:
            # A missing value is the last category.
            codes = np.where(codes == _MISSING, levels - 1, codes)
        if not (is_one_each and np.isin(codes, np.arange(levels.max())).all()):
            raise InputError(
                f"categorical_encoder={encoder!r} does not map the categories of each column to "
                "whole numbers from 0; use an OrdinalEncoder"
            )
        return codes.astype(np.int32)

    def _train_on(self, X, y):
        self._like = None

    def _fit_resample(self, X, y):
        self.classes_ = np.unique(y)
        self.nn_k_ = check_neighbors_object("k_neighbors", self.k_neighbors, additional_neighbor=1)
        if not isinstance(number := getattr(self.nn_k_, "n_neighbors", None), Integral):
            raise InputError(
                f"k_neighbors={self.k_neighbors!r} has n_neighbors={number!r}, expected a whole "
                "number"
            )
        wanted = [label for label, number in self.sampling_strategy_.items() if number]
        warn_of_lone_rows(label for label in wanted if np.sum(y == label) == 1)
        levels = [len(each) for each in self.categorical_encoder_.categories_]
        class_probabilities = ValueDifferenceMetric(n_categories=levels).fit(X, y).proba_per_class_
        made, labels, parents = [X[:0]], [y], [np.zeros(0, int)]
        for label, n_synth in self.sampling_strategy_.items():
            rows = np.flatnonzero(y == label)
            # As in imbalanced-learn, an integer seed restarts the draws for each class.
            drawn = check_random_state(self.random_state).choice(len(rows), size=n_synth)
            bases, inverse = np.unique(drawn, return_inverse=True)
            votes = _votes(class_probabilities, X[rows], bases, min(number, len(rows)))
            made.append(votes[inverse])
            parents.append(rows[drawn])
            labels.append(np.full(n_synth, label, y.dtype))
        new, data, self._like = np.concatenate(made), self._like, None
        self.parent_indices_ = np.concatenate(parents)
        self.is_synthetic_ = np.arange(len(X) + len(new)) >= len(X)
        labels = np.concatenate(labels)
        if data is None:
            return np.concatenate([X, new]), labels
        new = self.categorical_encoder_.inverse_transform(new).astype(data.dtype)
        return stacked(data, sparse_like(new, data)), labels


def _votes(class_probabilities, codes, bases, k):
    """Returns the most frequent categories among the k rows nearest to each base row by VDM."""
    votes, step = np.empty((len(bases), codes.shape[1]), codes.dtype), _DISTANCES // len(codes) + 1
    columns = []
    for probability, code in zip(class_probabilities, codes.T, strict=True):
        used, inverse = np.unique(code, return_inverse=True)
        columns.append((probability[used], inverse))
    for first in range(0, len(bases), step):
        block = slice(first, first + step)
        distance = 0
        for probability, inverse in columns:
            difference = np.abs(probability[inverse[bases[block]], None] - probability).sum(-1)
            distance = distance + (difference**2)[:, inverse]
        near = np.argsort(distance, 1, kind="stable")[:, :k]
        votes[block] = mode(codes[near], axis=1).mode
    return votes
