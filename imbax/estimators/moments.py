"""Columns of dates, times of day or durations as whole numbers of steps, and back.

The step is the longest of a day, an hour, a minute, a second and their thousandths of which all
entries are multiples, so that a column of days holds days again. Dates with a time zone are counted
by the clock of their zone.
"""

from typing import Any

import numpy as np

__all__ = ["Moments"]

_SECONDS = 86_400
# A step as a number of steps a day.
_STEPS = (1, 24, 1440, *(_SECONDS * 1000**power for power in range(4)))


class Moments:
    """A column of a frame as whole numbers.

    Attributes
    ----------
    numbers : ndarray of shape (n,)
        Steps since the least entry, float64; NaN for missing entries.
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
        """The column's, or None if it holds no dates, times or durations."""
        for kind in (_Polars, _Pandas, _Objects):
            if kind.takes(column):
                return cls(kind, column)
        return None

    def column(self, numbers: np.ndarray) -> Any:
        """Numbers `[m]` without NaN as a column of the same type, rounded to whole steps."""
        ticks = np.rint(numbers).astype(np.int64) * self._step + self._least
        return self._form.column(ticks)


class _Polars:
    """Date, Datetime, Duration and Time of polars."""

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
        # A time that a change of the clocks skips becomes the one an hour later.
        return in_zone(made).zip_with(in_zone(made).is_not_null(), in_zone(made.dt.offset_by("1h")))


class _Pandas:
    """datetime64, with and without a time zone, and timedelta64 of pandas."""

    def __init__(self, column):
        self._type, self._zone = column.dtype, getattr(column.dtype, "tz", None)

    @staticmethod
    def takes(column):
        return getattr(column.dtype, "kind", None) in ("m", "M")

    def ticks(self, column):
        local = column.dt.tz_localize(None) if self._zone else column
        if not isinstance(local.dtype, np.dtype):  # pyarrow's
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
    """Python's dates, or pandas' timestamps, in a pandas column of objects."""

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
