"""Conversion of any table to a `Dataset`, or to a `FrameDataset` if it needs an encoder."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.data.any_frame import as_pandas, is_table, unmasked
from imbax.data.encoded import holds_frozen
from imbax.data.features import saved_index_notices
from imbax.data.frame_dataset import FrameDataset, codes_of
from imbax.data.kinds import IN_PYTHON, Kinds, Remedies, kinds_of_columns
from imbax.data.tabular import Dataset, make_dataset
from imbax.errors import InputError, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_dataset", "check_preprocess", "dataset_of_frame"]


def as_dataset(
    x: Any,
    y: Any,
    *,
    name: str = "data",
    minority: Any = None,
    groups: Any = None,
    preprocess: Any = "auto",
    categorical: Any = None,
) -> Dataset:
    """Checks a table passed in Python.

    Parameters
    ----------
    x
        Features `[n, d]`: an array, or a frame of pandas, polars or any library that narwhals
        supports.
    y
        Labels `[n]`, as in `make_dataset`; each of more than two labels is its own class.
    name
        Name of the data set in messages.
    minority
        Label of the minority class; all other labels form the majority.
    groups
        `[n]` or `[n, 1]` group codes of any type.
    preprocess
        "auto" encodes columns by their kinds and leaves complete numbers unchanged. None encodes
        nothing; x must be complete numbers. Or a scikit-learn transformer.
    categorical
        Numeric columns to treat as categories with "auto": names, positions or a mask `[d]`.

    Returns
    -------
    Dataset
        A `FrameDataset` if an encoder has to be fitted.

    Raises
    ------
    InputError
        `make_dataset` or `kinds_of_columns` refuses the table, or `preprocess` is invalid.
    """
    check_preprocess(preprocess)
    dataset = _checked_table(unmasked(x), y, name, minority, groups, preprocess, categorical)
    added_notices = (*_reordered(x, y=y, groups=groups), *_frozen(preprocess))
    return dataclasses.replace(dataset, notices=(*dataset.notices, *added_notices))


def _checked_table(x, y, name, minority, groups, preprocess, categorical):
    options = {"name": name, "minority": minority, "groups": groups}
    if categorical is not None and preprocess != "auto":
        raise InputError(
            f"categorical={categorical!r} applies only to preprocess='auto'; "
            f"leave it out with preprocess={_short(preprocess)}"
        )
    if preprocess is None or not (is_table(x) or np.ndim(_array(x)) == 2):
        return make_dataset(x, y, several_classes=True, **options)
    if isinstance(preprocess, str) and categorical is None and _are_complete_numbers(x, name):
        return make_dataset(x, y, several_classes=True, **options)
    frame = as_pandas(x, f"{name}: x")
    return dataset_of_frame(frame, y, preprocess=preprocess, categorical=categorical, **options)


def _reordered(x, **columns):
    """Yields a notice for each column that has the row labels of x in another order."""
    index = getattr(x, "index", None)
    for name, column in columns.items():
        other = getattr(column, "index", None)
        if not (hasattr(index, "equals") and hasattr(other, "equals")) or index.equals(other):
            continue
        if len(index) == len(other) and index.is_unique and index.isin(other).all():
            yield (
                f"the index of {name} has the row labels of x in another order, and rows are "
                f"matched by position; pass {name}.loc[x.index] to match them by label"
            )


def _frozen(preprocess):
    """Yields a notice if a step of the transformer is not fitted in each run."""
    if holds_frozen(preprocess):
        yield (
            "preprocess contains a FrozenEstimator, which is not refitted in each run: if it was "
            "fitted on rows of x, test rows leak into training"
        )


def dataset_of_frame(
    frame: "pd.DataFrame",
    y: Any,
    *,
    name: str,
    minority: Any = None,
    groups: Any = None,
    preprocess: Any = "auto",
    categorical: Any = None,
    notices: Iterable[str] = (),
    table: str | None = None,
    label_place: str | None = None,
    separator: str = ",",
    remedies: Remedies = IN_PYTHON,
) -> Dataset:
    """Checks a frame with columns of any types.

    Parameters
    ----------
    frame
        Features `[n, d]`.
    y, name, minority, groups, preprocess, categorical
        As in `as_dataset`.
    notices
        Further messages to the user.
    table
        Name of the table in messages about columns; by default `name`.
    label_place
        As in `make_dataset`.
    separator, remedies
        As in `kinds_of_columns`.
    """
    options = {"name": name, "minority": minority, "groups": groups, "several_classes": True}
    options["label_place"] = label_place
    if preprocess != "auto":
        frame = frame.set_axis(list(map(str, frame.columns)), axis=1).reset_index(drop=True)
        return _frame_dataset(frame, y, preprocess, notices, options)
    kind_options = {"name": table or name, "separator": separator, "remedies": remedies}
    kinds = kinds_of_columns(frame, categorical=categorical, **kind_options)
    read = kinds.read(frame).reset_index(drop=True)
    notices = (*notices, *kinds.notices)
    if kinds.are_numbers and not read.isna().to_numpy().any():
        return make_dataset(read.astype(float), y, notices=notices, **options)
    from imbax.data.encoding import table_encoder

    notices = (*notices, *_preprocessing_notices(kinds, read))
    return _frame_dataset(read, y, table_encoder(kinds), notices, options)


def check_preprocess(preprocess: Any) -> None:
    """Raises InputError unless `preprocess` is "auto", None or a scikit-learn transformer."""
    if preprocess is None or (isinstance(preprocess, str) and preprocess == "auto"):
        return
    needed = ("fit", "transform", "get_params", "set_params")
    if isinstance(preprocess, type) and hasattr(preprocess, "transform"):
        raise InputError(
            f"preprocess={preprocess.__name__} is a class, expected an instance; "
            f"give {preprocess.__name__}()"
        )
    if isinstance(preprocess, str | type) or not all(hasattr(preprocess, f) for f in needed):
        raise InputError(
            f"preprocess={_short(preprocess)}, expected 'auto', None, or a scikit-learn "
            "transformer with fit, transform and get_params"
        )


def _frame_dataset(frame, y, transformer, notices, options):
    codes = codes_of(frame)
    base = make_dataset(codes, y, feature_names=frame.columns, notices=notices, **options)
    numeric = (
        (name, column.to_numpy(float, na_value=np.nan))
        for name, column in frame.items()
        if column.dtype.kind in "iuf"
    )
    base = dataclasses.replace(base, notices=(*base.notices, *saved_index_notices(numeric)))
    fields = {field.name: getattr(base, field.name) for field in dataclasses.fields(base)}
    return FrameDataset(**fields, frame=frame, transformer=transformer)


def _preprocessing_notices(kinds: Kinds, frame: "pd.DataFrame") -> Iterable[str]:
    """Yields notices about the preprocessing that is fitted in each run."""
    if names := kinds.names("category"):
        levels = [f"{name} ({frame[name].nunique()} levels)" for name in names]
        yield f"{_columns(names)} one-hot encoded in each run, fitted on its training rows: " + (
            shortened(levels)
        )
    missing = {name: int(frame[name].isna().sum()) for name in kinds.names("number", "boolean")}
    if found := [f"{name} ({count} rows)" for name, count in missing.items() if count]:
        yield (
            f"missing values in {_columns(found)} replaced with the median of a run's training "
            f"rows: {shortened(found)}"
        )


def _columns(names):
    return f"{len(names)} column{'s' * (len(names) > 1)}"


def _array(x):
    try:
        return np.asarray(x)
    except ValueError:  # rows differ in length
        return None


def _are_complete_numbers(x: Any, name: str) -> bool:
    """Returns whether `make_dataset` takes x, or refuses it for another reason."""
    import pandas as pd

    if not is_table(x):
        array = _array(x)
        return array.dtype.kind in "buic" or (array.dtype.kind == "f" and not np.isnan(array).any())
    frame = as_pandas(x, f"{name}: x")
    kinds = (pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes)
    return all(kinds) and not frame.isna().to_numpy().any()


def _short(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
