"""Training, validation and test splits: stratified, seeded, with groups kept together."""

import math
from typing import NamedTuple

import numpy as np

from imbax.errors import InputError, argument

__all__ = [
    "Split",
    "folds_of",
    "repeated_splits",
    "rows_in_both",
    "stratified_splits",
    "withheld_rows",
]


class Split(NamedTuple):
    """Sorted row indices, int64; the three parts share no row and no group."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def stratified_splits(
    y: np.ndarray,
    *,
    seed: int,
    folds: int = 4,
    valid_fraction: float = 0.2,
    groups: np.ndarray | None = None,
) -> list[Split]:
    """Draws one validation part per seed and stratified folds over the other rows.

    The test parts of the folds partition the rows outside the validation part; each fold trains on
    the rest. The defaults give 60 % training, 20 % validation and 20 % test rows in every fold.

    Parameters
    ----------
    y
        `[n]` labels 0..K-1.
    seed
        0 <= seed < 2**32; the result depends only on the arguments.
    folds
        Number of folds, at least 2.
    valid_fraction
        Fraction of the rows in (0, 0.5]; with groups it is rounded to 1/2, 1/3, 1/4, ... of them.
    groups
        `[n]` group codes; a group is never divided between parts.

    Raises
    ------
    InputError
        A number is out of range, or there are too few rows, minority rows or groups for every part
        to contain every class.
    """
    y = np.asarray(y)
    if folds < 2:
        raise InputError(f"folds={folds}, expected at least 2; use 4 as in the paper")
    if not 0 < valid_fraction <= 0.5:
        raise InputError(f"valid_fraction={valid_fraction}, expected above 0 and at most 0.5")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed={seed}, expected a whole number from 0 to {2**32 - 1}")
    _check_minority(y, folds, valid_fraction)
    if groups is None:
        valid = _stratified_part(y, valid_fraction, seed)
        splits = _folds_over_rest(y, valid, folds, seed, None)
        if splits is None:
            raise InputError(
                f"{folds} folds and a validation part of {valid_fraction:g} leave a part without "
                f"rows of some class; lower {argument('folds')} or add rows"
            )
        return splits
    return _grouped_splits(y, np.asarray(groups), folds, valid_fraction, seed)


def repeated_splits(
    y: np.ndarray, *, seed: int, repeats: int = 4, keep: int | None = None
) -> list[Split]:
    """Draws independent stratified splits: a fifth for testing, a fifth of the rest for validation.

    Parameters
    ----------
    y
        `[n]` 0/1 labels, 1 = minority.
    seed
        0 <= seed < 2**32.
    repeats
        Number of splits, at least 1; each depends on the seed and its own index.
    keep
        Number of minority rows, drawn independently in each repeat; the rows for a smaller number
        are a subset of those for a larger one. None keeps all.

    Raises
    ------
    InputError
        A part would lack a class.
    """
    y = np.asarray(y)
    minority, majority = np.flatnonzero(y == 1), np.flatnonzero(y != 1)
    kept = len(minority) if keep is None else keep
    # With 5 rows of a class, every part of a 64/16/20 split contains one, after any rounding.
    if min(kept, len(majority)) < 5 or kept > len(minority):
        raise InputError(
            f"{kept} of {len(minority)} minority rows and {len(majority)} majority rows, expected "
            "at least 5 of each for a 64/16/20 split; add rows or lower the ratio"
        )
    splits = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        rows = np.concatenate([rng.permutation(minority)[:kept], majority])
        rest, test = _two_parts(rows, y, rng)
        train, valid = _two_parts(rest, y, rng)
        splits.append(Split(train, valid, test))
    return splits


def folds_of(
    y: np.ndarray,
    rows: np.ndarray,
    folds: int,
    *,
    seed: int,
    groups: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divides rows into stratified folds; returns the rows outside and inside each, sorted.

    Parameters
    ----------
    y
        `[n]` labels 0..K-1.
    rows
        `[m]` sorted row indices.
    folds
        Number of folds, at least 2.
    seed
        0 <= seed < 2**32.
    groups
        `[n]` group codes; a group is never divided between parts.

    Raises
    ------
    InputError
        A part would lack a class.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    fewest, found = _rarest(y[rows], y), []
    if fewest >= folds:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        cut = kind(folds, shuffle=True, random_state=seed)
        groups = None if groups is None else groups[rows]
        found = [(rows[out], rows[of]) for out, of in cut.split(rows, y[rows], groups)]
    if not found or not all(_rarest(y[part], y) for pair in found for part in pair):
        in_groups = "" if groups is None else " in too few groups"
        raise InputError(
            f"{folds} folds of {len(rows)} training and validation rows leave a part without rows "
            f"of some class; the rarest class has {fewest}{in_groups}; use fewer folds"
        )
    return found


def withheld_rows(y: np.ndarray, split: Split, *, seed: int) -> np.ndarray:
    """Draws minority rows outside the split: as many as `train` has, or all if there are fewer."""
    others = np.setdiff1d(np.flatnonzero(y == 1), np.concatenate(split))
    count = min(int(y[split.train].sum()), len(others))
    return np.sort(np.random.default_rng(seed).choice(others, count, replace=False))


def _two_parts(rows, y, rng):
    """Splits `rows` into four fifths and one fifth, both sorted."""
    from sklearn.model_selection import train_test_split

    state = int(rng.integers(2**32))
    parts = train_test_split(rows, test_size=0.2, stratify=y[rows], random_state=state)
    return [np.sort(part) for part in parts]


def rows_in_both(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> int:
    """Returns the number of rows of `x[b]` that exactly equal a row of `x[a]`.

    Parameters
    ----------
    x
        `[n, d]` numbers without NaN.
    a, b
        Row indices.
    """
    # Equal rows must have equal bytes, so -0.0 is converted to 0.0 first.
    row_bytes = np.ascontiguousarray(x) + 0.0
    seen = {row_bytes[i].tobytes() for i in a}
    return sum(row_bytes[i].tobytes() in seen for i in b)


def _check_minority(y: np.ndarray, folds: int, valid_fraction: float) -> None:
    """Raises InputError unless the rarest class has rows for all parts of every fold."""
    count = _rarest(y, y)
    # Both bounds follow from rounding count * valid_fraction to the nearest whole row.
    for_valid = math.floor(0.5 / valid_fraction) + 1
    for_folds = math.ceil((folds + 0.5) / (1 - valid_fraction))
    needed = max(for_valid, for_folds)
    if count < needed:
        lower = f"lower {argument('folds')}"
        remedy = lower if for_folds >= for_valid else "raise the validation fraction"
        raise InputError(
            f"the minority class has {count} rows, {folds} folds and a validation part need at "
            f"least {needed}; {remedy} or add rows"
        )


def _stratified_part(y: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    from sklearn.model_selection import train_test_split

    if (size := math.ceil(len(y) * fraction)) < (classes := len(np.unique(y))):
        raise InputError(
            f"y has {classes} classes, and a validation part of {size} of {len(y)} rows cannot "
            "contain them all; merge the rarest classes or add rows"
        )
    _, part = train_test_split(np.arange(len(y)), test_size=fraction, stratify=y, random_state=seed)
    return np.sort(part)


def _folds_over_rest(
    y: np.ndarray, valid: np.ndarray, folds: int, seed: int, groups: np.ndarray | None
) -> list[Split] | None:
    """Returns the splits, or None if a part lacks a class."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rest = np.setdiff1d(np.arange(len(y)), valid)
    if _rarest(y[rest], y) < folds:
        return None
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    parts = kind(folds, shuffle=True, random_state=seed).split(
        rest, y[rest], None if groups is None else groups[rest]
    )
    splits = [Split(rest[train], valid, rest[test]) for train, test in parts]
    return splits if all(_rarest(y[part], y) > 0 for split in splits for part in split) else None


