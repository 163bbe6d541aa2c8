"""`Dataset`, its construction from arrays, and tables that need no user file."""

import csv
import dataclasses
import functools
import hashlib
import http.client
import importlib.resources
import os
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imbax.data.checks import (
    DAMAGED,
    feature_matrix,
    first_line,
    group_codes,
    rows_with_copies,
)
from imbax.data.features import saved_index_notices
from imbax.data.labels import as_labels
from imbax.errors import InputError, argument, did_you_mean, shortened

__all__ = [
    "QUICKSTART",
    "DataUnavailable",
    "Dataset",
    "Imblearn27Facts",
    "imblearn27",
    "imblearn27_facts",
    "make_dataset",
    "quickstart",
]

MIN_ROWS = 20
_MIN_LEAK_ROWS = 5  # in smaller classes, a value may identify the class by chance
QUICKSTART = ("digits_8", "breast_cancer_10", "moons_20")


class DataUnavailable(InputError):
    """Error for a known data set that is missing on this machine or damaged; others may be fine."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A checked table, built with `make_dataset`.

    Class 1 is the minority of two classes; for more classes, the rarest is counted as minority.
    """

    name: str
    x: np.ndarray  # [n, d] float64, finite
    y: np.ndarray  # [n] int8 in 0..K-1; 1 = minority if K = 2
    feature_names: tuple[str, ...]
    classes: tuple[str, ...]  # the user's labels as text; (majority, minority) if K = 2
    groups: np.ndarray | None = None  # [n] int64 codes
    notices: tuple[str, ...] = ()  # messages to the user
    keep: int | None = None  # minority rows in each repeat, others are withheld; None: all

    @property
    def n_rows(self) -> int:
        """Number of rows in an experiment, without withheld ones."""
        withheld = 0 if self.keep is None else int(np.count_nonzero(self.y)) - self.keep
        return len(self.x) - withheld

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.x.shape[1]

    @property
    def n_minority(self) -> int:
        """Number of rows of the minority class, or of the rarest of several classes."""
        if len(self.classes) > 2:
            return int(np.bincount(self.y).min())
        return self.keep or int(np.count_nonzero(self.y))

    @property
    def n_majority(self) -> int:
        """Number of rows of the majority class, or of the largest of several classes."""
        if len(self.classes) > 2:
            return int(np.bincount(self.y).max())
        return self.n_rows - self.n_minority

    @property
    def imbalance_ratio(self) -> float:
        """Number of majority rows per minority row."""
        return self.n_majority / self.n_minority

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of x, y, groups, their shapes and keep; equal for equal data."""
        digest = hashlib.sha256(b"" if self.keep is None else str(self.keep).encode())
        for array in (self.x, self.y, self.groups):
            if array is None:
                digest.update(b"none")
            else:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def make_dataset(
    x: Any,
    y: Any,
    *,
    name: str = "data",
    minority: Any = None,
    several_classes: bool = False,
    groups: Any = None,
    feature_names: Sequence[str] | None = None,
    notices: Iterable[str] = (),
    label_place: str | None = None,
) -> Dataset:
    """Checks the user's arrays and encodes labels as 0..K-1, with 1 for the minority of two.

    Parameters
    ----------
    x
        `[n, d]` finite numbers, an array or a pandas DataFrame; n >= 20.
    y
        `[n]` labels of any type with two distinct values, or more with `minority` or
        `several_classes`.
    name
        Name of the data in messages and tables.
    minority
        Label of the minority class, compared as text; all other labels form the majority. By
        default the rarer of two labels (on a tie, the one that sorts last).
    several_classes
        Whether more than two labels (at most 100) are separate classes, in sorted order.
    groups
        `[n]` group codes of any type; rows of one group stay together in every split.
    feature_names
        d distinct names; by default the DataFrame's columns, or x0, x1, ...
    notices
        Messages from the loader to the user; those of the checks are appended.
    label_place
        Name of the labels in messages, such as a file and its column; by default y of `name`.

    Raises
    ------
    InputError
        An argument does not meet these requirements.
    """
    values, names = feature_matrix(x, name, feature_names)
    labels, classes, label_notices = as_labels(
        y, label_place or f"{name}: y", minority, several_classes
    )
    codes = None if groups is None else group_codes(groups, f"{name}: groups")
    for argument_name, column in (("y", labels), ("groups", codes)):
        if column is not None and len(column) != len(values):
            raise InputError(
                f"{name}: x has {len(values)} rows and {argument_name} has {len(column)}; "
                "give one entry per row"
            )
    if len(values) < MIN_ROWS:
        raise InputError(
            f"{name}: {len(values)} rows, expected at least {MIN_ROWS}; add rows, "
            "which are split into training, validation and test rows"
        )
    constant = [names[i] for i in np.flatnonzero(values.min(axis=0) == values.max(axis=0))]
    if constant:
        count, verb = (len(constant), "columns scale") if constant[1:] else (1, "column scales")
        notices = (*notices, f"{count} constant {verb} to 0: {shortened(constant)}")
    notices = (
        *notices,
        *_table_notices(x, values),
        *_leak_notices(values, labels, names),
        *label_notices,
    )
    return Dataset(name, values, labels, names, classes, codes, notices)


def _table_notices(x, values):
    """Yields notices about a saved index and about duplicate rows."""
    yield from saved_index_notices(zip(map(str, getattr(x, "columns", ())), values.T, strict=False))
    if copies := rows_with_copies(values):
        yield (
            f"{copies} of {len(values)} rows have the same features as another row; copies of test "
            "rows may be in the training rows"
        )


def _leak_notices(values, labels, names):
    """Yields a notice of columns in which one value occurs in all rows of a class and no others."""
    sample, leaking = np.linspace(0, len(labels) - 1, min(len(labels), 1000)).astype(int), {}
    for label, count in enumerate(np.bincount(labels)):
        if count < _MIN_LEAK_ROWS:
            continue
        row, is_label = np.argmax(labels == label), labels == label
        separates = ((values[sample] == values[row]) == is_label[sample, None]).all(0)
        for j in np.flatnonzero(separates):
            if ((values[:, j] == values[row, j]) == is_label).all():
                leaking[names[j]] = None
    if leaking:
        columns, verb = ("columns", "identify") if len(leaking) > 1 else ("column", "identifies")
        yield (
            f"{len(leaking)} {columns} {verb} a class perfectly: {shortened([*leaking])}; leave "
            f"out columns that are derived from the labels or known only after them"
        )


class Imblearn27Facts(NamedTuple):
    """Facts about one data set, from the paper's Table 4."""

    id: int
    name: str
    features: int
    rows: int
    ratio: float  # as printed: majority rows per minority row


