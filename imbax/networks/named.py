"""Networks by name, for `imbax run --network`, `Facts.factory` and `network="realmlp"`."""

from collections.abc import Callable
from typing import NamedTuple

from imbax.errors import InputError, did_you_mean
from imbax.networks.mlp import perceptron
from imbax.networks.mlp_ple import mlp_ple
from imbax.networks.mlp_plr import mlp_plr
from imbax.networks.realmlp import realmlp
from imbax.networks.tabm import tabm, tabm_mini
from imbax.types import Network, Recipe

__all__ = ["NAMED", "NamedNetwork", "named"]


class NamedNetwork(NamedTuple):
    """Entry of a network in `NAMED`."""

    title: str
    factory: Callable[..., Network]
    """Factory `(features, classes, head="linear" or "cosine") -> Network`, as `Facts.factory`."""
    paper: str
    note: str
    cost: float = 1.0
    """Approximate time of an epoch on 1,000 rows of 20 columns relative to "mlp"; used only by the
    progress display."""

    @property
    def recipe(self) -> Recipe:
        """Training recipe, which does not depend on the numbers of columns and classes."""
        return self.factory(1, 2, "linear").recipe


NAMED: dict[str, NamedNetwork] = {
    "mlp": NamedNetwork(
        "MLP 128-16",
        perceptron,
        "Yasinnik et al. 2022",
        "network and training of the Explicit Gradient paper",
    ),
    "mlp_plr": NamedNetwork(
        "MLP-PLR",
        mlp_plr,
        "Gorishniy et al. 2022",
        "periodic embeddings of numbers, 128-256-128; AdamW at a constant learning rate",
        20,
    ),
    "mlp_ple": NamedNetwork(
        "MLP-PLE",
        mlp_ple,
        "Gorishniy et al. 2022",
        "piecewise linear codes by a decision tree per column, columns weighted by their gain, "
        "128-64 with a linear path; AdamW with cosine decay; imbax's own recipe",
        5,
    ),
    "realmlp": NamedNetwork(
        "RealMLP-TD",
        realmlp,
        "Holzmüller et al. 2024",
        "robust scaling, embeddings of numbers, 256-256-256, data-dependent initialisation; Adam "
        "with four cycles of the learning rate",
        14,
    ),
    "tabm": NamedNetwork(
        "TabM",
        tabm,
        "Gorishniy et al. 2024",
        "32 members of 512-512-512 that share weights; AdamW at a constant learning rate; a "
        "thousand times the time of mlp",
        1100,
    ),
    "tabm_mini": NamedNetwork(
        "TabM-mini",
        tabm_mini,
        "Gorishniy et al. 2024",
        "as tabm, with members that differ only before the first layer and in their heads; hardly "
        "faster",
        900,
    ),
}


def named(name: str) -> NamedNetwork:
    """Returns a network by name; raises InputError that names the closest match."""
    if name not in NAMED:
        raise InputError(f"unknown network {name!r}{did_you_mean(name, NAMED)}")
    return NAMED[name]
