"""Additional metrics computed from stored runs, without training."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from imbax.errors import InputError
from imbax.experiments import store
from imbax.experiments.tabular.named_metrics import lower_is_better, metrics_of
from imbax.experiments.tabular.own_scores import THRESHOLD_FROM, compute
from imbax.reports.tabular import metrics as reported
from imbax.reports.tabular.calibration import calibrated, kinds_of_score
from imbax.reports.tabular.tables import CALIBRATION

__all__ = ["RUN", "scored", "scores_by_metric"]

RUN = ["dataset", "method", "fold", "seed"]
"""Columns that identify a run."""


def scored(folders: str | Path | Iterable[str | Path], metrics: Any) -> pd.DataFrame:
    """Metrics of all runs stored in folders.

    Parameters
    ----------
    folders
        One or several folders written by `imbax run --out` or `evaluate(..., out=)`.
    metrics
        Names, functions `(y_true, y_score)` and `Metric`s, see `named_metrics.metrics_of`.

    Returns
    -------
    pd.DataFrame
        Frame with one row per run: `dataset`, `method`, `fold`, `seed`, and the columns of
        `own_scores.compute`.

    Raises
    ------
    InputError
        The folders contain no results, or a metric is unknown.
    """
    folders = [folders] if isinstance(folders, str | Path) else folders
    folders = [Path(folder) for folder in folders]
    provenance = store.read_provenance(folders)
    if not provenance:
        raise InputError(
            f"no results in {', '.join(map(str, folders)) or 'an empty list of folders'}; name a "
            "folder written by `imbax run --out`"
        )
    return reported.scored(folders, kinds_of_score(provenance), metrics)


def scores_by_metric(
    rows: pd.DataFrame, kinds: Mapping[str, str], metric: Any
) -> tuple[pd.DataFrame, str, frozenset[str]]:
    """Values of one metric, computed from the labels and scores of runs.

    Parameters
    ----------
    rows
        Stored runs with all columns.
    kinds
        Kind of each method's scores, see `calibration.kinds_of_score`.
    metric
        Metric accepted by `named_metrics.metrics_of`, or one of `tables.CALIBRATION`.

    Returns
    -------
    tuple
        Frame with one row per run and the columns `RUN` and the metric's; name of the metric; names
        of columns for which lower is better.

    Raises
    ------
    InputError
        The metric is unknown, or there are several.
    """
    if isinstance(metric, str) and metric in CALIBRATION:
        return calibrated(rows, kinds)[[*RUN, metric]], metric, lower_is_better(())
    checked = metrics_of(metric)
    if len(checked) != 1:
        raise InputError(f"metric={metric!r}, expected one metric that the runs do not have yet")
    computed = compute(rows, checked, kinds).drop(columns=THRESHOLD_FROM, errors="ignore")
    # The column may have two names, one for data sets of two classes and one for more classes.
    values, name = computed.bfill(axis=1).iloc[:, 0], computed.columns[0]
    return rows[RUN].assign(**{name: values}), name, lower_is_better(checked)
