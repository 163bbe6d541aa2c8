"""The methods that come with imbax: one entry here and one file beside it for each."""

from dataclasses import replace
from functools import partial

from imbax.catalogue.adapters import copies_of_classes, smote_of_classes
from imbax.catalogue.registry import Method, add, refit
from imbax.losses import named as lm
from imbax.methods import cwgan as gan
from imbax.methods import explicit_gradient as eg
from imbax.methods import l2rw, metabalance
from imbax.methods import meta_weight_net as mwn
from imbax.methods import supervised as sv
from imbax.methods.adasyn import adasyn
from imbax.methods.borderline_smote import borderline_smote
from imbax.methods.duplicate import duplicate
from imbax.methods.potential import potential
from imbax.methods.random_under import random_under
from imbax.methods.smote import smote
from imbax.methods.sugar import sugar
from imbax.methods.table_rows import table_amdo, table_gamo, table_mc_ccr, table_mc_rbo
from imbax.networks.mlp import mlp
from imbax.training import balanced_minibatches

__all__: list[str] = []

_PAPER = "Yasinnik et al. 2022"
TRAIN = "training rows; validation rows choose the epoch"
WEIGHED = "training rows; validation labels weigh the rows and choose the epoch"


def _supervised(facts, cosine_scale=None, **options):
    return sv.supervised(_mlp(facts, cosine_scale), **options)


def _mlp(facts, cosine_scale=None):
    return mlp(facts.features, cosine_scale=cosine_scale, classes=facts.classes)


def _balanced(facts):
    return _supervised(facts, minibatches=partial(balanced_minibatches, classes=facts.classes))


def _ldam_drw(facts):
    loss_for = lm.deferred(lm.ldam, facts.epochs)
    return _supervised(facts, lm.SCALE, loss_for=loss_for)


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


def _over(sampler, of_several=None):
    """An over-sampler as `Method.resample` has it, and what does the same for more classes."""

    def resample(key, problem, facts, **options):
        if facts.classes > 2:
            return of_several(key, problem, facts)
        sizes = {"max_synth": facts.max_synth, "max_minority": facts.max_minority}
        return sampler(key, problem, n_synth=facts.n_synth, **sizes, **options)

    return resample


def _cwgan(key, problem, facts):
    """The GAN's own training, whose length goes with the classifier's."""
    config = gan.Config(iterations=15 * facts.epochs, classifier_steps=5 * facts.epochs)
    return _over(gan.cwgan)(key, problem, facts, config=config)


def _under(key, problem, facts):
    return random_under(key, problem, max_minority=facts.max_minority)


def _explicit_gradient(facts, **options):
    config = eg.Config(facts.max_minority, facts.max_synth, facts.n_synth, **options)
    return eg.explicit_gradient(_mlp(facts), config)


def _on_mlp(method):
    """A builder of a method that needs nothing but a network."""
    return lambda facts: method(_mlp(facts))


_TWO_CLASSES = ("potential", "random_under", "borderline_smote", "adasyn", "sugar", "cwgan")
_EG = {"kind": "meta", "paper": _PAPER, "starts_from": "ce"}
_SAMPLER = {"kind": "sampling", "sees": TRAIN, "build": _supervised, "settings": (sv.Hparams(),)}
_GAN_NETWORKS = ("../networks/tabular_gan", "../networks/deep_cross")
_SMOTE_SOURCES = ("smote", "../neighbors", "duplicate", "supervised")
_EG_SOURCES = ("explicit_gradient", "points", "class_smote", *_SMOTE_SOURCES)
_MIXER = ("gamo", "generator", "../networks/convex_mixer", "../networks/normalized")
_CLASS_SOURCES = ("class_rows", "points", "class_duplicate", "class_smote", *_SMOTE_SOURCES)
_TABLE_SOURCES = ("table_rows", "amdo", "mc_ccr", "mc_rbo", *_MIXER, *_CLASS_SOURCES)

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
        resample=_over(duplicate, copies_of_classes),
        sources=_CLASS_SOURCES,
        **_SAMPLER,
    ),
    Method(
        "rs",
        "Balanced minibatches",
        "sampling",
        TRAIN,
        note="as many rows of each class in a batch, drawn with replacement within classes",
        build=_balanced,
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
        build=_supervised,
        resample=lambda key, problem, facts: potential(key, problem),
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
        resample=_under,
        sources=("random_under", "supervised"),
        **_SAMPLER,
    ),
    Method(
        "smote",
        "SMOTE",
        paper="Chawla et al. 2002",
        note="k = 5",
        resample=_over(smote, smote_of_classes),
        fallback="ros",
        sources=_CLASS_SOURCES,
        **_SAMPLER,
    ),
    Method(
        "borderline_smote",
        "Borderline-SMOTE",
        paper="Han et al. 2005",
        note="kind 1, k = 5, m = 10",
        resample=_over(borderline_smote),
        fallback="smote",
        sources=("borderline_smote", *_SMOTE_SOURCES),
        **_SAMPLER,
    ),
    Method(
        "adasyn",
        "ADASYN",
        paper="He et al. 2008",
        note="k = 5, exact totals",
        resample=_over(adasyn),
        fallback="smote",
        sources=("adasyn", *_SMOTE_SOURCES),
        **_SAMPLER,
    ),
    Method(
        "sugar",
        "SUGAR",
        paper="Lindenbaum et al. 2018",
        note="k = 5, one step of diffusion, not rescaled",
        resample=_over(sugar),
        fallback="ros",
        sources=("sugar", *_SMOTE_SOURCES),
        **_SAMPLER,
    ),
    Method(
        "cwgan",
        "Conditional Wasserstein GAN",
        paper="Engelmann & Lessmann 2021",
        note="λ = 15; 15 generator steps, each after 3 of the critic, per epoch; averaged",
        resample=_cwgan,
        cost=20.0,
        fallback="ros",
        sources=("cwgan", *_GAN_NETWORKS, *_SMOTE_SOURCES),
        **_SAMPLER,
    ),
    Method(
        "amdo",
        "MDO, the part of AMDO that concerns numbers",
        paper="Abdi & Hashemi 2016, Yang et al. 2018",
        note="directions uniform on the ellipsoid",
        resample=table_amdo,
        sources=_TABLE_SOURCES,
        **_SAMPLER,
    ),
    Method(
        "mc_ccr",
        "Combined cleaning and resampling",
        paper="Koziarski et al. 2020",
        note="energy 1.5 median distances to the nearest majority row; majority rows move",
        resample=table_mc_ccr,
        cost=2.0,
        sources=_TABLE_SOURCES,
        **_SAMPLER,
    ),
    Method(
        "mc_rbo",
        "Radial-based over-sampling",
        paper="Krawczyk et al. 2020",
        note="γ and step by the median distance to the nearest minority row",
        resample=table_mc_rbo,
        cost=2.0,
        sources=_TABLE_SOURCES,
        **_SAMPLER,
    ),
    Method(
        "gamo",
        "GAMO",
        paper="Mullick et al. 2019",
        note="15 steps of the GAN per epoch; mixes of minority rows as they are",
        resample=table_gamo,
        cost=20.0,
        sources=_TABLE_SOURCES,
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
        "weighted",
        "Cross-entropy, classes weighed alike",
        "",
        "weights by inverse frequency",
        lm.class_balanced,
        beta=1.0,
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
    add(replace(_method, built_in=True, several_classes=_method.name not in _TWO_CLASSES))
add(replace(refit("ce"), built_in=True))
