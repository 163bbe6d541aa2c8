"""The methods by name: what each is, what it may see, and how to build its training.

A method is one entry here and one file beside it. `register` adds a user's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from imbax.errors import InputError, did_you_mean
from imbax.methods import cwgan as gan
from imbax.methods import explicit_gradient as eg
from imbax.methods import l2rw, metabalance
from imbax.methods import loss_methods as lm
from imbax.methods import meta_weight_net as mwn
from imbax.methods import supervised as sv
from imbax.methods.adasyn import adasyn
from imbax.methods.borderline_smote import borderline_smote
from imbax.methods.duplicate import duplicate
from imbax.methods.potential import potential
from imbax.methods.random_under import random_under
from imbax.methods.refit import refit as refit_program
from imbax.methods.smote import smote
from imbax.methods.sugar import sugar
from imbax.networks.mlp import mlp
from imbax.training import Program, balanced_minibatches

__all__ = ["Facts", "Method", "get", "names", "refit", "register"]

_PAPER = "Yasinnik et al. 2022"
TRAIN = "training rows; validation rows choose the epoch"
WEIGHED = "training rows; validation labels weigh the rows and choose the epoch"


class Facts(NamedTuple):
    """What is known of a data set before training, and sets shapes."""

    features: int
    max_minority: int
    """Most minority rows in any run's training part."""
    max_synth: int
    """Most synthetic rows any run adds."""
    n_synth: str
    """"double" the minority or "balance" the classes."""
    epochs: int
    """Epochs of one training, as the user asked."""


@dataclass(frozen=True)
class Method:
    """One row of every table."""

    name: str
    title: str
    kind: str
    """"loss", "sampling", "meta", "tuning", "peer", or "reading" (of another method)."""
    sees: str
    """The rows and labels it may use, in words."""
    paper: str = ""
    note: str = ""
    build: Callable[[Facts], Program] | None = None
    """The training of a neural method."""
    host: Callable[..., Any] | None = None
    """`(x_train, y_train, x_test, random_state) -> scores` of a method that runs outside jax."""
    settings: tuple[Any, ...] = ()
    """Traced hyperparameters; of several, each run keeps the best on validation."""
    starts_from: str | None = None
    """The method whose result it starts from, trained once and shared."""
    resumes: bool = False
    """Go on with that method's whole training state, not only its best parameters."""
    refits: bool = False
    """Train anew, also on validation rows, for as many epochs as that method found best."""
    one_epoch: bool = False
    """The program is over after one call of `epoch`, whatever the number of epochs."""
    needs_withheld: bool = False
    """Runs only where an experiment withholds minority rows (`Problem.withheld`)."""
    cost: float = 1.0
    """Rough time per epoch, 1 for plain training; only the progress display uses it."""
    fallback: str = ""
    """The method whose training rows a sampler gives where its own rule fails."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else identifies the configuration."""
    sources: tuple[str, ...] = ()
    """Files beside this one that it is made of; a stored result is stale once one changes."""


_REGISTRY: dict[str, Method] = {}


def register(name: str, build: Callable[[Facts], Program] | None = None, **facts: Any) -> Method:
    """Add a method of one's own; from then on it runs by name wherever the built-in ones do.

    Args:
      name: how tables and the command line call it.
      build: `Facts -> Program`; `training.one_shot` makes a program of a pure training function.
      **facts: further fields of `Method`; `title`, `kind` and `sees` have defaults. A method that
        runs outside jax gives `host` instead of `build`.

    Raises:
      InputError: a built-in method has that name.
    """
    if name in _BUILT_IN:
        raise InputError(f"method {name!r} is built in; register yours under another name")
    if (build is None) == (facts.get("host") is None):
        raise InputError(f"method {name!r} needs either `build` (jax) or `host` (any other code)")
    defaults = {"title": name, "kind": "custom", "sees": "not declared"}
    return _add(Method(name=name, build=build, **(defaults | facts)))


def refit(name: str) -> Method:
    """Add `{name}_refit`: that training anew, on training and validation rows, for its best epochs.

    `get` does so by itself for the name of any method that can be refit.

    Raises:
      InputError: the method is not a single training from scratch on the training rows as they are.
    """
    method = get(name)
    if not method.build or method.starts_from or len(method.settings) > 1:
        raise InputError(
            f"{name!r} cannot be refit: expected a method in jax that starts from no other and "
            "has one setting; run it as it is"
        )
    changes = {
        "name": f"{name}_refit",
        "title": f"{method.title}, refit on training and validation rows",
        "sees": "training rows; validation rows choose the epochs and are then trained on",
        "note": "; ".join(filter(None, (method.note, f"trained anew for {name}'s best epochs"))),
        "build": partial(_refit, method.build),
        "starts_from": name,
        "refits": True,
    }
    return _add(replace(method, **changes))


def get(name: str) -> Method:
    """The method of that name. Raises InputError naming the nearest one."""
    if name not in _REGISTRY and name.removesuffix("_refit") in _REGISTRY:
        return refit(name.removesuffix("_refit"))
    if name not in _REGISTRY:
        raise InputError(f"unknown method {name!r}{did_you_mean(name, names())}")
    return _REGISTRY[name]


