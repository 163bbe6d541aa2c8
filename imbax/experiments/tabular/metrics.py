"""The metrics of test rows by name, computed only from stored labels and scores.

Functions are given by name rather than imported, so that reports can read the names without jax.
"""

import functools
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

__all__ = ["METRICS", "Metric", "functions", "score_run"]


class Metric(NamedTuple):
    """The functions of a metric in `imbax.metrics`; "" if it is undefined for such data."""

    two: str = ""
    """Function `(scores [n], y [n], w [n]) -> scalar` for labels 0 and 1, 1 being the minority."""
    several: str = ""
    """Function `(scores [n, K], y [n], w [n]) -> scalar` for K > 2 classes 0..K-1."""
    matrix: str = ""
    """Function `confusion matrix [K, K] -> scalar`, used instead of `several`."""
    options: Mapping[str, Any] = {}
    """Further arguments, by name."""

    def function(self, form: str) -> Callable[..., Any] | None:
        """The function for "two" or "several" classes; None if there is none."""
        if form == "several" and self.matrix:
            return functools.partial(_from_matrix, _function(self.matrix))
        name = getattr(self, form)
        return functools.partial(_function(name), **self.options) if name else None


METRICS: dict[str, Metric] = {
    "average_precision": Metric("ranking.average_precision", "ranking.macro_average_precision"),
    "roc_auc": Metric("ranking.roc_auc", "ranking.macro_roc_auc"),
    "precision_at_recall_75": Metric("ranking.precision_at_recall", options={"recall": 0.75}),
    "precision_at_recall_50": Metric("ranking.precision_at_recall", options={"recall": 0.50}),
    "precision_at_recall_25": Metric("ranking.precision_at_recall", options={"recall": 0.25}),
    "balanced_accuracy": Metric(matrix="confusion.average_class_specific_accuracy"),
    "g_mean": Metric(matrix="confusion.geometric_mean"),
    "macro_f1": Metric(matrix="confusion.macro_f1"),
}
"""Metrics by their column in the tables; NaN if a metric is undefined for the number of classes."""


def functions(form: str) -> dict[str, Callable[..., Any]]:
    """Functions of the metrics that are defined for "two" or "several" classes, by name."""
    found = {name: metric.function(form) for name, metric in METRICS.items()}
    return {name: function for name, function in found.items() if function}


def score_run(y: np.ndarray, score: np.ndarray, padded: int, kind: str) -> dict[str, float]:
    """Returns every metric of one run, by name.

    Parameters
    ----------
    y
        Labels of the test rows, `[m]`.
    score
        Scores of the test rows, `[m]`, or `[m, K]` for K > 2 classes.
    padded
        Number of rows after padding with rows of weight 0, so that runs share a compiled program.
    kind
        One of `catalogue.spec.SCORES`.
    """
    import jax

    more = padded - len(y)
    w = np.pad(np.ones(len(y), np.float32), (0, more))
    score = np.pad(score.astype(np.float32), ((0, more), *[(0, 0)] * (score.ndim - 1)))
    scores_of = _compiled("two" if score.ndim == 1 else "several", kind == "logit")
    found = jax.device_get(scores_of(score, np.pad(y, (0, more)).astype(np.float32), w))
    return {name: float(found.get(name, np.nan)) for name in METRICS}


@functools.cache
def _compiled(form, is_logit):
    """Compiled function `(scores, y, w) -> {name: scalar}` for two classes or for more."""
    import jax
    import jax.numpy as jnp

    def scores_of(scores, y, w):
        if form == "several" and is_logit:
            scores = jax.nn.softmax(scores)
        return {name: jnp.asarray(f(scores, y, w)) for name, f in functions(form).items()}

    return jax.jit(scores_of)


def _from_matrix(metric, scores, y, w):
    from imbax.metrics.confusion import confusion_matrix

    return metric(confusion_matrix(y, scores.argmax(1), scores.shape[1], w))


def _function(dotted):
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(f"imbax.metrics.{module}"), name)
