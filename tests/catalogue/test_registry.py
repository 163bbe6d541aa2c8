"""The methods by name: complete entries, and a user's own beside them."""

from dataclasses import fields

import pytest

import imbax.experiments.tabular.baselines  # noqa: F401  registers them
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
from imbax.catalogue.spec import SCORES
from imbax.errors import InputError

KINDS = ("loss", "sampling", "generative", "meta", "tuning", "peer", "reading")


pytestmark = pytest.mark.usefixtures("own_registry")


def host(x, y, x_test, random_state):
    return x_test[:, 0]


def build(facts):
    raise AssertionError("registering a method builds nothing")


def sampler(key, train, wanted, sizes):
    raise AssertionError("registering a method draws nothing")


def cards():
    """Every card, by name."""
    return registry._REGISTRY.values()


def test_every_card_is_complete_and_has_a_use():
    for method in cards():
        assert get(method.name) is method
        assert method.title and method.sees
        assert method.kind in KINDS
        assert method.cost > 0
        assert method.tables is not None or method.images is not None
        assert method.fallback in ("", *names())


def test_no_two_cards_have_a_name_or_a_title_in_common():
    built_in = [m for module in (tabular, samplers, images) for m in module._METHODS]
    given = [method.name for method in built_in]
    assert len(set(given)) == len(given)
    assert set(given) == {m.name for m in cards() if m.built_in} - {"ce_refit"}
    titles = [method.title for method in cards()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", names())
def test_every_method_on_tables_is_complete(name):
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
        assert tables.program is get("ce").tables.program  # so that it is compiled once for all


@pytest.mark.parametrize("name", names("images"))
def test_every_method_on_images_is_complete(name):
    card = image_method(name).images
    assert card.sees and card.cost > 0
    assert (card.resample is None) == (name in ("ce", "weighted"))
    if card.trained_as:
        assert card.generator and get(card.trained_as).images.trained_as is None
        assert names("images").index(card.trained_as) < names("images").index(name)


def test_what_runs_on_both_is_one_card():
    both = set(names()) & set(names("images"))
    assert both == {"ce", "weighted", "ros", "smote", "amdo", "mc_ccr", "mc_rbo", "gamo"}
    assert all(get(name) is image_method(name) for name in both)
    assert set(names()) | set(names("images")) == {method.name for method in cards()}


def test_suites_name_built_in_methods_and_peers_in_their_order():
    for chosen in (METHODS, PAPER):
        assert set(chosen) <= set(names())
        assert list(chosen) == sorted(chosen, key=names().index)


def test_a_method_of_ones_own_is_found_and_may_be_replaced():
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
    mine = register("mine", sampler=sampler)
    assert (names()[-1], names("images")[-1]) == ("mine", "mine")
    ce = get("ce").tables
    assert (mine.tables.program, mine.tables.settings) == (ce.program, ce.settings)
    assert mine.tables.several_classes and mine.tables.resample and mine.images.resample
    assert (mine.title, mine.kind, mine.sees) == ("mine", "custom", "not declared")
    own = register("mine", build, sampler=sampler).tables
    assert (own.program, own.settings, own.several_classes) == (build, (), False)
    assert own.resample
    card = OnImages(sampler, cost=3.0)
    assert register("mine", sampler=sampler, images=card).images is card


def test_a_method_may_run_on_images_alone():
    card = OnImages(sampler)
    mine = register("mine", images=card, title="Mine", note="of pixels")
    assert (mine.images, mine.tables, mine.note) == (card, None, "of pixels")
    assert mine is image_method("mine")
    assert "mine" not in names()


def test_every_field_of_a_card_can_be_given():
    cards = {
        "title": "Mine",
        "kind": "peer",
        "sees": "all",
        "paper": "Me 2026",
        "note": "n",
        "cost": 2.0,
        "fallback": "ros",
    }
    of_tables = {
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
    mine = register("mine", build, **cards, **of_tables)
    assert {name: getattr(mine, name) for name in cards} == cards
    assert {name: getattr(mine.tables, name) for name in of_tables} == of_tables
    known = {field.name for record in (Method, OnTables) for field in fields(record)}
    assert known == {*cards, *of_tables, "name", "tables", "images", "built_in", "program"}


@pytest.mark.parametrize("name", ["focal", "own"])
def test_a_refit_is_added_once_by_its_name(name):
    if name == "own":
        register("own", build, title="Own", note="n")
    refit = get(f"{name}_refit")
    assert refit is get(f"{name}_refit") is registry._REGISTRY[f"{name}_refit"]
    assert refit.tables.refits and refit.tables.starts_from == name
    assert refit.images is None
    assert refit.title == f"{get(name).title}, refit on training and validation rows"
    assert refit.note.startswith(get(name).note)


def test_the_refit_of_a_method_registered_again_is_of_the_new_one():
    register("own", build, title="Own")
    former = get("own_refit")
    register("own", build, title="Own, better")
    assert get("own_refit") is not former
    assert get("own_refit").title.startswith("Own, better")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: register("ce", host=host), "'ce' is built in; register yours under another name"),
        (lambda: register("bagan", host=host), "'bagan' is built in"),
        (lambda: register("mine"), "'mine' does nothing; give it `build` or `sampler`"),
        (lambda: register("mine", title="Mine"), "'mine' does nothing"),
        (lambda: register("mine", build, host=host), "'mine' needs either `build`"),
        (lambda: register("mine", host=host, sampler=sampler), "'mine' needs either"),
        (
            lambda: register("mine", sampler=sampler, resample=sampler),
            "both `sampler` and `resample`",
        ),
        (
            lambda: register("mine", images=OnImages(sampler), scores="rank", settings=((),)),
            "on images alone, but these fields are for tables: scores, settings",
        ),
        (
            lambda: register("mine", build, scores="odds"),
            "'mine' has scores='odds'; expected",
        ),
        (lambda: register("mine", build, nots=""), "'mine' has 'nots'.*did you mean 'note'"),
        (lambda: register("mine", build, classes=3), "'mine' has 'classes'.*no field of a method"),
        (lambda: register("mine", build, built_in=True), "'mine' has 'built_in'"),
        (lambda: register("mine", build, program=build), "'mine' has 'program'"),
        (lambda: register("mine", build, tables=OnTables(build)), "'mine' has 'tables'"),
        (lambda: get("explicit_gradent"), "unknown method .*did you mean 'explicit_gradient'"),
        (lambda: image_method("focal"), "no method 'focal' for images"),
        (lambda: image_method("deepsmot"), "for images.*did you mean 'deepsmote'"),
    ],
)
def test_mistakes_are_named_and_change_nothing(call, message):
    before = names(), names("images")
    with pytest.raises(InputError, match=message):
        call()
    assert (names(), names("images")) == before
