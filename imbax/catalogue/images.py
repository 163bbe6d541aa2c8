"""The methods of the image suites by name: what each gives one and the same classifier to train on.

Every method starts from the same imbalanced images and gives as many of each class as the largest
has; what it adds, it draws from them, or from a `Generator` that it trains on them first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from imbax.errors import InputError, did_you_mean
from imbax.methods.generator import Generator
from imbax.methods.image_generators import build_bagan, build_deepsmote, build_gamo
from imbax.methods.image_rows import (
    ImageFacts,
    all_decoded,
    generated,
    pixel_amdo,
    pixel_mc_ccr,
    pixel_mc_rbo,
    pixel_smote,
    repeated,
)
from imbax.methods.latent_explicit_gradient import latent_moved
from imbax.types import Resampled

__all__ = ["IMAGE_METHODS", "ImageMethod", "image_method"]


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
    """The generator that it trains first, if any. Methods with the same `build` and `sources` share
    it."""
    resample: Callable[..., Resampled] | None = None
    """`(key, train, facts, generator, fitted) -> Resampled`; None: the images as they are."""
    weighted: bool = False
    """Whether a class's images count by the inverse of their number."""
    cost: float = 1.0
    """Rough time, 1 for plain training; only the progress display uses it."""
    sources: tuple[str, ...] = ()
    """Files beside this one that it is made of; a stored result is stale once one changes."""
    resample_sources: tuple[str, ...] = ()
    """More such files, of which its generator is not made."""
    sees: str = "training images and labels"


def image_method(name: str) -> ImageMethod:
    """The method of that name. Raises InputError naming the nearest one."""
    if name not in IMAGE_METHODS:
        near = did_you_mean(name, IMAGE_METHODS)
        raise InputError(f"no method {name!r} for images{near}; `imbax list methods`")
    return IMAGE_METHODS[name]


_PAPER = "Dablain et al. 2021"
_NEIGHBORS = ("class_smote", "smote", "../neighbors")
_DEEPSMOTE = ImageMethod(
    "deepsmote",
    "DeepSMOTE",
    "generative",
    _PAPER,
    "penalty of one class's images, as the public code has it; statistics taken anew",
    build=build_deepsmote,
    resample=generated,
    cost=6.0,
    sources=("deepsmote", "codes", "generator", "../networks/autoencoder", *_NEIGHBORS),
)
_LATENT = replace(
    _DEEPSMOTE,
    name="latent_explicit_gradient",
    title="Latent Explicit Gradient: DeepSMOTE's codes moved",
    paper=f"{_PAPER}, Yasinnik et al. 2022",
    note="η₁ = 0.01, η₂ = 25 per row of a step; a third of each class held out moves the points",
    resample=latent_moved,
    cost=7.0,
    resample_sources=(
        *("latent_explicit_gradient", "explicit_gradient", "points", "supervised"),
        *("../bilevel", "../rowwise", "../metrics", "../networks/mlp"),
    ),
)

_METHODS = (
    ImageMethod("ce", "Cross-entropy, the images as they are", "loss"),
    ImageMethod("weighted", "Cross-entropy, classes weighed alike", "loss", weighted=True),
    ImageMethod(
        "ros",
        "Random over-sampling",
        "sampling",
        resample=repeated,
        sources=("class_duplicate", "class_smote", "smote"),
    ),
    ImageMethod(
        "smote",
        "SMOTE of pixels",
        "sampling",
        "Chawla et al. 2002",
        "k = 5",
        resample=pixel_smote,
        sources=_NEIGHBORS,
    ),
    ImageMethod(
        "amdo",
        "MDO, the part of AMDO that concerns numbers",
        "sampling",
        "Abdi & Hashemi 2016, Yang et al. 2018",
        "directions uniform on the ellipsoid; full counts",
        resample=pixel_amdo,
        sources=("amdo", *_NEIGHBORS),
    ),
    ImageMethod(
        "mc_ccr",
        "MC-CCR",
        "sampling",
        "Koziarski et al. 2020",
        "energy 1.5 median distances to the nearest enemy; images of larger classes move",
        resample=pixel_mc_ccr,
        cost=1.5,
        sources=("mc_ccr", *_NEIGHBORS),
    ),
    ImageMethod(
        "mc_rbo",
        "MC-RBO",
        "sampling",
        "Krawczyk et al. 2020",
        "γ and step by the median distance to the nearest of the class",
        resample=pixel_mc_rbo,
        cost=1.5,
        sources=("mc_rbo", *_NEIGHBORS),
    ),
    ImageMethod(
        "bagan",
        "BAGAN",
        "generative",
        "Mariani et al. 2018",
        "as many epochs of the autoencoder as of the GAN",
        build=build_bagan,
        resample=generated,
        cost=8.0,
        sources=("bagan", "codes", "generator", "../networks/bagan", "class_smote", "smote"),
    ),
    ImageMethod(
        "gamo",
        "GAMO",
        "generative",
        "Mullick et al. 2019",
        "mixes of pixels",
        build=build_gamo,
        resample=generated,
        cost=3.0,
        sources=("gamo", "generator", "../networks/convex_mixer", "class_smote", "smote"),
    ),
    _DEEPSMOTE,
    _LATENT,
    replace(
        _LATENT,
        name="latent_explicit_gradient_frozen",
        title="Latent Explicit Gradient, codes not moved",
        note="η₂ = 0, all else equal: the images of deepsmote",
        resample=partial(latent_moved, frozen=True),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_permuted",
        title="DeepSMOTE, the penalty as the paper says it",
        kind="reading",
        note="each image of a class is asked to look like the next",
        build=partial(build_deepsmote, penalty="permuted"),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_none",
        title="DeepSMOTE without penalty",
        kind="reading",
        note="SMOTE of a plain autoencoder's codes",
        build=partial(build_deepsmote, penalty="none"),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_encoder",
        title="DeepSMOTE, the penalty moves the encoder too",
        kind="reading",
        note="",
        build=partial(build_deepsmote, encoder_gradient=True),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_inverse",
        title="DeepSMOTE, rare classes drawn more often",
        kind="reading",
        note="the penalty's class with probability inverse to its size",
        build=partial(build_deepsmote, class_draw="inverse"),
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_decoded",
        title="DeepSMOTE, real images decoded too",
        kind="reading",
        note="the classifier sees no image that did not pass the decoder",
        resample=all_decoded,
    ),
)
IMAGE_METHODS: dict[str, ImageMethod] = {method.name: method for method in _METHODS}
"""By name, in the order of the tables."""
