"""Names of a method with a network, as tables, folders and progress show them.

A method is shown by its name alone with the network that its kind of experiment trains unless
another is asked for, and as `ce (realmlp)` with any other, so that no mean is taken over networks.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

__all__ = ["labelled", "network_of", "parts", "shown", "with_label"]

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


def network_of(provenance: Mapping[str, Any]) -> str:
    """Network of a stored result: "mlp" where it was stored before there were others, and "" for a
    method outside jax."""
    is_neural = provenance.get("method_facts", {}).get("neural", True)
    return provenance.get("network", "mlp") if is_neural else ""


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs whose column `method` holds labels; `rows` have the names and `network`, or no such
    column."""
    if "network" not in rows:
        return rows
    pairs = zip(rows["method"], rows["network"], strict=True)
    return rows.assign(method=[shown(*pair) for pair in pairs])


def with_label(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a stored result, with the label under "method"."""
    network = network_of(provenance)
    label = shown(provenance["method"], network)
    return {**provenance, "method": label, "network": network}
