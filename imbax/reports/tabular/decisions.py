"""Decisions at a threshold chosen on validation rows, for the section of a data set."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from imbax.experiments.tabular.named_metrics import AT_VALID, Metric
from imbax.experiments.tabular.own_scores import THRESHOLD_FROM, compute
from imbax.reports.tabular.tables import in_order, markdown
from imbax.statistics import thresholds

__all__ = ["decisions_section"]


def _cell(is_positive: bool, is_predicted: bool) -> Callable[[np.ndarray, np.ndarray], int]:
    return lambda y, label: int(np.sum((y == is_positive) & (label == is_predicted)))


_CELLS = {"tp": (True, True), "fn": (True, False), "fp": (False, True), "tn": (False, False)}
_METRICS = [
    Metric(_cell(*cell), name, needs="label", value=thresholds.f_beta)
    for name, cell in _CELLS.items()
]


def decisions_section(rows: pd.DataFrame, kinds: Mapping[str, str]) -> str:
    """Table of threshold metrics and mean confusion counts on one data set of two classes.

    The threshold of a run is the one with the highest F1 score on its validation rows. Runs without
    held-out validation rows are left out, and so are data sets of several classes.

    Parameters
    ----------
    rows
        Stored runs of one data set, with the columns `own_scores.NEEDED`.
    kinds
        Kind of each method's scores, see `own_scores.compute`.
    """
    rows = rows[
        [len(score) == len(y) for score, y in zip(rows["test_score"], rows["test_y"], strict=True)]
    ]
    if rows.empty:
        return ""
    with warnings.catch_warnings(action="ignore"):
        found = compute(rows, _METRICS, kinds)
    found = found[found.get(THRESHOLD_FROM, "") == "validation"]
    counts = found.rename(columns=lambda name: name.removesuffix(AT_VALID))[list(_CELLS)].dropna()
    if counts.empty:
        return ""
    tp, fn, fp, tn = (counts[name] for name in _CELLS)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, specificity = tp / (tp + fn), tn / (tn + fp)
        values = {
            "F1": 2 * tp / (2 * tp + fp + fn),
            "recall": recall,
            "precision": (tp / (tp + fp)).fillna(0.0),
            "balanced accuracy": (recall + specificity) / 2,
        }
    table: dict[str, Any] = {
        name: _mean_and_sd(value, rows["method"]) for name, value in values.items()
    }
    for name in _CELLS:
        table[name.upper()] = counts[name].groupby(rows["method"]).mean().map("{:.1f}".format)
    shown = pd.DataFrame(table)
    return (
        "Decisions on test rows at the threshold with the highest F1 score on validation rows: "
        "mean ± SD over runs, and mean confusion counts (TP, FN, FP, TN; the minority is "
        "positive).\n\n" + markdown(shown.loc[in_order(shown.index)].rename_axis("method"))
    )


def _mean_and_sd(values: pd.Series, method: pd.Series) -> pd.Series:
    cells = values.groupby(method).agg(["mean", "std"])
    return cells.apply(
        lambda cell: (
            f"{cell['mean']:.2f}" + ("" if np.isnan(cell["std"]) else f" ± {cell['std']:.2f}")
        ),
        axis=1,
    )
