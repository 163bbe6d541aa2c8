"""`FrameDataset`: a table that is encoded separately in each run, from its training rows."""

import dataclasses
import functools
import hashlib
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.checks import first_line
from imbax.data.tabular import Dataset
from imbax.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FrameDataset", "codes_of"]

_HASHED = ("string", "empty")
"""Inferred types that pandas hashes by value in object columns."""


@dataclasses.dataclass(frozen=True, eq=False)
class FrameDataset(Dataset):
    """A checked table with categories, dates or missing values, or with the user's transformer.

    `x` only identifies equal rows (`codes_of`). The features of models come from `frame`, encoded
    by a clone of `transformer` that is fitted on the training rows of each run.
    """

    frame: "pd.DataFrame | None" = None  # [n, d]: columns of any type
    transformer: Any = None  # scikit-learn transformer: fit(X, y), transform(X)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the frame, y and groups; result keys cover the transformer."""
        import pandas as pd

        digest = hashlib.sha256(b"frame")
        for name, column in self.frame.items():
            digest.update(f"{name!r}{column.dtype}".encode())
            if isinstance(column.dtype, pd.CategoricalDtype):  # the order of levels may matter
                digest.update(f"{column.cat.ordered}{list(column.cat.categories)}".encode())
            kind = pd.api.types.infer_dtype(column)
            if kind == "unknown-array" or (column.dtype == object and kind not in _HASHED):
                column = _pickled(column)  # pandas hashes str(cell), so 1 equals "1"
            digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().data)
        for array in (self.y, self.groups):
            if array is None:
                digest.update(b"none")
            else:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def codes_of(frame: "pd.DataFrame") -> np.ndarray:
    """Returns codes `[n, d]`, float64: equal cells of a column get equal codes, missing ones -1."""
    import pandas as pd

    codes = np.empty(frame.shape)
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        try:
            codes[:, position], _ = pd.factorize(column)
        except (TypeError, NotImplementedError):  # unhashable cells such as lists
            codes[:, position], _ = pd.factorize(_pickled(column))
    return codes


def _pickled(column):
    """Returns a column's cells of any type as bytes."""
    import pandas as pd

    try:
        cells = [pickle.dumps(cell) for cell in column]
    except Exception as error:  # pickling may raise any exception
        raise InputError(
            f"column {column.name!r} holds {type(column.iloc[0]).__name__}, which cannot be "
            f"stored ({first_line(error)}); leave it out"
        ) from error
    return pd.Series(cells, column.index, dtype=object)
