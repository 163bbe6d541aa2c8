"""Metrics of stored runs that the user asks for; nothing is trained for them."""

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
"""Columns that tell a run from all others."""


def scored(folders: str | Path | Iterable[str | Path], metrics: Any) -> pd.DataFrame:
    """Metrics of all runs that folders hold.

    Parameters
    ----------
    folders
        Folders that `imbax run --out` or `evaluate(..., out=)` wrote, or one of them.
    metrics
        Names, functions `(y_true, y_score)` and `Metric`s, see `named_metrics.metrics_of`.

    Returns
    -------
    pd.DataFrame
        One row per run: `dataset`, `method`, `fold`, `seed`, and the columns of
        `own_scores.compute`.

    Raises
    ------
    InputError
        The folders hold no result, or a metric is unknown.
    """
    folders = [folders] if isinstance(folders, str | Path) else folders
    folders = [Path(folder) for folder in folders]
    provenance = store.read_provenance(folders)
    if not provenance:
        raise InputError(f"no results in {', '.join(map(str, folders)) or 'no folder at all'}")
    return reported.scored(folders, kinds_of_score(provenance), metrics)


def scores_by_metric(
    rows: pd.DataFrame, kinds: Mapping[str, str], metric: Any
) -> tuple[pd.DataFrame, str, frozenset[str]]:
    """One metric of runs, computed from their labels and scores.

    Parameters
    ----------
    rows
        Stored runs with all columns.
    kinds
        What each method's scores are, see `calibration.kinds_of_score`.
    metric
        One that `named_metrics.metrics_of` takes, or one of `tables.CALIBRATION`.

    Returns
    -------
    tuple
        A row per run with the columns `RUN` and the metric's; its name; the columns of which lower
        is better.

    Raises
    ------
    InputError
        The metric is unknown, or there are several.
    """
    if isinstance(metric, str) and metric in CALIBRATION:
        return calibrated(rows, kinds)[[*RUN, metric]], metric, lower_is_better(())
    wanted = metrics_of(metric)
    if len(wanted) != 1:
        raise InputError(f"metric={metric!r}, expected one metric that the runs do not have yet")
    found = compute(rows, wanted, kinds).drop(columns=THRESHOLD_FROM, errors="ignore")
    # Data sets of two classes and of more may have it under two names.
    values, name = found.bfill(axis=1).iloc[:, 0], found.columns[0]
    return rows[RUN].assign(**{name: values}), name, lower_is_better(wanted)
