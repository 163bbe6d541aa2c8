"""Multi-class tables with long-tailed class sizes.

Five image sets, subsampled, as tables of pixels, and five tables that predict a column of Adult
from the others.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from imbax.data.adult import adult_frame
from imbax.data.images import images
from imbax.data.tabular import Dataset, DataUnavailable, make_dataset
from imbax.errors import InputError, did_you_mean

__all__ = ["LONG_TAIL", "long_tail"]

_LARGEST, _RATIO, _FEWEST = 750, 50, 8
_ADULT_ROWS, _ADULT_FEWEST = 3000, 100


def long_tail(name: str, data_home: str | Path | None = None) -> Dataset:
    """Loads a table by name.

    digits, mnist, fashion_mnist, cifar10, svhn: the sizes of the ten classes decrease geometrically
    from 750 rows (digits: 174) to a fiftieth, at least 8. Pixels are those of `images`, averaged
    over blocks of 4 x 4 except for digits. adult_COLUMN: 3,000 complete rows of Adult; the classes
    are the values of that column with at least 100 rows, and other categories are one-hot encoded.

    Parameters
    ----------
    name
        A key of `LONG_TAIL`.
    data_home
        As in `images` and `adult`; digits needs no file.

    Raises
    ------
    DataUnavailable
        Files are missing or damaged, or a download fails.
    InputError
        `name` is not in `LONG_TAIL`.
    """
    if name not in LONG_TAIL:
        raise InputError(f"unknown table {name!r}{did_you_mean(name, LONG_TAIL)}")
    return LONG_TAIL[name](name, data_home=data_home)


def _pixel_table(name, data_home):
    data = images(name, data_home)
    x, y = np.asarray(data.x, float), np.asarray(data.y)
    largest = min(_LARGEST, np.bincount(y).min())
    wanted = np.geomspace(largest, max(largest / _RATIO, _FEWEST), len(data.classes)).round()
    rng = np.random.default_rng(0)
    kept = [rng.permutation(np.flatnonzero(y == c))[: int(n)] for c, n in enumerate(wanted)]
    rows = np.sort(np.concatenate(kept))
    x = x[rows]
    if x.shape[1] > 8:
        n, height, width, channels = x.shape
        x = x.reshape(n, height // 4, 4, width // 4, 4, channels).mean((2, 4))
    labels = np.array(data.classes)[y[rows]]
    return make_dataset(x.reshape(len(x), -1), labels, name=name, several_classes=True)


def _adult_table(name, data_home, column):
    from sklearn.model_selection import train_test_split

    try:
        frame = adult_frame(data_home)
    except DataUnavailable as error:
        raise DataUnavailable(f"{name}: {error}") from error
    counts = frame[column].value_counts()
    frame = frame[frame[column].isin(counts.index[counts >= _ADULT_FEWEST])]
    parts = {"test_size": _ADULT_ROWS, "stratify": frame[column], "random_state": 0}
    _, frame = train_test_split(frame, **parts)
    x = pd.get_dummies(frame.drop(columns=column), dtype=float)
    return make_dataset(x, frame[column].to_numpy(), name=name, several_classes=True)


_IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10", "svhn")
_COLUMNS = ("workclass", "marital-status", "occupation", "relationship", "race")
LONG_TAIL = dict.fromkeys(_IMAGES, _pixel_table) | {
    f"adult_{column}".replace("-", "_"): partial(_adult_table, column=column) for column in _COLUMNS
}
"""Loaders of the tables by name."""
