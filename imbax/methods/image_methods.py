"""The methods of the image suites by name: what each gives one and the same classifier to train on.

Every method starts from the same imbalanced images and gives as many of each class as the largest
has; what it adds, it draws from them, or from a `Generator` that it trains on them first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from imbax.errors import InputError, did_you_mean
from imbax.methods import deepsmote as ds
from imbax.methods.class_duplicate import class_duplicate
from imbax.methods.class_smote import Synthetic, class_smote
from imbax.methods.generator import Generator
from imbax.types import Resampled, Rows

__all__ = ["IMAGE_METHODS", "ImageFacts", "ImageMethod", "class_weights", "image_method"]


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


@dataclass(frozen=True)
class ImageMethod:
    """One row of every table."""

    name: str
    title: str
    kind: str
    """"loss", "sampling", "generative", or "reading" (of another method)."""
    paper: str = ""
    note: str = ""
    build: Callable[[ImageFacts], Generator] | None = None
    """The generator that it trains first, if any. Methods with the same `build` share it."""
    resample: Callable[..., Resampled] | None = None
    """`(key, train, facts, generator, fitted) -> Resampled`; None: the images as they are."""
    weighted: bool = False
    """Whether a class's images count by the inverse of their number."""
    cost: float = 1.0
    """Rough time, 1 for plain training; only the progress display uses it."""
    sources: tuple[str, ...] = ()
    """Files beside this one that it is made of; a stored result is stale once one changes."""
    sees: str = "training images and labels"


def image_method(name: str) -> ImageMethod:
    """The method of that name. Raises InputError naming the nearest one."""
    if name not in IMAGE_METHODS:
        near = did_you_mean(name, IMAGE_METHODS)
        raise InputError(f"no method {name!r} for images{near}; `imbax list methods`")
    return IMAGE_METHODS[name]


def class_weights(method: ImageMethod, facts: ImageFacts) -> np.ndarray:
    """`[K]`: by which an image's loss counts, of mean 1 over the training images."""
    counts = np.array(facts.counts, np.float32)
    return counts.sum() / (len(counts) * counts) if method.weighted else np.ones_like(counts)


def _repeated(key, train: Rows, facts, generator, fitted) -> Resampled:
    sizes = {"max_synth": sum(facts.wanted)}
    positions, w = class_duplicate(key, train.y, train.w, jnp.array(facts.wanted), **sizes)
    index = jnp.concatenate([train.index, train.index[positions]])
    return Resampled(index, jnp.concatenate([train.w, w]))


def _pixel_smote(key, train: Rows, facts, generator, fitted) -> Resampled:
    rows, wanted = train.all(), jnp.array(facts.wanted)
    return _extended(train, class_smote(key, *rows, wanted, **_sizes(facts)))


def _generated(key, train: Rows, facts, generator, fitted) -> Resampled:
    wanted = jnp.array(facts.wanted)
    return _extended(train, generator.sample(key, fitted, train, wanted, **_sizes(facts)))


def _all_decoded(key, train: Rows, facts, generator, fitted) -> Resampled:
    """As `_generated`, the real images too replaced by what their codes are decoded to."""
    made = _generated(key, train, facts, generator, fitted)
    again = generator.reconstruct(fitted, train.all().x)
    return made._replace(
        index=len(train.data) + jnp.arange(len(made.index)),
        x_synth=jnp.concatenate([again, made.x_synth]),
        y_synth=jnp.concatenate([train.y, made.y_synth]),
    )


def _extended(train: Rows, made: Synthetic) -> Resampled:
    return Resampled(
        index=jnp.concatenate([train.index, len(train.data) + jnp.arange(len(made.x))]),
        w=jnp.concatenate([train.w, made.w]),
        x_synth=made.x,
        y_synth=made.y,
    )


def _sizes(facts):
    few = [n for n, wanted in zip(facts.counts, facts.wanted, strict=True) if wanted]
    return {"max_rows": max(few, default=1), "max_synth": sum(facts.wanted)}


def _deepsmote(facts: ImageFacts, **options: Any) -> Generator:
    names = ("shape", "classes", "latent", "decoder", "epochs", "patience")
    config = ds.Config(**{name: getattr(facts, name) for name in names}, **options)
    return ds.generator(config, ds.Hparams(facts.learning_rate))


_PAPER = "Dablain et al. 2021"
_NEIGHBORS = ("class_smote", "smote", "../neighbors")
_DEEPSMOTE = ImageMethod(
    "deepsmote",
    "DeepSMOTE",
    "generative",
    _PAPER,
    "penalty of one class's images, as the public code has it; statistics taken anew",
    build=_deepsmote,
    resample=_generated,
    cost=6.0,
    sources=("deepsmote", "codes", "generator", "../networks/autoencoder", *_NEIGHBORS),
)

_METHODS = (
    ImageMethod("ce", "Cross-entropy, the images as they are", "loss"),
    ImageMethod("weighted", "Cross-entropy, classes weighed alike", "loss", weighted=True),
    ImageMethod(
        "ros",
        "Random over-sampling",
        "sampling",
        resample=_repeated,
        sources=("class_duplicate", "class_smote", "smote"),
    ),
    ImageMethod(
        "smote",
        "SMOTE of pixels",
        "sampling",
        "Chawla et al. 2002",
        "k = 5",
        resample=_pixel_smote,
        sources=_NEIGHBORS,
    ),
    _DEEPSMOTE,
    replace(
        _DEEPSMOTE,
        name="deepsmote_permuted",
        title="DeepSMOTE, the penalty as the paper says it",
        kind="reading",
        note="each image of a class is asked to look like the next",
        build=partial(_deepsmote, penalty="permuted"),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_none",
        title="DeepSMOTE without penalty",
        kind="reading",
        note="SMOTE of a plain autoencoder's codes",
        build=partial(_deepsmote, penalty="none"),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_encoder",
        title="DeepSMOTE, the penalty moves the encoder too",
        kind="reading",
        note="",
        build=partial(_deepsmote, encoder_gradient=True),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_inverse",
        title="DeepSMOTE, rare classes drawn more often",
        kind="reading",
        note="the penalty's class with probability inverse to its size",
        build=partial(_deepsmote, class_draw="inverse"),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_decoded",
        title="DeepSMOTE, real images decoded too",
        kind="reading",
        note="the classifier sees no image that did not pass the decoder",
        resample=_all_decoded,
    ),
)
IMAGE_METHODS: dict[str, ImageMethod] = {method.name: method for method in _METHODS}
"""By name, in the order of the tables."""
