"""Choice of the epoch that a neural method keeps.

By default it is the epoch with the best average precision on validation rows. Methods with their
own rule, such as refits and methods that keep the last epoch, use it under any protocol.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score

from imbax.catalogue import Facts, Method
from imbax.errors import InputError
from imbax.experiments.tabular.cells import CellResult
from imbax.experiments.tabular.metrics import score_run
from imbax.experiments.tabular.plan import Plan
from imbax.training import Program

__all__ = [
    "CHECKPOINTS",
    "DEFAULT",
    "Chosen",
    "average_precision",
    "check",
    "kept_by",
    "with_validation_precision",
]

CHECKPOINTS = ("average_precision", "loss", "last")
"""Best average precision on validation rows, lowest loss on them, or the last epoch."""
DEFAULT = CHECKPOINTS[0]


def check(checkpoint: Any) -> str:
    """Returns the checkpoint; raises InputError if it is not one of `CHECKPOINTS`."""
    if checkpoint not in CHECKPOINTS:
        expected = " or ".join(map(repr, CHECKPOINTS))
        raise InputError(f"checkpoint={checkpoint!r}, expected {expected}")
    return checkpoint


class Chosen(NamedTuple):
    """Training of a method with another checkpoint; objects with equal fields are equal."""

    build: Callable[[Facts], Program]
    """Training with the default checkpoint of the method."""
    checkpoint: str
    """Checkpoint: "loss" or "last"."""

    def __call__(self, facts: Facts) -> Program:
        """Returns the program for the sizes of a table."""
        program = self.build(facts)
        if callable(program.checkpoint) or program.checkpoint == "last":
            return program
        if self.checkpoint == "last":
            return program._replace(checkpoint="last")
        return program._replace(scoring="loss")


def kept_by(method: Method, checkpoint: str) -> Method:
    """Returns the method with a checkpoint of `CHECKPOINTS`.

    For "loss", the loss is that of the method if it has one for validation rows, otherwise
    cross-entropy.
    """
    if checkpoint == DEFAULT or not method.is_neural:
        return method
    tables = method.tables
    return replace(method, tables=replace(tables, program=Chosen(tables.program, checkpoint)))


def with_validation_precision(
    plan: Plan, method: Method, result: CellResult, checkpoint: str
) -> CellResult:
    """Returns the result with the validation average precision of its checkpoints as `best_score`.

    If the epoch was chosen by loss, the curve of validation average precision is empty.

    Parameters
    ----------
    plan
        Plan of R runs.
    method
        Trained method, from `kept_by`.
    result
        Result of R runs, or of S settings of each run.
    checkpoint
        One of `CHECKPOINTS`.
    """
    if checkpoint != "loss":
        return result
    kind, best = method.tables.scores, []
    for at, score in enumerate(result.valid_score):
        y = plan.dataset.y[plan.splits[at % len(plan.splits)].valid[: len(score)]]
        best.append(average_precision(plan, y, score, kind))
    curves = result.curves._replace(valid_score=np.zeros((len(best), 0), np.float32))
    return result._replace(best_score=np.array(best), curves=curves)


def average_precision(plan: Plan, y: np.ndarray, score: np.ndarray, kind: str) -> float:
    """Average precision from labels and scores of rows; for K > 2 classes, the macro average.

    NaN without rows, or if a score is not finite.
    """
    if not len(y) or not np.isfinite(score).all():
        return np.nan
    if score.ndim == 1:
        return float(average_precision_score(y, score))
    padded = max(plan.runs.test.w.shape[1], len(y))
    return score_run(y, score, padded, kind)["average_precision"]
