"""Records that are stored for a cell: test scores, curves, movements of points."""

import io
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from imbax.catalogue import Method
from imbax.experiments.lab import Cell
from imbax.experiments.tabular.cells import CellResult
from imbax.experiments.tabular.metrics import METRICS, score_run
from imbax.experiments.tabular.plan import Plan

__all__ = ["check_scores", "records", "rescored"]


def check_scores(result: CellResult, method: Method) -> CellResult:
    """Returns the result of `host_cell`, whose code is a part of keys and cannot check it.

    Runs whose scores are not finite count as diverged, unless there are no others.

    Parameters
    ----------
    result
        Result of the method.
    method
        Method outside jax.

    Raises
    ------
    ValueError
        No run has finite scores. An InputError would blame the data set.
    """
    if result.diverged.all():
        scores = np.concatenate(result.test_score)
        lost = np.count_nonzero(~np.isfinite(scores.reshape(len(scores), -1)).all(1))
        noun = "probability" if method.tables.scores == "probability" else "score"
        raise ValueError(
            f"{method.name} returned no finite {noun} for {lost} of {len(scores)} test rows; check "
            "it for NaN"
        )
    return result


def records(plan: Plan, cell: Cell, result: CellResult) -> list[dict[str, Any]]:
    """Returns one record per run. This is the only function that scores test rows."""
    padded, rows = plan.runs.test.w.shape[1], []
    movements = [_movement(plan, result, r) for r in range(len(plan.splits))]
    # The run whose points are stored for figures: the first in which they moved, if any did.
    drawn = next((r for r, (_, move, _) in enumerate(movements) if move > 0), 0)
    # Training rows do not count as validation rows.
    held_out = not cell.method.tables.refits and cell.method.tables.rows == "train"
    for r, part in enumerate(plan.splits):
        y, score = plan.dataset.y[part.test], result.test_score[r]
        start, move, outside = movements[r]
        rows.append(
            {
                "suite": cell.suite,
                "dataset": cell.dataset.name,
                "method": cell.method.name,
                "network": cell.network,
                "members": str(cell.members),
                "fold": int(plan.fold[r]),
                "seed": int(plan.seed[r]),
                **_scored(y, score, bool(result.diverged[r]), padded, cell.method.tables.scores),
                "diverged": bool(result.diverged[r]),
                "fallback": _fallback(result, r),
                "epoch": int(result.best_epoch[r]),
                "validation_average_precision": float(result.best_score[r]) if held_out else np.nan,
                "n_train": len(part.train),
                "n_valid": len(part.valid),
                "n_test": len(part.test),
                "n_minority": _minority(plan, part.train),
                "test_rows_in_train": int(plan.test_rows_in_train[r]),
                "x_synth_move": move,
                "x_synth_outside": outside,
                "test_y": y.astype(np.int8),
                "test_score": score.astype(np.float32).ravel(),
                **_validation(plan, result, r),
                "train_curve": _curve(result, "train_loss", r),
                "valid_curve": _curve(result, "valid_score", r, known=held_out),
                "monitored": _monitored(result, r),
                "plane": _plane(plan, result, r) if r == drawn and start else None,
            }
        )
    return rows


def rescored(rows: Sequence[dict[str, Any]], padded: int, kind: str) -> list[dict[str, Any]]:
    """Stored records with their metrics computed again, from their labels and scores.

    Parameters
    ----------
    rows
        Records.
    padded
        Length that labels and scores are padded to; longer ones are not padded.
    kind
        The method's kind of scores.
    """
    done = []
    for row in rows:
        y, score = np.array(row["test_y"]), np.array(row["test_score"], np.float32)
        score = score if len(score) == len(y) else score.reshape(len(y), -1)
        length = max(padded, len(y))
        done.append(row | _scored(y, score, row["diverged"], length, kind))
    return done


def _scored(y, score, diverged, padded, kind):
    """The metrics of a run by name; NaN if it diverged."""
    if diverged:
        return dict.fromkeys(METRICS, float("nan"))
    return score_run(y, score, padded, kind)


def _validation(plan, result, r):
    """Labels and scores of validation rows; empty if the method was trained on them."""
    scores = result.valid_score[r]
    y = plan.dataset.y[plan.splits[r].valid[: len(scores)]]
    return {"valid_y": y.astype(np.int8), "valid_score": scores.astype(np.float32).ravel()}


def _minority(plan, rows):
    """Number of minority rows, or of rows of the rarest of more than two classes."""
    counts = np.bincount(plan.dataset.y[rows], minlength=2)
    return int(counts[1] if plan.facts.classes == 2 else counts.min())


def _curve(result, name, r, known=True):
    if result.curves is None or not known:
        return np.zeros(0, np.float32)
    return getattr(result.curves, name)[r]


def _monitored(result, r):
    monitored = {} if result.curves is None else result.curves.monitored
    return {name: values[r] for name, values in monitored.items()}


def _fallback(result, r):
    """Returns whether the sampler's rule failed on this run."""
    return result.fallback is not None and bool(result.fallback[r])


def _points(result, r, width):
    points = None if result.progress is None else result.progress.best.points
    if points is None:
        return None
    real = points.w[r] > 0
    return points.start[r][real, :width], points.now[r][real, :width]


def _movement(plan, result, r):
    """Presence of points, their root mean square movement, and the share outside the box."""
    train = plan.features(r, plan.splits[r].train)
    points = _points(result, r, train.shape[1])
    if points is None or not len(points[0]):
        return False, float("nan"), float("nan")
    start, now = points
    outside = (now < train.min(0) - 1e-6) | (now > train.max(0) + 1e-6)
    way = np.sqrt(((now - start) ** 2).sum(1).mean())
    return True, float(way), float(outside.any(1).mean())


def _plane(plan, result, r, cells=60):
    """Training rows, points and probabilities on the training rows' first two principal axes.

    None for more than two classes.
    """
    from sklearn.decomposition import PCA

    if plan.facts.classes > 2:
        return None
    train = plan.features(r, plan.splits[r].train)
    start, end = _points(result, r, train.shape[1])
    axes = PCA(2, random_state=0).fit(train)
    flat = {"x": axes.transform(train), "start": axes.transform(start), "end": axes.transform(end)}
    every = np.concatenate(list(flat.values()))
    low, high = every.min(0), every.max(0)
    grid_x, grid_y = (np.linspace(low[i], high[i], cells) for i in (0, 1))
    corners = np.stack(np.meshgrid(grid_x, grid_y), -1).reshape(-1, 2)
    params = jax.tree.map(lambda leaf: leaf[r], result.progress.best.params)
    x = np.zeros((len(corners), plan.facts.features), np.float32)
    x[:, : train.shape[1]] = axes.inverse_transform(corners)
    logits = result.program.apply(params, x)
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        y=plan.dataset.y[plan.splits[r].train],
        grid_x=grid_x,
        grid_y=grid_y,
        probability=np.asarray(jax.nn.sigmoid(logits)).reshape(cells, cells),
        **flat,
    )
    return packed.getvalue()
