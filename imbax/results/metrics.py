"""Metrics of stored runs that the user asks for; nothing is trained for them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from imbax.errors import InputError
from imbax.experiments import store
from imbax.reports.tabular import metrics as reported
from imbax.reports.tabular.calibration import kinds_of_score

__all__ = ["scored"]


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
