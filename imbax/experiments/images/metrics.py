"""Metrics of test images by name, computed from stored confusion matrices."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from imbax.metrics.confusion import (
    average_class_specific_accuracy,
    geometric_mean,
    macro_f1,
)

__all__ = ["METRICS", "TESTS", "Metric", "score_run"]

TESTS = ("balanced", "imbalanced")
"""Names of the two test parts."""


class Metric(NamedTuple):
    """Metric in [0, 1] with its title."""

    title: str
    of: Callable[[jax.Array], jax.Array]
    """Function `confusion matrix [K, K] -> scalar`; rows are the true classes."""


METRICS: Mapping[str, Metric] = {
    "acsa": Metric("ACSA", average_class_specific_accuracy),
    "g_mean": Metric("G-mean", partial(geometric_mean, kind="macro")),
    "f1": Metric("macro F1", macro_f1),
    "g_mean_class": Metric("G-mean of classes", partial(geometric_mean, kind="class")),
    "g_mean_product": Metric("G-mean of recalls", partial(geometric_mean, kind="product")),
}
"""Metrics by name; the columns are `{test}_{name}`."""


def score_run(row: Mapping[str, Any], diverged: bool) -> dict[str, float]:
    """All metrics of a run on both test parts, by column; NaN if the run diverged.

    Parameters
    ----------
    row
        Flat confusion matrices `{test}_confusion` of both test parts.
    diverged
        Whether the run diverged.
    """
    scores = {}
    for test in TESTS:
        flat = np.asarray(row[f"{test}_confusion"])
        found = _scores(flat.reshape(int(np.sqrt(len(flat))), -1).astype(np.float32))
        for name, value in jax.device_get(found).items():
            scores[f"{test}_{name}"] = float("nan") if diverged else float(value)
    return scores


@jax.jit
def _scores(matrix):
    return {name: metric.of(matrix) for name, metric in METRICS.items()}
