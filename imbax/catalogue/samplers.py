"""Samplers, each with one entry for tables, where `ce` is trained on the result, and images."""

from dataclasses import replace
from functools import partial

from imbax.catalogue.adapters import (
    add_images,
    add_rows,
    add_rows_by,
    add_withheld,
    cwgan_on_tables,
    gamo_on_images,
    gamo_on_tables,
    generate_images,
    keep_rows,
)
from imbax.catalogue.registry import add
from imbax.catalogue.spec import Method, OnImages
from imbax.catalogue.tabular import CE, SEES_TRAIN
from imbax.methods import (
    adasyn,
    amdo,
    borderline_smote,
    duplicate,
    mc_ccr,
    mc_rbo,
    potential,
    random_under,
    smote,
    sugar,
)

__all__: list[str] = []


def _sampler(name, title, resample, *, kind="sampling", sees=SEES_TRAIN, **about):
    """Returns a method that trains `ce` on the rows of `resample(key, problem, facts)`."""
    return Method(name, title, kind, sees, tables=replace(CE, resample=resample), **about)


def _over_sampler(name, title, sample, *, images=True, image_cost=1.0, image_note="", **about):
    """Returns an over-sampler for tables and, unless `images` is False, for images."""
    on_images = OnImages(partial(add_images, sample), cost=image_cost, note=image_note)
    resample = partial(add_rows, sample)
    return _sampler(name, title, resample, images=on_images if images else None, **about)


_METHODS = (
    _over_sampler("ros", "Random over-sampling", duplicate.sample),
    replace(
        _sampler(
            "potential",
            "Withheld minority rows (upper bound)",
            partial(add_withheld, potential.sample),
            sees="training rows and as many withheld minority rows; validation rows choose the "
            "epoch",
            paper="Yasinnik et al. 2022",
        ),
        tables=replace(
            CE,
            resample=partial(add_withheld, potential.sample),
            needs_withheld=True,
            several_classes=False,
        ),
    ),
    _sampler(
        "random_under",
        "Random under-sampling",
        partial(keep_rows, random_under.sample),
        note="all classes reduced to the size of the smallest, drawn once",
    ),
    _over_sampler(
        "smote",
        "SMOTE",
        smote.sample,
        paper="Chawla et al. 2002",
        note="k = 5",
        image_note="in pixel space",
        fallback="ros",
    ),
    _over_sampler(
        "borderline_smote",
        "Borderline-SMOTE",
        borderline_smote.sample,
        paper="Han et al. 2005",
        note="kind 1, k = 5, m = 10; one-vs-rest for several classes",
        fallback="smote",
        images=False,
    ),
    _over_sampler(
        "adasyn",
        "ADASYN",
        adasyn.sample,
        paper="He et al. 2008",
        note="k = 5, exact totals; one-vs-rest for several classes",
        fallback="smote",
        images=False,
    ),
    _over_sampler(
        "sugar",
        "SUGAR",
        sugar.sample,
        paper="Lindenbaum et al. 2018",
        note="k = 5, one step of diffusion, not rescaled; one-vs-rest for several classes",
        fallback="ros",
        images=False,
    ),
    _sampler(
        "cwgan",
        "Conditional Wasserstein GAN",
        partial(add_rows_by, cwgan_on_tables),
        paper="Engelmann & Lessmann 2021",
        note="λ = 15; 15 generator steps per epoch, each after 3 critic steps; averaged generator; "
        "one-vs-rest for several classes",
        cost=20.0,
        fallback="ros",
    ),
    _over_sampler(
        "amdo",
        "AMDO for numeric features (MDO)",
        amdo.sample,
        paper="Abdi & Hashemi 2016, Yang et al. 2018",
        note="directions uniform on the ellipsoid",
        image_note="full counts",
    ),
    _over_sampler(
        "mc_ccr",
        "MC-CCR: combined cleaning and resampling",
        mc_ccr.sample,
        paper="Koziarski et al. 2020",
        note="energy of 1.5 median distances to the nearest row of a larger class; cleaning moves "
        "rows of larger classes",
        cost=2.0,
        image_cost=1.5,
    ),
    _over_sampler(
        "mc_rbo",
        "MC-RBO: radial-based over-sampling",
        mc_rbo.sample,
        paper="Krawczyk et al. 2020",
        note="γ and step size from the median distance to the nearest row of the class",
        cost=2.0,
        image_cost=1.5,
    ),
    _sampler(
        "gamo",
        "GAMO",
        partial(add_rows_by, gamo_on_tables),
        kind="generative",
        paper="Mullick et al. 2019",
        note="convex combinations of the rows; 15 GAN steps per epoch",
        cost=20.0,
        images=OnImages(
            generate_images,
            gamo_on_images,
            cost=3.0,
            note="six times the epochs of other generators",
        ),
    ),
)
for _method in _METHODS:
    add(replace(_method, built_in=True))
