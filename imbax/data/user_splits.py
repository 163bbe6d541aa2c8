"""The user's own splits, in any form, as lists of row numbers.

A row counts by its number from 0; a negative one counts from the end, as in NumPy. A mask names the
rows where it is true, and a pandas index the rows of a frame that have these labels.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from imbax.data.checks import first_line
from imbax.data.splits import Split
from imbax.errors import InputError

__all__ = ["user_splits"]

_EXPECTED = "expected a list of (train, valid, test) row numbers"
# The share of a pair's training rows that validates, one part in so many.
_VALID_PARTS = 5


def user_splits(
    splits: Any,
    y: np.ndarray,
    *,
    x: Any = None,
    groups: np.ndarray | None = None,
    validates: bool = True,
) -> list[Split]:
    """Row numbers of each split, int64, in the order that the user gave them.

    Parameters
    ----------
    splits
        Any iterable of (train, valid, test), of pairs (train, test), or one of these alone; or an
        object with scikit-learn's `split(X, y, groups)`. A part holds row numbers, a mask `[n]`, or
        labels of the frame `x` as a pandas index. Of a pair, a stratified fifth of the training
        rows validates instead, the same in every call; with `groups` it holds whole groups.
    y
        `[n]` labels 0..K-1.
    x
        The user's features, to know a frame's labels and for scikit-learn's splitters.
    groups
        `[n]` codes, of which none may be cut.
    validates
        Whether validation rows are looked at; otherwise they may lack a class.

    Raises
    ------
    InputError
        There is no split; a part holds anything but the numbers of existing rows, a row twice, or
        no row of some class; two parts share a row or a group; or a pair's training rows are too
        few to validate on some of them.
    """
    index = getattr(x, "index", None)
    index = index if hasattr(index, "get_indexer") else None
    found = []
    for number, given in enumerate(_listed(splits, y, x, groups)):
        name = f"splits[{number}]"
        if not isinstance(given, Iterable) or isinstance(given, str | dict):
            raise InputError(f"{name} is {_short(given)}, {_EXPECTED}")
        parts = list(given)
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
    """A list of what should be splits."""
    if isinstance(splits, type):
        raise InputError(f"splits={splits.__name__} is a class; give {splits.__name__}()")
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
        raise InputError(f"splits cannot be cut: {first_line(error)}") from error
    # One split alone: its parts, and not those of its splits, hold numbers.
    if len(listed) in (2, 3) and all(map(_is_part, listed)):
        return [tuple(listed)]
    return listed


def _is_part(given):
    """Whether it holds row numbers, and not parts that do."""
    if isinstance(given, str | dict) or not hasattr(given, "__len__") or len(given) == 0:
        return False
    return np.isscalar(next(iter(given)))


def _rows(given, n, index, name):
    """Row numbers of one part `[m]`, int64."""
    if isinstance(given, str | dict) or not isinstance(given, Iterable):
        raise InputError(f"{name} is {_short(given)}, expected row numbers or a mask")
    labels = getattr(given, "index", None)
    if index is not None and hasattr(given, "get_indexer") and given.dtype != bool:
        return _labelled(given, index, name)
    if not hasattr(given, "__array__"):
        given = sorted(given) if isinstance(given, set | frozenset) else list(given)
    rows = np.asarray(given)
    if rows.dtype == object:  # pandas' own types of numbers and truth
        rows = np.array(rows.tolist())
    if rows.ndim != 1:
        frame = "; of a part of x give the index" if hasattr(given, "columns") else ""
        raise InputError(
            f"{name} has shape {rows.shape}, expected one row of numbers or a mask{frame}"
        )
    if len(rows) == 0:
        raise InputError(f"{name} is empty; each part needs rows of every class")
    if rows.dtype == bool:
        if len(rows) != n:
            raise InputError(f"{name} is a mask of {len(rows)} rows, expected {n}, as many as x")
        if index is not None and hasattr(labels, "equals") and not labels.equals(index):
            raise InputError(
                f"{name} is a mask whose index is not that of x; bring it into the order of x, or "
                "use .to_numpy()"
            )
        return np.flatnonzero(rows)
    if rows.dtype.kind not in "iu":
        raise InputError(
            f"{name} holds {rows.dtype}, expected whole numbers of rows or a mask of bools"
        )
    if (wrong := rows[(rows < -n) | (rows >= n)]).size:
        raise InputError(f"{name} has row {wrong[0]}, expected 0 to {n - 1}, the rows of x")
    rows = rows.astype(np.int64)
    return np.where(rows < 0, rows + n, rows)


def _labelled(given, index, name):
    """Row numbers of a frame's labels."""
    if not index.is_unique:
        raise InputError(
            f"{name} is an index, but labels of x occur more than once; give numbers of rows"
        )
    rows = index.get_indexer(given)
    if (rows < 0).any():
        missing = given[rows < 0][0]
        raise InputError(f"{name} has the label {missing}, which no row of x has")
    return _rows(rows, len(index), None, name)


def _check(rows, y, groups, name, complete):
    """InputError unless parts by name are apart; the `complete` ones need rows of every class."""
    for part, numbers in rows.items():
        values, counts = np.unique(numbers, return_counts=True)
        if (counts > 1).any():
            hint = "; a mask holds bools: use .astype(bool)" if set(values) <= {0, 1} else ""
            twice = values[counts > 1][0]
            raise InputError(f"{name}, {part} has row {twice} more than once{hint}")
        missing = np.setdiff1d(y, y[numbers])
        if len(missing) and part in complete:
            which = {0: "majority", 1: "minority"} if y.max() < 2 else {}
            which = which.get(int(missing[0]), f"class {missing[0]}")
            raise InputError(
                f"{name}, {part} has no row of the {which}; each part needs rows of every class"
            )
    names = list(rows)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            if len(both := np.intersect1d(rows[one], rows[other])):
                raise InputError(
                    f"{name}: row {both[0]} is in {one} and in {other}; each row may be in one part"
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
    """A pair's training rows without a stratified part, and that part."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    kept = None if groups is None else groups[train]
    units = [len(train[y[train] == c]) if groups is None else len(np.unique(kept[y[train] == c]))
             for c in np.unique(y)]  # fmt: skip
    if min(units) < 2:
        what = "row" if groups is None else "group"
        raise InputError(
            f"{name}, train has a single {what} with rows of some class, expected one to train on "
            "and one to validate on; give (train, valid, test)"
        )
    folds = kind(min(_VALID_PARTS, *units), shuffle=True, random_state=number)
    for fitted, held in folds.split(train, y[train], kept):
        parts = train[fitted], train[held]
        if all(len(np.unique(y[part])) == len(units) for part in parts):
            return parts
    raise InputError(f"{name}, train cannot be cut; give (train, valid, test)")


def _short(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
