"""Messages about data sets with too few rows for their splits.

They are completed here because the code of `data.splits` determines the keys of stored results.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from imbax.data.splits import stratified_splits
from imbax.data.tabular import Dataset
from imbax.errors import InputError, argument
from imbax.experiments.tabular.plan import Protocol

__all__ = ["explained"]


@contextmanager
def explained(dataset: Dataset, protocol: Protocol, seeds: Sequence[int]) -> Iterator[None]:
    """Context that names the rarest class in an error, and advises fewer folds only if they help."""
    try:
        yield
    except InputError as error:
        message, advice = str(error), f"lower {argument('folds')} or "
        if advice not in message:
            raise
        if protocol.folds <= 2 or not _fits_two_folds(dataset, protocol, seeds):
            message = message.replace(advice, "")
        rarest = 1 if len(dataset.classes) == 2 else np.bincount(dataset.y).argmin()
        name = repr(dataset.classes[rarest])
        raise InputError(message.replace("the minority class", f"class {name}")) from None


def _fits_two_folds(dataset, protocol, seeds):
    """Returns whether every part of two folds contains every class."""
    try:
        for seed in seeds:
            about = {"valid_fraction": protocol.valid_fraction, "groups": dataset.groups}
            stratified_splits(dataset.y, seed=seed, folds=2, **about)
    except InputError:
        return False
    return True
