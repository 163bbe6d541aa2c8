"""Brute-force references in NumPy float64, written for readability rather than speed."""

from collections.abc import Callable

import numpy as np

__all__ = [
    "LOGITS_3",
    "Y_3",
    "asymmetric",
    "average_precision",
    "binary_cross_entropy",
    "central_differences",
    "cross_entropy",
    "effective_number_weights",
    "expected_calibration_error",
    "focal",
    "ldam",
    "logit_adjustment",
    "pairwise_ranking",
    "precision_at_recall",
    "probabilities",
    "relative_error",
    "roc_auc",
    "smooth_average_precision",
    "vs_loss",
    "weighted_mean",
]

# Three classes, all present, and logits beyond the linear range of a sigmoid.
LOGITS_3 = np.random.default_rng(1).normal(0, 3, (30, 3))
Y_3 = np.arange(30) ** 2 % 7 % 3


def average_precision(scores, y) -> float:
    """Sum over thresholds of gained recall times precision; 0 without minority rows."""
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        predicted = scores >= threshold
        hits = (predicted & (y == 1)).sum()
        total += (hits / max((y == 1).sum(), 1) - recall) * hits / predicted.sum()
        recall = hits / max((y == 1).sum(), 1)
    return total


def roc_auc(scores, y) -> float:
    """Share of (minority, majority) pairs in the right order; ties count half."""
    pairs = [np.sign(a - b) for a in scores[y == 1] for b in scores[y == 0]]
    return 0.5 + 0.5 * np.mean(pairs) if pairs else np.nan


def expected_calibration_error(p, y, w, bins: int) -> float:
    """Expected calibration error with bins by the midrank of the weights; ties share a bin."""
    middle = np.array([w[p < value].sum() + w[p == value].sum() / 2 for value in p])
    bin_of = np.floor(bins * middle / w.sum())
    return sum(abs((w * (p - y))[bin_of == b].sum()) for b in range(bins)) / w.sum()


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


def probabilities(logits):
    """Probabilities `[n, K]`; K = 2 for logits `[n]`."""
    if logits.ndim == 1:
        return np.stack([1 / (1 + np.exp(logits)), 1 / (1 + np.exp(-logits))], 1)
    e = np.exp(logits)
    return e / e.sum(1, keepdims=True)


def cross_entropy(logits, y):
    return np.array([-np.log(p[int(k)]) for p, k in zip(probabilities(logits), y, strict=True)])


def focal(logits, y, gamma, alpha=None):
    p = np.exp(-cross_entropy(logits, y))
    if logits.ndim == 1:
        alpha = None if alpha is None else [1 - alpha, alpha]
    weight = 1.0 if alpha is None else np.array(alpha)[y.astype(int)]
    return -weight * (1 - p) ** gamma * np.log(p)


def asymmetric(logits, y, gamma_positive, gamma_negative, shift):
    def positive(p):
        return -((1 - p) ** gamma_positive) * np.log(p)

    def negative(p):
        p = max(p - shift, 0)
        return -(p**gamma_negative) * np.log(1 - p)

    if logits.ndim == 1:
        minority = probabilities(logits)[:, 1]
        return np.array([positive(p) if k == 1 else negative(p) for p, k in zip(minority, y)])  # noqa: B905
    rows = [
        sum(positive(p) if k == label else negative(p) for k, p in enumerate(row))
        for row, label in zip(probabilities(logits), y, strict=True)
    ]
    return np.array(rows)


def effective_number_weights(counts, beta):
    if beta == 1:
        weights = [1 / n for n in counts]
    else:
        weights = [1 / sum(beta**i for i in range(n)) for n in counts]  # a geometric series
    return np.array(weights) * len(counts) / sum(weights)


def ldam(logits, y, counts, max_margin, scale):
    """Cross-entropy after the logit of the true class is lowered by its margin."""
    margins = max_margin * np.array([(min(counts) / n) ** 0.25 for n in counts])
    if logits.ndim == 1:
        logits = np.stack([0 * logits, logits], 1)
    lowered = logits.copy()
    for i, k in enumerate(y.astype(int)):
        lowered[i, k] -= scale * margins[k]
    return cross_entropy(lowered, y)


def logit_adjustment(logits, y, counts, tau):
    """Pairwise form: log of one plus the sum over other classes of ratio and margin."""
    if logits.ndim == 1:
        logits = np.stack([0 * logits, logits], 1)
    prior = np.array(counts) / sum(counts)
    losses = []
    for z, k in zip(logits, y.astype(int), strict=True):
        others = [j for j in range(len(prior)) if j != k]
        losses.append(
            np.log1p(sum((prior[j] / prior[k]) ** tau * np.exp(z[j] - z[k]) for j in others))
        )
    return np.array(losses)


def vs_loss(logits, y, counts, gamma, tau):
    n = np.array(counts, float)
    factor = (n / n.max()) ** gamma
    if logits.ndim == 1:
        sign, label = np.where(y == 1, 1, -1), y.astype(int)
        iota = tau * np.log(n[1 - label] / n[label])
        return np.log(1 + np.exp(iota) * np.exp(-factor[label] * sign * logits))
    return cross_entropy(factor * logits + tau * np.log(n / n.sum()), y)


def pairwise_ranking(logits, y, w) -> float:
    kept = [i for i in range(len(y)) if w[i] > 0]
    pairs = [(i, j) for i in kept for j in kept if y[i] == 1 and y[j] == 0]
    weights = [w[i] * w[j] for i, j in pairs]
    losses = [np.log(1 + np.exp(logits[j] - logits[i])) for i, j in pairs]
    return float(np.average(losses, weights=weights)) if pairs else 0.0


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
    """Gradient of a scalar `f` at `x` by central differences, in float64."""
    x = np.asarray(x, np.float64)
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = width
        gradient[at] = (float(f(x + step)) - float(f(x - step))) / (2 * width)
    return gradient


def relative_error(value, reference) -> float:
    """Returns ‖value - reference‖ / ‖reference‖ over all entries."""
    value, reference = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))
