"""From a cell's predictions to the records that are stored."""

import io
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from imbax.catalogue.images import ImageMethod
from imbax.experiments.images.cells import GeneratorResult, ImageResult
from imbax.experiments.images.plan import ImagePlan
from imbax.metrics import confusion

__all__ = ["METRICS", "SCHEMA", "TESTS", "image_records", "unpack"]

TESTS = ("balanced", "imbalanced")
"""The two test parts."""

METRICS = {
    "acsa": "ACSA",
    "g_mean": "G-mean",
    "f1": "macro F1",
    "g_mean_class": "G-mean of classes",
    "g_mean_product": "G-mean of recalls",
}
"""Names of the metrics in tables and in words; in [0, 1]."""

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
    plan: ImagePlan,
    method: ImageMethod,
    result: ImageResult,
    generated: GeneratorResult | None,
    suite: str,
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
        scores = {}
        for test, w in zip(TESTS, (np.ones(len(y)), part.imbalanced), strict=True):
            matrix = confusion.confusion_matrix(y, result.predicted[r], classes, w.astype(float))
            scores[f"{test}_confusion"] = np.asarray(matrix).ravel().astype(int)
            for metric, value in _metrics(matrix).items():
                scores[f"{test}_{metric}"] = float("nan") if diverged else float(value)
        loss = loss[np.isfinite(loss)]
        rows.append(
            {
                "suite": suite,
                "dataset": plan.images.name,
                "method": method.name,
                "fold": int(plan.fold[r]),
                "seed": int(plan.seed[r]),
                **scores,
                "diverged": diverged,
                "n_train": len(part.train),
                "n_added": 0 if method.resample is None else sum(plan.facts.wanted),
                "n_test": len(part.test),
                "generator_epochs": len(loss),
                "loss": result.loss[r],
                "generator_loss": loss,
                "variance_kept": [] if kept is None else kept[r],
                "looks": _pack({name: leaf[r] for name, leaf in looks.items()}),
            }
        )
    return rows


def unpack(looks: bytes) -> dict[str, np.ndarray]:
    """The images of a ``looks`` cell by name, `[K, 10, h, w, c]` uint8."""
    with np.load(io.BytesIO(looks), allow_pickle=False) as arrays:
        return dict(arrays)


def _pack(arrays):
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


@jax.jit
def _metrics(matrix):
    return {
        "acsa": confusion.average_class_specific_accuracy(matrix),
        "g_mean": confusion.geometric_mean(matrix, "macro"),
        "f1": confusion.macro_f1(matrix),
        "g_mean_class": confusion.geometric_mean(matrix, "class"),
        "g_mean_product": confusion.geometric_mean(matrix, "product"),
    }
