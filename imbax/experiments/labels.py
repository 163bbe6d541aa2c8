"""Labels of methods with a network and an ensemble, used in tables, folders and progress bars.

With the default network of its kind of experiment, a method's label is its name; with another
network it is, for example, `ce (realmlp)`. With several members it is `ce x5` or `ce 5-fold` (see
`neural.ensembles`), or `ce 5-fold (realmlp)`. `store.read` returns labels as method names, so that
no mean is taken over networks or ensembles.
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["label_of", "members_of", "method_of", "network_of", "parts", "shown"]

_UNNAMED = ("", "mlp", "resnet")
_MEMBERS = re.compile(r"(?P<method>.+) (x\d+|(\d+x)?\d+-fold)", re.DOTALL)


def shown(method: str, network: str, members: Any = "1") -> str:
    """Label of a method with a network and an ensemble.

    The network is "" for a method that trains none of imbax's networks.
    """
    name = method if str(members) == "1" else f"{method} {members}"
    return name if network in _UNNAMED else f"{name} ({network})"


def parts(label: str) -> tuple[str, str]:
    """Label without its network, and the network; "" if the label has none."""
    method, opening, network = label.rpartition(" (")
    if method and opening and network.endswith(")"):
        return method, network[:-1]
    return label, ""


def method_of(label: str) -> str:
    """Method name of a label, without its network and its ensemble."""
    name, _ = parts(label)
    found = _MEMBERS.fullmatch(name)
    return found["method"] if found else name


def label_of(provenance: Mapping[str, Any]) -> str:
    """Label of a stored result."""
    return shown(provenance["method"], network_of(provenance), members_of(provenance))


def network_of(provenance: Mapping[str, Any]) -> str:
    """Network of a stored result.

    It is "mlp" for results stored before there were other networks, and "" for methods outside jax.
    """
    is_neural = provenance.get("method_facts", {}).get("neural", True)
    return provenance.get("network", "mlp") if is_neural else ""


def members_of(provenance: Mapping[str, Any]) -> str:
    """Ensemble of a stored result as text; "1" for results stored before there were ensembles."""
    return str(provenance.get("members", 1))
