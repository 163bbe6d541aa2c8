"""Comparison of methods on one data set, whose runs share rows.

The folds and seeds of a data set train on many of the same rows, so their scores are correlated
and the variance of a mean over J runs is far above s^2 / J. Nadeau and Bengio, "Inference for the
Generalization Error" (Machine Learning 52, 2003), estimate it as

    (1/J + n_test / n_train) s^2

where n_train counts all rows that a method learns from: training rows, and validation rows, which
choose the checkpoint. Corani and Benavoli, "A Bayesian approach for comparing cross-validated
algorithms on multiple data sets" (Machine Learning 100, 2015), section 2.1, derive a posterior with
the same variance.

``scores`` is a table [run x method] from `runs.scores_by_run`; higher is better. ``ratio`` is
n_test / n_train from `runs.size_ratio`. A statistic is NaN with fewer than two runs, or if the
difference is the same in all runs, for example with two deterministic methods on one split.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

from imbax.errors import InputError, did_you_mean
from imbax.statistics.bayesian import ROPE, Posterior
from imbax.statistics.ranks import LEVEL, TIE_DECIMALS, holm

__all__ = [
    "CorrectedTest",
    "against_control",
    "bootstrap_interval",
    "corrected_interval",
    "corrected_t_test",
    "correlated_t_test",
    "every_pair",
    "not_different_from_best",
    "not_testable",
]

CONFIDENCE = 1 - LEVEL


class CorrectedTest(NamedTuple):
    """Corrected test of the difference between two methods on a data set."""

    n: int  # number of runs with a score of both methods
    mean_difference: float
    low: float  # bounds of the corrected interval of the mean difference
    high: float
    t: float
    p_value: float  # two-sided


def corrected_t_test(
    differences: Sequence[float], ratio: float, *, confidence: float = CONFIDENCE
) -> CorrectedTest:
    """Corrected resampled t test of a mean difference of 0 (Nadeau and Bengio 2003).

    t = mean / sqrt((1/J + n_test / n_train) s^2) with J - 1 degrees of freedom, where s^2 is the
    variance of the J differences. A ratio of 0 gives the paired t test, which assumes independent
    runs and finds too many differences.

    Parameters
    ----------
    differences
        Differences ``[J]``, method minus rival on the same fold and seed; NaN are left out.
    ratio
        Ratio n_test / n_train, at least 0; see `runs.size_ratio`.
    confidence
        Confidence level of the interval, between 0 and 1.

    Raises
    ------
    InputError
        `ratio` or `confidence` is out of range, or a difference is infinite.
    """
    n, mean, error = _mean_and_error(differences, ratio)
    if math.isnan(error):
        return CorrectedTest(n, mean, *[math.nan] * 4)
    t = mean / error
    p_value = 2 * special.stdtr(n - 1, -abs(t))
    low, high = _student_interval(n, mean, error, confidence)
    return CorrectedTest(n, mean, low, high, t, float(p_value))


def corrected_interval(
    scores: Sequence[float], ratio: float, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Confidence interval of a method's mean score on a data set, with the corrected variance.

    Parameters
    ----------
    scores
        Scores ``[J]``, one per run; NaN are left out.
    ratio
        Ratio n_test / n_train, at least 0; see `runs.size_ratio`.
    confidence
        Confidence level, between 0 and 1.

    Raises
    ------
    InputError
        `ratio` or `confidence` is out of range, or a score is infinite.
    """
    return _student_interval(*_mean_and_error(scores, ratio), confidence)


