"""Plan of image runs: arrays with an axis of runs, the same for all methods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from imbax.catalogue import ImageFacts
from imbax.data.images import Images
from imbax.data.imbalance import COUNTS, ImageSplit, image_splits
from imbax.errors import Range, one_of
from imbax.experiments.lab import run_key
from imbax.methods.image_classifier import AUGMENTATIONS, Config
from imbax.networks.autoencoder import DECODERS
from imbax.networks.resnet import STEMS
from imbax.types import Part, Run

__all__ = ["ImagePlan", "ImageProtocol", "image_plan"]


@dataclass(frozen=True)
class ImageProtocol:
    """Protocol of training and scoring, the same for every method of an experiment."""

    folds: int = 5
    """Number of folds to run, out of five; data sets with a fixed split have one fold."""
    epochs: int = 30
    """Epochs of the classifier, each with as many images as the imbalanced training set."""
    stem: str = "cifar"
    width: int = 64
    augment: str = "none"
    learning_rate: float = 0.1
    batch_size: int = 128
    latent: int = 300
    decoder: str = "mirrored"
    generator_epochs: int = 200
    patience: int = 10
    generator_learning_rate: float = 2e-4

    def __post_init__(self):
        one_of(self, stem=STEMS, augment=AUGMENTATIONS, decoder=DECODERS)
        counts = ("epochs", "width", "batch_size", "latent", "generator_epochs", "patience")
        for name in counts:
            Range(1, whole=True).check(name, getattr(self, name))


class ImagePlan(NamedTuple):
    """Set of images with R runs."""

    images: Images
    protocol: ImageProtocol
    seed: np.ndarray
    """Seed of each run, `[R]`."""
    fold: np.ndarray
    """Fold of each run, `[R]`."""
    splits: list[ImageSplit]
    notices: tuple[str, ...]
    """Notices on counts that differ from those of the paper."""
    shared: tuple[np.ndarray, np.ndarray]
    """All images as flat rows, uint8, and their classes, int32."""
    runs: Run
    """Runs with leaves `[R, ...]`: keys, the training part and the balanced test part."""
    facts: ImageFacts
    classifier: Config


def image_plan(images: Images, seeds: Sequence[int], protocol: ImageProtocol) -> ImagePlan:
    """Split the images into runs; see `image_splits` for errors. Shapes do not depend on seeds."""
    parts, seed, fold, notices = [], [], [], ()
    wanted = images.counts or COUNTS[images.name]
    for s in seeds:
        splits, notices = image_splits(images, wanted, seed=s, folds=protocol.folds)
        parts += splits
        seed += [s] * len(splits)
        fold += range(len(splits))
    x, y = images.x, images.y
    if images.y_test is not None:
        x, y = np.concatenate([x, images.x_test]), np.concatenate([y, images.y_test])
    counts = np.bincount(y[parts[0].train], minlength=len(images.classes)).tolist()
    return ImagePlan(
        images,
        protocol,
        np.array(seed),
        np.array(fold),
        parts,
        notices,
        shared=(x.reshape(len(x), -1), y.astype(np.int32)),
        runs=Run(
            key=jnp.stack([run_key(s, f) for s, f in zip(seed, fold, strict=True)]),
            train=_part([part.train for part in parts]),
            test=_part([part.test for part in parts]),
        ),
        facts=ImageFacts(
            images.shape,
            tuple(counts),
            protocol.latent,
            protocol.decoder,
            protocol.generator_epochs,
            protocol.patience,
            protocol.generator_learning_rate,
        ),
        classifier=Config(
            images.shape,
            len(counts),
            sum(counts),
            protocol.stem,
            protocol.width,
            protocol.batch_size,
            protocol.epochs,
            protocol.augment,
        ),
    )


def _part(rows):
    index = np.stack(rows).astype(np.int32)
    return Part(index, np.ones(index.shape, np.float32))
