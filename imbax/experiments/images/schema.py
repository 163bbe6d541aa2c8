"""Columns of a stored run on images."""

import io

import numpy as np
import pyarrow as pa

from imbax.experiments.images.metrics import METRICS, TESTS

__all__ = ["SCHEMA", "unpack"]

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


def unpack(looks: bytes) -> dict[str, np.ndarray]:
    """Images of a ``looks`` cell by name, `[K, 10, h, w, c]` uint8."""
    with np.load(io.BytesIO(looks), allow_pickle=False) as arrays:
        return dict(arrays)
