"""Names of a method with a network and an ensemble, as tables, folders and progress show them.

A method is shown by its name alone with the network that its kind of experiment trains unless
another is asked for, and as `ce (realmlp)` with any other. With several members it is `ce x5` or
`ce 5-fold`, see `neural.ensembles`, or `ce 5-fold (realmlp)`. `store.read` gives labels in place of
names, so that no mean is taken over networks or ensembles.
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["label_of", "members_of", "method_of", "network_of", "parts", "shown"]

_UNNAMED = ("", "mlp", "resnet")
_MEMBERS = re.compile(r"(?P<method>.+) (x\d+|(\d+x)?\d+-fold)", re.DOTALL)


def shown(method: str, network: str, members: Any = "1") -> str:
    """Label of a method with a network and an ensemble; network "" for a method that trains none of
    imbax's."""
    name = method if str(members) == "1" else f"{method} {members}"
    return name if network in _UNNAMED else f"{name} ({network})"


def parts(label: str) -> tuple[str, str]:
    """The label without its network, and that; "" where it names none."""
    method, opening, network = label.rpartition(" (")
    if method and opening and network.endswith(")"):
        return method, network[:-1]
    return label, ""


def method_of(label: str) -> str:
    """The method of a label, without its network and its ensemble."""
    name, _ = parts(label)
    found = _MEMBERS.fullmatch(name)
    return found["method"] if found else name


def label_of(provenance: Mapping[str, Any]) -> str:
    """Label of a stored result."""
    return shown(provenance["method"], network_of(provenance), members_of(provenance))


def network_of(provenance: Mapping[str, Any]) -> str:
    """Network of a stored result: "mlp" where it was stored before there were others, and "" for a
    method outside jax."""
    is_neural = provenance.get("method_facts", {}).get("neural", True)
    return provenance.get("network", "mlp") if is_neural else ""


def members_of(provenance: Mapping[str, Any]) -> str:
    """Ensemble of a stored result, as text: "1" where it was stored before there were others."""
    return str(provenance.get("members", 1))
