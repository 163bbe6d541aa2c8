"""Median imputation of missing numbers with indicator columns."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

__all__ = ["MedianImputer"]


class MedianImputer(TransformerMixin, BaseEstimator):
    """Imputes medians and adds an indicator for each column with missing training values.

    Equivalent to scikit-learn's `SimpleImputer` with `add_indicator` except for the output names,
    and ten times as fast because it does not use masked arrays. Columns without any value become 0.
    """

    def fit(self, X, y=None):
        """Stores the medians of `X (n, d)` and which columns have missing values (NaN)."""
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.array(X.columns, object)
        x = np.asarray(X)
        is_missing = np.isnan(x)
        self.gaps_, self.n_features_in_ = np.flatnonzero(is_missing.any(0)), x.shape[1]
        known = np.where(is_missing.all(0), 0, x) if len(self.gaps_) else x
        with np.errstate(over="ignore"):  # the sum of two huge middle values
            medians = np.median(known, 0)
            medians[self.gaps_] = np.nanmedian(known[:, self.gaps_], 0)
        self.medians_ = np.nan_to_num(medians)
        return self

    def transform(self, X):
        """Returns `(n, d + e)` without NaN; X itself if no value was or is missing."""
        check_is_fitted(self)
        x = np.asarray(X)
        is_missing = np.isnan(x)
        if is_missing.any():
            x = np.where(is_missing, self.medians_.astype(x.dtype), x)
        if len(self.gaps_):
            x = np.hstack([x, is_missing[:, self.gaps_].astype(x.dtype)])
        return x

    def get_feature_names_out(self, input_features=None):
        """Returns names such as "age" and "age missing"."""
        names = list(self.feature_names_in_ if input_features is None else input_features)
        return np.array([*names, *(f"{names[j]} missing" for j in self.gaps_)], object)

    def origins(self, names):
        """Returns the input column that each output column comes from."""
        return [*names, *(names[j] for j in self.gaps_)]
