"""Image generators and their variants, and decoupled training.

Every method starts from the same imbalanced images. Generators make all classes as large as the
largest. The added images are drawn from the training images or from a `Generator` trained on them.
"""

from dataclasses import replace
from functools import partial

from imbax.catalogue.adapters import (
    bagan_on_images,
    decode_images,
    deepsmote_on_images,
    generate_images,
    latent_on_images,
    retrain_on_features,
    retrain_on_images,
)
from imbax.catalogue.registry import add
from imbax.catalogue.spec import Method, OnImages
from imbax.methods import crt, tau_norm

__all__: list[str] = []

_SEES = OnImages.sees
_PAPER = "Dablain et al. 2021"
_DEEPSMOTE = Method(
    "deepsmote",
    "DeepSMOTE",
    "generative",
    _SEES,
    paper=_PAPER,
    note="penalty on the images of one class, as in the public code; batch statistics re-estimated",
    images=OnImages(generate_images, deepsmote_on_images, cost=6.0),
)


def _latent_method(name, title, note, **options):
    images = OnImages(
        generate_images, partial(latent_on_images, **options), trained_as="deepsmote", cost=7.0
    )
    paper = f"{_PAPER}, Yasinnik et al. 2022"
    return Method(name, title, "generative", _SEES, paper=paper, note=note, images=images)


def _variant(name, title, note="", **options):
    """Returns a variant of DeepSMOTE with another training of its autoencoder."""
    images = replace(_DEEPSMOTE.images, generator=partial(deepsmote_on_images, **options))
    changes = {"name": name, "title": title, "kind": "reading", "note": note, "images": images}
    return replace(_DEEPSMOTE, **changes)


def _decoupled(name, title, retrain, paper, note):
    images = OnImages(retrain=retrain, cost=1.2)
    return Method(name, title, "decoupled", _SEES, paper=paper, note=note, images=images)


_METHODS = (
    _decoupled(
        "crt",
        "Classifier re-training (cRT)",
        partial(retrain_on_images, crt.retrain),
        "Kang et al. 2020",
        "new last layer on frozen features and class-balanced mini-batches",
    ),
    _decoupled(
        "tau_norm",
        "τ-normalised classifier",
        partial(retrain_on_images, tau_norm.retrain),
        "Kang et al. 2020",
        "τ = 1",
    ),
    _decoupled(
        "feature_smote",
        "SMOTE of features",
        retrain_on_features,
        "Dablain et al. 2023",
        "k = 5; new last layer on frozen features",
    ),
    Method(
        "bagan",
        "BAGAN",
        "generative",
        _SEES,
        paper="Mariani et al. 2018",
        note="equal numbers of epochs for the autoencoder and the GAN",
        images=OnImages(generate_images, bagan_on_images, cost=8.0),
    ),
    _DEEPSMOTE,
    _latent_method(
        "latent_explicit_gradient",
        "Latent Explicit Gradient (moved DeepSMOTE codes)",
        "η₁ = 0.01, η₂ = 25 per row of a step; outer loss on a held-out third of each class",
    ),
    _latent_method(
        "latent_explicit_gradient_frozen",
        "Latent Explicit Gradient, fixed codes",
        "η₂ = 0, otherwise equal; gives the images of deepsmote",
        frozen=True,
    ),
    _variant(
        "deepsmote_paper",
        "DeepSMOTE, Algorithm 1 as printed",
        "permuted penalty; encoder and decoder descend the sum of both losses",
        penalty="permuted",
        encoder_gradient=True,
    ),
    _variant(
        "deepsmote_permuted",
        "DeepSMOTE, permuted penalty on the decoder",
        "each image is compared with the reconstruction of the next one of its class; the encoder "
        "gets no gradient of the penalty",
        penalty="permuted",
    ),
    _variant(
        "deepsmote_none",
        "DeepSMOTE without penalty",
        "SMOTE in the latent space of a plain autoencoder",
        penalty="none",
    ),
    _variant(
        "deepsmote_encoder",
        "DeepSMOTE, penalty gradient through the encoder",
        encoder_gradient=True,
    ),
    _variant(
        "deepsmote_inverse",
        "DeepSMOTE, inverse-frequency class sampling",
        "the penalty's class is drawn with probability inversely proportional to its size",
        class_draw="inverse",
    ),
    replace(
        _DEEPSMOTE,
        name="deepsmote_decoded",
        title="DeepSMOTE, reconstructed real images",
        kind="reading",
        note="the classifier is trained only on outputs of the decoder",
        images=replace(_DEEPSMOTE.images, resample=decode_images, trained_as="deepsmote"),
    ),
)
for _method in _METHODS:
    add(replace(_method, built_in=True))
