"""Metrics of stored runs that the user asks for, from their labels and scores.

Two classes are told apart at a threshold that is chosen on the run's validation rows. Where there
are none that were held out (the method was trained on them, they lack a class, or an earlier
version did not store them), probabilities are cut at 0.5, and scores that only rank where as large
a share of test rows is above as is of the minority among the training rows.
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
"""The column that says where thresholds are from: "validation", "0.5" or "prior"."""


def compute(rows: pd.DataFrame, metrics: Any, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Columns of metrics, with the index of `rows`.

    Parameters
    ----------
    rows
        Stored runs with the columns `NEEDED`.
    metrics
        See `metrics_of`. Those that are columns of stored runs already are left out.
    kinds
        What each method's scores are, one of `catalogue.spec.SCORES`.

    Returns
    -------
    pd.DataFrame
        A column for each metric, and `THRESHOLD_FROM` where one has thresholds. NaN where a run
        diverged, a method has no probabilities that a metric needs, a metric has no form for the
        number of classes, or, with a warning, a function failed.
    """
    metrics, failed, without = metrics_of(metrics), {}, {}
    found = [
        _of_run(_Run(kinds.get(row["method"], "rank"), **row), metrics, failed, without)
        for row in rows[list(NEEDED)].to_dict("records")
    ]
    for name, error in failed.items():
        warnings.warn(f"metric {name} is missing where it failed: {error}", stacklevel=2)
    for name, methods in without.items():
        warnings.warn(
            f"metric {name} needs probabilities, and the scores of these methods only rank: "
            f"{shortened(list(methods))}",
            stacklevel=2,
        )
    columns = dict.fromkeys(name for values in found for name in values)
    return pd.DataFrame(found, index=rows.index, columns=list(columns))


_OF_LABELS = "; a function of labels, not scores, is given as imbax.Metric(f, needs='label')"


class _Scores(NamedTuple):
    y: np.ndarray
    score: np.ndarray
    """`[n]`, or `[n, K]` for K > 2 classes."""

    @property
    def is_usable(self) -> bool:
        return len(np.unique(self.y)) == 2 and np.isfinite(self.score).all()


class _Run:
    """A run's labels and scores, and what they mean."""

    def __init__(self, kind: str, **row: Any):
        self.kind, self.row = kind, row
        self.test = _scores(row["test_y"], row["test_score"])
        self.valid = _scores(row["valid_y"], row["valid_score"])
        self.classes = 2 if self.test.score.ndim == 1 else self.test.score.shape[1]

    @cached_property
    def probability(self) -> np.ndarray | None:
        """Minority probabilities `[n]`, or those of K > 2 classes `[n, K]`; None for mere ranks."""
        score = self.test.score
        if self.kind == "logit":
            return expit(score) if self.classes == 2 else softmax(score, axis=1)
        inside = self.kind == "probability" and score.min() >= 0 and score.max() <= 1
        return score if inside else None

    def threshold(self, metric: Metric) -> float:
        """Where test rows are cut."""
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
        """NaN where there is none."""
        y, score = self.test
        if metric.needs == "probability":
            given = self.probability
        elif self.classes > 2:
            given = score if self.probability is None else self.probability
            given = given.argmax(1) if metric.needs == "label" else given
        else:
            is_label = metric.needs == "label"
            given = (score >= self.threshold(metric)).astype(int) if is_label else score
        if given is None:
            return np.nan
        function = metric.several or metric.function if self.classes > 2 else metric.function
        value = np.asarray(function(y.copy(), given.copy()))  # a user's function may write there
        if value.shape != () or value.dtype.kind not in "biuf":
            raise InputError(f"it gave {value!r}, expected a number")
        return float(value)


def _of_run(run: _Run, metrics: Sequence[Metric], failed, without) -> dict[str, Any]:
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
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            place = "{method} on {dataset}, seed {seed}, fold {fold}".format(**run.row)
            is_own = metric.needs == "score" and metric.name not in NAMED
            hint = _OF_LABELS if is_own and isinstance(error, ValueError) else ""
            failed.setdefault(metric.name, f"{said} ({place}){hint}")
    if run.classes == 2 and any(metric.needs == "label" for metric in metrics):
        found[THRESHOLD_FROM] = run.threshold_from
    return found


def _scores(y, score):
    y, score = np.asarray(y, int), np.asarray(score, float)
    return _Scores(y, score if len(score) == len(y) else score.reshape(len(y), -1))
