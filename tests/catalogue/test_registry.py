"""Registry of methods: complete entries, and registration by users."""

from dataclasses import fields

import pytest

import imbax.experiments.tabular.baselines  # noqa: F401  registers the baselines
from imbax.catalogue import (
    METHODS,
    PAPER,
    Method,
    OnImages,
    OnTables,
    get,
    image_method,
    images,
    names,
    register,
    registry,
    samplers,
    tabular,
)
from imbax.catalogue.adapters import generate_images
from imbax.catalogue.spec import SCORES
from imbax.errors import InputError

KINDS = ("loss", "sampling", "decoupled", "generative", "meta", "tuning", "peer", "reading")


pytestmark = pytest.mark.usefixtures("own_registry")


def host(x, y, x_test, random_state):
    return x_test[:, 0]


def build(facts):
    raise AssertionError("registration must not build a program")


def sampler(key, train, wanted, sizes):
    raise AssertionError("registration must not draw rows")


def entries():
    """Returns all entries."""
    return registry._REGISTRY.values()


def test_every_entry_is_complete_and_has_a_use():
    for method in entries():
        assert get(method.name) is method
        assert method.title and method.sees
        assert method.kind in KINDS
        assert method.cost > 0
        assert method.tables is not None or method.images is not None
        assert method.fallback in ("", *names())


