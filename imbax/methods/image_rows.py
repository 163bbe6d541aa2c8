"""What the methods of the image suites give the classifier to train on, as changes to its rows.

Each is called as `(key, train, facts, generator, fitted) -> Resampled`, with the imbalanced view,
and gives as many rows of each class as the largest has.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from imbax.methods.amdo import amdo
from imbax.methods.class_duplicate import class_duplicate
from imbax.methods.class_smote import Synthetic, class_smote
from imbax.methods.mc_ccr import mc_ccr
from imbax.methods.mc_rbo import mc_rbo
from imbax.types import Resampled, Rows

__all__ = [
    "ImageFacts",
    "all_decoded",
    "class_weights",
    "generated",
    "pixel_amdo",
    "pixel_mc_ccr",
    "pixel_mc_rbo",
    "pixel_smote",
    "repeated",
]


class ImageFacts(NamedTuple):
    """What is known of a set of images before training, and how its generators are trained."""

    shape: tuple[int, int, int]
    """Height, width and channels."""
    counts: tuple[int, ...]
    """Training images of each class."""
    latent: int
    """Length of an autoencoder's code."""
    decoder: str
    """See `networks.autoencoder`."""
    epochs: int
    """Of a generator, at most."""
    patience: int
    """Epochs without progress after which it stops."""
    learning_rate: float
    """Adam's, of a generator."""

    @property
    def classes(self) -> int:
        """K."""
        return len(self.counts)

    @property
    def wanted(self) -> tuple[int, ...]:
        """New images of each class, so that all are as many as the largest."""
        return tuple(max(self.counts) - count for count in self.counts)


def class_weights(weighted: bool, facts: ImageFacts) -> np.ndarray:
    """`[K]`: by which an image's loss counts, of mean 1 over the training images; all 1 or, if
    `weighted`, by the inverse of the class's images."""
    counts = np.array(facts.counts, np.float32)
    return counts.sum() / (len(counts) * counts) if weighted else np.ones_like(counts)


def repeated(key, train: Rows, facts, generator, fitted) -> Resampled:
    """Copies of the images."""
    sizes = {"max_synth": sum(facts.wanted)}
    positions, w = class_duplicate(key, train.y, train.w, jnp.array(facts.wanted), **sizes)
    index = jnp.concatenate([train.index, train.index[positions]])
    return Resampled(index, jnp.concatenate([train.w, w]))


def pixel_smote(key, train: Rows, facts, generator, fitted) -> Resampled:
    """The images, and SMOTE's between their pixels."""
    rows, wanted = train.all(), jnp.array(facts.wanted)
    return _extended(train, class_smote(key, *rows, wanted, **_sizes(facts)))


def pixel_amdo(key, train: Rows, facts, generator, fitted) -> Resampled:
    """The images, and MDO's around their classes' means."""
    rows, wanted = train.all(), jnp.array(facts.wanted)
    return _extended(train, amdo(key, *rows, wanted, **_sizes(facts)))


def pixel_mc_rbo(key, train: Rows, facts, generator, fitted) -> Resampled:
    """The images, and MC-RBO's, which walk away from the larger classes."""
    rows, wanted = train.all(), jnp.array(facts.wanted)
    made = mc_rbo(key, *rows, wanted, max_class=max(facts.counts), **_sizes(facts))
    return _extended(train, made)


def pixel_mc_ccr(key, train: Rows, facts, generator, fitted) -> Resampled:
    """The images, where MC-CCR has pushed them to, and its own in the room that this makes."""
    rows, wanted = train.all(), jnp.array(facts.wanted)
    moved, made = mc_ccr(key, *rows, wanted, max_class=max(facts.counts), **_sizes(facts))
    return _instead(train, jnp.clip(moved, -1, 1), _extended(train, made))


def generated(key, train: Rows, facts, generator, fitted) -> Resampled:
    """The images, and what the trained generator makes."""
    wanted = jnp.array(facts.wanted)
    return _extended(train, generator.sample(key, fitted, train, wanted, **_sizes(facts)))


def all_decoded(key, train: Rows, facts, generator, fitted) -> Resampled:
    """As `generated`, the real images too replaced by what their codes are decoded to."""
    made = generated(key, train, facts, generator, fitted)
    return _instead(train, generator.reconstruct(fitted, train.all().x), made)


def _extended(train: Rows, made: Synthetic) -> Resampled:
    return Resampled(
        index=jnp.concatenate([train.index, len(train.data) + jnp.arange(len(made.x))]),
        w=jnp.concatenate([train.w, made.w]),
        x_synth=jnp.clip(made.x, -1, 1),  # no image has values beyond
        y_synth=made.y,
    )


def _instead(train: Rows, x, made: Resampled) -> Resampled:
    """With rows `x` in the place of the view's own."""
    return made._replace(
        index=len(train.data) + jnp.arange(len(made.index)),
        x_synth=jnp.concatenate([x, made.x_synth]),
        y_synth=jnp.concatenate([train.y, made.y_synth]),
    )


def _sizes(facts):
    few = [n for n, wanted in zip(facts.counts, facts.wanted, strict=True) if wanted]
    return {"max_rows": max(few, default=1), "max_synth": sum(facts.wanted)}
