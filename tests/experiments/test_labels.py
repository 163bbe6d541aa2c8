"""Labels of methods with networks and ensembles."""

import pytest

from imbax.experiments.labels import label_of, members_of, method_of, network_of, parts, shown


@pytest.mark.parametrize("network", ["", "mlp", "resnet"])
def test_default_networks_are_not_in_labels(network):
    assert shown("ce", network) == "ce"


@pytest.mark.parametrize("label", ["ce", "a (b", "(b)", " (b)"])
def test_labels_without_a_network_equal_method_names(label):
    assert parts(label) == (label, "")


@pytest.mark.parametrize("method", ["ce", "mine (old)"])
def test_labels_with_networks_round_trip(method):
    assert shown(method, "realmlp") == f"{method} (realmlp)"
    assert parts(f"{method} (realmlp)") == (method, "realmlp")


def test_old_neural_results_have_the_network_mlp():
    assert network_of({}) == network_of({"method_facts": {"neural": True}}) == "mlp"
    assert network_of({"network": "tabm", "method_facts": {"neural": True}}) == "tabm"
    assert network_of({"network": "mlp", "method_facts": {"neural": False}}) == ""


@pytest.mark.parametrize("members", ["x5", "5-fold", "3x8-fold"])
@pytest.mark.parametrize("method", ["ce", "mine (old)", "x5"])
def test_labels_with_ensembles_round_trip(method, members):
    assert shown(method, "mlp", members) == f"{method} {members}"
    label = shown(method, "realmlp", members)
    assert parts(label) == (f"{method} {members}", "realmlp")
    assert method_of(label) == method_of(f"{method} {members}") == method


@pytest.mark.parametrize("label", ["ce", "x5", "5-fold", "ce 5-folds", "ce x", "ce_x5", "a x5 b"])
def test_labels_without_an_ensemble_equal_method_names(label):
    assert method_of(label) == label


def test_old_results_have_a_single_network():
    assert members_of({}) == members_of({"members": 1}) == members_of({"members": "1"}) == "1"
    assert label_of({"method": "ce", "members": 1}) == "ce"
    assert label_of({"method": "ce", "members": "x5", "network": "tabm"}) == "ce x5 (tabm)"
