"""The metrics of test rows, by name. They are computed from stored labels and scores alone."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imbax.metrics.confusion import (
    average_class_specific_accuracy,
    confusion_matrix,
    geometric_mean,
    macro_f1,
)
from imbax.metrics.ranking import (
    average_precision,
    macro_average_precision,
    macro_roc_auc,
    precision_at_recall,
    roc_auc,
)

__all__ = ["METRICS", "Metric", "score_run"]


class Metric(NamedTuple):
    """A metric: a function `(scores, y, w) -> scalar` for two classes, for more, or for both."""

    two: Callable[..., jax.Array] | None = None
    """For scores `[n]` and labels 0 and 1, 1 being the minority."""
    several: Callable[..., jax.Array] | None = None
    """For scores `[n, K]` and labels 0..K-1."""


def _of_confusion(metric):
    def several(scores, y, w):
        return metric(confusion_matrix(y, scores.argmax(1), scores.shape[1], w))

    return Metric(several=several)


METRICS: Mapping[str, Metric] = {
    "average_precision": Metric(average_precision, macro_average_precision),
    "roc_auc": Metric(roc_auc, macro_roc_auc),
    "precision_at_recall_75": Metric(partial(precision_at_recall, recall=0.75)),
    "precision_at_recall_50": Metric(partial(precision_at_recall, recall=0.50)),
    "precision_at_recall_25": Metric(partial(precision_at_recall, recall=0.25)),
    "balanced_accuracy": _of_confusion(average_class_specific_accuracy),
    "g_mean": _of_confusion(geometric_mean),
    "macro_f1": _of_confusion(macro_f1),
}
"""By name, the column of the tables; NaN where a metric has no form for the number of classes."""


def score_run(y: np.ndarray, score: np.ndarray, padded: int, kind: str) -> dict[str, float]:
    """Every metric of one run, by name.

    Args:
      y: `[m]`: labels of the test rows.
      score: `[m]`, or `[m, K]` of K > 2 classes.
      padded: length to which rows of weight 0 are added, so that runs share a compiled program.
      kind: one of `catalogue.spec.SCORES`.
    """
    more = padded - len(y)
    w = np.pad(np.ones(len(y), np.float32), (0, more))
    score = np.pad(score.astype(np.float32), ((0, more), *[(0, 0)] * (score.ndim - 1)))
    form = "two" if score.ndim == 1 else "several"
    found = _scores(score, np.pad(y, (0, more)).astype(np.float32), w, form, kind == "logit")
    nothing = dict.fromkeys(METRICS, float("nan"))
    return nothing | {name: float(value) for name, value in jax.device_get(found).items()}


@partial(jax.jit, static_argnames=("form", "of_logits"))
def _scores(scores: Any, y: Any, w: Any, form: str, of_logits: bool) -> dict[str, jax.Array]:
    if form == "several" and of_logits:
        scores = jax.nn.softmax(scores)
    functions = {name: getattr(metric, form) for name, metric in METRICS.items()}
    return {name: jnp.asarray(f(scores, y, w)) for name, f in functions.items() if f}
