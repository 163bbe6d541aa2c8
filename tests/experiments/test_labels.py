"""Names of a method with a network."""

import pytest

from imbax.experiments.labels import network_of, parts, shown


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
