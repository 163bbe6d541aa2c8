"""Messages about data sets with too few rows for their splits.

They are completed here because the code of `splits` is a part of the keys of stored results.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from imbax.data.splits import stratified_splits
from imbax.data.tabular import Dataset
from imbax.errors import InputError, argument

__all__ = ["check_splits", "explained"]


@contextmanager
def explained(
    dataset: Dataset, seeds: Sequence[int], folds: int, valid_fraction: float
) -> Iterator[None]:
    """Context that names the rarest class in errors, and advises fewer folds only if they help."""
    try:
        yield
    except InputError as error:
        message, advice = str(error), f"lower {argument('folds')} or "
        if advice not in message:
            raise
        if folds <= 2 or not _fits_two_folds(dataset, seeds, valid_fraction):
            message = message.replace(advice, "")
        rarest = 1 if len(dataset.classes) == 2 else np.bincount(dataset.y).argmin()
        name = repr(dataset.classes[rarest])
        raise InputError(message.replace("the minority class", f"class {name}")) from None


def check_splits(dataset: Dataset, seeds: Sequence[int], folds: int, valid_fraction: float) -> None:
    """Raises InputError if there are too few rows for stratified folds; see `explained`."""
    with explained(dataset, seeds, folds, valid_fraction):
        _draw(dataset, seeds, folds, valid_fraction)


def _fits_two_folds(dataset, seeds, valid_fraction):
    """Returns whether every part of two folds contains every class."""
    try:
        _draw(dataset, seeds, 2, valid_fraction)
    except InputError:
        return False
    return True


def _draw(dataset, seeds, folds, valid_fraction):
    about = {"folds": folds, "valid_fraction": valid_fraction, "groups": dataset.groups}
    for seed in seeds:
        stratified_splits(dataset.y, seed=seed, **about)
