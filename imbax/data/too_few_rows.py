"""Messages about data sets with too few rows for their splits.

They are completed here because the code of `splits` is a part of the keys of stored results.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from imbax.data.splits import stratified_splits
from imbax.data.tabular import Dataset
from imbax.errors import InputError, argument

__all__ = ["explained"]


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


def _fits_two_folds(dataset, seeds, valid_fraction):
    """Returns whether every part of two folds contains every class."""
    about = {"folds": 2, "valid_fraction": valid_fraction, "groups": dataset.groups}
    try:
        for seed in seeds:
            stratified_splits(dataset.y, seed=seed, **about)
    except InputError:
        return False
    return True
