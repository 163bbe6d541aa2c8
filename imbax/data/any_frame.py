"""Conversion of any library's frames to pandas; no other module converts them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.checks import first_line
from imbax.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_pandas", "is_table", "unmasked"]


def as_pandas(data: Any, name: str = "X") -> "pd.DataFrame":
    """Converts a table to a pandas frame.

    Parameters
    ----------
    data
        A frame of pandas, polars, pyarrow or any other library that narwhals supports; or an array
        or list of rows `[n, d]`, whose columns are then called x0, x1, ...
    name
        Name of the argument in messages.

    Raises
    ------
    InputError
        `data` is none of these, or a lazy frame.
    """
    import narwhals as nw
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    native = nw.from_native(data, pass_through=True)
    if isinstance(native, nw.LazyFrame):
        kind = f"{type(data).__module__.split('.')[0]} {type(data).__name__}"
        raise InputError(f"{name} is a {kind}, expected an eager frame; call collect() first")
    if isinstance(native, nw.DataFrame):
        try:
            return native.to_pandas()
        except Exception as error:  # the library's own error, for a type that pandas lacks
            raise InputError(
                f"{name} has a column that pandas cannot hold ({first_line(error)}); cast it"
            ) from error
    if hasattr(data, "toarray"):
        raise InputError(f"{name} is a sparse matrix, expected a dense table; use {name}.toarray()")
    data = unmasked(data)
    try:
        array = np.asarray(data, dtype=None if isinstance(data, np.ndarray) else object)
    except ValueError:  # rows differ in length
        array = np.empty(0)
    if array.ndim != 2:
        raise InputError(
            f"{name} is a {type(data).__name__} of shape {array.shape}, expected a frame or an "
            "array [rows, columns]"
        )
    frame = pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])
    return frame.infer_objects()


def unmasked(data: Any) -> Any:
    """Fills the masked entries of a masked array with NaN; returns anything else unchanged."""
    if not np.ma.is_masked(data):
        return data
    return data.astype(np.float64 if data.dtype.kind in "biuf" else object).filled(np.nan)


def is_table(data: Any) -> bool:
    """Returns whether `data` is an eager or lazy frame of any library that narwhals supports."""
    import narwhals as nw
    import pandas as pd

    if isinstance(data, pd.DataFrame | np.ndarray | list | tuple) or data is None:
        return isinstance(data, pd.DataFrame)
    native = nw.from_native(data, pass_through=True)
    return isinstance(native, nw.DataFrame | nw.LazyFrame)