def _grouped_splits(
    y: np.ndarray, groups: np.ndarray, folds: int, valid_fraction: float, seed: int
) -> list[Split]:
    from sklearn.model_selection import StratifiedGroupKFold

    n_groups, n_holding = len(np.unique(groups)), len(np.unique(groups[y == 1]))
    for unit, count in (("groups", n_groups), ("groups with minority rows", n_holding)):
        if count < folds + 1:
            raise InputError(
                f"there are {count} {unit}, {folds} folds and a validation part need at least "
                f"{folds + 1}; lower {argument('folds')} or use finer groups"
            )
    # With more parts than groups or minority rows, some parts would be empty.
    n_parts = max(2, min(round(1 / valid_fraction), n_groups, _rarest(y, y)))
    parts = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed).split(y, y, groups)
    candidates = [valid for _, valid in parts]
    # scikit-learn assigns the most uneven groups first, even with shuffle=True. Drawing the part
    # at random prevents the same group from being in the validation part of every seed.
    for i in np.random.default_rng(seed).permutation(n_parts):
        splits = _folds_over_rest(y, candidates[i], folds, seed, groups)
        if splits is not None:
            return splits
    raise InputError(
        f"with {n_groups} groups, {folds} folds and a validation part, a part has rows of a single "
        f"class; lower {argument('folds')} or use finer groups"
    )


def _rarest(part: np.ndarray, y: np.ndarray) -> int:
    """Returns the number of rows of the rarest class of `y` in a part, which may be 0."""
    return int(np.bincount(part, minlength=max(int(y.max()) + 1, 2)).min())
