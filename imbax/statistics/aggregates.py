"""Aggregates over data sets: win rates, Elo, interquartile mean, probability of improvement.

The last two and their stratified bootstrap, which resamples runs within each data set, follow
Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS
2021). The bootstrap assumes that the runs of a data set are independent. They share rows, so the
intervals apply only to these splits and seeds.

``scores`` is a table [data set x method]; ``runs`` has one row per run with the columns
``dataset``, ``method`` and a metric. Higher is better. Data sets on which a method has no score are
dropped. A statistic with too few remaining values is NaN, never an error.
"""

import math

import numpy as np
import pandas as pd
from scipy import stats

from imbax.errors import InputError, did_you_mean
from imbax.statistics.ranks import LEVEL, TIE_DECIMALS
from imbax.statistics.runs import check_metric

__all__ = ["elo", "interquartile_mean", "probability_of_improvement", "win_rates"]

RESAMPLES = 2000
# Elo's scale: a difference of 400 corresponds to odds of 10 to 1.
_POINTS, _MIDDLE = 400 / math.log(10), 1000
_MAX_STEPS = 200


def win_rates(scores: pd.DataFrame) -> pd.DataFrame:
    """Share of data sets on which the row's method scores higher than the column's method.

    Ties count as half a win; the diagonal is NaN.

    Parameters
    ----------
    scores
        Table [data set x method]; higher is better.
    """
    full = scores.dropna()
    rates = _wins(full).mean(0) if len(full) else np.full([scores.shape[1]] * 2, np.nan)
    np.fill_diagonal(rates, np.nan)
    return pd.DataFrame(rates, index=scores.columns, columns=scores.columns)


