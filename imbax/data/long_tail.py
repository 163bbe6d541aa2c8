"""Tables of several classes whose sizes have a long tail.

Five sets of images, thinned, as tables of pixels, and five columns of Adult to be told from the
others.
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
    """A table by name; `LONG_TAIL` has the names.

    digits, mnist, fashion_mnist, cifar10, svhn: sizes of the ten classes fall geometrically from
    750 (of digits 174) rows to a fiftieth, at least 8. Pixels are as in `images`, of larger images
    than those of digits averaged over 4 x 4. adult_COLUMN: 3,000 complete rows of Adult and the
    values of that column that at least 100 of all rows have; other categories are one-hot encoded.

    Parameters
    ----------
    name
        One of `LONG_TAIL`.
    data_home
        As for `images` and `adult`; digits needs no file.

    Raises
    ------
    DataUnavailable
        Files are missing or damaged, or a download fails.
    InputError
        There is no table of that name.
    """
    if name not in LONG_TAIL:
        raise InputError(f"no table {name!r}{did_you_mean(name, LONG_TAIL)}")
    return LONG_TAIL[name](name, data_home=data_home)


def _of_images(name, data_home):
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


def _of_adult(name, data_home, column):
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
LONG_TAIL = dict.fromkeys(_IMAGES, _of_images) | {
    f"adult_{column}".replace("-", "_"): partial(_of_adult, column=column) for column in _COLUMNS
}
"""Tables by name."""
