"""Methods that train on tables: losses, reference methods and meta-learning.

Every loss in `losses.named` is a method here.
"""

from dataclasses import replace
from functools import partial

from imbax.catalogue.adapters import (
    explicit_gradient_on_tables,
    on_network,
    supervised_balanced,
    supervised_with,
)
from imbax.catalogue.registry import add
from imbax.catalogue.spec import Method, OnImages, OnTables
from imbax.losses.named import NAMED
from imbax.methods import explicit_gradient as eg
from imbax.methods import l2rw, metabalance
from imbax.methods import meta_weight_net as mwn
from imbax.methods import supervised as sv

__all__ = ["CE", "SEES_TRAIN"]

SEES_TRAIN = "training rows; validation rows choose the epoch"
_SEES_WEIGHTS = "training rows; validation labels weight the rows and choose the epoch"
_PAPER = "Yasinnik et al. 2022"


def _loss(name, images=None):
    loss = NAMED[name]
    settings = (sv.Hparams(loss=loss.defaults),)
    program = partial(supervised_with, loss.loss_for, loss.head)
    tables = OnTables(program, settings=settings)
    fields = {"paper": loss.paper, "note": loss.note, "tables": tables, "images": images}
    return Method(name, loss.title, "loss", SEES_TRAIN, **fields)


_CE = _loss("ce", OnImages(note="unchanged images"))
CE = _CE.tables
"""Cross-entropy on tables, the basis of samplers and other methods."""

_EXPLICIT_GRADIENT = Method(
    "explicit_gradient",
    "Explicit Gradient",
    "meta",
    "training rows; validation labels move the synthetic rows and choose the epoch",
    paper=_PAPER,
    note="η₁ = 0.01, η₂ = 10, c = 1; starts from ce's best checkpoint",
    cost=3.0,
    tables=OnTables(explicit_gradient_on_tables, settings=(eg.Hparams(),), starts_from="ce"),
)


def _moved(name, title, note, frozen=False):
    options = {"checkpoint": "best_moved"} | ({"frozen": True} if frozen else {})
    tables = replace(
        _EXPLICIT_GRADIENT.tables,
        program=partial(explicit_gradient_on_tables, **options),
        settings=(eg.Hparams(eta2=0.0) if frozen else eg.Hparams(),),
        options=options,
    )
    sees = SEES_TRAIN if frozen else _EXPLICIT_GRADIENT.sees
    changes = {"name": name, "title": title, "note": note, "tables": tables, "sees": sees}
    return replace(_EXPLICIT_GRADIENT, cost=1.5 if frozen else 3.0, **changes)


_METHODS = (
    _CE,
    Method(
        "ce_long",
        "Cross-entropy, trained as long as Explicit Gradient",
        "loss",
        SEES_TRAIN,
        note="the training of ce, continued",
        tables=replace(CE, starts_from="ce", resumes=True),
    ),
    Method(
        "ce_tuned",
        "Cross-entropy with tuned weight decay",
        "tuning",
        "training rows; validation rows choose the epoch and the weight decay",
        note="AdamW with weight decay 0, 0.1 or 1",
        cost=3.0,
        tables=replace(
            CE, settings=tuple(sv.Hparams(weight_decay=decay) for decay in (0.0, 0.1, 1.0))
        ),
    ),
    Method(
        "rs",
        "Balanced mini-batches",
        "sampling",
        SEES_TRAIN,
        note="equal numbers of rows per class in a batch, drawn with replacement within classes",
        tables=OnTables(
            supervised_balanced, settings=(sv.Hparams(),), options={"minibatches": "balanced"}
        ),
    ),
    _EXPLICIT_GRADIENT,
    replace(
        _EXPLICIT_GRADIENT,
        name="explicit_gradient_frozen",
        title="Explicit Gradient, fixed synthetic rows",
        sees=SEES_TRAIN,
        note="η₂ = 0, otherwise equal: the fair ablation",
        cost=1.5,
        tables=OnTables(
            partial(explicit_gradient_on_tables, frozen=True),
            settings=(eg.Hparams(eta2=0.0),),
            starts_from="ce",
            options={"frozen": True},
        ),
    ),
    _moved(
        "explicit_gradient_moved",
        "Explicit Gradient, best epoch with moved rows",
        "as explicit_gradient, but the best of epochs >= 1: θ₀ is no checkpoint",
    ),
    _moved(
        "explicit_gradient_moved_frozen",
        "Explicit Gradient, fixed synthetic rows, best of epochs >= 1",
        "η₂ = 0, otherwise equal to explicit_gradient_moved",
        frozen=True,
    ),
    *(_loss(name) for name in NAMED if name not in ("ce", "weighted")),
    _loss("weighted", OnImages(weighted=True)),
    Method(
        "meta_weight_net",
        "Meta-Weight-Net",
        "meta",
        _SEES_WEIGHTS,
        paper="Shu et al. 2019",
        note="row weights from a network on the loss; balanced meta-batches",
        cost=4.0,
        tables=OnTables(partial(on_network, mwn.program), settings=(mwn.Hparams(),)),
    ),
    Method(
        "l2rw",
        "Learning to reweight examples",
        "meta",
        _SEES_WEIGHTS,
        paper="Ren et al. 2018",
        note="row weights from the gradient on balanced meta-batches",
        cost=3.0,
        tables=OnTables(partial(on_network, l2rw.program), settings=(l2rw.Hparams(),)),
    ),
    Method(
        "metabalance",
        "MetaBalance",
        "meta",
        SEES_TRAIN,
        paper="Bansal et al. 2021",
        note="balanced loss after an inner update on imbalanced rows, η₁ = 0.1",
        cost=3.0,
        tables=OnTables(
            partial(on_network, metabalance.program), settings=(metabalance.Hparams(),)
        ),
    ),
)
for _method in _METHODS:
    add(replace(_method, built_in=True))
