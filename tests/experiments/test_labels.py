"""Names of a method with a network."""

import pytest

from imbax.experiments.labels import label_of, members_of, method_of, network_of, parts, shown


@pytest.mark.parametrize("network", ["", "mlp", "resnet"])
def test_networks_that_go_without_saying_are_not_in_a_label(network):
    assert shown("ce", network) == "ce"


@pytest.mark.parametrize("label", ["ce", "a (b", "(b)", " (b)"])
def test_a_label_without_a_network_is_a_name(label):
    assert parts(label) == (label, "")


@pytest.mark.parametrize("method", ["ce", "mine (old)"])
def test_a_label_is_read_as_it_is_written(method):
    assert shown(method, "realmlp") == f"{method} (realmlp)"
    assert parts(f"{method} (realmlp)") == (method, "realmlp")


def test_a_result_without_a_network_is_of_the_perceptron_if_it_is_neural():
    assert network_of({}) == network_of({"method_facts": {"neural": True}}) == "mlp"
    assert network_of({"network": "tabm", "method_facts": {"neural": True}}) == "tabm"
    assert network_of({"network": "mlp", "method_facts": {"neural": False}}) == ""


@pytest.mark.parametrize("members", ["x5", "5-fold", "3x8-fold"])
@pytest.mark.parametrize("method", ["ce", "mine (old)", "x5"])
def test_a_label_with_an_ensemble_is_read_as_it_is_written(method, members):
    assert shown(method, "mlp", members) == f"{method} {members}"
    label = shown(method, "realmlp", members)
    assert parts(label) == (f"{method} {members}", "realmlp")
    assert method_of(label) == method_of(f"{method} {members}") == method


@pytest.mark.parametrize("label", ["ce", "x5", "5-fold", "ce 5-folds", "ce x", "ce_x5", "a x5 b"])
def test_a_label_without_an_ensemble_is_a_name(label):
    assert method_of(label) == label


def test_a_result_without_an_ensemble_is_of_a_single_network():
    assert members_of({}) == members_of({"members": 1}) == members_of({"members": "1"}) == "1"
    assert label_of({"method": "ce", "members": 1}) == "ce"
    assert label_of({"method": "ce", "members": "x5", "network": "tabm"}) == "ce x5 (tabm)"
