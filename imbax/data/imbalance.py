"""Images cut to chosen counts per class: which of them train and which test, per seed and fold.

The named counts are those of Dablain et al. 2021 (arXiv:2105.02340) and its journal version; class
i of the paper is label i. Its 5 folds cannot supply them everywhere, so that here

- the images of `mnist` and `fashion_mnist` are the official training part, as the paper says, and
  those of `cifar10` and `svhn` both official parts together, or 4,500 of a class would not be left
  beside a fold of 1,200;
- where folds of them are too small even so, the official training and test part are the one split,
  and seeds draw from it anew;
- where that is too small too, all counts for training shrink by one factor;
- the balanced test part has as many images of each class as the rarest class can give, 1,200 of
  `mnist` being 1,084; the imbalanced one shrinks by one factor where that is below its largest.

Notices say what shrank.

The imbalanced test part is taken from the balanced one, so that every image is classified once.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from imbax.data.images import Counts, Images
from imbax.errors import InputError, did_you_mean

__all__ = [
    "COUNTS",
    "FOLDS",
    "IMBALANCES",
    "Counts",
    "ImageSplit",
    "image_splits",
    "make_imbalance",
    "recounted",
]

FOLDS = 5
"""The paper's."""


_TEN = (1000, 500, 250, 187, 125, 87, 50, 25, 15, 10)
_GREY = Counts((4000, 2000, 1000, 750, 500, 350, 200, 100, 60, 40), 1200, _TEN)
_COLOUR = Counts((4500, 2000, 1000, 800, 600, 500, 400, 250, 150, 80), 1000, _TEN, True)

COUNTS: dict[str, Counts] = {
    "digits": Counts(
        (130, 90, 60, 45, 30, 20, 15, 10, 8, 6), 34, (34, 24, 16, 12, 8, 5, 4, 3, 2, 2)
    ),
    "mnist": _GREY,
    "fashion_mnist": _GREY,
    "cifar10": _COLOUR,
    "svhn": _COLOUR,
    "celeba": Counts((9000, 4500, 1000, 500, 160), 900, (1000, 500, 111, 55, 17)),
}
"""By set of images; `digits`, too small for the paper's, has counts of our own."""


def _step(counts):
    half = len(counts) // 2
    return (max(counts),) * (len(counts) - half) + (min(counts),) * half


_SHAPES = {"paper": tuple, "reversed": lambda counts: tuple(reversed(counts)), "step": _step}
IMBALANCES = tuple(_SHAPES)
"""How `recounted` distributes images over classes."""


class ImageSplit(NamedTuple):
    """Row numbers, int64, of the training images followed by the official test images."""

    train: np.ndarray
    test: np.ndarray
    """The balanced test part."""
    imbalanced: np.ndarray
    """`[len(test)]` bool: which of `test` are the imbalanced test part."""

    @property
    def fingerprint(self) -> str:
        """Hex sha256; equal splits, equal text."""
        digest = hashlib.sha256()
        for part in self:
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()


def make_imbalance(
    x: Any, y: Any, counts: str | Sequence[int] | Mapping[Any, int], seed: int = 0
) -> tuple[Any, Any, np.ndarray]:
    """Keep so many rows of each class, drawn at random without replacement.

    With the same seed, smaller counts keep a part of what larger ones keep.

    Parameters
    ----------
    x
        `[n, ...]`, an array.
    y
        `[n]`, labels.
    counts
        Rows of each label: a mapping, or a sequence in the order of sorted labels, or a key of
        `COUNTS` for the paper's training counts.
    seed
        0 <= seed < 2**32.

    Returns
    -------
    tuple[Any, Any, np.ndarray]
        The rows kept, their labels, and their numbers `[m]`, ascending.

    Raises
    ------
    InputError
        A class is missing or has too few rows, or there are no counts of that name.
    """
    y = np.asarray(y)
    labels = np.unique(y)
    if isinstance(counts, str):
        if counts not in COUNTS:
            raise InputError(f"no counts {counts!r}{did_you_mean(counts, COUNTS)}")
        counts = COUNTS[counts].train
    if not isinstance(counts, Mapping):
        if len(counts) != len(labels):
            raise InputError(f"{len(counts)} counts for {len(labels)} classes; give one for each")
        counts = dict(zip(labels.tolist(), counts, strict=True))
    if unknown := set(counts) - set(labels.tolist()):
        raise InputError(f"counts of {sorted(unknown)}, which no row has; labels: {labels}")
    kept = []
    for number, label in enumerate(labels.tolist()):
        rows = _shuffled(np.flatnonzero(y == label), seed, number)
        wanted = counts.get(label, 0)
        if not 0 <= wanted <= len(rows):
            raise InputError(f"class {label}: {wanted} rows wanted, {len(rows)} are there")
        kept.append(rows[:wanted])
    kept = np.sort(np.concatenate(kept))
    return x[kept], y[kept], kept


