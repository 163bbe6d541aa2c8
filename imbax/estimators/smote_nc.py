"""SMOTE-NC with imbalanced-learn's API."""

from dataclasses import field
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils._param_validation import HasMethods, StrOptions

from imbax.errors import InputError
from imbax.estimators.encoders import fitted
from imbax.estimators.frames import Table
from imbax.estimators.parameters import parameters
from imbax.estimators.smote import SMOTE

__all__ = ["SMOTENC"]


@parameters
class SMOTENC(SMOTE):
    """SMOTE for tables with numeric and categorical columns.

    The numbers of a synthetic row lie between those of a row and a near row of the same class. Each
    category is the most frequent one among the row's neighbours; ties go to the nearer neighbours.
    See `imbax.estimators.categorical` for the distances. X may be a frame of pandas or polars, an
    array, or a sparse matrix (CSR, CSC) of numbers. The output has the form and dtypes of X: the
    original rows followed by the synthetic rows.

    With `categorical_features="auto"`, frames need no preparation:

    - Columns of a categorical type are categories, and so are text columns of the same frame. If no
      column has a categorical type, text columns must be named, as in imbalanced-learn. A missing
      value is a further category. Text with as many levels as an identifier raises an error.
    - Numbers, dates, times and durations are interpolated. The unit of dates is the longest one,
      from days to nanoseconds, of which all dates are multiples, also in synthetic rows.
    - Booleans are interpolated as 0 and 1, so a synthetic row has the value of the nearer of its
      two parents. The neighbours vote on those that `categorical_features` names.
    - A missing number or date counts as the column's median in distances, with a warning that names
      the columns. In a synthetic row, it is missing if the first parent's is, and copied from the
      first parent if only the second parent's is; no value is interpolated with a median.

    Drop-in replacement for imbalanced-learn's class of this name, with the differences of `SMOTE`
    and two more: imbalanced-learn breaks ties between categories at random; and if the median
    standard deviation of a class is 0, imbalanced-learn ignores categories in distances, whereas
    here they count like a standard deviation of 1 of the scaled columns.

    Parameters
    ----------
    categorical_features : "auto" or array-like of int, bool or str
        Categorical columns: positions, a mask, or names. "auto" uses a frame's columns of a
        categorical type and, if there are any, its text columns.
    categorical_encoder : estimator, default=None
        One-hot encoder with one column per category, cloned and fitted as `categorical_encoder_`.
        None uses `OneHotEncoder(handle_unknown="ignore")`. Synthetic rows do not depend on it.
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    value_range : tuple, default=None
        Minimum and maximum of valid numbers. None uses the range of each column.
    k_neighbors : int or nearest-neighbours estimator, default=5
        As in `SMOTE`. An estimator uses unscaled numbers and one-hot categories multiplied by
        `median_std_` / √2, as in imbalanced-learn.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    nn_k_ : estimator
        Nearest-neighbours estimator of `k_neighbors`, fitted only if that is an estimator.
    categorical_encoder_ : estimator
        Fitted encoder.
    categorical_features_, continuous_features_ : ndarray of int
        Positions of the categorical columns and of the others.
    median_std_ : dict
        Median standard deviation of the numeric columns by over-sampled class, in the units of X.
    n_features_, n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it is a frame with text names.
    is_synthetic_, parent_indices_, interpolation_weights_ : ndarray
        As in `SMOTE`.

    Raises
    ------
    InputError
        All columns are categorical (use `SMOTEN`), or X has no categorical column, no missing
        value, and no column that `SMOTE` does not accept (use `SMOTE`).
    """

    categorical_features: Any = field(kw_only=False)
    categorical_encoder: Any = None

    _required_parameters: ClassVar[list[str]] = ["categorical_features"]
    _parameter_constraints = {  # noqa: RUF012
        **SMOTE._parameter_constraints,
        "categorical_features": ["array-like", StrOptions({"auto"})],
        "categorical_encoder": [HasMethods(["fit_transform", "inverse_transform"]), None],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _read_parameters(self):
        """Omits the deprecation warning of `SMOTE`."""

    def _find_categories(self, names, table=None):
        super()._find_categories(names, table)
        self.n_features_ = len(names)
        if not len(self.continuous_features_):
            raise InputError(
                "SMOTE-NC is not designed to work only with categorical features, and all "
                f"{len(names)} columns are categorical; use SMOTEN"
            )

    def _only_numbers(self):
        return (
            "SMOTE-NC is not designed to work only with numerical features; categorical_features="
            f"{self.categorical_features!r} names no column of X"
        )

    @property
    def _remedy(self):
        """Returns the remedy for columns of text."""
        named = "name them in categorical_features"
        if len(self.categorical_features_):
            return named
        return f"{named}. {self._only_numbers()}"

    def _check_X_y(self, X, y):
        if not (sparse.issparse(X) or isinstance(X, Table)):
            X = self._table(X)
        table = X
        X, y = super()._check_X_y(X, y)
        if not len(self.categorical_features_):
            if self._missing is None and not (isinstance(table, Table) and table.moments()):
                raise InputError(f"{self._only_numbers()}. Use SMOTE, or name columns")
            return X, y
        categories = X.toarray() if sparse.issparse(X) else table.given
        encoder = self.categorical_encoder
        if encoder is None:
            kind = X.dtype if X.dtype.kind == "f" else np.float64
            encoder = OneHotEncoder(handle_unknown="ignore", dtype=kind)
        self.categorical_encoder_ = clone(encoder)
        encoded = fitted(self.categorical_encoder_, categories, self.categorical_features_)
        levels = sum(len(each) for each in self.categorical_encoder_.categories_)
        if encoded.shape[1] != levels:
            raise InputError(
                "SMOTENC requires a one-hot encoding with one column per category: "
                f"categorical_encoder={encoder!r} returned {encoded.shape[1]} columns for {levels} "
                "categories; use one that neither drops nor merges categories"
            )
        return X, y
