"""Results of the settings of a search: estimators, and additional metrics."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from imbax.catalogue import Method
from imbax.catalogue.hosts import EstimatorHost
from imbax.experiments.neural.checkpoints import average_precision
from imbax.experiments.progress import Bar
from imbax.experiments.tabular.cells import CellResult, host_cell
from imbax.experiments.tabular.named_metrics import Metric
from imbax.experiments.tabular.own_scores import compute
from imbax.experiments.tabular.plan import Plan
from imbax.experiments.tabular.records import check_scores

__all__ = ["host_results", "scores_of"]


def host_results(
    plan: Plan, method: Method, hosts: Sequence[EstimatorHost], bar: Bar
) -> CellResult:
    """Results of an estimator's settings: the R runs of the first setting, then of the next one.

    `best_score` is the average precision on validation rows (macro average for K > 2 classes).
    """
    cells = []
    for number, host in enumerate(hosts):
        bar.update(number, f"{plan.dataset.name}/{method.name}")
        one = replace(method, tables=replace(method.tables, host=host))
        cells.append(host_cell(plan, one))
    bar.update(len(hosts))
    labels = [plan.dataset.y[part.valid] for part in plan.splits]
    kind = method.tables.scores
    best = [average_precision(plan, *pair, kind) for cell in cells
            for pair in zip(labels, cell.valid_score, strict=True)]  # fmt: skip
    joined = cells[0]._replace(
        test_score=[score for cell in cells for score in cell.test_score],
        valid_score=[score for cell in cells for score in cell.valid_score],
        best_score=np.array(best),
        best_epoch=np.concatenate([cell.best_epoch for cell in cells]),
        diverged=np.concatenate([cell.diverged for cell in cells]),
    )
    return check_scores(joined, method)


def scores_of(
    plan: Plan, method: Method, result: CellResult, metrics: Sequence[Metric]
) -> pd.DataFrame:
    """Metrics of a result's runs, one row per run."""
    runs, rows = len(plan.seed), []
    for i, (test, valid) in enumerate(zip(result.test_score, result.valid_score, strict=True)):
        part, y = plan.splits[i % runs], plan.dataset.y
        rows.append(
            {
                "dataset": plan.dataset.name,
                "method": method.name,
                "fold": plan.fold[i % runs],
                "seed": plan.seed[i % runs],
                "diverged": result.diverged[i],
                "n_train": len(part.train),
                "n_minority": int((y[part.train] == 1).sum()),
                "test_y": y[part.test],
                "test_score": test.astype(np.float32).ravel(),
                "valid_y": y[part.valid][: len(valid)],
                "valid_score": valid.astype(np.float32).ravel(),
            }
        )
    return compute(pd.DataFrame(rows), metrics, {method.name: method.tables.scores})