def recounted(images: Images, imbalance: str = "paper", fraction: float = 1.0) -> Images:
    """The set with other counts wanted of it, and a name that says which.

        paper      those of `COUNTS`
        reversed   the same from the last class to the first
        step       the first half of the classes as large as the largest, the others as small as
                   the smallest: a step of Buda et al. 2018 (arXiv:1710.05381), μ = 1/2

    Parameters
    ----------
    images
        A set that `COUNTS` names.
    imbalance
        One of `IMBALANCES`, of the training images and the imbalanced test part.
    fraction
        Of the training images, above 0 and at most 1; a class keeps at least one.

    Raises
    ------
    InputError
        Imbalance or fraction is none of these.
    """
    if imbalance not in IMBALANCES:
        raise InputError(f"no imbalance {imbalance!r}{did_you_mean(imbalance, IMBALANCES)}")
    if not 0 < fraction <= 1:
        raise InputError(f"fraction={fraction:g}, expected above 0 and at most 1")
    shape, counts = _SHAPES[imbalance], COUNTS[images.name]
    train = tuple(max(round(fraction * count), 1) for count in shape(counts.train))
    changes = [imbalance] * (imbalance != "paper") + [f"{fraction:g}"] * (fraction != 1)
    return dataclasses.replace(
        images,
        name="_".join([images.name, *changes]),
        counts=counts._replace(train=train, imbalanced=shape(counts.imbalanced)),
    )


def image_splits(
    images: Images, counts: Counts, *, seed: int, folds: int = FOLDS
) -> tuple[list[ImageSplit], tuple[str, ...]]:
    """The splits of a seed, and what a reader must be told of them.

    Parameters
    ----------
    images
        The whole set.
    counts
        How many of each class.
    seed
        0 <= seed < 2**32.
    folds
        How many of the `FOLDS` folds are wanted, from the first on; where the official parts are
        the one split, there is but one.

    Raises
    ------
    InputError
        A class has no image, or folds are not 1 to `FOLDS`.
    """
    if not 1 <= folds <= FOLDS:
        raise InputError(f"{folds} folds, expected 1 to {FOLDS}")
    wanted = np.array(counts.train)
    y = images.y if images.y_test is None else np.concatenate([images.y, images.y_test])
    pool = len(y) if counts.both_parts else len(images.y)
    there = np.bincount(y[:pool], minlength=len(wanted))
    if (there < FOLDS).any() or len(there) != len(wanted):
        raise InputError(
            f"{images.name}: images per class {there.tolist()}; expected {len(wanted)} classes of "
            f"at least {FOLDS}"
        )
    beside = there * (FOLDS - 1) // FOLDS
    rows_of = lambda c: _shuffled(np.flatnonzero(y[:pool] == c), seed, c)
    if images.y_test is not None and (beside < wanted).any():
        official, tests = (
            np.bincount(part, minlength=len(wanted)) for part in (images.y, images.y_test)
        )
        if not official.all() or not tests.all():
            raise InputError(
                f"{images.name}: training images per class {official.tolist()}, test images "
                f"{tests.tolist()}; expected at least one of each class in either"
            )
        wanted, notices = _shrunk(wanted, official)
        n_test = int(min(counts.balanced, tests.min()))
        same = (wanted == official).all() and (tests == n_test).all()
        drawn = "the same images for every seed" if same else "seeds draw from it"
        notices = (f"one split, of the official parts; {drawn}", *notices)
        parts = [
            (
                _shuffled(np.flatnonzero(images.y == c), seed, c),
                _shuffled(np.flatnonzero(images.y_test == c), seed, c) + len(images.y),
            )
            for c in range(len(wanted))
        ]
        few, told = _imbalanced(counts.imbalanced, n_test)
        return [_of_counts(parts, wanted, n_test, few)], notices + told
    wanted, notices = _shrunk(wanted, beside)
    n_test = int(min(counts.balanced, (there // FOLDS).min()))
    cut = [np.array_split(rows_of(c), FOLDS) for c in range(len(wanted))]
    few, told = _imbalanced(counts.imbalanced, n_test)
    splits = []
    for fold in range(folds):
        parts = [
            (np.concatenate([part for f, part in enumerate(of_class) if f != fold]), of_class[fold])
            for of_class in cut
        ]
        splits.append(_of_counts(parts, wanted, n_test, few))
    return splits, notices + told


def _shrunk(wanted, there):
    """The counts, or as large a share of them as every class can give, and a notice."""
    share = (there / wanted).min()
    if share >= 1:
        return wanted, ()
    counts = np.maximum((share * wanted).astype(int), 1)
    return counts, (f"training counts {counts.tolist()}, {share:.3g} times those wanted",)


def _imbalanced(counts, n_test):
    """Counts of the imbalanced test part of at most `n_test`, and a notice where they shrank."""
    share = n_test / max(counts)
    if share >= 1:
        return counts, ()
    few = np.maximum(np.round(share * np.array(counts)).astype(int), 1)
    return few, (f"imbalanced test counts {few.tolist()}, {share:.3g} times those wanted",)


def _of_counts(parts, wanted, n_test, few):
    """One split of each class's rows for training and for testing."""
    train = np.concatenate([rows[:n] for (rows, _), n in zip(parts, wanted, strict=True)])
    test = np.concatenate([rows[:n_test] for _, rows in parts])
    chosen = np.concatenate([np.arange(n_test) < n for n in few])
    return ImageSplit(train, test, chosen)


def _shuffled(rows, seed, c):
    return np.random.default_rng([seed, c]).permutation(rows)
