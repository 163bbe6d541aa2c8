"""Conversion of dates, times of day and durations to whole numbers of steps, and back.

The step is the longest of a day, an hour, a minute, a second and its decimal fractions such that
all entries are multiples, so that a column of days is converted back to days. Dates with a time
zone are counted in local time.
"""

from typing import Any

import numpy as np

__all__ = ["Moments"]

_SECONDS = 86_400
# Numbers of steps per day.
_STEPS = (1, 24, 1440, *(_SECONDS * 1000**power for power in range(4)))


class Moments:
    """Column of a frame as whole numbers.

    Attributes
    ----------
    numbers : ndarray of shape (n,)
        Number of steps since the smallest entry, float64; NaN for missing entries.
    """

    def __init__(self, kind: type, column: Any):
        self._form = kind(column)
        ticks, is_missing, per_day = self._form.ticks(column)
        known = ticks[~is_missing]
        self._least = known.min() if len(known) else np.int64(0)
        sizes = [per_day // steps for steps in _STEPS if per_day % steps == 0]
        self._step = next(size for size in sizes if not (known % size).any())
        self.numbers = np.full(len(ticks), np.nan)
        self.numbers[~is_missing] = (known - self._least) // self._step

    @classmethod
    def of(cls, column: Any) -> "Moments | None":
        """Converts a column; returns None if it has no dates, times or durations."""
        for kind in (_Polars, _Pandas, _Objects):
            if kind.takes(column):
                return cls(kind, column)
        return None

    def column(self, numbers: np.ndarray) -> Any:
        """Converts numbers `[m]` without NaN to a column of the same type, rounded to steps."""
        ticks = np.rint(numbers).astype(np.int64) * self._step + self._least
        return self._form.column(ticks)


class _Polars:
    """Conversion of polars' Date, Datetime, Duration and Time."""

    _TICKS = {"ms": 1000, "us": 10**6, "ns": 10**9}  # noqa: RUF012

    def __init__(self, column):
        self._name, self._type = column.name, column.dtype
        self._zone = getattr(column.dtype, "time_zone", None)

    @staticmethod
    def takes(column):
        return hasattr(column.dtype, "is_temporal") and column.dtype.is_temporal()

    def ticks(self, column):
        local = column.dt.replace_time_zone(None) if self._zone else column
        self._local, whole = local.dtype, local.to_physical()
        self._whole = whole.dtype
        unit = self._TICKS[getattr(local.dtype, "time_unit", None) or "ns"]
        per_day = 1 if str(local.dtype) == "Date" else _SECONDS * unit
        is_missing = column.is_null().to_numpy()
        return whole.fill_null(0).to_numpy().astype(np.int64), is_missing, per_day

    def column(self, ticks):
        import polars as pl

        made = pl.Series(self._name, ticks).cast(self._whole).cast(self._local)
        if not self._zone:
            return made
        in_zone = lambda local: local.dt.replace_time_zone(
            self._zone, ambiguous="earliest", non_existent="null"
        )
        # A local time skipped by daylight saving becomes the time an hour later.
        return in_zone(made).zip_with(in_zone(made).is_not_null(), in_zone(made.dt.offset_by("1h")))


class _Pandas:
    """Conversion of pandas' datetime64, with or without a time zone, and timedelta64."""

    def __init__(self, column):
        self._type, self._zone = column.dtype, getattr(column.dtype, "tz", None)

    @staticmethod
    def takes(column):
        return getattr(column.dtype, "kind", None) in ("m", "M")

    def ticks(self, column):
        local = column.dt.tz_localize(None) if self._zone else column
        if not isinstance(local.dtype, np.dtype):  # a pyarrow type
            local = local.astype({"M": "datetime64[ns]", "m": "timedelta64[ns]"}[local.dtype.kind])
        values = local.to_numpy()
        self._kind = values.dtype
        per_day = int(np.timedelta64(1, "D") / np.timedelta64(1, np.datetime_data(values.dtype)))
        return values.astype(np.int64), np.isnat(values), per_day

    def column(self, ticks):
        import pandas as pd

        made = pd.Series(ticks.astype(self._kind))
        if self._zone:
            is_summer = np.ones(len(made), bool)
            made = made.dt.tz_localize(self._zone, ambiguous=is_summer, nonexistent="shift_forward")
        return made.astype(self._type)


class _Objects(_Pandas):
    """Conversion of Python's dates in a pandas object column."""

    @staticmethod
    def takes(column):
        import pandas as pd

        is_object = getattr(column.dtype, "kind", None) == "O" and column.dtype == object
        return is_object and pd.api.types.infer_dtype(column) == "date"

    def ticks(self, column):
        import pandas as pd

        return super().ticks(pd.to_datetime(column))

    def column(self, ticks):
        import pandas as pd

        return pd.Series(ticks.astype(self._kind)).dt.date
