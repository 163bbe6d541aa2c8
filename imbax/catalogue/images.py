"""The generators of images, and their readings.

Every method starts from the same imbalanced images and gives as many of each class as the largest
has; what it adds, it draws from them, or from a `Generator` that it trains on them first.
"""

from dataclasses import replace
from functools import partial

from imbax.catalogue.adapters import (
    bagan_on_images,
    decode_images,
    deepsmote_on_images,
    generate_images,
    latent_on_images,
)
from imbax.catalogue.registry import add
from imbax.catalogue.spec import Method, OnImages

__all__: list[str] = []

_SEES = OnImages.sees
_PAPER = "Dablain et al. 2021"
_DEEPSMOTE = Method(
    "deepsmote",
    "DeepSMOTE",
    "generative",
    _SEES,
    paper=_PAPER,
    note="penalty of one class's images, as in the public code; statistics taken anew",
    images=OnImages(generate_images, deepsmote_on_images, cost=6.0),
)


def _latent(name, title, note, **options):
    images = OnImages(
        generate_images, partial(latent_on_images, **options), trained_as="deepsmote", cost=7.0
    )
    paper = f"{_PAPER}, Yasinnik et al. 2022"
    return Method(name, title, "generative", _SEES, paper=paper, note=note, images=images)


def _reading(name, title, note="", **options):
    """A reading of DeepSMOTE: another training of its autoencoder."""
    images = replace(_DEEPSMOTE.images, generator=partial(deepsmote_on_images, **options))
    changes = {"name": name, "title": title, "kind": "reading", "note": note, "images": images}
    return replace(_DEEPSMOTE, **changes)


_METHODS = (
    Method(
        "bagan",
        "BAGAN",
        "generative",
        _SEES,
        paper="Mariani et al. 2018",
        note="as many epochs of the autoencoder as of the GAN",
        images=OnImages(generate_images, bagan_on_images, cost=8.0),
    ),
    _DEEPSMOTE,
    _latent(
        "latent_explicit_gradient",
        "Latent Explicit Gradient: DeepSMOTE's codes moved",
        "η₁ = 0.01, η₂ = 25 per row of a step; a third of each class held out moves the points",
    ),
    _latent(
        "latent_explicit_gradient_frozen",
        "Latent Explicit Gradient, codes not moved",
        "η₂ = 0, all else equal: the images of deepsmote",
        frozen=True,
    ),
    _reading(
        "deepsmote_permuted",
        "DeepSMOTE, penalty between permuted images",
        "each image of a class is asked to look like the next",
        penalty="permuted",
    ),
    _reading(
        "deepsmote_none",
        "DeepSMOTE without penalty",
        "SMOTE of a plain autoencoder's codes",
        penalty="none",
    ),
    _reading(
        "deepsmote_encoder",
        "DeepSMOTE, penalty with a gradient through the encoder",
        encoder_gradient=True,
    ),
    _reading(
        "deepsmote_inverse",
        "DeepSMOTE, rare classes drawn more often",
        "the penalty's class with probability inverse to its size",
        class_draw="inverse",
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_decoded",
        title="DeepSMOTE, real images decoded too",
        kind="reading",
        note="the classifier sees no image that did not pass the decoder",
        images=replace(_DEEPSMOTE.images, resample=decode_images, trained_as="deepsmote"),
    ),
)
for _method in _METHODS:
    add(replace(_method, built_in=True))
