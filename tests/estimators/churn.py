"""Table of customer churn with all kinds of columns, missing values and three classes."""

import numpy as np
import pandas as pd


def churn(n, seed=0):
    """Returns `(frame, labels)`; the label depends on the plan and on a missing age."""
    rng = np.random.default_rng(seed)
    gap = lambda values, share: np.where(rng.random(n) < share, None, values)
    since = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    frame = pd.DataFrame(
        {
            "spend": rng.normal(size=n),
            "plan": pd.Categorical(rng.choice(["basic", "plus", "pro"], n, p=[0.2, 0.3, 0.5])),
            "age": gap(rng.integers(18, 80, n), 0.2).astype(float),
            "city": gap(rng.choice(["Bonn", "Rome", "?"], n), 0.2),
            "paid": gap(rng.random(n) < 0.5, 0.1),
            "since": since.to_series(index=range(n)).where(rng.random(n) > 0.1),
            "rate": [f"{v} %" for v in rng.integers(0, 99, n)],
        }
    )
    leaves = np.where(frame["plan"] == "basic", 2, frame["age"].isna().astype(int))
    return frame, np.array(["stays", "may leave", "leaves"])[leaves]
