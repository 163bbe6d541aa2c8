"""Shapes of a data set's arrays, rounded up: data sets of about one size share compiled programs.

Compiling takes longer than training on a small data set. What is added holds zeros or has weight 0,
and changes no result: a run draws its random numbers by row and column, starts its network by the
columns that vary, and takes no step with a batch that is all padding.
"""

from collections.abc import Sequence

import numpy as np

from imbax.data.splits import Split
from imbax.data.tabular import Dataset

__all__ = ["columns", "minority_rows", "part_sizes", "rows", "stacked_rows"]

_FEWEST_ROWS = 2816


def columns(number: int, n_rows: int) -> int:
    """8, 16, 32, 64, or a multiple of 64; for the fewest `rows` no 32, since there half as many
    columns save less time than one more shape takes to compile."""
    if number > 64 or (number > 16 and rows(n_rows) == _FEWEST_ROWS):
        return -(-number // 64) * 64
    return _doubled(8, number)


def rows(number: int) -> int:
    """2,816, doubled until it suffices: 11 times a power of 2, since sets of 10 to 11 thousand rows
    are many."""
    return _doubled(_FEWEST_ROWS, number)


def stacked_rows(number: int) -> int:
    """A multiple of 2,816, for the matrices of runs that are one below the other."""
    return -(-number // _FEWEST_ROWS) * _FEWEST_ROWS


def minority_rows(number: int) -> int:
    """1,024, doubled until it suffices."""
    return _doubled(1024, number)


def part_sizes(
    dataset: Dataset, parts: Sequence[Split], folds: int, valid_fraction: float, regular: bool
) -> dict[str, int]:
    """Rows of each part of a run, and of the minority in its training part, for any run's.

    Of several classes all but the largest are the minority.

    Where folds are `regular`, as `stratified_splits` cuts them, that follows from the numbers of
    rows, folds and validation rows alone, so that the seeds asked for change no shape. Otherwise
    the longest of the `parts` decides.
    """
    classes = len(dataset.classes)
    if not regular:
        sizes = {
            name: _doubled(128, max(len(getattr(part, name)) for part in parts))
            for name in Split._fields
        }
        few = dataset.y != (0 if classes == 2 else np.bincount(dataset.y).argmax())
        most = max(int(few[part.train].sum()) for part in parts)
        return sizes | {"minority": minority_rows(most)}
    # Stratified parts differ by at most one row in each of the classes.
    n, few = rows(dataset.n_rows), dataset.n_rows - dataset.n_majority
    rest = n - int(n * valid_fraction) + classes
    train = rest - rest // folds + classes
    in_valid = int(few * valid_fraction) - (classes - 1)
    minority = few - max(in_valid, 0)
    return {
        "train": -(-train // 128) * 128,
        "valid": int(n * valid_fraction) + classes + 1,
        "test": -(-rest // folds) + classes,
        "minority": minority_rows(minority - minority // folds + classes - 1),
    }


def _doubled(first, least):
    while first < least:
        first *= 2
    return first
