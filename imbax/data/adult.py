"""The Adult census table, balanced and then subsampled to a given imbalance ratio.

Section 5.1 of the Explicit Gradient paper: rows without missing values, all 11,208 positives
(income above 50K) and equally many random negatives. A ratio of r:1 keeps 11,208 / r positives,
drawn independently in every repeat; the others are withheld, and only the method `potential` uses
some of them.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from imbax.data.checks import DAMAGED, first_line
from imbax.data.splits import repeated_splits
from imbax.data.tabular import Dataset, DataUnavailable, make_dataset
from imbax.errors import InputError, argument, did_you_mean

__all__ = ["ADULT", "adult", "adult_frame"]

ADULT = {"adult_50": 50, "adult_100": 100, "adult_200": 200}
"""Imbalance ratio of each set by name."""

_COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week"),
    *("native-country", "class"),
)
_POSITIVE, _ROWS, _POSITIVES = ">50K", 45_222, 11_208


def adult(name: str, data_home: str | Path | None = None) -> Dataset:
    """Loads Adult: 22,416 rows, 6 numeric and 8 one-hot encoded columns, 104 features in all.

    Parameters
    ----------
    name
        A key of `ADULT`.
    data_home
        The folder that holds `adult/adult.data` and `adult/adult.test`; without it,
        `fetch_openml("adult", version=2)` downloads the same rows once.

    Raises
    ------
    DataUnavailable
        The files are missing or damaged, or the download fails.
    InputError
        `name` is not in `ADULT`.
    """
    if name not in ADULT:
        raise InputError(f"unknown data set {name!r}{did_you_mean(name, ADULT)}")
    try:
        frame = adult_frame(data_home)
    except DataUnavailable as error:
        raise DataUnavailable(f"{name}: {error}") from error
    positive = frame.pop("class").astype("str").str.rstrip(".") == _POSITIVE
    if (len(frame), positive.sum()) != (_ROWS, _POSITIVES):
        raise DataUnavailable(
            f"{name}: {len(frame)} complete rows with {positive.sum()} positives, expected "
            f"{_ROWS} with {_POSITIVES}; download the table again"
        )
    negatives = np.flatnonzero(~positive)
    negatives_kept = np.random.default_rng(0).choice(negatives, _POSITIVES, replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(positive), negatives_kept]))
    features = pd.get_dummies(frame, dtype=float).iloc[rows]
    keep = _POSITIVES // ADULT[name]
    dataset = make_dataset(features, positive.to_numpy()[rows], name=name, minority=True)
    (split,) = repeated_splits(dataset.y, seed=0, repeats=1, keep=keep)
    counts = " + ".join(str(dataset.y[part].sum()) for part in split)
    notice = f"{keep} of {_POSITIVES} positives kept in each repeat: {counts}"
    return dataclasses.replace(dataset, keep=keep, notices=(*dataset.notices, notice))


def adult_frame(data_home: str | Path | None = None) -> pd.DataFrame:
    """Loads the rows without missing values, unencoded; the label is in column "class".

    Parameters
    ----------
    data_home
        As in `adult`.

    Raises
    ------
    DataUnavailable
        The files are missing or damaged, or the download fails.
    """
    try:
        frame = _from_openml() if data_home is None else _from_files(Path(data_home).expanduser())
    except DAMAGED as error:
        where = "OpenML's table 'adult'" if data_home is None else f"{data_home}/adult"
        raise DataUnavailable(
            f"{where} cannot be read ({first_line(error)}); download it again, or name the folder "
            f"above 'adult' with {argument('data_home')}"
        ) from error
    return frame.dropna()


def _from_files(folder):
    """Reads both original files; labels in the second one end with a full stop."""
    frames = [
        pd.read_csv(
            folder / "adult" / file,
            names=_COLUMNS,
            skiprows=skip_rows,
            skipinitialspace=True,
            na_values="?",
        )
        for file, skip_rows in (("adult.data", 0), ("adult.test", 1))
    ]
    return pd.concat(frames, ignore_index=True)


def _from_openml():
    from sklearn.datasets import fetch_openml

    frame = fetch_openml("adult", version=2, as_frame=True, parser="auto").frame
    text = frame.select_dtypes(exclude="number").columns
    return frame.astype(dict.fromkeys(text, "str"))[list(_COLUMNS)]
