"""Methods with a number in their name, and groups of methods on the command line."""

import numpy as np
import pytest

import imbax.experiments.tabular.baselines  # noqa: F401  registers the baselines
from imbax.catalogue import get
from imbax.errors import InputError
from imbax.experiments.images.suite import _methods as image_methods
from imbax.experiments.suites import load_suite
from imbax.experiments.tabular.suite import methods_of


class Options:
    methods = ("readings",)


def test_number_of_mesa_trees_is_part_of_the_name(monkeypatch):
    built = []

    class Mesa:
        def __init__(self, n_estimators, random_state):
            built.append(n_estimators)

        def fit(self, *rows):
            return self

        def predict_proba(self, x):
            return np.zeros((len(x), 2))

    monkeypatch.setattr("imbax.estimators.mesa.Mesa", Mesa)
    x, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])
    for name in ("mesa", "mesa_3", "mesa_20"):
        method = get(name)
        assert method.name == name and method.tables.host_sees_valid
        method.tables.host(x, y, x, 0, x_valid=x, y_valid=y)
    assert built == [10, 3, 20]
    assert "20 trees" in get("mesa_20").note


@pytest.mark.parametrize("name", ["mesa_0", "mesa_x", "mesa_", "ce_3"])
def test_other_numbers_are_unknown_methods(name):
    with pytest.raises(InputError, match="unknown method"):
        get(name)


def test_readings_of_deepsmote_are_a_group():
    group = [method.name for method in image_methods(load_suite("digits"), Options)]
    assert group[0] == "deepsmote"
    kinds = ("paper", "permuted", "none", "encoder", "inverse", "decoded")
    assert sorted(group[1:]) == sorted(f"deepsmote_{kind}" for kind in kinds)


def test_readings_of_explicit_gradient_are_a_group():
    group = methods_of(load_suite("imblearn27"), ["readings"])
    assert group[:2] == ("explicit_gradient", "explicit_gradient_frozen")
    assert set(group[2:]) >= {"eg_steps_5", "eg_inner_synth", "eg_last"}
    assert all(get(name).kind == "reading" for name in group[2:])


def test_groups_mix_with_other_methods():
    suite = load_suite("imblearn27")
    chosen = methods_of(suite, ["focal", "paper", "ce", "ldam"])
    paper = methods_of(suite, ["paper"])
    assert chosen == ("focal", *(name for name in paper if name != "focal"))
    every, readings = (methods_of(suite, [name]) for name in ("all", "readings"))
    both = methods_of(suite, ["all", "readings"])
    assert both[: len(every)] == every and set(both) == {*every, *readings}

    class Images:
        methods = ("ros", "readings", "ros")

    assert [method.name for method in image_methods(load_suite("digits"), Images)] == [
        "ros",
        *(method.name for method in image_methods(load_suite("digits"), Options)),
    ]
    with pytest.raises(InputError, match="mesa supports only two classes"):
        methods_of(load_suite("long_tail"), ["ce", "paper"])
