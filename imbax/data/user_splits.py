"""Conversion of user-defined splits in any form to lists of row numbers.

Row numbers start at 0; negative ones count from the end, as in NumPy. A mask selects the rows where
it is true, and a pandas index selects the rows of a frame with these labels.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from imbax.data.checks import first_line
from imbax.data.splits import Split
from imbax.errors import InputError

__all__ = ["user_splits"]

_EXPECTED = "expected a list of (train, valid, test) row numbers"
# A fifth of a pair's training rows is used for validation.
_VALID_PARTS = 5


def user_splits(
    splits: Any,
    y: np.ndarray,
    *,
    x: Any = None,
    groups: np.ndarray | None = None,
    validates: bool = True,
) -> list[Split]:
    """Returns the row numbers of each split, int64, in the user's order.

    Parameters
    ----------
    splits
        Any iterable of (train, valid, test) or of pairs (train, test), a single one of these, or an
        object with scikit-learn's `split(X, y, groups)`. A part holds row numbers, a mask `[n]` or
        labels of the frame `x` as a pandas index. For a pair, a stratified fifth of the training
        rows is used for validation, the same in every call; with `groups` it holds whole groups.
    y
        `[n]` labels 0..K-1.
    x
        The user's features: a frame's row labels are needed for an index, and scikit-learn's
        splitters take the features.
    groups
        `[n]` group codes; no group may be divided between parts.
    validates
        Whether validation rows are used; if not, they may lack a class.

    Raises
    ------
    InputError
        There is no split; a part contains an invalid row, a row twice, or no row of a class; two
        parts share a row or a group; or a pair has too few training rows for a validation part.
    """
    index = getattr(x, "index", None)
    index = index if hasattr(index, "get_indexer") else None
    found = []
    for number, split in enumerate(_listed(splits, y, x, groups)):
        name = f"splits[{number}]"
        if not isinstance(split, Iterable) or isinstance(split, str | dict):
            raise InputError(f"{name} is {_short(split)}, {_EXPECTED}")
        parts = list(split)
        if len(parts) not in (2, 3):
            raise InputError(
                f"{name} has {len(parts)} parts, expected train, valid and test, or train and test"
            )
        names = ("train", "valid", "test") if len(parts) == 3 else ("train", "test")
        rows = {
            part: _rows(values, len(y), index, f"{name}, {part}")
            for part, values in zip(names, parts, strict=True)
        }
        if len(parts) == 2:
            _check(rows, y, groups, name, ("train", "test"))
            train, valid = _validation(rows["train"], y, groups, number, name)
            rows |= {"train": train, "valid": valid}
        _check(
            rows, y, groups, name, ("train", "valid", "test") if validates else ("train", "test")
        )
        found.append(Split(**rows))
    if not found:
        raise InputError(f"splits holds no split, {_EXPECTED}; leave it out for folds")
    return found


def _listed(splits, y, x, groups):
    """Returns the splits as a list, from a splitter, an iterable or a single split."""
    if isinstance(splits, type):
        raise InputError(
            f"splits={splits.__name__} is a class, expected an instance; give {splits.__name__}()"
        )
    splitter = None if isinstance(splits, str) else getattr(splits, "split", None)
    try:
        if callable(splitter):
            splits = splitter(np.zeros((len(y), 1)) if x is None else x, y, groups)
        if not isinstance(splits, Iterable) or isinstance(splits, str | dict):
            raise InputError(f"splits={_short(splits)}, {_EXPECTED}")
        listed = list(splits)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # such as more folds than rows of a class
        raise InputError(f"splits cannot be computed: {first_line(error)}") from error
    # A single split: its own elements are parts, which hold numbers.
    if len(listed) in (2, 3) and all(map(_is_part, listed)):
        return [tuple(listed)]
    return listed


def _is_part(part_rows):
    """Returns whether an element holds row numbers, unlike a split, which holds parts."""
    if (
        isinstance(part_rows, str | dict)
        or not hasattr(part_rows, "__len__")
        or len(part_rows) == 0
    ):
        return False
    return np.isscalar(next(iter(part_rows)))


def _rows(part_rows, n, index, name):
    """Returns the row numbers of one part `[m]`, int64."""
    if isinstance(part_rows, str | dict) or not isinstance(part_rows, Iterable):
        raise InputError(f"{name} is {_short(part_rows)}, expected row numbers or a mask")
    labels = getattr(part_rows, "index", None)
    if index is not None and hasattr(part_rows, "get_indexer") and part_rows.dtype != bool:
        return _labelled(part_rows, index, name)
    if not hasattr(part_rows, "__array__"):
        part_rows = sorted(part_rows) if isinstance(part_rows, set | frozenset) else list(part_rows)
    rows = np.asarray(part_rows)
    if rows.dtype == object:  # pandas' extension types of integers and booleans
        rows = np.array(rows.tolist())
    if rows.ndim != 1:
        frame = (
            "; for a part of the frame x give its index" if hasattr(part_rows, "columns") else ""
        )
        raise InputError(
            f"{name} has shape {rows.shape}, expected a vector of row numbers or a mask{frame}"
        )
    if len(rows) == 0:
        raise InputError(f"{name} is empty; each part needs rows of every class")
    if rows.dtype == bool:
        if len(rows) != n:
            raise InputError(f"{name} is a mask of {len(rows)} rows, expected {n}, as many as x")
        if index is not None and hasattr(labels, "equals") and not labels.equals(index):
            raise InputError(
                f"{name} is a mask whose index differs from x; reindex it, or use .to_numpy()"
            )
        return np.flatnonzero(rows)
    if rows.dtype.kind not in "iu":
        raise InputError(
            f"{name} holds {rows.dtype}, expected integer row numbers or a boolean mask"
        )
    if (wrong := rows[(rows < -n) | (rows >= n)]).size:
        raise InputError(f"{name} has row {wrong[0]}, expected 0 to {n - 1}, the rows of x")
    rows = rows.astype(np.int64)
    return np.where(rows < 0, rows + n, rows)


def _labelled(part_rows, index, name):
    """Returns the row numbers of a frame's row labels."""
    if not index.is_unique:
        raise InputError(
            f"{name} is an index, but row labels of x are not unique; give row numbers"
        )
    rows = index.get_indexer(part_rows)
    if (rows < 0).any():
        missing = part_rows[rows < 0][0]
        raise InputError(f"{name} has the label {missing}, which no row of x has")
    return _rows(rows, len(index), None, name)