@functools.cache
def imblearn27_facts() -> tuple[Imblearn27Facts, ...]:
    """Returns facts about the 27 sets of `imblearn.datasets.fetch_datasets`, in its order."""
    text = (importlib.resources.files("imbax.data") / "imblearn27.csv").read_text("utf-8")
    return tuple(
        Imblearn27Facts(int(i), name, int(features), int(rows), float(ratio))
        for i, name, features, rows, ratio in list(csv.reader(text.splitlines()))[1:]
    )


def imblearn27(name: str, data_home: str | Path | None = None) -> Dataset:
    """Loads one of the 27 sets through `imblearn.datasets.fetch_datasets`.

    Parameters
    ----------
    name
        Name of a set in `imblearn27_facts`.
    data_home
        Folder that contains `zenodo/x1data.npz` ...; nothing is downloaded. None uses
        scikit-learn's data folder and downloads all sets to it once.

    Raises
    ------
    DataUnavailable
        The file is missing or damaged, or the download fails.
    InputError
        `name` is not one of the 27.
    """
    known = {facts.name: facts for facts in imblearn27_facts()}
    if name not in known:
        raise InputError(
            f"unknown data set {name!r} among imbalanced-learn's 27{did_you_mean(name, known)}"
        )
    facts = known[name]

    from imblearn.datasets import fetch_datasets

    file = f"zenodo/x{facts.id}data.npz"
    if data_home is None:
        where = f"{file} in scikit-learn's data folder (SCIKIT_LEARN_DATA or ~/scikit_learn_data)"
    else:
        data_home = os.path.expanduser(data_home)
        where = os.path.join(data_home, file)
        # Checked here because fetch_datasets would create the folder first.
        if not os.path.isfile(where):
            raise DataUnavailable(
                f"{name}: {where} does not exist; put the file there, give the folder above "
                f"'zenodo' with {argument('data_home')}, or leave that out to download all sets"
            )
    try:
        found = fetch_datasets(
            data_home=data_home, filter_data=(name,), download_if_missing=data_home is None
        )[name]
    except (*DAMAGED, tarfile.TarError, http.client.HTTPException) as error:
        trouble = "damaged" if data_home else "damaged, or missing and the download failed"
        raise DataUnavailable(
            f"{name}: {where} is {trouble} ({first_line(error)}); delete it and download it again"
        ) from error
    x, y = found.data, found.target
    if x.shape != (facts.rows, facts.features) or y.shape != (facts.rows,):
        raise DataUnavailable(
            f"{name}: {where} holds data {x.shape} and label {y.shape}, expected "
            f"{facts.rows} rows of {facts.features} features; delete it and download it again"
        )
    return make_dataset(x, y, name=name, minority=1)


def quickstart(name: str) -> Dataset:
    """Loads a small set without a download; `name` is one of `QUICKSTART`.

    digits_8: 8 x 8 digits, eight against the rest (9:1). breast_cancer_10: malignant rows
    subsampled to 10:1. moons_20: two noisy moons, 20:1.
    """
    from sklearn import datasets

    if name == "digits_8":
        digits = datasets.load_digits()
        return make_dataset(
            digits.data, digits.target, name=name, minority=8, feature_names=digits.feature_names
        )
    if name == "breast_cancer_10":
        cancer = datasets.load_breast_cancer()
        malignant, benign = (np.flatnonzero(cancer.target == label) for label in (0, 1))
        kept = np.random.default_rng(0).choice(malignant, len(benign) // 10, replace=False)
        rows = np.sort(np.concatenate([benign, kept]))
        labels = cancer.target_names[cancer.target[rows]]
        return make_dataset(
            cancer.data[rows], labels, name=name, feature_names=cancer.feature_names
        )
    if name == "moons_20":
        x, y = datasets.make_moons((1143, 57), noise=0.25, random_state=0)
        return make_dataset(x, y, name=name)
    raise InputError(f"unknown quickstart set {name!r}{did_you_mean(name, QUICKSTART)}")