def names() -> tuple[str, ...]:
    """All registered names, in the order of the tables."""
    return tuple(_REGISTRY)


def _add(method):
    _REGISTRY[method.name] = method
    return method


def _supervised(facts, cosine_scale=None, **options):
    return sv.supervised(mlp(facts.features, cosine_scale=cosine_scale), **options)


def _ldam_drw(facts):
    loss_for = lm.deferred(lm.ldam, facts.epochs)
    return _supervised(facts, lm.SCALE, loss_for=loss_for)


def _refit(build, facts):
    return refit_program(build(facts))


def _loss(name, title, paper, note, loss_for, *, build=None, **hparams):
    return Method(
        name,
        title,
        "loss",
        TRAIN,
        paper,
        note,
        build=build or partial(_supervised, loss_for=loss_for),
        settings=(sv.Hparams(loss=hparams),),
        sources=("supervised", "loss_methods"),
    )


def _oversampled(facts, sampler):
    sizes = {"max_synth": facts.max_synth, "max_minority": facts.max_minority}
    return _supervised(facts, resample=partial(sampler, n_synth=facts.n_synth, **sizes))


def _cwgan(facts):
    """The GAN's own training, whose length goes with the classifier's."""
    config = gan.Config(iterations=15 * facts.epochs, classifier_steps=5 * facts.epochs)
    return _oversampled(facts, partial(gan.cwgan, config=config))


def _undersampled(facts):
    return _supervised(facts, resample=partial(random_under, max_minority=facts.max_minority))


def _explicit_gradient(facts, **options):
    config = eg.Config(facts.max_minority, facts.max_synth, facts.n_synth, **options)
    return eg.explicit_gradient(mlp(facts.features), config)


def _on_mlp(method):
    """A builder of a method that needs nothing but a network."""
    return lambda facts: method(mlp(facts.features))


_EG = {"kind": "meta", "paper": _PAPER, "starts_from": "ce"}
_EG_SOURCES = ("explicit_gradient", "duplicate", "supervised")
_SAMPLER = {"kind": "sampling", "sees": TRAIN, "settings": (sv.Hparams(),)}
_GAN_NETWORKS = ("../networks/tabular_gan", "../networks/deep_cross")
_SMOTE_SOURCES = ("smote", "../neighbors", "duplicate", "supervised")

