"""Additional metrics in the report of tabular runs."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from imbax.experiments import store
from imbax.experiments.tabular.named_metrics import AT_VALID
from imbax.experiments.tabular.own_scores import NEEDED, THRESHOLD_FROM, compute
from imbax.experiments.tabular.schema import SCHEMA
from imbax.reports.comparisons import count
from imbax.reports.tabular.tables import in_order

__all__ = ["metrics_page", "scored", "with_metrics"]

_RUN = ["dataset", "method", "fold", "seed"]
_READ = pa.schema([SCHEMA.field(name) for name in NEEDED])
_RULES = {
    "0.5": "at probability 0.5",
    "prior": "such that the fraction of test rows above it equals the minority share of the "
    "training rows, because its scores are ranks and not probabilities",
}


def scored(folders: Iterable[Path], kinds: Mapping[str, str], metrics: Any) -> pd.DataFrame:
    """Identifiers of all runs in the folders, with the columns of `own_scores.compute`."""
    rows = _read(folders)
    return rows[_RUN].join(compute(rows, metrics, kinds))


def _read(folders):
    return store.read(list(folders), _READ, arrays=True)


def with_metrics(
    runs: pd.DataFrame, folders: Iterable[Path], kinds: Mapping[str, str], metrics: Any
) -> pd.DataFrame:
    """Runs with a column for each of the given metrics, computed from the folders' scores."""
    if not metrics:
        return runs
    with warnings.catch_warnings(action="ignore"):  # damaged files were reported with `runs`
        rows = _read(folders)
    computed = rows[_RUN].join(compute(rows, metrics, kinds))
    return runs.merge(computed, on=_RUN, how="left", validate="1:1")


def metrics_page(runs: pd.DataFrame) -> str:
    """Section on decision thresholds; empty if no metric uses a threshold."""
    if THRESHOLD_FROM not in runs:
        return ""
    lines = [
        f"Metrics with names ending in {AT_VALID} are computed on test rows, at the threshold with "
        "the best value of that metric on the run's own validation rows."
    ]
    for rule, text in _RULES.items():
        chosen = runs[runs[THRESHOLD_FROM] == rule]
        if len(chosen):
            verb = "has its" if len(chosen) == 1 else "have their"
            lines.append(
                f"{count(len(chosen), 'run')} of {', '.join(in_order(chosen['method']))} without "
                f"held-out validation rows {verb} threshold {text}."
            )
    return "## Thresholds\n\n" + " ".join(lines)
