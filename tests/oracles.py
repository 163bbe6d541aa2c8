"""Brute force in NumPy float64: what the tests compare with, written to be read, not to be fast."""

from collections.abc import Callable

import numpy as np

__all__ = [
    "average_precision",
    "binary_cross_entropy",
    "central_differences",
    "focal",
    "precision_at_recall",
    "relative_error",
    "roc_auc",
    "smooth_average_precision",
    "weighted_mean",
]


def average_precision(scores, y) -> float:
    """The sum over thresholds, from the best, of gained recall times precision; 0 if no y is 1."""
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        predicted = scores >= threshold
        hits = (predicted & (y == 1)).sum()
        total += (hits / max((y == 1).sum(), 1) - recall) * hits / predicted.sum()
        recall = hits / max((y == 1).sum(), 1)
    return total


def roc_auc(scores, y) -> float:
    """Over all pairs of a minority and a majority row: in the right order, ties half."""
    pairs = [np.sign(a - b) for a in scores[y == 1] for b in scores[y == 0]]
    return 0.5 + 0.5 * np.mean(pairs) if pairs else np.nan


def precision_at_recall(scores, y, hits_wanted: int) -> float:
    """Precision at the highest threshold that finds `hits_wanted` of the minority rows."""
    for threshold in sorted(set(scores), reverse=True):
        predicted = scores >= threshold
        hits = (predicted & (y == 1)).sum()
        if hits >= hits_wanted:
            return hits / predicted.sum()
    return np.nan


def binary_cross_entropy(logits, y):
    p = 1 / (1 + np.exp(-logits))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def focal(logits, y, gamma, alpha=None):
    p = 1 / (1 + np.exp(-logits))
    of_class = np.where(y == 1, p, 1 - p)
    weight = 1.0 if alpha is None else np.where(y == 1, alpha, 1 - alpha)
    return -weight * (1 - of_class) ** gamma * np.log(of_class)


def weighted_mean(losses, w) -> float:
    kept = w > 0
    return float(np.sum(losses[kept] * w[kept]) / np.sum(w[kept])) if kept.any() else 0.0


def smooth_average_precision(logits, y, w, temperature) -> float:
    """One minus the weighted mean over minority rows of a precision with soft counts."""
    rows = [i for i in range(len(y)) if w[i] > 0]
    precisions, weights = [], []
    for i in (i for i in rows if y[i] == 1):
        above = {j: 1 / (1 + np.exp((logits[i] - logits[j]) / temperature)) for j in rows if j != i}
        hits = w[i] + sum(w[j] * above[j] for j in above if y[j] == 1)
        found = w[i] + sum(w[j] * above[j] for j in above)
        precisions.append(hits / found)
        weights.append(w[i])
    return 1 - float(np.average(precisions, weights=weights)) if precisions else 0.0


def central_differences(f: Callable, x: np.ndarray, width: float = 1e-5) -> np.ndarray:
    """The gradient of a scalar `f` at `x`, one entry at a time; float64."""
    x = np.asarray(x, np.float64)
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = width
        gradient[at] = (float(f(x + step)) - float(f(x - step))) / (2 * width)
    return gradient


def relative_error(value, reference) -> float:
    """‖value - reference‖ / ‖reference‖ over all entries."""
    value, reference = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))
