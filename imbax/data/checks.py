"""The checks at the door of a `Dataset`, and the wording that their messages share."""

import lzma
import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.features import described
from imbax.data.written import PLAIN, as_text
from imbax.errors import InputError, argument, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DAMAGED",
    "binary_labels",
    "class_labels",
    "feature_matrix",
    "first_line",
    "group_codes",
    "rows_with_copies",
]

# A damaged npz archive raises any of these, depending on the byte that is wrong.
DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


def first_line(error: Exception) -> str:
    """What an exception says, fit for a one-line message."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def feature_matrix(
    x: Any, name: str, given: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    import pandas as pd

    if hasattr(x, "toarray"):
        raise InputError(f"{name}: x is a sparse matrix, expected a dense one; use x.toarray()")
    x = _of_pandas(x, name)
    if isinstance(x, pd.DataFrame):
        _refuse_other_than_numbers(x, name)
        given = [str(column) for column in x.columns] if given is None else given
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
            _refuse_other_than_numbers(columns, name)
        raise InputError(
            f"{name}: x is not a table of numbers ({first_line(error)}); encode text first"
        ) from error
    x = numbers
    if x.ndim != 2 or x.shape[1] == 0:
        raise InputError(
            f"{name}: x has shape {x.shape}, expected [rows, features] with at least one feature"
        )
    names = tuple(f"x{i}" for i in range(x.shape[1])) if given is None else tuple(map(str, given))
    if len(names) != x.shape[1]:
        raise InputError(f"{name}: {len(names)} feature names for {x.shape[1]} columns of x")
    if len(set(names)) < len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise InputError(f"{name}: two columns are called {twice!r}; rename or drop one")
    # Not infinity is the limit: the range of a column must be a float64, too.
    counts = np.count_nonzero(~(np.abs(x) <= 1e300), axis=0)
    if counts.any():
        bad = [f"{n!r} ({count} rows)" for n, count in zip(names, counts, strict=True) if count]
        raise InputError(
            f"{name}: missing, infinite or huge values in column {shortened(bad)}; "
            "fill them, or drop these rows or columns"
        )
    return x, names


def _of_pandas(x: Any, name: str) -> Any:
    """A polars frame as one of pandas, all else as it is."""
    if type(x).__module__.split(".")[0] != "polars":
        return x
    if type(x).__name__ == "LazyFrame":
        raise InputError(f"{name}: x is a polars LazyFrame, expected a DataFrame; use x.collect()")
    return x.to_pandas() if hasattr(x, "get_columns") else x


def _refuse_other_than_numbers(x: "pd.DataFrame", name: str) -> None:
    import pandas as pd

    for place, dtype in enumerate(x.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
            what, remedy = described(x.iloc[:, place])
            raise InputError(
                f"{name}: column {str(x.columns[place])!r} holds {what}, expected numbers; {remedy}"
            )


def class_labels(y: Any, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """[n], the number of each row's label in the order of labels, and these as text."""
    import pandas as pd

    y = label_column(y, name)
    try:
        codes, values = pd.factorize(y)
    except TypeError as error:  # not hashable
        raise InputError(
            f"{name}: y holds a {type(y[0]).__name__} for each row, expected a label"
        ) from error
    if (codes < 0).any():
        raise InputError(
            f"{name}: {np.count_nonzero(codes < 0)} labels are missing; drop these rows"
        )
    try:
        order = np.argsort(values)
    except TypeError:
        order = np.argsort([as_text(value) for value in values])
    texts = tuple(as_text(values[i]) for i in order)
    if len(texts) < 2:
        raise InputError(f"{name}: y has one class only ({''.join(texts)}), expected two")
    if len(set(texts)) < len(texts):
        twice = next(text for i, text in enumerate(texts) if text in texts[:i])
        raise InputError(
            f"{name}: y holds {twice!r} as text and as a number; bring y to one type, as with "
            "y.astype(str)"
        )
    return np.argsort(order)[codes], texts


def label_column(y: Any, name: str) -> np.ndarray:
    """One label of each row `[n]`: of a single column, of one-hot columns, or as they are.

    The labels of a frame's one-hot columns are the columns' names, those of an array's 0..K-1.
    """
    columns = getattr(y, "columns", None)
    y = _read(given := y)
    if y.ndim == 0:
        remedy = f"; give x[{given!r}], and x without it" if isinstance(given, str) else ""
        raise InputError(
            f"{name}: y is a {type(given).__name__}, expected a label for each row{remedy}"
        )
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "buif":
        is_one_hot = np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all()
        if is_one_hot:
            labels = np.arange(y.shape[1]) if columns is None else np.asarray(columns)
            return labels[y.argmax(1)]
    if y.ndim != 1:
        raise InputError(
            f"{name}: y has shape {y.shape}, expected [rows], one column, or one-hot columns with "
            "a single 1 in each row"
        )
    return y


def _read(values: Any) -> np.ndarray:
    """As an array, in which what is missing stays so: NumPy alone would make text of it."""
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


def binary_labels(y: Any, name: str, minority: Any) -> tuple[np.ndarray, tuple[str, str]]:
    """[n] int8 with 1 = minority, and the two labels as text."""
    codes, texts = class_labels(y, name)
    counts = np.bincount(codes)
    if minority is not None:
        index = _place(as_text(minority), texts, name)
    elif len(texts) > 2:
        raise InputError(
            f"{name}: y has {len(texts)} distinct labels ({shortened(texts)}), expected 2; "
            f"name one with {argument('minority')}, the others become the majority"
        )
    else:
        index = 1 if counts[1] <= counts[0] else 0
    if 2 * counts[index] > len(codes):
        raise InputError(
            f"{name}: the label {texts[index]!r} named as minority has {counts[index]} of "
            f"{len(codes)} rows; name the rarer class with {argument('minority')}"
        )
    majority = texts[1 - index] if len(texts) == 2 else f"not {texts[index]}"
    return (codes == index).astype(np.int8), (majority, texts[index])


def rows_with_copies(x: np.ndarray) -> int:
    """How many rows of x [n, d] are equal to another."""
    import pandas as pd

    return int(pd.DataFrame(x).duplicated(keep=False).sum())


def _place(label: str, texts: Sequence[str], name: str) -> int:
    """The position of the label that is meant: as it is written, as a number, or in other case."""
    for same in (str, str.strip, _as_number, lambda text: text.strip().casefold(), _as_truth):
        found = [i for i, text in enumerate(texts) if same(text) == same(label)]
        if len(found) == 1:
            return found[0]
    raise InputError(
        f"{name}: no row has the label {label!r}{' alone' * bool(found)}; the labels are: "
        f"{shortened(texts, 8)}; give one with {argument('minority')}"
    )


def _as_number(text: str) -> float | str:
    """So that 01 and 1.0 are 1."""
    return float(text) if PLAIN.fullmatch(text.strip()) else text.strip()


def _as_truth(text: str) -> float | str:
    """So that 1 is true."""
    word = text.strip().casefold()
    return {"true": 1.0, "false": 0.0}.get(word, _as_number(word))


def group_codes(groups: Any, name: str) -> np.ndarray:
    """[n] int64, numbered in order of appearance."""
    import pandas as pd

    groups = _read(groups)
    if groups.ndim != 1:
        raise InputError(f"{name}: groups has shape {groups.shape}, expected [rows]")
    codes, _ = pd.factorize(groups)
    if (codes < 0).any():
        raise InputError(
            f"{name}: {np.count_nonzero(codes < 0)} rows have no group; give each row one"
        )
    return codes.astype(np.int64)
