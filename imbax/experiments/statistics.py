"""Comparing methods over datasets: ranks, Friedman, Wilcoxon, Holm.

``scores`` is always a table [dataset x method] of one number per cell, higher = better. Datasets
on which a compared method has no score are dropped, and every result says how many were left.
Where too little is left for a statistic it is NaN, never an error.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

__all__ = [
    "Comparison",
    "Friedman",
    "compare",
    "friedman",
    "holm",
    "mean_ranks",
    "paired_differences",
]

# Means of the same runs may differ in their last bits; such differences are ties.
_DECIMALS = 12


class Friedman(NamedTuple):
    """Do the mean ranks differ by more than chance? ``f`` is Iman and Davenport's statistic."""

    n: int  # datasets with a score of every method
    dropped: int  # datasets without
    n_methods: int
    chi2: float  # without correction for ties
    chi2_p_value: float
    f: float
    f_p_value: float


class Comparison(NamedTuple):
    """One method against another over datasets."""

    n: int  # datasets with a score of both
    wins: int
    ties: int
    losses: int
    median_difference: float
    p_value: float  # Wilcoxon signed-rank, two-sided, ties left out


def mean_ranks(scores: pd.DataFrame) -> pd.Series:
    """Mean rank of each method, 1 = best, ties share their average; NaN without full datasets."""
    return scores.dropna().round(_DECIMALS).rank(axis=1, ascending=False).mean()


def friedman(scores: pd.DataFrame) -> Friedman:
    """Friedman's test and its Iman-Davenport form over the datasets every method has a score on.

    chi2 = 12 n / (k (k + 1)) (sum_j R_j^2 - k (k + 1)^2 / 4) for mean ranks R_j of k methods on n
    datasets, and F = (n - 1) chi2 / (n (k - 1) - chi2) with k - 1 and (k - 1)(n - 1) degrees of
    freedom (Iman and Davenport 1980; Demsar 2006). NaN with fewer than 2 datasets or methods.
    """
    n, k = len(scores.dropna()), scores.shape[1]
    dropped = len(scores) - n
    if n < 2 or k < 2:
        return Friedman(n, dropped, k, *[math.nan] * 4)
    ranks = mean_ranks(scores).to_numpy()
    chi2 = 12 * n / (k * (k + 1)) * float(np.sum(ranks**2) - k * (k + 1) ** 2 / 4)
    rest = n * (k - 1) - chi2
    # The rest is 0 when all datasets rank the methods alike.
    f = (n - 1) * chi2 / rest if rest > 1e-9 else math.inf
    f_p_value = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    return Friedman(n, dropped, k, chi2, float(stats.chi2.sf(chi2, k - 1)), f, f_p_value)


def compare(scores: pd.DataFrame, a: str, b: str) -> Comparison:
    """Method ``a`` against method ``b``; differences are a - b, so a win is one for ``a``."""
    difference = (scores[a] - scores[b]).dropna().round(_DECIMALS).to_numpy()
    n, ties = len(difference), int(np.sum(difference == 0))
    wins = int(np.sum(difference > 0))
    median = float(np.median(difference)) if n else math.nan
    p_value = math.nan
    if n >= 2 and ties < n:
        p_value = float(stats.wilcoxon(difference, zero_method="wilcox").pvalue)
    return Comparison(n, wins, ties, n - ties - wins, median, p_value)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction of ``p_values``, in their order; NaN stays NaN, uncounted."""
    p = np.asarray(p_values, float)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    corrected = np.full_like(p, np.nan)
    stepped = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


def paired_differences(runs: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Average precision of ``a`` minus that of ``b`` on the same fold and seed, per dataset.

    Indexed by dataset: ``n`` pairs, their ``mean`` and ``sd``, and in how many ``a`` was
    ``higher``. Runs of which one diverged are left out. The runs of a dataset share rows, so the
    SD says how much single runs vary; it is not a basis for a test.
    """
    table = runs.pivot_table(
        index=["dataset", "fold", "seed"], columns="method", values="average_precision"
    ).reindex(columns=[a, b])
    by_dataset = (table[a] - table[b]).dropna().groupby("dataset")
    return pd.DataFrame(
        {
            "n": by_dataset.size(),
            "mean": by_dataset.mean(),
            "sd": by_dataset.std(ddof=1),
            "higher": by_dataset.apply(lambda d: int((d.round(_DECIMALS) > 0).sum())),
        }
    )