def _check(rows, y, groups, name, complete):
    """Raises InputError if parts overlap, or if a part in `complete` lacks a class."""
    for part, numbers in rows.items():
        values, counts = np.unique(numbers, return_counts=True)
        if (counts > 1).any():
            hint = "; if it is a mask, use .astype(bool)" if set(values) <= {0, 1} else ""
            twice = values[counts > 1][0]
            raise InputError(f"{name}, {part} has row {twice} more than once{hint}")
        missing = np.setdiff1d(y, y[numbers])
        if len(missing) and part in complete:
            class_names = {0: "majority", 1: "minority"} if y.max() < 2 else {}
            label = class_names.get(int(missing[0]), f"class {missing[0]}")
            raise InputError(
                f"{name}, {part} has no row of the {label}; each part needs rows of every class"
            )
    names = list(rows)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            if len(both := np.intersect1d(rows[one], rows[other])):
                raise InputError(
                    f"{name}: row {both[0]} is in {one} and in {other}; parts must not overlap"
                )
            if groups is None:
                continue
            if len(cut := np.intersect1d(groups[rows[one]], groups[rows[other]])):
                pair = [part[groups[part] == cut[0]][0] for part in (rows[one], rows[other])]
                raise InputError(
                    f"{name} cuts a group: row {pair[0]} is in {one} and row {pair[1]}, of the "
                    f"same group, in {other}; use a splitter that keeps groups together"
                )


def _validation(train, y, groups, number, name):
    """Splits a pair's training rows into training rows and a stratified validation part."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    train = np.sort(train)  # the same part from a mask and from row numbers in any order
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    kept = None if groups is None else groups[train]
    units = [len(train[y[train] == c]) if groups is None else len(np.unique(kept[y[train] == c]))
             for c in np.unique(y)]  # fmt: skip
    if min(units) < 2:
        unit = "row" if groups is None else "group"
        raise InputError(
            f"{name}, train has a single {unit} with rows of a class, expected at least one for "
            "training and one for validation; give (train, valid, test)"
        )
    folds = kind(min(_VALID_PARTS, *units), shuffle=True, random_state=number)
    for fitted, held in folds.split(train, y[train], kept):
        parts = train[fitted], train[held]
        if all(len(np.unique(y[part])) == len(units) for part in parts):
            return parts
    raise InputError(f"{name}, train cannot be split further; give (train, valid, test)")


def _short(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