for _method in (
    Method(
        "ce",
        "Cross-entropy",
        "loss",
        TRAIN,
        build=_supervised,
        settings=(sv.Hparams(),),
        sources=("supervised",),
    ),
    Method(
        "ce_long",
        "Cross-entropy, as many epochs as Explicit Gradient in all",
        "loss",
        TRAIN,
        note="the training of ce, continued",
        build=_supervised,
        settings=(sv.Hparams(),),
        starts_from="ce",
        resumes=True,
        sources=("supervised",),
    ),
    Method(
        "ce_tuned",
        "Cross-entropy, weight decay chosen on validation",
        "tuning",
        "training rows; validation rows choose the epoch and the weight decay",
        note="AdamW with weight decay 0, 0.1 or 1",
        build=_supervised,
        settings=tuple(sv.Hparams(weight_decay=decay) for decay in (0.0, 0.1, 1.0)),
        cost=3.0,
        sources=("supervised",),
    ),
    Method(
        "ros",
        "Random over-sampling",
        "sampling",
        TRAIN,
        build=partial(_oversampled, sampler=duplicate),
        settings=(sv.Hparams(),),
        sources=("supervised", "duplicate"),
    ),
    Method(
        "rs",
        "Balanced minibatches",
        "sampling",
        TRAIN,
        note="each batch half minority, drawn with replacement within classes",
        build=partial(_supervised, minibatches=balanced_minibatches),
        settings=(sv.Hparams(),),
        options={"minibatches": "balanced"},
        sources=("supervised",),
    ),
    _loss("focal", "Focal loss", "Lin et al. 2018", "γ = 2, no class weight", lm.focal, gamma=2.0),
    Method(
        "potential",
        "Real withheld minority rows added: a ceiling",
        "sampling",
        "training rows, and as many withheld minority rows; validation rows choose the epoch",
        paper=_PAPER,
        build=partial(_supervised, resample=potential),
        settings=(sv.Hparams(),),
        needs_withheld=True,
        sources=("supervised", "potential"),
    ),
    Method(
        "explicit_gradient",
        "Explicit Gradient",
        sees="training rows; validation labels move the points and choose the epoch",
        note="η₁ = 0.01, η₂ = 10, c = 1; starts from ce's best checkpoint",
        build=_explicit_gradient,
        settings=(eg.Hparams(),),
        cost=3.0,
        sources=_EG_SOURCES,
        **_EG,
    ),
    Method(
        "explicit_gradient_frozen",
        "Explicit Gradient, points not moved",
        sees=TRAIN,
        note="η₂ = 0, all else equal: the fair ablation",
        build=partial(_explicit_gradient, frozen=True),
        settings=(eg.Hparams(eta2=0.0),),
        cost=1.5,
        options={"frozen": True},
        sources=_EG_SOURCES,
        **_EG,
    ),
    Method(
        "random_under",
        "Random under-sampling",
        note="as many majority rows as minority rows, drawn once",
        build=_undersampled,
        sources=("random_under", "supervised"),
        **_SAMPLER,
    ),
    Method(
        "smote",
        "SMOTE",
        paper="Chawla et al. 2002",
        note="k = 5",
        build=partial(_oversampled, sampler=smote),
        fallback="ros",
        sources=_SMOTE_SOURCES,
        **_SAMPLER,
    ),
    Method(
        "borderline_smote",
        "Borderline-SMOTE",
        paper="Han et al. 2005",
        note="kind 1, k = 5, m = 10",
        build=partial(_oversampled, sampler=borderline_smote),
        fallback="smote",
        sources=("borderline_smote", *_SMOTE_SOURCES),
        **_SAMPLER,
    ),
    Method(
        "adasyn",
        "ADASYN",
        paper="He et al. 2008",
        note="k = 5, exact totals",
        build=partial(_oversampled, sampler=adasyn),
        fallback="smote",
        sources=("adasyn", *_SMOTE_SOURCES),
        **_SAMPLER,
    ),
    Method(
        "sugar",
        "SUGAR",
        paper="Lindenbaum et al. 2018",
        note="k = 5, one step of diffusion, not rescaled",
        build=partial(_oversampled, sampler=sugar),
        fallback="ros",
        sources=("sugar", *_SMOTE_SOURCES),
        **_SAMPLER,
    ),
    Method(
        "cwgan",
        "Conditional Wasserstein GAN",
        paper="Engelmann & Lessmann 2021",
        note="λ = 15; 15 generator steps, each after 3 of the critic, per epoch; averaged",
        build=_cwgan,
        cost=20.0,
        fallback="ros",
        sources=("cwgan", *_GAN_NETWORKS, "smote", "duplicate", "supervised"),
        **_SAMPLER,
    ),
    _loss(
        "asymmetric",
        "Asymmetric loss",
        "Ridnik et al. 2021",
        "γ₊ = 1, γ₋ = 4, probability shift 0.05",
        lm.asymmetric,
        gamma_positive=1.0,
        gamma_negative=4.0,
        shift=0.05,
    ),
    _loss(
        "class_balanced",
        "Class-balanced cross-entropy",
        "Cui et al. 2019",
        "weights by the effective number of rows, β = 0.999",
        lm.class_balanced,
        beta=0.999,
    ),
    _loss(
        "ldam",
        "Label-distribution-aware margins",
        "Cao et al. 2019",
        "cosine head, s = 30, largest margin 0.5",
        lm.ldam,
        build=partial(_supervised, cosine_scale=lm.SCALE, loss_for=lm.ldam),
        max_margin=0.5,
    ),
    _loss(
        "ldam_drw",
        "Label-distribution-aware margins, deferred re-weighting",
        "Cao et al. 2019",
        "as ldam; after 80 % of the epochs weights by the effective number of rows, β = 0.9999",
        lm.ldam,
        build=_ldam_drw,
        max_margin=0.5,
        drw_start=0.8,
        drw_beta=0.9999,
    ),
    _loss(
        "logit_adjustment",
        "Logit adjustment (balanced softmax)",
        "Menon et al. 2021",
        "τ = 1",
        lm.logit_adjustment,
        tau=1.0,
    ),
    _loss(
        "vs_loss",
        "Vector-scaling loss",
        "Kini et al. 2021",
        "γ = 0.3, τ = 1",
        lm.vs_loss,
        gamma=0.3,
        tau=1.0,
    ),
    Method(
        "meta_weight_net",
        "Meta-Weight-Net",
        "meta",
        WEIGHED,
        paper="Shu et al. 2019",
        note="weights from a network of the loss; balanced meta batches",
        build=_on_mlp(mwn.meta_weight_net),
        settings=(mwn.Hparams(),),
        cost=4.0,
        sources=("meta_weight_net", "meta_training"),
    ),
    Method(
        "l2rw",
        "Learning to reweight examples",
        "meta",
        WEIGHED,
        paper="Ren et al. 2018",
        note="weights from the gradient of balanced meta batches",
        build=_on_mlp(l2rw.l2rw),
        settings=(l2rw.Hparams(),),
        cost=3.0,
        sources=("l2rw", "meta_training"),
    ),
    Method(
        "metabalance",
        "MetaBalance",
        "meta",
        TRAIN,
        paper="Bansal et al. 2021",
        note="balanced loss after an inner step on imbalanced rows, η₁ = 0.1",
        build=_on_mlp(metabalance.metabalance),
        settings=(metabalance.Hparams(),),
        cost=3.0,
        sources=("metabalance", "meta_training"),
    ),
):
    _add(_method)
refit("ce")

_BUILT_IN = frozenset(_REGISTRY)
