"""Columns of a stored run on a table."""

import io

import numpy as np
import pyarrow as pa

from imbax.experiments.store import is_large
from imbax.experiments.tabular.metrics import METRICS

# The scores of validation rows are empty if a method was trained on these rows, or if they were not
# stored.
__all__ = ["ARRAYS", "SCHEMA", "unpack_plane"]

_COUNTS = ("n_train", "n_valid", "n_test", "n_minority", "test_rows_in_train")

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("suite", "dataset", "method", "network", "members")]
    + [(name, pa.int64()) for name in ("fold", "seed")]
    + [(name, pa.float64()) for name in METRICS]
    + [("diverged", pa.bool_()), ("fallback", pa.bool_()), ("epoch", pa.int64())]
    + [("validation_average_precision", pa.float64())]
    + [(name, pa.int64()) for name in _COUNTS]
    + [(name, pa.float64()) for name in ("x_synth_move", "x_synth_outside")]
    + [("test_y", pa.list_(pa.int8())), ("test_score", pa.list_(pa.float32()))]
    + [("valid_y", pa.list_(pa.int8())), ("valid_score", pa.list_(pa.float32()))]
    + [(name, pa.list_(pa.float32())) for name in ("train_curve", "valid_curve")]
    + [("monitored", pa.map_(pa.string(), pa.list_(pa.float32())))]
    + [("plane", pa.binary())]
)

ARRAYS = tuple(field.name for field in SCHEMA if is_large(field))
"""Columns of lists, maps and bytes."""


def unpack_plane(plane: bytes) -> dict[str, np.ndarray]:
    """The arrays of a ``plane`` cell by name."""
    with np.load(io.BytesIO(plane), allow_pickle=False) as arrays:
        return dict(arrays)
