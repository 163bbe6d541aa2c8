"""Stored records, made from the predictions of a cell."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from imbax.experiments.images.cells import GeneratorResult, ImageResult
from imbax.experiments.images.metrics import TESTS, score_run
from imbax.experiments.images.plan import ImagePlan
from imbax.experiments.lab import Cell
from imbax.metrics.confusion import confusion_matrix

__all__ = ["image_records", "rescored"]


def image_records(
    plan: ImagePlan, cell: Cell, result: ImageResult, generated: GeneratorResult | None
) -> list[dict[str, Any]]:
    """Records of a cell, one per run. This is the only function that scores test images."""
    classes, rows = plan.facts.classes, []
    looks = result.looks | ({} if generated is None else generated.looks)
    kept = looks.pop("variance_kept", None)
    for r, part in enumerate(plan.splits):
        y = plan.shared[1][part.test]
        loss = np.zeros(0) if generated is None else generated.loss[r]
        # The first loss of a generator is NaN only if it diverged; later ones after early stopping.
        diverged = bool(result.diverged[r]) or bool(np.isnan(loss[:1]).any())
        matrices = {}
        for test, w in zip(TESTS, (np.ones(len(y)), part.imbalanced), strict=True):
            matrix = confusion_matrix(y, result.predicted[r], classes, w.astype(float))
            matrices[f"{test}_confusion"] = np.asarray(matrix).ravel().astype(int)
        scores = matrices | score_run(matrices, diverged)
        loss = loss[np.isfinite(loss)]
        rows.append(
            {
                "suite": cell.suite,
                "dataset": cell.dataset.name,
                "method": cell.method.name,
                "fold": int(plan.fold[r]),
                "seed": int(plan.seed[r]),
                **scores,
                "diverged": diverged,
                "n_train": len(part.train),
                "n_added": 0 if cell.method.images.resample is None else sum(plan.facts.wanted),
                "n_test": len(part.test),
                "generator_epochs": len(loss),
                "loss": result.loss[r],
                "generator_loss": loss,
                "variance_kept": [] if kept is None else kept[r],
                "looks": _pack({name: leaf[r] for name, leaf in looks.items()}),
            }
        )
    return rows


def rescored(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stored records with their metrics computed again from their confusion matrices."""
    return [row | score_run(row, row["diverged"]) for row in rows]


def _pack(arrays):
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()
