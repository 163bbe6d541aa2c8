"""How a neural method chooses the epoch whose network it keeps.

By default that is the best average precision on validation rows. A method that chooses by a rule
of its own, such as a refit or one that keeps the last epoch, does so under any protocol.
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
    """The checkpoint, one of `CHECKPOINTS`; InputError for any other."""
    if checkpoint not in CHECKPOINTS:
        expected = " or ".join(map(repr, CHECKPOINTS))
        raise InputError(f"checkpoint={checkpoint!r}, expected {expected}")
    return checkpoint


class Chosen(NamedTuple):
    """A method's training with another checkpoint, equal for equal fields."""

    build: Callable[[Facts], Program]
    """Training with the method's own checkpoint."""
    checkpoint: str
    """"loss" or "last"."""

    def __call__(self, facts: Facts) -> Program:
        """The program, sized by a table."""
        program = self.build(facts)
        if callable(program.checkpoint) or program.checkpoint == "last":
            return program
        if self.checkpoint == "last":
            return program._replace(checkpoint="last")
        return program._replace(scoring="loss")


def kept_by(method: Method, checkpoint: str) -> Method:
    """The method with a checkpoint of `CHECKPOINTS`.

    With "loss", the loss is the method's own where it has one for validation rows, and
    cross-entropy otherwise.
    """
    if checkpoint == DEFAULT or not method.is_neural:
        return method
    tables = method.tables
    return replace(method, tables=replace(tables, program=Chosen(tables.program, checkpoint)))


def with_validation_precision(
    plan: Plan, method: Method, result: CellResult, checkpoint: str
) -> CellResult:
    """The result with the validation average precision of its checkpoints as `best_score`.

    Where the epoch was chosen by loss, its curve of average precision is empty.

    Parameters
    ----------
    plan
        R runs.
    method
        What was trained, as `kept_by` gives it.
    result
        Of R runs, or of S settings of each.
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
    """Average precision of some rows, from labels and scores; for K > 2 classes, the mean over
    classes. NaN without rows, or if a score is not finite."""
    if not len(y) or not np.isfinite(score).all():
        return np.nan
    if score.ndim == 1:
        return float(average_precision_score(y, score))
    padded = max(plan.runs.test.w.shape[1], len(y))
    return score_run(y, score, padded, kind)["average_precision"]
