"""Variants of Explicit Gradient, for the choices on which its paper and its public code differ.

Each variant is a separate method, `eg_...`, which differs from `explicit_gradient` in one choice.
Variants that differ only in numbers that jax traces share its compiled program. `eg_cross_fit` and
`eg_cross_fit_...` change several choices in order to give the method its best chance; their outer
rows are not those that choose the epoch.
"""

from functools import partial

from imbax.catalogue import get, register
from imbax.methods.explicit_gradient import Hparams

__all__: list[str] = []

_CROSS_FIT = {"outer": "cross_fit"}
_PAIRWISE = {"outer_loss": "pairwise_ranking", "outer_batch_size": 1_000_000}
_STATIC = {
    "eg_inner_synth": ("inner loss on synthetic rows alone (equation 1)", {"inner": "synth"}),
    "eg_inner_sum": ("inner loss is a sum of two means", {"inner": "sum_of_means"}),
    "eg_steps_5": ("five inner steps", {"num_steps": 5}),
    "eg_outer_train": ("outer loss on training rows", {"outer": "train"}),
    "eg_outer_part": (
        "outer loss on a held-out third of the training rows",
        {"outer": "train_part"},
    ),
    "eg_outer_balanced": ("balanced outer loss", {"outer_loss": "balanced_ce"}),
    "eg_outer_focal": ("focal outer loss", {"outer_loss": "focal"}),
    "eg_outer_ap": ("smooth average precision as outer loss", {"outer_loss": "smooth_ap"}),
    "eg_synth_batch_16": ("16 synthetic rows in a step", {"synth_batch_size": 16}),
    "eg_box": ("points kept in the box of the training rows", {"constraint": "box"}),
    "eg_last": ("the last epoch, not the best", {"checkpoint": "last"}),
}
_TRACED = {
    "eg_eta2_0.1": ("η₂ = 0.1", {"eta2": 0.1}),
    "eg_eta2_1": ("η₂ = 1", {"eta2": 1.0}),
    "eg_eta2_100": ("η₂ = 100", {"eta2": 100.0}),
    "eg_eta2_1000": ("η₂ = 1000", {"eta2": 1000.0}),
    "eg_damping_0.9": ("θ <- 0.9 θ + 0.1 θ'", {"damping": 0.9}),
    "eg_confidence_0.5": ("only rows that θ₀ gets wrong are duplicated", {"confidence": 0.5}),
    "eg_jitter_0.5": ("points start with noise of 0.5 SD", {"jitter": 0.5}),
}
# Not readings of the paper: attempts to give the method its best chance.
_ATTEMPTS = {
    "eg_cross_fit": (
        "outer loss on another third of the training rows in each epoch",
        _CROSS_FIT,
        {},
    ),
    "eg_cross_fit_frozen": (
        "the same rows, with fixed points",
        _CROSS_FIT | {"frozen": True},
        {"eta2": 0.0},
    ),
    "eg_cross_fit_pairwise": (
        "pairwise ranking loss of a whole third as outer loss",
        _CROSS_FIT | _PAIRWISE,
        {},
    ),
    "eg_cross_fit_adam": ("Adam moves the points", _CROSS_FIT | {"move": "adam"}, {"eta2": 0.01}),
    "eg_cross_fit_unit": ("steps of equal length", _CROSS_FIT | {"move": "unit"}, {"eta2": 0.01}),
    "eg_cross_fit_weights": (
        "points have learned weights",
        _CROSS_FIT | {"learned_weights": True},
        {"eta3": 10.0},
    ),
    "eg_cross_fit_all": (
        "pairwise outer loss of a whole third, Adam in a trust region, learned weights",
        _CROSS_FIT
        | _PAIRWISE
        | {"move": "adam", "learned_weights": True, "constraint": "trust_region"},
        {"eta2": 0.01, "eta3": 10.0, "radius": 0.5},
    ),
}


def _register():
    default = get("explicit_gradient")
    tables = default.tables
    about = {"kind": "reading", "sees": default.sees, "paper": default.paper, "cost": default.cost}
    shared = {"starts_from": tables.starts_from, "settings": tables.settings}
    for name, (title, choice) in _STATIC.items():
        several = choice.get("outer_loss") != "smooth_ap"
        changes = {"title": title, "options": choice, "several_classes": several}
        register(name, partial(tables.program, **choice), **(about | shared | changes))
    for name, (title, choice) in _TRACED.items():
        changes = {"title": title, "settings": (Hparams(**choice),), "several_classes": True}
        register(name, tables.program, **(about | shared | changes))
    for name, (title, choice, numbers) in _ATTEMPTS.items():
        changes = {"title": title, "options": choice, "settings": (Hparams(**numbers),)}
        changes |= {"several_classes": True, "kind": "meta"}
        register(name, partial(tables.program, **choice), **(about | shared | changes))


_register()
