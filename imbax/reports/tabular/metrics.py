"""Metrics that the user asks for, in the report of runs on tables."""

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
    "0.5": "at the probability 0.5",
    "prior": "where as large a share of test rows is above as is of the minority among the "
    "training rows, since their scores only rank",
}


def scored(folders: Iterable[Path], kinds: Mapping[str, str], metrics: Any) -> pd.DataFrame:
    """All runs of the folders with the columns of `own_scores.compute`, and what they are."""
    rows = _read(folders)
    return rows[_RUN].join(compute(rows, metrics, kinds))


def _read(folders):
    return store.read(list(folders), _READ, arrays=True)


def with_metrics(
    runs: pd.DataFrame, folders: Iterable[Path], kinds: Mapping[str, str], metrics: Any
) -> pd.DataFrame:
    """The runs of the folders with columns of these metrics."""
    if not metrics:
        return runs
    with warnings.catch_warnings(action="ignore"):  # what is damaged was said when `runs` were read
        rows = _read(folders)
    found = rows[_RUN].join(compute(rows, metrics, kinds))
    return runs.merge(found, on=_RUN, how="left", validate="1:1")


def metrics_page(runs: pd.DataFrame) -> str:
    """The report's section on thresholds; empty where no metric has one."""
    if THRESHOLD_FROM not in runs:
        return ""
    lines = [
        f"Metrics called ...{AT_VALID} are of test rows, decided at the threshold with the best "
        "value of that metric on the run's own validation rows."
    ]
    for rule, text in _RULES.items():
        cut = runs[runs[THRESHOLD_FROM] == rule]
        if len(cut):
            verb = "is" if len(cut) == 1 else "are"
            lines.append(
                f"Without validation rows that were held out, {count(len(cut), 'run')} of "
                f"{', '.join(in_order(cut['method']))} {verb} cut {text}."
            )
    return "## Thresholds\n\n" + " ".join(lines)
