"""Dates as numbers that a network can use."""

import math

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

__all__ = ["DateEncoder"]


class DateEncoder(TransformerMixin, BaseEstimator):
    """Dates as days since 1970 and points on circles: of the year, the week, perhaps the day.

    Parameters
    ----------
    has_time
        Whether times of day count.
    """

    _DAY = np.timedelta64(1, "D")

    def __init__(self, has_time: bool = False):
        self.has_time = has_time

    def fit(self, X, y=None):
        """Keeps medians of days, and which columns miss any."""
        days = self._days(X)
        self.misses_ = np.isnan(days).any(0)
        known = [column[~np.isnan(column)] for column in days.T]
        self.medians_ = np.array([np.median(one) if len(one) else 0.0 for one in known])
        self.feature_names_in_ = np.array(X.columns, object)
        self.n_features_in_ = days.shape[1]
        return self

    def transform(self, X):
        """`[n, e]`, float64."""
        check_is_fitted(self)
        days, parts = self._days(X), []
        for j, name in enumerate(X.columns):
            is_missing = np.isnan(days[:, j])
            day = np.where(is_missing, self.medians_[j], days[:, j])
            parts.append(day)
            for position in self._cycles(X[name], day):
                angle = 2 * math.pi * position
                parts += [np.where(is_missing, 0, np.sin(angle))]
                parts += [np.where(is_missing, 0, np.cos(angle))]
            if self.misses_[j]:
                parts.append(is_missing)
        return np.column_stack(parts).astype(np.float64)

    def get_feature_names_out(self, input_features=None):
        """Names such as "since: days", "since: year sin" and "since missing"."""
        cycles = ["year", "week", *["day"] * self.has_time]
        found = []
        for name, misses in zip(self.feature_names_in_, self.misses_, strict=True):
            found += [f"{name}: days"]
            found += [f"{name}: {cycle} {wave}" for cycle in cycles for wave in ("sin", "cos")]
            found += [f"{name} missing"] * bool(misses)
        return np.array(found, object)

    def origins(self, names):
        """The date that each column is made of."""
        each = 5 + 2 * self.has_time
        return [
            name
            for name, misses in zip(names, self.misses_, strict=True)
            for _ in range(each + bool(misses))
        ]

    def _days(self, X):
        """Days since 1970 `[n, d]`, with fractions, NaN where missing."""
        columns = [X[name].to_numpy("datetime64[us]") for name in X.columns]
        since = [(column - np.datetime64(0, "us")) / self._DAY for column in columns]
        return np.column_stack(since)

    def _cycles(self, column, day):
        """The place of each date in its year, its week and perhaps its day, in [0, 1)."""
        dates = column.to_numpy("datetime64[us]")
        years = dates.astype("datetime64[Y]")
        starts, ends = (v.astype("datetime64[us]") for v in (years, years + 1))
        yield np.nan_to_num((dates - starts) / (ends - starts))
        yield (day + 3) / 7 % 1  # 1970-01-01 is a Thursday
        if self.has_time:
            yield day % 1
