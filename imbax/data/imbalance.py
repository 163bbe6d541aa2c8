"""Image sets subsampled to given class counts: training and test images per seed and fold.

The named counts are those of Dablain et al. 2021 (arXiv:2105.02340) and its journal version; class
i of the paper is label i. The paper's 5 folds do not always contain enough images, so imbax departs
from it as follows:

- Folds of `mnist` and `fashion_mnist` are drawn from the official training part, as in the paper.
  Folds of `cifar10` and `svhn` are drawn from both official parts together; otherwise 4,500 images
  of a class would not remain outside a fold of 1,200.
- If the folds are still too small, the official training and test parts are the only split, and
  each seed draws from it independently.
- If that split is also too small, all training counts are reduced by a common factor.
- The balanced test part has as many images of each class as the rarest class can supply (for
  `mnist` 1,084 instead of 1,200). If that is below the largest count of the imbalanced test part,
  the latter is reduced by a common factor.

Notices report every reduction.

The imbalanced test part is a subset of the balanced one, so that every image is classified once.
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
"""Number of folds in the paper."""


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
"""Class counts by image set; `digits` is too small for the paper's counts and has its own."""


def _step(counts):
    half = len(counts) // 2
    return (max(counts),) * (len(counts) - half) + (min(counts),) * half


_SHAPES = {"paper": tuple, "reversed": lambda counts: tuple(reversed(counts)), "step": _step}
IMBALANCES = tuple(_SHAPES)
"""Ways in which `recounted` distributes images over classes."""


class ImageSplit(NamedTuple):
    """Row indices, int64, into the training images followed by the official test images."""

    train: np.ndarray
    test: np.ndarray
    """The balanced test part."""
    imbalanced: np.ndarray
    """`[len(test)]` bool: mask of the rows of `test` that form the imbalanced test part."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the splits; equal for equal splits."""
        digest = hashlib.sha256()
        for part in self:
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()


def make_imbalance(
    x: Any, y: Any, counts: str | Sequence[int] | Mapping[Any, int], seed: int = 0
) -> tuple[Any, Any, np.ndarray]:
    """Keeps a given number of rows of each class, drawn at random without replacement.

    With the same seed, the rows kept for smaller counts are a subset of those for larger counts.

    Parameters
    ----------
    x
        `[n, ...]`, an array.
    y
        `[n]`, labels.
    counts
        Number of rows per label: a mapping, a sequence in the order of sorted labels, or a key of
        `COUNTS` for the paper's training counts.
    seed
        0 <= seed < 2**32.

    Returns
    -------
    tuple[Any, Any, np.ndarray]
        The rows kept, their labels, and their indices `[m]` in ascending order.

    Raises
    ------
    InputError
        A class is missing or has too few rows, or `COUNTS` lacks the name.
    """
    y = np.asarray(y)
    labels = np.unique(y)
    if isinstance(counts, str):
        if counts not in COUNTS:
            raise InputError(f"unknown counts {counts!r}{did_you_mean(counts, COUNTS)}")
        counts = COUNTS[counts].train
    if not isinstance(counts, Mapping):
        if len(counts) != len(labels):
            raise InputError(f"{len(counts)} counts for {len(labels)} classes; give one for each")
        counts = dict(zip(labels.tolist(), counts, strict=True))
    if unknown := set(counts) - set(labels.tolist()):
        raise InputError(
            f"counts for {sorted(unknown)}, which y does not contain; its labels are {labels}"
        )
    kept = []
    for number, label in enumerate(labels.tolist()):
        rows = _shuffled(np.flatnonzero(y == label), seed, number)
        wanted = counts.get(label, 0)
        if not 0 <= wanted <= len(rows):
            raise InputError(f"class {label}: {wanted} rows requested, it has {len(rows)}")
        kept.append(rows[:wanted])
    rows = np.sort(np.concatenate(kept))
    return x[rows], y[rows], rows


