"""Encoder of dates as numeric features."""

import math

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

__all__ = ["DateEncoder"]


class DateEncoder(TransformerMixin, BaseEstimator):
    """Encodes dates as days since 1970 and as the sine and cosine of cyclic positions.

    The cycles are the year, the week and, with `has_time`, the day.

    Parameters
    ----------
    has_time
        Whether times of day are encoded.
    """

    _DAY = np.timedelta64(1, "D")

    def __init__(self, has_time: bool = False):
        self.has_time = has_time

    def fit(self, X, y=None):
        """Stores the median days, and which columns have missing values."""
        days = self._days(X)
        self.misses_ = np.isnan(days).any(0)
        known = [column[~np.isnan(column)] for column in days.T]
        self.medians_ = np.array(
            [np.median(known_days) if len(known_days) else 0.0 for known_days in known]
        )
        self.feature_names_in_ = np.array(X.columns, object)
        self.n_features_in_ = days.shape[1]
        return self

    def transform(self, X):
        """Returns the encoded columns `[n, e]`, float64."""
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
        """Returns names such as "since: days", "since: year sin" and "since missing"."""
        cycles = ["year", "week", *["day"] * self.has_time]
        output_names = []
        for name, misses in zip(self.feature_names_in_, self.misses_, strict=True):
            output_names += [f"{name}: days"]
            output_names += [
                f"{name}: {cycle} {wave}" for cycle in cycles for wave in ("sin", "cos")
            ]
            output_names += [f"{name} missing"] * bool(misses)
        return np.array(output_names, object)

    def origins(self, names):
        """Returns the date column that each encoded column comes from."""
        n_columns = 5 + 2 * self.has_time
        return [
            name
            for name, misses in zip(names, self.misses_, strict=True)
            for _ in range(n_columns + bool(misses))
        ]

    def _days(self, X):
        """Returns fractional days since 1970 `[n, d]`, NaN where missing."""
        columns = [X[name].to_numpy("datetime64[us]") for name in X.columns]
        since = [(column - np.datetime64(0, "us")) / self._DAY for column in columns]
        return np.column_stack(since)

    def _cycles(self, column, day):
        """Yields each date's position in its year, its week and, with times, its day, in [0, 1)."""
        dates = column.to_numpy("datetime64[us]")
        years = dates.astype("datetime64[Y]")
        starts, ends = (v.astype("datetime64[us]") for v in (years, years + 1))
        yield np.nan_to_num((dates - starts) / (ends - starts))
        yield (day + 3) / 7 % 1  # 1970-01-01 is a Thursday
        if self.has_time:
            yield day % 1