def test_names_and_titles_are_unique():
    built_in = [m for module in (tabular, samplers, images) for m in module._METHODS]
    method_names = [method.name for method in built_in]
    assert len(set(method_names)) == len(method_names)
    assert set(method_names) == {m.name for m in entries() if m.built_in} - {"ce_refit"}
    titles = [method.title for method in entries()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", names())
def test_every_table_method_is_complete(name):
    method, tables = get(name), get(name).tables
    assert (tables.program is None) != (tables.host is None)
    assert method.is_neural == (tables.host is None)
    assert tables.scores in SCORES
    assert tables.settings or tables.host
    assert not (tables.resumes or tables.refits) or tables.starts_from
    if tables.starts_from:
        assert names().index(tables.starts_from) < names().index(name)
        assert get(tables.starts_from).is_neural
    if tables.resample:
        assert tables.program is get("ce").tables.program  # so that they share compiled programs


@pytest.mark.parametrize("name", names("images"))
def test_every_image_method_is_complete(name):
    card = image_method(name).images
    assert card.sees and card.cost > 0
    unchanged = ("ce", "weighted", "crt", "tau_norm", "feature_smote")
    assert (card.resample is None) == (name in unchanged)
    assert (card.retrain is None) == (image_method(name).kind != "decoupled")
    if card.trained_as:
        assert card.generator and get(card.trained_as).images.trained_as is None
        assert names("images").index(card.trained_as) < names("images").index(name)


def test_methods_on_both_have_one_entry():
    both = set(names()) & set(names("images"))
    assert both == {"ce", "weighted", "ros", "smote", "amdo", "mc_ccr", "mc_rbo", "gamo"}
    assert all(get(name) is image_method(name) for name in both)
    assert set(names()) | set(names("images")) == {method.name for method in entries()}


def test_method_lists_follow_the_registry_order():
    for chosen in (METHODS, PAPER):
        assert set(chosen) <= set(names())
        assert list(chosen) == sorted(chosen, key=names().index)


def test_user_method_is_found_and_can_be_replaced():
    for title in ("Mine", "Mine, better"):
        assert register("mine", host=host, title=title) is get("mine")
        assert (get("mine").title, get("mine").kind) == (title, "custom")
    assert names()[-1] == "mine"
    assert names().count("mine") == 1
    assert "mine" not in names("images")
    assert register("other", build).tables.program is build
    scores = get("mine").tables.scores, get("other").tables.scores
    assert scores == ("rank", "logit")
    assert not get("mine").tables.several_classes
    assert not get("other").built_in


def test_a_sampler_runs_on_tables_and_on_images():
    custom = register("mine", sampler=sampler)
    assert (names()[-1], names("images")[-1]) == ("mine", "mine")
    ce = get("ce").tables
    assert (custom.tables.program, custom.tables.settings) == (ce.program, ce.settings)
    assert custom.tables.several_classes and custom.tables.resample and custom.images.resample
    assert (custom.title, custom.kind, custom.sees) == ("mine", "custom", "not declared")
    with_build = register("mine", build, sampler=sampler).tables
    assert (with_build.program, with_build.settings, with_build.several_classes) == (
        build,
        (),
        False,
    )
    assert with_build.resample
    card = OnImages(sampler, cost=3.0)
    assert register("mine", sampler=sampler, images=card).images is card


def test_a_method_may_run_on_images_alone():
    card = OnImages(sampler)
    custom = register("mine", images=card, title="Mine", note="in pixel space")
    assert (custom.images, custom.tables, custom.note) == (card, None, "in pixel space")
    assert custom is image_method("mine")
    with_generator = register("mine", generator=build).images
    assert (with_generator.generator, with_generator.resample) == (build, generate_images)
    assert "mine" not in names()


def test_every_field_can_be_set():
    entries = {
        "title": "Mine",
        "kind": "peer",
        "sees": "all",
        "paper": "Me 2026",
        "note": "n",
        "cost": 2.0,
        "fallback": "ros",
    }
    table_fields = {
        "resample": sampler,
        "settings": ((),),
        "starts_from": "ce",
        "resumes": True,
        "refits": True,
        "one_epoch": True,
        "host": None,
        "host_sees_valid": True,
        "rows": "train",
        "package": "numpy",
        "scores": "probability",
        "several_classes": True,
        "needs_withheld": True,
        "options": {"a": 1},
    }
    custom = register("mine", build, **entries, **table_fields)
    assert {name: getattr(custom, name) for name in entries} == entries
    assert {name: getattr(custom.tables, name) for name in table_fields} == table_fields
    known = {field.name for record in (Method, OnTables) for field in fields(record)}
    assert known == {*entries, *table_fields, "name", "tables", "images", "built_in", "program"}


@pytest.mark.parametrize("name", ["focal", "own"])
def test_refit_is_added_once(name):
    if name == "own":
        register("own", build, title="Own", note="n")
    refit = get(f"{name}_refit")
    assert refit is get(f"{name}_refit") is registry._REGISTRY[f"{name}_refit"]
    assert refit.tables.refits and refit.tables.starts_from == name
    assert refit.images is None
    assert refit.title == f"{get(name).title}, refit on training and validation rows"
    assert refit.note.startswith(get(name).note)


def test_refit_follows_a_replaced_method():
    register("own", build, title="Own")
    former = get("own_refit")
    register("own", build, title="Own, better")
    assert get("own_refit") is not former
    assert get("own_refit").title.startswith("Own, better")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: register("ce", host=host), "'ce' is built in; choose another name"),
        (lambda: register("bagan", host=host), "'bagan' is built in"),
        (lambda: register("mine"), "'mine' has no code; give `build` or `sampler`"),
        (lambda: register("mine", title="Mine"), "'mine' has no code"),
        (lambda: register("mine", build, host=host), r"'mine' has both JAX code \(`build`"),
        (lambda: register("mine", host=host, sampler=sampler), "'mine' has both JAX code"),
        (
            lambda: register("mine", sampler=sampler, resample=sampler),
            "both `sampler` and `resample`",
        ),
        (
            lambda: register("mine", images=OnImages(sampler), scores="rank", settings=((),)),
            "only on images, but has fields for tables: scores, settings",
        ),
        (
            lambda: register("mine", build, scores="odds"),
            "'mine' has scores='odds'; expected",
        ),
        (
            lambda: register("mine", build, nots=""),
            "'mine' has the unknown field 'nots'.*did you mean 'note'",
        ),
        (lambda: register("mine", build, classes=3), "'mine' has the unknown field 'classes'"),
        (lambda: register("mine", build, built_in=True), "'mine' has the unknown field 'built_in'"),
        (lambda: register("mine", build, program=build), "'mine' has the unknown field 'program'"),
        (
            lambda: register("mine", build, tables=OnTables(build)),
            "'mine' has the unknown field 'tables'",
        ),
        (
            lambda: register("mine", generator=build, images=OnImages(sampler)),
            "'mine' has both `generator` and `images`; leave out one",
        ),
        (lambda: register("mine", generator=3), "'mine': generator=3, expected a function"),
        (
            lambda: register("mine", images=sampler),
            "images=.*, expected an `imbax.OnImages`",
        ),
        (lambda: OnImages(generator=build), "does not use the trained generator; give `resample`"),
        (lambda: get("explicit_gradent"), "unknown method .*did you mean 'explicit_gradient'"),
        (lambda: image_method("focal"), "unknown image method 'focal'"),
        (lambda: image_method("deepsmot"), "unknown image method.*did you mean 'deepsmote'"),
    ],
)
def test_mistakes_are_refused_without_changes(call, message):
    before = names(), names("images")
    with pytest.raises(InputError, match=message):
        call()
    assert (names(), names("images")) == before
