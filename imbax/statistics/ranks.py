"""Comparison of methods over data sets: ranks, Friedman, Nemenyi, Wilcoxon and Holm.

``scores`` is a table [data set x method]; higher is better. Data sets on which a compared method
has no score are dropped, and every result includes the number of the others. A statistic with too
few remaining values is NaN, never an error.

The procedures follow Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets"
(JMLR 7, 2006), unless a function names another source.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

__all__ = [
    "FEWEST_DATASETS",
    "LEVEL",
    "TIE_DECIMALS",
    "Comparison",
    "Friedman",
    "compare",
    "critical_difference",
    "friedman",
    "holm",
    "mean_ranks",
    "paired_differences",
    "rank_test",
]

LEVEL = 0.05
# With fewer data sets, the smallest two-sided p-value of Wilcoxon's test is above LEVEL.
FEWEST_DATASETS = 6
# Means of equal runs may differ in their last bits; such differences are ties.
TIE_DECIMALS = 12


class Friedman(NamedTuple):
    """Friedman's test of equal mean ranks; ``f`` is Iman and Davenport's statistic."""

    n: int  # number of data sets with a score of every method
    dropped: int  # number of data sets that lack a score
    n_methods: int
    chi2: float  # statistic without correction for ties
    chi2_p_value: float
    chi2_corrected: float  # corrected for ties, as in scipy.stats.friedmanchisquare
    f: float
    f_p_value: float


class Comparison(NamedTuple):
    """Comparison of two methods over data sets."""

    n: int  # number of data sets with a score of both methods
    wins: int
    ties: int
    losses: int
    median_difference: float
    low: float  # bounds of the 95% bootstrap interval of the median difference
    high: float
    effect_size: float  # matched-pairs rank-biserial correlation, -1 to 1, without ties
    p_value: float  # two-sided Wilcoxon signed-rank test, without ties


def mean_ranks(scores: pd.DataFrame) -> pd.Series:
    """Mean rank of each method over data sets with all scores, 1 = best; ties share their mean.

    NaN if there is no such data set.
    """
    return scores.dropna().round(TIE_DECIMALS).rank(axis=1, ascending=False).mean()


def friedman(scores: pd.DataFrame) -> Friedman:
    """Friedman's test and its Iman-Davenport form over data sets with a score of every method.

    chi2 = 12 n / (k (k + 1)) (sum_j R_j^2 - k (k + 1)^2 / 4) for mean ranks R_j of k methods on n
    data sets, and F = (n - 1) chi2 / (n (k - 1) - chi2) with k - 1 and (k - 1)(n - 1) degrees of
    freedom (Iman and Davenport 1980). NaN with fewer than 2 data sets or methods.
    """
    n, k = len(scores.dropna()), scores.shape[1]
    dropped = len(scores) - n
    if n < 2 or k < 2:
        return Friedman(n, dropped, k, *[math.nan] * 5)
    ranks = mean_ranks(scores).to_numpy()
    chi2 = 12 * n / (k * (k + 1)) * float(np.sum(ranks**2) - k * (k + 1) ** 2 / 4)
    rest = n * (k - 1) - chi2
    # The denominator is 0 if all data sets rank the methods in the same order.
    f = (n - 1) * chi2 / rest if rest > 1e-9 else math.inf
    f_p_value = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    untied = scores.dropna().round(TIE_DECIMALS).rank(axis=1).apply(stats.tiecorrect, axis=1).mean()
    corrected = chi2 / untied if untied > 0 else math.nan
    chi2_p_value = float(stats.chi2.sf(chi2, k - 1))
    return Friedman(n, dropped, k, chi2, chi2_p_value, float(corrected), f, f_p_value)


def critical_difference(n_methods: int, n: int, level: float = LEVEL) -> float:
    """Nemenyi's critical difference: larger differences of mean ranks are significant.

    It is q sqrt(k (k + 1) / (6 n)) for k methods on n data sets, where q is the upper ``level``
    quantile of the studentized range of k normal variables divided by sqrt 2. NaN without any data
    set or with fewer than 2 methods.
    """
    if n < 1 or n_methods < 2:
        return math.nan
    q = stats.studentized_range.ppf(1 - level, n_methods, math.inf) / math.sqrt(2)
    return float(q * _rank_error(n_methods, n))


def rank_test(scores: pd.DataFrame, control: str) -> pd.DataFrame:
    """Compares the mean rank of every other method with ``control``, with Holm's correction.

    Indexed by method: ``z`` = (rank of control - rank) / sqrt(k (k + 1) / (6 n)), above 0 if the
    method ranks better than the control, its two-sided ``p_value``, and ``p_holm`` for k - 1
    comparisons. The result for a pair depends on the other methods in ``scores`` through the ranks;
    ``compare`` uses only the two methods.
    """
    ranks = mean_ranks(scores)
    n = len(scores.dropna())
    others = ranks.drop(control)
    z = (ranks[control] - others) / (_rank_error(len(ranks), n) if n else math.nan)
    p_value = 2 * stats.norm.sf(z.abs())
    return pd.DataFrame({"z": z, "p_value": p_value, "p_holm": holm(p_value)})


def compare(scores: pd.DataFrame, a: str, b: str, *, seed: int = 0) -> Comparison:
    """Compares methods ``a`` and ``b``; differences are a - b, so wins are those of ``a``.

    The effect size is (rank sum of wins - rank sum of losses) / (sum of both), with ranks of the
    nonzero absolute differences (Kerby 2014). The interval is a percentile bootstrap interval from
    9999 resamples of the data sets, drawn with ``seed``.
    """
    difference = (scores[a] - scores[b]).dropna().round(TIE_DECIMALS).to_numpy()
    n, ties = len(difference), int(np.sum(difference == 0))
    wins = int(np.sum(difference > 0))
    median = float(np.median(difference)) if n else math.nan
    low = high = effect_size = p_value = math.nan
    if n >= 2:
        low, high = stats.bootstrap(
            (difference,), np.median, method="percentile", rng=np.random.default_rng(seed)
        ).confidence_interval
    if n >= 2 and ties < n:
        untied = difference[difference != 0]
        ranks = stats.rankdata(np.abs(untied))
        effect_size = float(np.sum(np.sign(untied) * ranks) / np.sum(ranks))
        p_value = float(stats.wilcoxon(untied).pvalue)
    interval = (float(low), float(high))
    return Comparison(n, wins, ties, n - ties - wins, median, *interval, effect_size, p_value)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction of ``p_values``, in their order; NaN stay and do not count."""
    p = np.asarray(p_values, float)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    corrected = np.full_like(p, np.nan)
    stepped = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


def paired_differences(runs: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Differences in average precision between ``a`` and ``b`` on the same folds and seeds.

    Indexed by data set: the number ``n`` of pairs, the ``mean`` and ``sd`` of a - b, and the
    numbers of pairs in which ``a`` is ``higher`` and ``lower``; the others are ties. Pairs with a
    diverged run are left out. Runs of a data set share rows, so ``sd`` describes how single runs
    vary and must not be used for a test.
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
            "higher": by_dataset.apply(lambda d: int((d.round(TIE_DECIMALS) > 0).sum())),
            "lower": by_dataset.apply(lambda d: int((d.round(TIE_DECIMALS) < 0).sum())),
        }
    )


def _rank_error(n_methods: int, n: int) -> float:
    """Standard error of the difference of two mean ranks if the methods are equal."""
    return math.sqrt(n_methods * (n_methods + 1) / (6 * n))
