"""Frames of any library as frames of pandas, converted here and nowhere else."""

from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.checks import first_line
from imbax.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_pandas", "is_table", "unmasked"]


def as_pandas(data: Any, name: str = "X") -> "pd.DataFrame":
    """A table as a pandas frame.

    Parameters
    ----------
    data
        A frame of pandas, polars, pyarrow, or any other that narwhals reads; or `[n, d]`, an array
        or rows as lists, whose columns are then called x0, x1, ...
    name
        How messages call it.

    Raises
    ------
    InputError
        It is none of these, or a lazy frame.
    """
    import narwhals as nw
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    found = nw.from_native(data, pass_through=True)
    if isinstance(found, nw.LazyFrame):
        kind = f"{type(data).__module__.split('.')[0]} {type(data).__name__}"
        raise InputError(f"{name} is a {kind}, expected a frame with its rows; collect() it first")
    if isinstance(found, nw.DataFrame):
        try:
            return found.to_pandas()
        except Exception as error:  # the library's own, of a type that pandas lacks
            raise InputError(
                f"{name} has a column that pandas cannot hold ({first_line(error)}); cast it"
            ) from error
    if hasattr(data, "toarray"):
        raise InputError(f"{name} is a sparse matrix, expected a dense table; use {name}.toarray()")
    data = unmasked(data)
    try:
        array = np.asarray(data, dtype=None if isinstance(data, np.ndarray) else object)
    except ValueError:  # rows of several lengths
        array = np.empty(0)
    if array.ndim != 2:
        raise InputError(
            f"{name} is a {type(data).__name__} of shape {array.shape}, expected a frame, or "
            "[rows, columns]"
        )
    frame = pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])
    return frame.infer_objects()


def unmasked(data: Any) -> Any:
    """A masked array with NaN where it is masked, anything else as it is."""
    if not np.ma.is_masked(data):
        return data
    return data.astype(np.float64 if data.dtype.kind in "biuf" else object).filled(np.nan)


def is_table(data: Any) -> bool:
    """Whether it is a frame, lazy ones included, of any library that narwhals reads."""
    import narwhals as nw
    import pandas as pd

    if isinstance(data, pd.DataFrame | np.ndarray | list | tuple) or data is None:
        return isinstance(data, pd.DataFrame)
    found = nw.from_native(data, pass_through=True)
    return isinstance(found, nw.DataFrame | nw.LazyFrame)