def bootstrap_interval(
    scores: Sequence[float], *, confidence: float = CONFIDENCE, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over runs, with 9,999 resamples.

    It assumes independent runs and describes the variation of a mean over these runs. It is
    narrower than `corrected_interval`, which also accounts for other training and test rows.

    Parameters
    ----------
    scores
        Scores ``[J]``, one per run; NaN are left out.
    confidence
        Confidence level, between 0 and 1.
    seed
        Seed of the resamples.

    Raises
    ------
    InputError
        `confidence` is out of range, or a score is infinite.
    """
    _check_confidence(confidence)
    x = _finite(scores)
    if len(x) < 2:
        return math.nan, math.nan
    interval = stats.bootstrap(
        (x,),
        np.mean,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def correlated_t_test(differences: Sequence[float], ratio: float, rope: float = ROPE) -> Posterior:
    """Bayesian correlated t test (Corani and Benavoli 2015).

    The posterior of the mean difference is Student's t distribution with J - 1 degrees of freedom,
    the mean of the J differences as location and the scale sqrt((1/J + rho / (1 - rho)) s^2), where
    rho = n_test / (n_test + n_train) is the correlation of two runs; so rho / (1 - rho) = ratio.

    Parameters
    ----------
    differences
        Differences ``[J]``, method minus rival on the same fold and seed; NaN are left out.
    ratio
        Ratio n_test / n_train, at least 0; see `runs.size_ratio`.
    rope
        Half the width of the region of practical equivalence, at least 0.

    Returns
    -------
    Posterior
        Probabilities that the method is worse than its rival, practically equal, and better.

    Raises
    ------
    InputError
        `ratio` or `rope` is out of range, or a difference is infinite.
    """
    if not (rope >= 0 and math.isfinite(rope)):
        raise InputError(f"rope={rope}, expected a finite number, at least 0")
    n, mean, error = _mean_and_error(differences, ratio)
    if math.isnan(error):
        return Posterior(math.nan, math.nan, math.nan)
    worse = float(special.stdtr(n - 1, (-rope - mean) / error))
    better = float(special.stdtr(n - 1, (mean - rope) / error))
    return Posterior(worse, max(0.0, 1 - worse - better), better)


def against_control(
    scores: pd.DataFrame, control: str, ratio: float, rope: float = ROPE
) -> pd.DataFrame:
    """Compares every other method with ``control``, in descending order of mean scores.

    Parameters
    ----------
    scores
        Table [run x method]; higher is better.
    control
        A column of ``scores``.
    ratio
        Ratio n_test / n_train.
    rope
        As in `correlated_t_test`.

    Returns
    -------
    pd.DataFrame
        Indexed by ``method`` and ``against``: the fields of `CorrectedTest`; ``p_holm``, corrected
        for all comparisons; and ``worse``, ``equal``, ``better`` from `correlated_t_test`. Pairs
        without a common run are left out.

    Raises
    ------
    InputError
        `control` is unknown, or a number is out of range.
    """
    if control not in scores:
        raise InputError(f"unknown method {control!r}{did_you_mean(control, scores.columns)}")
    pairs = [(method, control) for method in _best_first(scores) if method != control]
    return _contrasts(scores, pairs, ratio, rope)


def every_pair(scores: pd.DataFrame, ratio: float, rope: float = ROPE) -> pd.DataFrame:
    """Compares every pair of methods, the higher mean score first, like `against_control`.

    Parameters
    ----------
    scores
        Table [run x method]; higher is better.
    ratio
        Ratio n_test / n_train.
    rope
        As in `correlated_t_test`.
    """
    return _contrasts(scores, list(combinations(_best_first(scores), 2)), ratio, rope)


def not_different_from_best(scores: pd.DataFrame, ratio: float, level: float = LEVEL) -> list[str]:
    """Returns the best method and all that are not significantly different from it.

    The best method has the highest mean and comes first. Another one is significantly different if
    the corrected resampled t test gives a p-value below ``level`` after Holm's correction over all
    other methods. If a test is not possible, only methods with an equal mean are included. Methods
    without a score are never included.

    Parameters
    ----------
    scores
        Table [run x method]; higher is better.
    ratio
        Ratio n_test / n_train.
    level
        Significance level.
    """
    order = _best_first(scores)
    if not order:
        return []
    best, *others = order
    tests = [corrected_t_test(scores[best] - scores[method], ratio) for method in others]
    p_values = holm([test.p_value for test in tests])
    means = scores.mean().round(TIE_DECIMALS)
    tied = [
        method
        for method, test, p in zip(others, tests, p_values, strict=True)
        if means[method] == means[best]
        or (not math.isnan(p) and not (p < level and test.mean_difference > 0))
    ]
    return [best, *tied]


def not_testable(scores: pd.DataFrame, ratio: float) -> list[str]:
    """Returns the methods whose difference from the best method cannot be tested.

    They have fewer than two runs in common with it, or the same difference in all runs. Parameters
    are those of `not_different_from_best`.
    """
    order = _best_first(scores)
    p_value = {
        method: corrected_t_test(scores[order[0]] - scores[method], ratio).p_value
        for method in order[1:]
    }
    return [method for method, p in p_value.items() if math.isnan(p)]


def _best_first(scores: pd.DataFrame) -> list[str]:
    return list(scores.mean().dropna().sort_values(ascending=False, kind="stable").index)


def _contrasts(
    scores: pd.DataFrame, pairs: Sequence[tuple[str, str]], ratio: float, rope: float
) -> pd.DataFrame:
    rows = {}
    for a, b in pairs:
        difference = scores[a] - scores[b]
        test = corrected_t_test(difference, ratio)
        if test.n:
            posterior = correlated_t_test(difference, ratio, rope)
            rows[a, b] = test._asdict() | {"p_holm": math.nan} | posterior._asdict()
    names = ["method", "against"]
    empty = pd.MultiIndex.from_arrays([[], []], names=names)
    index = pd.MultiIndex.from_tuples(rows, names=names) if rows else empty
    columns = [*CorrectedTest._fields, "p_holm", *Posterior._fields]
    table = pd.DataFrame(list(rows.values()), index=index, columns=columns)
    table["p_holm"] = holm(table["p_value"])
    return table


def _mean_and_error(values: Sequence[float], ratio: float) -> tuple[int, float, float]:
    """Returns n, the mean and its corrected standard error, which is NaN without any spread."""
    if not (ratio >= 0 and math.isfinite(ratio)):
        raise InputError(
            f"ratio={ratio}, expected n_test / n_train, at least 0; 0.25 for 20 % test rows"
        )
    x = _finite(values)
    n = len(x)
    mean = float(x.mean()) if n else math.nan
    if n < 2 or np.ptp(x).round(TIE_DECIMALS) == 0:
        return n, mean, math.nan
    return n, mean, math.sqrt((1 / n + ratio) * x.var(ddof=1))


def _finite(values: Sequence[float]) -> np.ndarray:
    x = np.asarray(values, float).ravel()
    x = x[~np.isnan(x)]
    if np.isinf(x).any():
        raise InputError(
            "an infinite score, expected finite scores; replace it with NaN to leave its run out"
        )
    return x


def _student_interval(n: int, mean: float, error: float, confidence: float) -> tuple[float, float]:
    _check_confidence(confidence)
    if math.isnan(error):
        return math.nan, math.nan
    half_width = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * error
    return mean - half_width, mean + half_width


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InputError(f"confidence={confidence}, expected a number between 0 and 1 such as 0.95")
