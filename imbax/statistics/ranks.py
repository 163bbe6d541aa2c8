"""Comparing methods over datasets: ranks, Friedman, Nemenyi, Wilcoxon, Holm.

``scores`` is always a table [dataset x method] of one number per cell, higher = better. Datasets
on which a compared method has no score are dropped, and every result says how many were left.
Where too little is left for a statistic it is NaN, never an error.

The procedures are those of Demsar, "Statistical Comparisons of Classifiers over Multiple Data
Sets" (JMLR 7, 2006), unless a function names another source.
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
# Below this many datasets the smallest two-sided p-value Wilcoxon's test can give is above LEVEL.
FEWEST_DATASETS = 6
# Means of the same runs may differ in their last bits; such differences are ties.
TIE_DECIMALS = 12


class Friedman(NamedTuple):
    """Do the mean ranks differ by more than chance? ``f`` is Iman and Davenport's statistic."""

    n: int  # datasets with a score of every method
    dropped: int  # datasets without
    n_methods: int
    chi2: float  # without correction for ties
    chi2_p_value: float
    chi2_corrected: float  # for ties, as scipy.stats.friedmanchisquare gives it
    f: float
    f_p_value: float


class Comparison(NamedTuple):
    """One method against another over datasets."""

    n: int  # datasets with a score of both
    wins: int
    ties: int
    losses: int
    median_difference: float
    low: float  # 95% bootstrap interval of the median difference
    high: float
    effect_size: float  # matched-pairs rank-biserial correlation, -1 to 1, ties left out
    p_value: float  # Wilcoxon signed-rank, two-sided, ties left out


def mean_ranks(scores: pd.DataFrame) -> pd.Series:
    """Mean rank of each method, 1 = best, ties share their average; NaN without full datasets."""
    return scores.dropna().round(TIE_DECIMALS).rank(axis=1, ascending=False).mean()


def friedman(scores: pd.DataFrame) -> Friedman:
    """Friedman's test and its Iman-Davenport form over the datasets every method has a score on.

    chi2 = 12 n / (k (k + 1)) (sum_j R_j^2 - k (k + 1)^2 / 4) for mean ranks R_j of k methods on n
    datasets, and F = (n - 1) chi2 / (n (k - 1) - chi2) with k - 1 and (k - 1)(n - 1) degrees of
    freedom (Iman and Davenport 1980). NaN with fewer than 2 datasets or methods.
    """
    n, k = len(scores.dropna()), scores.shape[1]
    dropped = len(scores) - n
    if n < 2 or k < 2:
        return Friedman(n, dropped, k, *[math.nan] * 5)
    ranks = mean_ranks(scores).to_numpy()
    chi2 = 12 * n / (k * (k + 1)) * float(np.sum(ranks**2) - k * (k + 1) ** 2 / 4)
    rest = n * (k - 1) - chi2
    # The rest is 0 when all datasets rank the methods alike.
    f = (n - 1) * chi2 / rest if rest > 1e-9 else math.inf
    f_p_value = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    untied = scores.dropna().round(TIE_DECIMALS).rank(axis=1).apply(stats.tiecorrect, axis=1).mean()
    corrected = chi2 / untied if untied > 0 else math.nan
    chi2_p_value = float(stats.chi2.sf(chi2, k - 1))
    return Friedman(n, dropped, k, chi2, chi2_p_value, float(corrected), f, f_p_value)


def critical_difference(n_methods: int, n: int, level: float = LEVEL) -> float:
    """Nemenyi's critical difference: mean ranks over ``n`` datasets further apart than it differ.

    q sqrt(k (k + 1) / (6 n)) for k methods, q being the upper ``level`` quantile of the studentized
    range of k normal variables over sqrt 2. NaN with no dataset or fewer than 2 methods.
    """
    if n < 1 or n_methods < 2:
        return math.nan
    q = stats.studentized_range.ppf(1 - level, n_methods, math.inf) / math.sqrt(2)
    return float(q * _rank_error(n_methods, n))


def rank_test(scores: pd.DataFrame, control: str) -> pd.DataFrame:
    """Mean rank of every other method against that of ``control``, with Holm's correction.

    Indexed by method: ``z`` = (rank of control - rank) / sqrt(k (k + 1) / (6 n)), above 0 where the
    method ranks better than the control, its two-sided ``p_value``, and ``p_holm`` for k - 1
    comparisons. The ranks, and so the verdict on a pair, depend on which other methods are in
    ``scores``; ``compare`` looks at the pair alone.
    """
    ranks = mean_ranks(scores)
    n = len(scores.dropna())
    others = ranks.drop(control)
    z = (ranks[control] - others) / (_rank_error(len(ranks), n) if n else math.nan)
    p_value = 2 * stats.norm.sf(z.abs())
    return pd.DataFrame({"z": z, "p_value": p_value, "p_holm": holm(p_value)})


def compare(scores: pd.DataFrame, a: str, b: str, *, seed: int = 0) -> Comparison:
    """Method ``a`` against method ``b``; differences are a - b, so a win is one for ``a``.

    The effect size is (sum of ranks of wins - that of losses) / (sum of both), ranks being those of
    the absolute differences that are not 0 (Kerby 2014). The interval is that of the percentile
    bootstrap with 9999 resamples of the datasets, drawn from ``seed``.
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
            "higher": by_dataset.apply(lambda d: int((d.round(TIE_DECIMALS) > 0).sum())),
        }
    )


def _rank_error(n_methods: int, n: int) -> float:
    """Standard error of the difference of two mean ranks under equal methods."""
    return math.sqrt(n_methods * (n_methods + 1) / (6 * n))