def recounted(images: Images, imbalance: str = "paper", fraction: float = 1.0) -> Images:
    """Returns the image set with other class counts and a name that includes them.

        paper      the counts of `COUNTS`
        reversed   the same counts in reverse order of the classes
        step       the first half of the classes has the largest count, the others the smallest:
                   step imbalance of Buda et al. 2018 (arXiv:1710.05381), μ = 1/2

    Parameters
    ----------
    images
        An image set whose name is a key of `COUNTS`.
    imbalance
        One of `IMBALANCES`; it applies to the training images and the imbalanced test part.
    fraction
        Fraction of the training images, above 0 and at most 1; a class keeps at least one.

    Raises
    ------
    InputError
        `imbalance` or `fraction` is invalid.
    """
    if imbalance not in IMBALANCES:
        raise InputError(f"unknown imbalance {imbalance!r}{did_you_mean(imbalance, IMBALANCES)}")
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
    """Returns the splits of a seed, and notices about departures from the requested counts.

    Parameters
    ----------
    images
        The whole image set.
    counts
        Numbers of images per class.
    seed
        0 <= seed < 2**32.
    folds
        Number of the `FOLDS` folds to return, starting with the first. If the official parts are
        the only split, one split is returned.

    Raises
    ------
    InputError
        A class has too few images, or `folds` is not in 1..`FOLDS`.
    """
    if not 1 <= folds <= FOLDS:
        raise InputError(f"{folds} folds, expected 1 to {FOLDS}")
    wanted = np.array(counts.train)
    y = images.y if images.y_test is None else np.concatenate([images.y, images.y_test])
    pool = len(y) if counts.both_parts else len(images.y)
    available = np.bincount(y[:pool], minlength=len(wanted))
    if (available < FOLDS).any() or len(available) != len(wanted):
        raise InputError(
            f"{images.name}: images per class {available.tolist()}, expected {len(wanted)} classes "
            f"of at least {FOLDS} images"
        )
    outside_fold = available * (FOLDS - 1) // FOLDS
    rows_of = lambda c: _shuffled(np.flatnonzero(y[:pool] == c), seed, c)
    if images.y_test is not None and (outside_fold < wanted).any():
        official, tests = (
            np.bincount(part, minlength=len(wanted)) for part in (images.y, images.y_test)
        )
        if not official.all() or not tests.all():
            raise InputError(
                f"{images.name}: training images per class {official.tolist()}, test images "
                f"{tests.tolist()}, expected at least one of each class in both"
            )
        wanted, notices = _shrunk(wanted, official)
        n_test = int(min(counts.balanced, tests.min()))
        is_fixed = (wanted == official).all() and (tests == n_test).all()
        how_drawn = "the same images for every seed" if is_fixed else "every seed draws from it"
        notices = (f"the official parts are the only split; {how_drawn}", *notices)
        parts = [
            (
                _shuffled(np.flatnonzero(images.y == c), seed, c),
                _shuffled(np.flatnonzero(images.y_test == c), seed, c) + len(images.y),
            )
            for c in range(len(wanted))
        ]
        imbalanced_counts, imbalanced_notices = _imbalanced(counts.imbalanced, n_test)
        return [
            _split_of_counts(parts, wanted, n_test, imbalanced_counts)
        ], notices + imbalanced_notices
    wanted, notices = _shrunk(wanted, outside_fold)
    n_test = int(min(counts.balanced, (available // FOLDS).min()))
    cut = [np.array_split(rows_of(c), FOLDS) for c in range(len(wanted))]
    imbalanced_counts, imbalanced_notices = _imbalanced(counts.imbalanced, n_test)
    splits = []
    for fold in range(folds):
        parts = [
            (
                np.concatenate([part for f, part in enumerate(class_folds) if f != fold]),
                class_folds[fold],
            )
            for class_folds in cut
        ]
        splits.append(_split_of_counts(parts, wanted, n_test, imbalanced_counts))
    return splits, notices + imbalanced_notices


def _shrunk(wanted, available):
    """Scales counts down by the common factor that every class can supply; returns a notice."""
    share = (available / wanted).min()
    if share >= 1:
        return wanted, ()
    counts = np.maximum((share * wanted).astype(int), 1)
    return counts, (f"training counts {counts.tolist()}, {share:.3g} times those requested",)


def _imbalanced(counts, n_test):
    """Scales the imbalanced test counts down to at most `n_test`; returns a notice if it did."""
    share = n_test / max(counts)
    if share >= 1:
        return counts, ()
    imbalanced_counts = np.maximum(np.round(share * np.array(counts)).astype(int), 1)
    return imbalanced_counts, (
        f"imbalanced test counts {imbalanced_counts.tolist()}, {share:.3g} times those requested",
    )


def _split_of_counts(parts, wanted, n_test, imbalanced_counts):
    """Returns one split from each class's shuffled training and test rows."""
    train = np.concatenate([rows[:n] for (rows, _), n in zip(parts, wanted, strict=True)])
    test = np.concatenate([rows[:n_test] for _, rows in parts])
    chosen = np.concatenate([np.arange(n_test) < n for n in imbalanced_counts])
    return ImageSplit(train, test, chosen)


def _shuffled(rows, seed, c):
    return np.random.default_rng([seed, c]).permutation(rows)
