"""Names of a method with a network, as tables, folders and progress show them.

A method is shown by its name alone with the network that its kind of experiment trains unless
another is asked for, and as `ce (realmlp)` with any other. `store.read` gives labels in place of
names, so that no mean is taken over networks.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["label_of", "network_of", "parts", "shown"]

_UNNAMED = ("", "mlp", "resnet")


def shown(method: str, network: str) -> str:
    """Label of a method with a network; network "" for a method that trains none of imbax's."""
    return method if network in _UNNAMED else f"{method} ({network})"


def parts(label: str) -> tuple[str, str]:
    """Method and network of a label; the network is "" where the label names none."""
    method, opening, network = label.rpartition(" (")
    if method and opening and network.endswith(")"):
        return method, network[:-1]
    return label, ""


def label_of(provenance: Mapping[str, Any]) -> str:
    """Label of a stored result."""
    return shown(provenance["method"], network_of(provenance))


def network_of(provenance: Mapping[str, Any]) -> str:
    """Network of a stored result: "mlp" where it was stored before there were others, and "" for a
    method outside jax."""
    is_neural = provenance.get("method_facts", {}).get("neural", True)
    return provenance.get("network", "mlp") if is_neural else ""
