"""Realistic tables with categories, missing values, dates and several classes."""

import numpy as np
import pandas as pd

__all__ = ["churn", "to_library"]


def churn(n: int, columns: int = 6, seed: int = 0):
    """Frame of `n` rows, and labels "stay", "leave" and "pause", of which two are rare.

    The first six columns are of all kinds; further ones are numeric, categorical or have gaps.
    """
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    days = rng.integers(0, 1500, n)
    frame = pd.DataFrame(
        {
            "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.6, 0.3, 0.1]),
            "age": (40 + 9 * rng.normal(size=n) - 3 * risk).round(),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D"),
            "autopay": risk + rng.normal(size=n) > 0,
            "region": rng.choice([f"r{i}" for i in range(12)], n),
            "spend": rng.gamma(2, 10, n) + 5 * risk,
        }
    )
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    for number in range(columns - frame.shape[1]):
        values = rng.normal(size=n) + 0.2 * risk
        if number % 3 == 1:
            values = np.array([f"level {i}" for i in np.floor(3 * np.abs(values)).astype(int)])
        elif number % 3 == 2:
            values[rng.random(n) < 0.05] = np.nan
        frame[f"extra {number}"] = values
    order = np.argsort(-(risk + rng.normal(size=n)), kind="stable")
    y = np.full(n, "stay", object)
    y[order[: max(n // 10, 8)]] = "leave"
    y[order[max(n // 10, 8) : max(n // 10, 8) * 2]] = "pause"
    return frame, y


def to_library(frame: pd.DataFrame, library: str):
    """Converts a frame to another library, "polars" or "pyarrow"."""
    if library == "polars":
        import polars

        return polars.from_pandas(frame)
    import pyarrow

    return pyarrow.Table.from_pandas(frame, preserve_index=False)
