"""From a cell's predictions to the records that are stored."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from imbax.experiments.images.cells import GeneratorResult, ImageResult
from imbax.experiments.images.metrics import METRICS, TESTS, score_run
from imbax.experiments.images.plan import ImagePlan
from imbax.experiments.lab import Cell
from imbax.metrics.confusion import confusion_matrix

__all__ = ["SCHEMA", "image_records", "rescored", "unpack"]

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("suite", "dataset", "method")]
    + [(name, pa.int64()) for name in ("fold", "seed")]
    + [(f"{test}_{metric}", pa.float64()) for test in TESTS for metric in METRICS]
    + [("diverged", pa.bool_())]
    + [(name, pa.int64()) for name in ("n_train", "n_added", "n_test", "generator_epochs")]
    + [(f"{test}_confusion", pa.list_(pa.int32())) for test in TESTS]
    + [(name, pa.list_(pa.float32())) for name in ("loss", "generator_loss", "variance_kept")]
    + [("looks", pa.binary())]
)


def image_records(
    plan: ImagePlan, cell: Cell, result: ImageResult, generated: GeneratorResult | None
) -> list[dict[str, Any]]:
    """One record per run. Test images are scored here, and only here."""
    classes, rows = plan.facts.classes, []
    looks = result.looks | ({} if generated is None else generated.looks)
    kept = looks.pop("variance_kept", None)
    for r, part in enumerate(plan.splits):
        y = plan.shared[1][part.test]
        loss = np.zeros(0) if generated is None else generated.loss[r]
        # A generator's later losses are NaN once it has stopped; its first only if it diverged.
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
    """Stored records with their metrics computed anew from their confusion matrices."""
    return [row | score_run(row, row["diverged"]) for row in rows]


def unpack(looks: bytes) -> dict[str, np.ndarray]:
    """The images of a ``looks`` cell by name, `[K, 10, h, w, c]` uint8."""
    with np.load(io.BytesIO(looks), allow_pickle=False) as arrays:
        return dict(arrays)


def _pack(arrays):
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()
