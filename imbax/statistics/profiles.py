"""Performance profiles: on which share of the datasets is a method within a factor of the best?

Dolan and More, "Benchmarking optimization software with performance profiles" (Mathematical
Programming 91, 2002), and the form in which Figure 3 of arXiv 2202.10550 draws them. ``scores`` is
a table [dataset x method], higher = better and none below 0; datasets with a gap are dropped.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from imbax.statistics.ranks import TIE_DECIMALS

__all__ = ["THRESHOLDS", "areas", "cost_profile", "costs", "drawable", "profile"]

THRESHOLDS = np.linspace(0, 1, 101)


def drawable(scores: pd.DataFrame) -> bool:
    """Whether profiles mean something: a dataset without gaps, and no score below 0."""
    full = scores.dropna()
    return bool(len(full) and (full >= 0).all(axis=None))


def profile(
    scores: pd.DataFrame, thresholds: Sequence[float] | np.ndarray = THRESHOLDS
) -> pd.DataFrame:
    """As Figure 3 draws it: the share of datasets with score >= theta x best, [theta x method].

    ``thresholds`` theta lie in [0, 1]; at 1 stands the share of datasets on which a method is best
    or tied with the best.
    """
    scores = scores.dropna().round(TIE_DECIMALS)
    best = scores.max(axis=1)
    shares = [scores.ge(theta * best, axis=0).mean() for theta in thresholds]
    return pd.DataFrame(shares, index=pd.Index(thresholds, name="theta"))


def areas(scores: pd.DataFrame) -> pd.Series:
    """The exact area under each method's ``profile`` over theta in [0, 1].

    A dataset counts for theta up to score / best, so this is the mean of those ratios.
    """
    return (1 / _cost_ratios(costs(scores))).mean()


def costs(scores: pd.DataFrame) -> pd.DataFrame:
    """A cost for each score, 1 / score, so that cost ratios are ratios of scores; inf for 0."""
    with np.errstate(divide="ignore"):
        return 1 / scores


def cost_profile(costs: pd.DataFrame, factors: Sequence[float] | np.ndarray) -> pd.DataFrame:
    """The classical form: the share of datasets with cost <= tau x least cost, [tau x method].

    ``costs``, lower = better, are above 0; inf is a failure, which no factor reaches. ``factors``
    tau are 1 or more.
    """
    ratios = _cost_ratios(costs).round(TIE_DECIMALS)
    shares = [ratios.le(tau).mean() for tau in factors]
    return pd.DataFrame(shares, index=pd.Index(factors, name="tau"))


def _cost_ratios(costs: pd.DataFrame) -> pd.DataFrame:
    costs = costs.dropna()
    least = costs.min(axis=1)
    # Where every method fails, all are equally good.
    return costs.div(least, axis=0).mask(np.isinf(least), 1.0)
