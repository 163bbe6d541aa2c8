"""Metrics that the user requests, computed from the labels and scores of stored runs.

For two classes, labels are predicted with a threshold that is chosen on the run's validation rows.
If there are no usable validation rows (the method was trained on them, they lack a class, or an
earlier version did not store them), the threshold is 0.5 for probabilities. For scores that only
rank, the share of test rows above the threshold equals the minority's share of the training rows.
"""

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from imbax.errors import InputError, shortened
from imbax.experiments.tabular.metrics import METRICS
from imbax.experiments.tabular.named_metrics import NAMED, Metric, metrics_of

__all__ = ["NEEDED", "THRESHOLD_FROM", "compute"]

NEEDED = (
    "dataset",
    "method",
    "fold",
    "seed",
    "diverged",
    "n_train",
    "n_minority",
    "test_y",
    "test_score",
    "valid_y",
    "valid_score",
)
"""Columns of stored runs that `compute` reads."""
THRESHOLD_FROM = "threshold_from"
"""The column with the source of thresholds: "validation", "0.5" or "prior"."""


def compute(rows: pd.DataFrame, metrics: Any, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Columns of metrics, with the index of `rows`.

    Parameters
    ----------
    rows
        Stored runs with the columns `NEEDED`.
    metrics
        See `metrics_of`. Metrics that are already columns of stored runs are left out.
    kinds
        The kind of each method's scores, one of `catalogue.spec.SCORES`.

    Returns
    -------
    pd.DataFrame
        A column for each metric, and `THRESHOLD_FROM` if one uses thresholds. Values are NaN where
        a run diverged, a method lacks the probabilities that a metric needs, a metric is undefined
        for the number of classes, or, with a warning, a function failed.
    """
    metrics = metrics_of(metrics)
    failed: dict[str, Any] = {}
    without: dict[str, Any] = {}
    found = [
        _values(_Run(kinds.get(row["method"], "rank"), **row), metrics, failed, without)
        for row in rows[list(NEEDED)].to_dict("records")
    ]
    for name, error in failed.items():
        warnings.warn(f"metric {name} is NaN for runs in which it failed: {error}", stacklevel=2)
    for name, methods in without.items():
        warnings.warn(
            f"metric {name} needs probabilities, but the scores of these methods only rank: "
            f"{shortened(list(methods))}",
            stacklevel=2,
        )
    columns = dict.fromkeys(name for values in found for name in values)
    return pd.DataFrame(found, index=rows.index, columns=list(columns))


_LABELS_HINT = "; a function of labels, not scores, needs imbax.Metric(f, needs='label')"


class _Scores(NamedTuple):
    y: np.ndarray
    score: np.ndarray
    """Scores of the rows, `[n]`, or `[n, K]` for K > 2 classes."""

    @property
    def is_usable(self) -> bool:
        return len(np.unique(self.y)) == 2 and np.isfinite(self.score).all()


class _Run:
    """Labels and scores of a run, and the values of metrics on them."""

    def __init__(self, kind: str, **row: Any):
        self.kind, self.row = kind, row
        self.test = _scores(row["test_y"], row["test_score"])
        self.valid = _scores(row["valid_y"], row["valid_score"])
        self.classes = 2 if self.test.score.ndim == 1 else self.test.score.shape[1]

    @cached_property
    def probability(self) -> np.ndarray | None:
        """Minority probabilities `[n]`, or `[n, K]` for K > 2 classes; None if scores only rank."""
        score = self.test.score
        if self.kind == "logit":
            return expit(score) if self.classes == 2 else softmax(score, axis=1)
        inside = self.kind == "probability" and score.min() >= 0 and score.max() <= 1
        return score if inside else None

    def threshold(self, metric: Metric) -> float:
        """Returns the threshold for the scores of test rows."""
        if self.threshold_from == "validation":
            return metric.threshold(*self.valid)
        if self.threshold_from == "0.5":
            return 0.5 if self.kind == "probability" else 0.0
        return float(np.quantile(self.test.score, 1 - self.row["n_minority"] / self.row["n_train"]))

    @property
    def threshold_from(self) -> str:
        if self.valid.is_usable:
            return "validation"
        return "0.5" if self.probability is not None else "prior"

    def value(self, metric: Metric) -> float:
        """Returns the value of the metric; NaN if it is undefined for the run."""
        y, score = self.test
        if metric.needs == "probability":
            values = self.probability
        elif self.classes > 2:
            values = score if self.probability is None else self.probability
            values = values.argmax(1) if metric.needs == "label" else values
        else:
            is_label = metric.needs == "label"
            values = (score >= self.threshold(metric)).astype(int) if is_label else score
        if values is None:
            return np.nan
        function = metric.several or metric.function if self.classes > 2 else metric.function
        value = np.asarray(function(y.copy(), values.copy()))  # a user's function may change them
        if value.shape != () or value.dtype.kind not in "biuf":
            raise InputError(f"it returned {value!r}, expected a number")
        return float(value)


def _values(run: _Run, metrics: Sequence[Metric], failed, without) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lost = run.row["diverged"] or not np.isfinite(run.test.score).all()
    for metric in metrics:
        column = metric.column(run.classes)
        if column in METRICS:
            continue
        found[column] = np.nan
        if lost:
            continue
        if metric.needs == "probability" and run.probability is None:
            without.setdefault(metric.name, {})[run.row["method"]] = None
            continue
        try:
            found[column] = run.value(metric)
        except Exception as error:  # the user's own function
            text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            place = "{method} on {dataset}, seed {seed}, fold {fold}".format(**run.row)
            is_own = metric.needs == "score" and metric.name not in NAMED
            hint = _LABELS_HINT if is_own and isinstance(error, ValueError) else ""
            failed.setdefault(metric.name, f"{text} ({place}){hint}")
    if run.classes == 2 and any(metric.needs == "label" for metric in metrics):
        found[THRESHOLD_FROM] = run.threshold_from
    return found


def _scores(y, score):
    y, score = np.asarray(y, int), np.asarray(score, float)
    return _Scores(y, score if len(score) == len(y) else score.reshape(len(y), -1))
