"""Input checks of `Dataset`, and the wording that their messages share."""

import lzma
import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.columns import refuse_merged
from imbax.data.features import described
from imbax.errors import InputError, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DAMAGED",
    "array_of",
    "column_of",
    "feature_matrix",
    "first_line",
    "group_codes",
    "rows_with_copies",
]

# A damaged npz archive raises any of these errors, depending on which byte is wrong.
DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


def first_line(error: object) -> str:
    """Returns the first line of an exception's message, or its type if it has none."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def feature_matrix(
    x: Any, name: str, feature_names: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns x `[n, d]` as finite float64, and the names of its columns."""
    import pandas as pd

    if hasattr(x, "toarray"):
        raise InputError(f"{name}: x is a sparse matrix, expected a dense array; use x.toarray()")
    x = original = _polars_as_pandas(x, name)
    if isinstance(x, pd.DataFrame):
        _check_numeric(x, name)
        feature_names = (
            [str(column) for column in x.columns] if feature_names is None else feature_names
        )
    try:
        if isinstance(x, pd.DataFrame):
            x = x.to_numpy(dtype=np.float64, na_value=np.nan)
        x = np.asarray(x)
        if x.dtype.kind not in "buifO":
            raise TypeError(f"dtype {x.dtype}")
        numbers = np.array(x, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        if isinstance(x, np.ndarray) and x.dtype.kind in "OmM" and x.ndim == 2:
            columns = pd.DataFrame(x).infer_objects().rename(columns="x{}".format)
            _check_numeric(columns, name)
        if isinstance(x, np.ndarray) and x.dtype.kind in "OV" and x.ndim < 2:
            raise InputError(
                f"{name}: x is a {type(original).__name__}{_items(original)}, expected an "
                "array of two dimensions or a data frame; give pandas.DataFrame(x)"
            ) from error
        if isinstance(x, np.ndarray) and x.dtype.kind == "c":
            raise InputError(
                f"{name}: x has complex numbers; give real and imaginary parts as columns"
            ) from error
        if isinstance(x, list | tuple):
            raise InputError(
                f"{name}: rows of x differ in length, expected a number for each column"
            ) from error
        raise InputError(
            f"{name}: x is not a table of numbers ({first_line(error)}); encode text first"
        ) from error
    x = numbers
    if x.ndim != 2 or x.shape[1] == 0:
        raise InputError(
            f"{name}: x has shape {x.shape}, expected [rows, features] with at least one feature"
            + ("; use x.reshape(-1, 1) for a single feature" if x.ndim == 1 else "")
        )
    names = (
        tuple(f"x{i}" for i in range(x.shape[1]))
        if feature_names is None
        else tuple(map(str, feature_names))
    )
    if len(names) != x.shape[1]:
        raise InputError(f"{name}: {len(names)} feature names for {x.shape[1]} columns of x")
    if len(set(names)) < len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise InputError(f"{name}: two columns are called {twice!r}; rename or drop one")
    if isinstance(original, pd.DataFrame) or np.asarray(original).dtype.kind in "iuO":
        for column_name, (_, column) in zip(names, pd.DataFrame(original).items(), strict=True):
            refuse_merged(column, column_name, name)
    # The limit is below infinity because the range of a column must be a float64, too.
    counts = np.count_nonzero(~(np.abs(x) <= 1e300), axis=0)
    if counts.any():
        bad = [f"{n!r} ({count} rows)" for n, count in zip(names, counts, strict=True) if count]
        raise InputError(
            f"{name}: missing, infinite or huge values in column {shortened(bad)}; "
            "fill them, or drop these rows or columns"
        )
    return x, names


def _items(x: Any) -> str:
    return f" of {type(x[0]).__name__}" if isinstance(x, list | tuple) else ""


def _polars_as_pandas(x: Any, name: str) -> Any:
    """Converts a polars frame to pandas; returns anything else unchanged."""
    if type(x).__module__.split(".")[0] != "polars":
        return x
    if type(x).__name__ == "LazyFrame":
        raise InputError(f"{name}: x is a polars LazyFrame, expected a DataFrame; use x.collect()")
    return x.to_pandas() if hasattr(x, "get_columns") else x


def _check_numeric(x: "pd.DataFrame", name: str) -> None:
    import pandas as pd

    for position, dtype in enumerate(x.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
            content, remedy = described(x.iloc[:, position])
            raise InputError(
                f"{name}: column {str(x.columns[position])!r} holds {content}, expected numbers; "
                f"{remedy}"
            )


def column_of(values: Any, noun: str, place: str) -> np.ndarray:
    """Returns an array of one dimension or more; a single column `[n, 1]` becomes `[n]`.

    `place` names the values in messages, such as "churn: y".
    """
    array = array_of(values)
    if array.ndim == 0:
        remedy = f"; give x[{values!r}], and x without it" if isinstance(values, str) else ""
        kind = type(values).__name__
        raise InputError(f"{place} is a {kind}, expected one {noun} per row{remedy}")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def array_of(values: Any) -> np.ndarray:
    """Converts to an array and keeps missing values, which NumPy alone would turn into text."""
    import pandas as pd

    array = np.asarray(values)
    if np.ma.is_masked(values):
        is_missing = np.ma.getmaskarray(values)
    elif isinstance(values, list | tuple) and array.dtype.kind in "US":
        is_missing = pd.isna(np.array(values, object))
    else:
        return array
    if is_missing.any():
        array = array.astype(object)
        array[is_missing] = None
    return array


def rows_with_copies(x: np.ndarray) -> int:
    """Returns the number of rows of x `[n, d]` that equal another row."""
    import pandas as pd

    return int(pd.DataFrame(x).duplicated(keep=False).sum())


def group_codes(groups: Any, place: str) -> np.ndarray:
    """Returns group codes `[n]`, int64, numbered in order of appearance.

    `place` names the groups in messages, such as "churn: groups".
    """
    import pandas as pd

    groups = column_of(groups, "group", place)
    if groups.ndim != 1:
        raise InputError(f"{place} has shape {groups.shape}, expected [rows] or one column")
    codes, _ = pd.factorize(groups)
    is_missing = codes < 0
    if groups.dtype.kind == "U":  # NumPy turns NaN between texts into text
        is_missing |= groups == "nan"
    if is_missing.any():
        raise InputError(
            f"{place}: {np.count_nonzero(is_missing)} rows have no group; give every row a group"
        )
    return codes.astype(np.int64)
