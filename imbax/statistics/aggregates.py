"""Methods over many data sets: win rates, Elo, interquartile mean, probability of improvement.

Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS
2021), for the last two and their stratified bootstrap: runs are drawn again within each data set.
It takes the runs of a data set for independent. They share rows, so these intervals speak of the
splits and seeds at hand.

``scores`` is a table [dataset x method] and ``runs`` has one row per run with the columns
``dataset``, ``method`` and a metric, higher = better. Data sets on which a method has no score are
dropped. Where too little is left for a statistic it is NaN, never an error.
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
# Elo's scale: a lead of 400 is odds of 10 to 1.
_POINTS, _MIDDLE = 400 / math.log(10), 1000
_MOST_STEPS = 200


def win_rates(scores: pd.DataFrame) -> pd.DataFrame:
    """Share of data sets on which the method of a row scores higher than that of a column.

    Ties count half; NaN on the diagonal.

    Parameters
    ----------
    scores
        ``[dataset x method]``, higher = better.
    """
    full = scores.dropna()
    rates = _wins(full).mean(0) if len(full) else np.full([scores.shape[1]] * 2, np.nan)
    np.fill_diagonal(rates, np.nan)
    return pd.DataFrame(rates, index=scores.columns, columns=scores.columns)


def elo(scores: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Elo ratings: each data set is a game of every method against every other one.

    The ratings R maximise the likelihood of the Bradley-Terry model, so that the order of games
    does not matter: method a beats b with probability 1 / (1 + 10^((R_b - R_a) / 400)), a tie being
    half a win for both. Every pair has one drawn game more than it played, which keeps the
    ratings of methods finite that always win. Their mean is 1000.

    Parameters
    ----------
    scores
        ``[dataset x method]``, higher = better.
    resamples
        Bootstrap resamples of the data sets.
    seed
        Of the resamples.

    Returns
    -------
    pd.DataFrame
        Indexed by method: ``elo`` and the ends ``low`` and ``high`` of its 95 % percentile
        bootstrap interval over data sets, NaN below two data sets.
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
        table[["low", "high"]] = _ends(_ratings((counts @ wins).reshape(-1, k, k))).T
    return table


def interquartile_mean(
    runs: pd.DataFrame,
    metric: str = "average_precision",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean of the middle half of all runs of a method, those of all data sets pooled.

    A quarter of the runs, rounded down, is left out at either end.

    Parameters
    ----------
    runs
        One row per run: ``dataset``, ``method`` and the metric, NaN for a run without.
    metric
        Column of scores; they should be comparable between data sets.
    resamples
        Of the stratified bootstrap.
    seed
        Of the resamples.

    Returns
    -------
    pd.DataFrame
        Indexed by method: ``mean`` and the ends ``low`` and ``high`` of its 95 % percentile
        interval, NaN where no data set has two runs of the method.

    Raises
    ------
    InputError
        An unknown metric.
    """
    cells, methods = _cells(runs, metric)
    table = pd.DataFrame(np.nan, index=methods, columns=["mean", "low", "high"])
    for method in methods if cells else []:
        rng = np.random.default_rng(seed)
        strata = [cell[method] for cell in cells]
        table.loc[method, "mean"] = stats.trim_mean(np.concatenate(strata), 0.25)
        if max(map(len, strata)) >= 2:
            drawn = [x[rng.integers(len(x), size=(resamples, len(x)))] for x in strata]
            ends = _ends(stats.trim_mean(np.concatenate(drawn, 1), 0.25, axis=1))
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
    """Probability that a run of a method scores higher than one of ``control``.

    On a data set it is the share of all pairs of a run of either, ties counting half (the
    Mann-Whitney U statistic over the number of pairs); data sets count alike.

    Parameters
    ----------
    runs
        One row per run: ``dataset``, ``method`` and the metric, NaN for a run without.
    control
        The method to improve on.
    metric
        Column of scores.
    resamples
        Of the stratified bootstrap.
    seed
        Of the resamples.

    Returns
    -------
    pd.DataFrame
        Indexed by the other methods: ``probability`` and the ends ``low`` and ``high`` of its 95 %
        percentile interval, NaN where no data set has two runs of either.

    Raises
    ------
    InputError
        An unknown control or metric.
    """
    cells, methods = _cells(runs, metric)
    if control not in methods:
        raise InputError(f"no method {control!r}{did_you_mean(control, methods)}")
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
            # Resampling runs is giving each a multinomial weight.
            a, b = (rng.multinomial(len(z), np.full(len(z), 1 / len(z)), resamples) for z in (x, y))
            drawn += np.einsum("bx,xy,by->b", a, wins, b, optimize=True) / wins.size
            most = max(most, len(x), len(y))
        table.loc[method, "probability"] = probability / len(cells)
        if most >= 2:
            table.loc[method, ["low", "high"]] = _ends(drawn / len(cells))
    return table


def _wins(full: pd.DataFrame) -> np.ndarray:
    """`[dataset, method, rival]`: 1 for a win, 1/2 for a tie, 0 for a loss."""
    x = full.to_numpy(float)
    return _sign_shares(x[:, :, None] - x[:, None, :])


def _sign_shares(difference: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.sign(difference.round(TIE_DECIMALS))


def _ratings(wins: np.ndarray) -> np.ndarray:
    """Maximum-likelihood ratings `[b, k]` of numbers of wins `[b, k, k]`, by Newton's method."""
    k = wins.shape[-1]
    wins = (wins + 0.5) * (1 - np.eye(k))  # a drawn game of every pair
    games = wins + wins.swapaxes(1, 2)
    r = np.zeros(wins.shape[:2])
    for _ in range(_MOST_STEPS):
        p = 1 / (1 + np.exp(r[:, None, :] - r[:, :, None]))
        gradient = (wins - games * p).sum(2)
        weight = games * p * (1 - p)
        # The likelihood does not depend on the mean of r; adding 1 everywhere fixes it at 0.
        hessian = weight.sum(2)[:, :, None] * np.eye(k) - weight + 1
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        largest = np.abs(step).max(1, keepdims=True)
        r += step / np.maximum(largest, 1)  # far from the optimum full steps may overshoot
        if largest.max() < 1e-9:
            break
    return _MIDDLE + _POINTS * (r - r.mean(1, keepdims=True))


def _ends(samples: np.ndarray) -> np.ndarray:
    """The 95 % percentile interval over the first axis."""
    return np.quantile(samples, [LEVEL / 2, 1 - LEVEL / 2], axis=0)


def _cells(runs: pd.DataFrame, metric: str) -> tuple[list[dict[str, np.ndarray]], list[str]]:
    """Scores of each method, one dictionary per data set on which all have one; the methods."""
    check_metric(runs, metric)
    methods = list(dict.fromkeys(runs["method"]))
    cells = []
    for _, rows in runs.dropna(subset=metric).groupby("dataset"):
        cell = {name: x.to_numpy(float) for name, x in rows.groupby("method")[metric]}
        if len(cell) == len(methods):
            cells.append(cell)
    return cells, methods
