"""`FrameDataset`: a table whose columns become numbers anew in each run, from its training rows."""

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
"""Types that pandas hashes by value in columns of objects."""


@dataclasses.dataclass(frozen=True, eq=False)
class FrameDataset(Dataset):
    """A checked table with categories, dates or missing values, or with the user's transformer.

    `x` only tells equal rows from others (`codes_of`); what models see comes from `frame`, by a
    clone of `transformer` that is fitted on the training rows of each run.
    """

    frame: "pd.DataFrame | None" = None  # [n, d]: columns of any type
    transformer: Any = None  # scikit-learn's fit(X, y), transform(X)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of frame, y and groups; the transformer counts in the key of a result."""
        import pandas as pd

        digest = hashlib.sha256(b"frame")
        for name, column in self.frame.items():
            digest.update(f"{name!r}{column.dtype}".encode())
            if isinstance(column.dtype, pd.CategoricalDtype):  # the order of levels may count
                digest.update(f"{column.cat.ordered}{list(column.cat.categories)}".encode())
            kind = pd.api.types.infer_dtype(column)
            if kind == "unknown-array" or (column.dtype == object and kind not in _HASHED):
                column = _pickled(column)  # pandas would hash str(cell), in which 1 is "1"
            digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().data)
        for array in (self.y, self.groups):
            if array is None:
                digest.update(b"none")
            else:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def codes_of(frame: "pd.DataFrame") -> np.ndarray:
    """`[n, d]` float64: in each column equal cells have equal numbers, missing ones -1."""
    import pandas as pd

    codes = np.empty(frame.shape)
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        try:
            codes[:, place], _ = pd.factorize(column)
        except (TypeError, NotImplementedError):  # lists and the like
            codes[:, place], _ = pd.factorize(_pickled(column))
    return codes


def _pickled(column):
    """A column's cells as bytes, whatever they are."""
    import pandas as pd

    try:
        cells = [pickle.dumps(cell) for cell in column]
    except Exception as error:  # that of a cell's type
        raise InputError(
            f"column {column.name!r} holds {type(column.iloc[0]).__name__}, which cannot be "
            f"stored ({first_line(error)}); leave it out"
        ) from error
    return pd.Series(cells, column.index, dtype=object)
