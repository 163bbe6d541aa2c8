"""Input checks of `Dataset`, and the wording that their messages share."""

import lzma
import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.columns import refuse_merged
from imbax.data.features import described
from imbax.data.written import PLAIN, as_text, is_missing
from imbax.errors import InputError, argument, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DAMAGED",
    "array_of",
    "binary_labels",
    "class_labels",
    "feature_matrix",
    "first_line",
    "group_codes",
    "missing_labels",
    "refuse_continuous",
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
        raise InputError(
            f"{name}: x is not a table of numbers ({first_line(error)}); encode text first"
        ) from error
    x = numbers
    if x.ndim != 2 or x.shape[1] == 0:
        raise InputError(
            f"{name}: x has shape {x.shape}, expected [rows, features] with at least one feature"
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


def class_labels(y: Any, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns the class index `[n]` of each row and the sorted labels as text."""
    import pandas as pd

    y = label_column(y, name)
    try:
        codes, values = pd.factorize(y)
    except TypeError as error:  # unhashable labels
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
    if not texts:
        raise InputError(
            f"{name}: y has no rows, expected one label for each row of x; check how the rows were "
            "selected"
        )
    if len(texts) < 2:
        raise InputError(f"{name}: y has one class ({''.join(texts)}), expected at least two")
    if words := missing_labels([value for value in values if isinstance(value, str)]):
        count = np.count_nonzero(np.isin(y, words))
        raise InputError(
            f"{name}: {count} rows have the label {str(words[0])!r}, which stands for a missing "
            "value; label these rows or remove them"
        )
    if len(set(texts)) < len(texts):
        twice = next(text for i, text in enumerate(texts) if text in texts[:i])
        raise InputError(
            f"{name}: y holds {twice!r} both as text and as a number; convert y to one type, for "
            "example with y.astype(str)"
        )
    return np.argsort(order)[codes], texts


_NO_CLASS = frozenset(str.split("nan -nan <na> nat #n/a #na"))


def missing_labels(labels: Sequence[str]) -> list[str]:
    """Returns the labels that stand for missing values: signs, NaN, and any word among numbers.

    Words such as "None" may be names of classes, and so may "-" if another class is "+".
    """
    words = [label for label in labels if not label.strip() or is_missing(label.strip())]
    rest = [label for label in labels if label not in words]
    if not all(PLAIN.fullmatch(label.strip()) for label in rest):
        words = [
            word
            for word in words
            if word.strip().casefold() in _NO_CLASS or not any(map(str.isalpha, word))
        ]
    signs = {label.strip() for label in labels}
    return [word for word in words if not (word.strip() == "-" and "+" in signs)]


def label_column(y: Any, name: str) -> np.ndarray:
    """Returns one label per row `[n]` from a vector, a single column or one-hot columns.

    One-hot columns of a frame give the columns' names as labels, those of an array 0..K-1.
    """
    columns = getattr(y, "columns", None)
    y = _column(y, "y", "label", name)
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


def _column(values: Any, argument_name: str, noun: str, name: str) -> np.ndarray:
    """Returns an array of one dimension or more; a single column `[n, 1]` becomes `[n]`."""
    array = array_of(values)
    if array.ndim == 0:
        remedy = f"; give x[{values!r}], and x without it" if isinstance(values, str) else ""
        raise InputError(
            f"{name}: {argument_name} is a {type(values).__name__}, expected one {noun} per row"
            + remedy
        )
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


def binary_labels(y: Any, name: str, minority: Any) -> tuple[np.ndarray, tuple[str, str]]:
    """Returns labels `[n]`, int8 with 1 = minority, and the two labels as text."""
    codes, texts = class_labels(y, name)
    counts = np.bincount(codes)
    if minority is not None:
        index = _label_index(as_text(minority), texts, name)
    elif len(texts) > 2:
        raise InputError(
            f"{name}: y has {len(texts)} distinct labels ({shortened(texts)}), expected 2; "
            f"name one with {argument('minority')}; the others then form the majority"
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


_MAX_FRACTIONS = 10  # grades in half steps are classes


def refuse_continuous(classes: Sequence[str], name: str) -> None:
    """Raises InputError if there are many classes and most are fractional numbers."""
    fractions = [one for one in classes if PLAIN.fullmatch(one) and float(one) % 1]
    if len(classes) > _MAX_FRACTIONS and 2 * len(fractions) > len(classes):
        raise InputError(
            f"{name}: y seems continuous, {len(classes)} distinct numbers such as {fractions[0]}; "
            "expected classes, as regression is not supported; divide y into classes, for example "
            "with pandas.qcut"
        )


def rows_with_copies(x: np.ndarray) -> int:
    """Returns the number of rows of x `[n, d]` that equal another row."""
    import pandas as pd

    return int(pd.DataFrame(x).duplicated(keep=False).sum())


def _label_index(label: str, texts: Sequence[str], name: str) -> int:
    """Returns the index of a label: matched exactly, as a number, or ignoring case."""
    for normalize in (str, str.strip, _as_number, lambda text: text.strip().casefold(), _as_truth):
        matches = [i for i, text in enumerate(texts) if normalize(text) == normalize(label)]
        if len(matches) == 1:
            return matches[0]
    raise InputError(
        f"{name}: no row has the label {label!r}{' alone' * bool(matches)}; the labels are: "
        f"{shortened(texts, 8)}; give one with {argument('minority')}"
    )


def _as_number(text: str) -> float | str:
    """Returns a number for text such as 01 and 1.0, so that they equal 1."""
    return float(text) if PLAIN.fullmatch(text.strip()) else text.strip()


def _as_truth(text: str) -> float | str:
    """Returns 1 for "true" and 0 for "false", so that they equal the numbers."""
    word = text.strip().casefold()
    return {"true": 1.0, "false": 0.0}.get(word, _as_number(word))


def group_codes(groups: Any, name: str) -> np.ndarray:
    """Returns group codes `[n]`, int64, numbered in order of appearance."""
    import pandas as pd

    groups = _column(groups, "groups", "group", name)
    if groups.ndim != 1:
        raise InputError(f"{name}: groups has shape {groups.shape}, expected [rows] or one column")
    codes, _ = pd.factorize(groups)
    if (codes < 0).any():
        raise InputError(
            f"{name}: {np.count_nonzero(codes < 0)} rows have no group; give every row a group"
        )
    return codes.astype(np.int64)