def elo(scores: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Elo ratings, treating each data set as one game between every pair of methods.

    The ratings R maximise the likelihood of the Bradley-Terry model, so the order of games does not
    matter: method a beats b with probability 1 / (1 + 10^((R_b - R_a) / 400)), and a tie is half a
    win for both. One drawn game is added for every pair, which keeps the ratings of methods that
    always win finite. The mean rating is 1000.

    Parameters
    ----------
    scores
        Table [data set x method]; higher is better.
    resamples
        Number of bootstrap resamples of the data sets.
    seed
        Seed of the resamples.

    Returns
    -------
    pd.DataFrame
        Indexed by method: ``elo`` and the bounds ``low`` and ``high`` of its 95 % percentile
        bootstrap interval over data sets, NaN with fewer than two data sets.
    """
    full = scores.dropna()
    n, k = full.shape
    table = pd.DataFrame(np.nan, index=scores.columns, columns=["elo", "low", "high"])
    if n == 0 or k < 2:
        return table
    wins = _wins(full).reshape(n, k * k)
    table["elo"] = _ratings(wins.sum(0).reshape(1, k, k))[0]
    if n >= 2:
        rng = np.random.default_rng(seed)
        counts = rng.multinomial(n, np.full(n, 1 / n), resamples)
        table[["low", "high"]] = _percentile_interval(_ratings((counts @ wins).reshape(-1, k, k))).T
    return table


def interquartile_mean(
    runs: pd.DataFrame,
    metric: str = "average_precision",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean of the middle half of all runs of a method, pooled over data sets.

    A quarter of the runs, rounded down, is trimmed at each end.

    Parameters
    ----------
    runs
        One row per run: ``dataset``, ``method`` and the metric, NaN if missing.
    metric
        Column of scores, which should be comparable between data sets.
    resamples
        Number of resamples of the stratified bootstrap.
    seed
        Seed of the resamples.

    Returns
    -------
    pd.DataFrame
        Indexed by method: ``mean`` and the bounds ``low`` and ``high`` of its 95 % percentile
        interval, NaN if no data set has two runs of the method.

    Raises
    ------
    InputError
        The metric is unknown.
    """
    cells, methods = _cells(runs, metric)
    table = pd.DataFrame(np.nan, index=methods, columns=["mean", "low", "high"])
    for method in methods if cells else []:
        rng = np.random.default_rng(seed)
        strata = [cell[method] for cell in cells]
        table.loc[method, "mean"] = stats.trim_mean(np.concatenate(strata), 0.25)
        if max(map(len, strata)) >= 2:
            drawn = [x[rng.integers(len(x), size=(resamples, len(x)))] for x in strata]
            ends = _percentile_interval(stats.trim_mean(np.concatenate(drawn, 1), 0.25, axis=1))
            table.loc[method, ["low", "high"]] = ends
    return table


def probability_of_improvement(
    runs: pd.DataFrame,
    control: str,
    metric: str = "average_precision",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Probability that a run of a method scores higher than a run of ``control``.

    On one data set, it is the share of pairs of runs in which the method wins, with ties counted as
    half a win (the Mann-Whitney U statistic divided by the number of pairs). Data sets are averaged
    with equal weight.

    Parameters
    ----------
    runs
        One row per run: ``dataset``, ``method`` and the metric, NaN if missing.
    control
        Baseline method.
    metric
        Column of scores.
    resamples
        Number of resamples of the stratified bootstrap.
    seed
        Seed of the resamples.

    Returns
    -------
    pd.DataFrame
        Indexed by the other methods: ``probability`` and the bounds ``low`` and ``high`` of its
        95 % percentile interval, NaN if no data set has two runs of either method.

    Raises
    ------
    InputError
        The control or the metric is unknown.
    """
    cells, methods = _cells(runs, metric)
    if control not in methods:
        raise InputError(f"unknown method {control!r}{did_you_mean(control, methods)}")
    others = [method for method in methods if method != control]
    table = pd.DataFrame(np.nan, index=others, columns=["probability", "low", "high"])
    table.index.name = "method"
    for method in others if cells else []:
        rng = np.random.default_rng(seed)
        probability, drawn, most = 0.0, np.zeros(resamples), 0
        for cell in cells:
            x, y = cell[method], cell[control]
            wins = _sign_shares(x[:, None] - y)
            probability += wins.mean()
            # Resampling runs is equivalent to giving them multinomial weights.
            a, b = (rng.multinomial(len(z), np.full(len(z), 1 / len(z)), resamples) for z in (x, y))
            drawn += np.einsum("bx,xy,by->b", a, wins, b, optimize=True) / wins.size
            most = max(most, len(x), len(y))
        table.loc[method, "probability"] = probability / len(cells)
        if most >= 2:
            table.loc[method, ["low", "high"]] = _percentile_interval(drawn / len(cells))
    return table


def _wins(full: pd.DataFrame) -> np.ndarray:
    """Returns `[dataset, method, rival]`: 1 for a win, 1/2 for a tie, 0 for a loss."""
    x = full.to_numpy(float)
    return _sign_shares(x[:, :, None] - x[:, None, :])


def _sign_shares(difference: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.sign(difference.round(TIE_DECIMALS))


def _ratings(wins: np.ndarray) -> np.ndarray:
    """Maximum-likelihood ratings `[b, k]` from numbers of wins `[b, k, k]`, by Newton's method."""
    k = wins.shape[-1]
    wins = (wins + 0.5) * (1 - np.eye(k))  # one drawn game for every pair
    games = wins + wins.swapaxes(1, 2)
    r = np.zeros(wins.shape[:2])
    for _ in range(_MAX_STEPS):
        p = 1 / (1 + np.exp(r[:, None, :] - r[:, :, None]))
        gradient = (wins - games * p).sum(2)
        weight = games * p * (1 - p)
        # The likelihood does not depend on the mean of r; adding 1 everywhere fixes it at 0.
        hessian = weight.sum(2)[:, :, None] * np.eye(k) - weight + 1
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        largest = np.abs(step).max(1, keepdims=True)
        r += step / np.maximum(largest, 1)  # full steps may overshoot far from the optimum
        if largest.max() < 1e-9:
            break
    return _MIDDLE + _POINTS * (r - r.mean(1, keepdims=True))


def _percentile_interval(samples: np.ndarray) -> np.ndarray:
    """Returns the bounds of the 95 % percentile interval over the first axis."""
    return np.quantile(samples, [LEVEL / 2, 1 - LEVEL / 2], axis=0)


def _cells(runs: pd.DataFrame, metric: str) -> tuple[list[dict[str, np.ndarray]], list[str]]:
    """Returns the scores by method of each data set with scores of all methods, and the methods."""
    check_metric(runs, metric)
    methods = list(dict.fromkeys(runs["method"]))
    cells = []
    for _, rows in runs.dropna(subset=metric).groupby("dataset"):
        cell = {name: x.to_numpy(float) for name, x in rows.groupby("method")[metric]}
        if len(cell) == len(methods):
            cells.append(cell)
    return cells, methods
