"""Metric functions of `experiments.tabular.named_metrics`, with NumPy and scikit-learn.

Labels are 0 and 1, with 1 for the minority, or 0..K-1.
"""

import numpy as np

from imbax.errors import InputError
from imbax.statistics import thresholds

__all__ = [
    "brier",
    "counts_metric",
    "geometric_mean",
    "log_loss",
    "mean_cost",
    "negative_cost",
    "precision_at",
    "recall",
    "sklearn_metric",
    "undefined",
]


def counts_metric(value, y, predicted):
    return float(value(thresholds.counts_at(y, predicted, 0.5)))


def sklearn_metric(name, y, predicted, **options):
    import sklearn.metrics

    return getattr(sklearn.metrics, name)(y, predicted, **options)


def undefined(y, predicted):
    return float("nan")


def geometric_mean(y, predicted):
    recalls = sklearn_metric("recall_score", y, predicted, average=None, labels=np.unique(y))
    return float(np.prod(recalls) ** (1 / len(recalls)))


def mean_cost(y, predicted, costs):
    if max(y.max(), predicted.max()) >= len(costs):
        raise InputError(f"the cost matrix covers {len(costs)} classes, and the data set has more")
    return float(np.array(costs)[y, predicted].mean())


def negative_cost(counts, costs):
    return -thresholds.expected_cost(counts, np.array(costs))


def recall(y, predicted):
    return float(predicted[y == 1].mean()) if (y == 1).any() else float("nan")


def precision_at(y, scores, k):
    k = min(k, len(y))
    last = -np.sort(-scores, kind="stable")[k - 1]
    above, tied = scores > last, scores == last
    return float((y[above].sum() + y[tied].mean() * (k - above.sum())) / k)


def brier(y, probability):
    if probability.ndim == 1:
        return float(((probability - y) ** 2).mean())
    return float(((probability - np.eye(probability.shape[1])[y]) ** 2).sum(1).mean())


def log_loss(y, probability):
    p = probability[np.arange(len(y)), y] if probability.ndim > 1 else probability
    p = p if probability.ndim > 1 else np.where(y == 1, p, 1 - p)
    return float(-np.log(np.clip(p, np.finfo(np.float32).eps, 1)).mean())
