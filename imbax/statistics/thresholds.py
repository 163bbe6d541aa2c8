"""Decisions at a threshold, in NumPy and float64: counts, what is made of them, the best threshold.

A row is predicted to be of the minority where its score is at least the threshold.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Counts",
    "balanced_accuracy",
    "best_threshold",
    "candidates",
    "counts_at",
    "expected_cost",
    "f_beta",
    "g_mean",
    "mcc",
    "recall_where_precise",
]


class Counts(NamedTuple):
    """Rows by what they are and what was predicted; each a number or an array `[t]`."""

    true_positives: Any
    false_positives: Any
    false_negatives: Any
    true_negatives: Any


def counts_at(y: np.ndarray, scores: np.ndarray, threshold: float) -> Counts:
    """Counts of labels `y [n]` (1 the minority, 0) and scores `[n]` at one threshold."""
    return _counts(y.sum(), len(y), y[scores >= threshold].sum(), (scores >= threshold).sum())


def candidates(y: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, Counts]:
    """All thresholds that make a difference, `[t]` from the highest down, and their counts.

    The first predicts no row, the last all; each other lies midway between two scores that follow
    one another.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order].astype(float), np.cumsum(y[order])
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    below = np.append(ranked[ends[:-1] + 1], -np.inf)
    # Halves first: the sum of two scores may overflow.
    thresholds = np.concatenate([[np.inf], ranked[ends] / 2 + below / 2])
    predicted, true_positives = np.append(0, ends + 1), np.append(0, hits[ends])
    return thresholds, _counts(hits[-1], len(y), true_positives, predicted)


def best_threshold(
    y: np.ndarray, scores: np.ndarray, value: Callable[[Counts], np.ndarray]
) -> float:
    """The threshold with the highest value (`Counts` `[t] -> [t]`), the highest of several."""
    thresholds, counts = candidates(y, scores)
    values = np.asarray(value(counts), float)
    return float(thresholds[np.argmax(np.where(np.isnan(values), -np.inf, values))])


def f_beta(counts: Counts, beta: float = 1.0) -> Any:
    """F_β = (1 + β²) TP / ((1 + β²) TP + β² FN + FP); 0 where that is 0/0."""
    tp, fp, fn, _ = counts
    weighted = (1 + beta**2) * tp
    return _ratio(weighted, weighted + beta**2 * fn + fp)


def balanced_accuracy(counts: Counts) -> Any:
    """Mean of the recalls of both classes."""
    sensitivity, specificity = _recalls(counts)
    return (sensitivity + specificity) / 2


def g_mean(counts: Counts) -> Any:
    """Geometric mean of the recalls of both classes."""
    sensitivity, specificity = _recalls(counts)
    return np.sqrt(sensitivity * specificity)


def mcc(counts: Counts) -> Any:
    """Matthews correlation coefficient; 0 where all rows are of, or predicted to be of, a class."""
    tp, fp, fn, tn = (np.asarray(count, float) for count in counts)
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return _ratio(tp * tn - fp * fn, np.sqrt(product))


def expected_cost(counts: Counts, costs: np.ndarray) -> Any:
    """Mean cost of a row, with `costs [2, 2]` by its class and by the predicted one."""
    tp, fp, fn, tn = counts
    total = costs[0, 0] * tn + costs[0, 1] * fp + costs[1, 0] * fn + costs[1, 1] * tp
    return total / (tp + fp + fn + tn)


def recall_where_precise(counts: Counts, precision: float) -> Any:
    """Recall where the precision is at least that; elsewhere precision - 1, so below 0 there."""
    tp, fp, fn, _ = counts
    found = _ratio(tp, tp + fp)
    # The margin lets 0.9 be reached by 9 of 10 rows.
    return np.where((found >= precision - 1e-9) & (tp > 0), _ratio(tp, tp + fn), found - 1)


def _recalls(counts):
    tp, fp, fn, tn = counts
    return _ratio(tp, tp + fn), _ratio(tn, tn + fp)


def _counts(positives, n, true_positives, predicted):
    false_positives = predicted - true_positives
    false_negatives = positives - true_positives
    return Counts(true_positives, false_positives, false_negatives, n - predicted - false_negatives)


def _ratio(above, below):
    """0 where 0 is divided by 0."""
    above, below = np.asarray(above, float), np.asarray(below, float)
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below != 0)
