"""SMOTE-NC over-sampler for tables, with imbalanced-learn's contract."""

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
    """SMOTE for tables with both numeric and categorical columns.

    The numbers of a synthetic row lie between those of a row and a near one of its class. Each
    category is the most frequent one among the row's neighbours; ties go to the nearer neighbours.
    See `imbax.estimators.categorical` for distances. X may be a frame of pandas or polars, an array
    or a sparse matrix (CSR, CSC) of numbers. The output has the form and dtypes of X: the original
    rows followed by the synthetic rows.

    With `categorical_features="auto"` any frame can be passed without preparation:

    - Columns of a categorical type are categories, and so are columns of text in the same frame; if
      no column has such a type, columns of text must be named, as in imbalanced-learn. A missing
      value is one more category. Text with as many entries as an identifier has is refused.
    - Numbers, dates, times and durations are interpolated. Dates are converted to multiples of the
      longest step, from days to nanoseconds, that divides all of them; synthetic dates are
      multiples of it, too.
    - Booleans are 0 and 1, so a synthetic row has the value of the nearer of its two parents; name
      them in `categorical_features` to use the neighbours' vote.
    - A missing number or date counts as the column's median in distances, with a warning that names
      the columns. A synthetic row misses it if its first parent does, and has the first parent's
      value if only the second misses it: nothing is interpolated with a median.

    Drop-in replacement for imbalanced-learn's class of this name, with the differences listed in
    `SMOTE`. In addition, imbalanced-learn breaks ties between categories at random. If the median
    standard deviation of a class is 0, a category counts like a standard deviation of 1 of the
    scaled columns, whereas imbalanced-learn ignores it.

    Parameters
    ----------
    categorical_features : "auto" or array-like of int, bool or str
        Categorical columns: positions, a mask or names; "auto" selects a frame's columns of a
        categorical type and, if there are such columns, its columns of text.
    categorical_encoder : estimator, default=None
        One-hot encoder with one column per category, fitted as `categorical_encoder_`. None uses
        `OneHotEncoder(handle_unknown="ignore")`. Synthetic rows do not depend on it.
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    value_range : tuple, default=None
        Minimum and maximum of valid numbers. None keeps synthetic numbers between existing ones.
    k_neighbors : int or nearest-neighbours estimator, default=5
        As in `SMOTE`; an estimator uses unscaled numbers and one-hot categories times
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
        Encoder fitted to the categories.
    categorical_features_, continuous_features_ : ndarray of int
        Positions of the categorical columns, and of the others.
    median_std_ : dict
        Median of the columns' standard deviations, in the units of X, for each class with synthetic
        rows.
    n_features_, n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it is a frame with text names.
    is_synthetic_, parent_indices_, interpolation_weights_ : ndarray
        As in `SMOTE`.

    Raises
    ------
    InputError
        X has only categories (use `SMOTEN`), or only complete numbers (use `SMOTE`).
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
        """Accepts only current names, because no parameter has an old one."""

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
