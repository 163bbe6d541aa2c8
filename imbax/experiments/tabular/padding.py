"""Array shapes that are rounded up, so that data sets of similar sizes share compiled programs.

Compiling takes longer than training on a small data set. The padding holds zeros or has weight 0,
and changes no result: a run draws its random numbers by row and column, initializes its network by
the columns that vary, and takes no step with a batch that is all padding.
"""

from collections.abc import Sequence

import numpy as np

from imbax.data.splits import Split
from imbax.data.tabular import Dataset

__all__ = ["columns", "minority_rows", "part_sizes", "rows", "stacked_rows"]

_FEWEST_ROWS = 2816


def columns(number: int, n_rows: int) -> int:
    """Returns the number of columns rounded up to 8, 16, 32, 64, or a multiple of 64.

    For the smallest number of `rows`, 32 is skipped: compiling another shape would take longer than
    fewer columns would save.
    """
    if number > 64 or (number > 16 and rows(n_rows) == _FEWEST_ROWS):
        return -(-number // 64) * 64
    return _doubled(8, number)


def rows(number: int) -> int:
    """Returns the number of rows rounded up to 2,816 times a power of 2.

    2,816 is itself 11 times a power of 2, because many data sets have 10 to 11 thousand rows.
    """
    return _doubled(_FEWEST_ROWS, number)


def stacked_rows(number: int) -> int:
    """Returns the number of rows of stacked matrices, rounded up to a multiple of 2,816."""
    return -(-number // _FEWEST_ROWS) * _FEWEST_ROWS


def minority_rows(number: int) -> int:
    """Returns the number of minority rows rounded up to 1,024 times a power of 2."""
    return _doubled(1024, number)


def part_sizes(
    dataset: Dataset, parts: Sequence[Split], folds: int, valid_fraction: float, regular: bool
) -> dict[str, int]:
    """Returns the padded sizes of each part of a run, and of the minority in its training part.

    With more than two classes, all but the largest count as the minority.

    If folds are `regular`, as `stratified_splits` makes them, sizes depend only on the numbers of
    rows, folds and validation rows, so that the seeds do not change the shapes. Otherwise
    the longest of the `parts` determines them.
    """
    classes = len(dataset.classes)
    if not regular:
        sizes = {
            name: _doubled(128, max(len(getattr(part, name)) for part in parts))
            for name in Split._fields
        }
        is_minority = dataset.y != (0 if classes == 2 else np.bincount(dataset.y).argmax())
        most = max(int(is_minority[part.train].sum()) for part in parts)
        return sizes | {"minority": minority_rows(most)}
    # Stratified parts differ by at most one row in each of the classes.
    n, n_minority = rows(dataset.n_rows), dataset.n_rows - dataset.n_majority
    rest = n - int(n * valid_fraction) + classes
    train = rest - rest // folds + classes
    in_valid = int(n_minority * valid_fraction) - (classes - 1)
    minority = n_minority - max(in_valid, 0)
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
