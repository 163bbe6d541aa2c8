"""Performance profiles: the share of data sets on which a method is within a factor of the best.

Dolan and More, "Benchmarking optimization software with performance profiles" (Mathematical
Programming 91, 2002), and the variant of Figure 3 in arXiv 2202.10550. ``scores`` is a table
[data set x method] of numbers of at least 0, higher is better; data sets with a missing score are
dropped.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from imbax.statistics.ranks import TIE_DECIMALS

__all__ = ["THRESHOLDS", "areas", "cost_profile", "costs", "drawable", "profile"]

THRESHOLDS = np.linspace(0, 1, 101)


def drawable(scores: pd.DataFrame) -> bool:
    """Returns whether profiles are defined: any data set has all scores, and all are >= 0."""
    full = scores.dropna()
    return bool(len(full) and (full >= 0).all(axis=None))


def profile(
    scores: pd.DataFrame, thresholds: Sequence[float] | np.ndarray = THRESHOLDS
) -> pd.DataFrame:
    """Share of data sets with score >= theta x best, [theta x method], as in Figure 3.

    ``thresholds`` theta lie in [0, 1]; the value at 1 is the share of data sets on which a method
    is the best or tied with it.
    """
    scores = scores.dropna().round(TIE_DECIMALS)
    best = scores.max(axis=1)
    shares = [scores.ge(theta * best, axis=0).mean() for theta in thresholds]
    return pd.DataFrame(shares, index=pd.Index(thresholds, name="theta"))


def areas(scores: pd.DataFrame) -> pd.Series:
    """Exact area under each method's ``profile`` over theta in [0, 1].

    A data set contributes for theta up to score / best, so the area is the mean of these ratios.
    """
    return (1 / _cost_ratios(costs(scores))).mean()


def costs(scores: pd.DataFrame) -> pd.DataFrame:
    """Costs 1 / score, so that cost ratios are inverse ratios of scores; inf for a score of 0."""
    with np.errstate(divide="ignore"):
        return 1 / scores


def cost_profile(costs: pd.DataFrame, factors: Sequence[float] | np.ndarray) -> pd.DataFrame:
    """Classical profile: the share of data sets with cost <= tau x least cost, [tau x method].

    ``costs`` are above 0, lower is better; inf is a failure, which no factor reaches. ``factors``
    tau are at least 1.
    """
    ratios = _cost_ratios(costs).round(TIE_DECIMALS)
    shares = [ratios.le(tau).mean() for tau in factors]
    return pd.DataFrame(shares, index=pd.Index(factors, name="tau"))


def _cost_ratios(costs: pd.DataFrame) -> pd.DataFrame:
    costs = costs.dropna()
    least = costs.min(axis=1)
    # If every method fails, all are tied.
    return costs.div(least, axis=0).mask(np.isinf(least), 1.0)
