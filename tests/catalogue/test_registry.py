"""The methods by name: complete entries, and a user's own beside them."""

from pathlib import Path

import pytest

import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax import methods
from imbax.catalogue import get, names, register, registry
from imbax.errors import InputError
from imbax.experiments.suites import METHODS, PAPER


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


def host(x, y, x_test, random_state):
    return x_test[:, 0]


def build(facts):
    raise AssertionError("registering a method builds nothing")


def test_every_entry_is_complete():
    folder = Path(methods.__file__).parent
    for name in names():
        method = get(name)
        assert method.name == name
        assert method.title
        assert method.sees
        assert method.kind in ("loss", "sampling", "meta", "tuning", "peer", "reading")
        assert (method.build is None) != (method.host is None)
        assert all((folder / f"{source}.py").is_file() for source in method.sources)
        if method.starts_from:
            assert names().index(method.starts_from) < names().index(name)


def test_suites_name_built_in_methods_and_peers_in_their_order():
    for chosen in (METHODS, PAPER):
        assert set(chosen) <= set(names())
        assert list(chosen) == sorted(chosen, key=names().index)


def test_a_method_of_ones_own_is_found_by_name_and_may_be_replaced():
    for title in ("Mine", "Mine, better"):
        assert register("mine", host=host, title=title) is get("mine")
        assert (get("mine").title, get("mine").kind) == (title, "custom")
    assert names()[-1] == "mine"
    assert names().count("mine") == 1
    assert register("other", build).build is build
    assert (get("mine").scores, get("other").scores) == ("rank", "logit")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: register("ce", host=host), "'ce' is built in; register yours under another name"),
        (lambda: register("mine"), "'mine' needs either `build`"),
        (lambda: register("mine", build, host=host), "'mine' needs either `build`"),
        (
            lambda: register("mine", build, scores="odds"),
            "'mine' has scores='odds'; expected",
        ),
        (lambda: get("explicit_gradent"), "unknown method .*did you mean 'explicit_gradient'"),
    ],
)
def test_mistakes_are_named_and_change_nothing(call, message):
    before = names()
    with pytest.raises(InputError, match=message):
        call()
    assert names() == before
