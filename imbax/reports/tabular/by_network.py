"""Runs grouped by network, and the report's section that compares networks."""

import pandas as pd

from imbax.experiments.labels import parts, shown
from imbax.reports import comparisons
from imbax.reports.tabular.tables import in_order, score_table

__all__ = ["DEFAULT", "by_network", "networks_page"]

DEFAULT = "mlp"
"""Network of a label without a network name."""


def by_network(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Runs of each network, the default network first, under the method names without the network.

    Methods that train none of imbax's networks are included in every group.

    Parameters
    ----------
    runs
        One row per run; column `method` holds labels.
    """
    if "network" not in runs:
        return {DEFAULT: runs}
    pairs = list(zip(runs["method"], runs["network"], strict=True))
    named = runs.assign(method=[parts(label)[0] if network else label for label, network in pairs])
    networks = sorted(set(runs["network"]) - {""}, key=lambda name: (name != DEFAULT, name))
    return {name: named[named["network"].isin([name, ""])] for name in networks or [DEFAULT]}


def networks_page(runs: pd.DataFrame) -> str:
    """Section that compares each method across networks.

    The reference is the same method with the first network. Empty if no method has several
    networks.
    """
    networks = list(by_network(runs))
    if len(networks) < 2:
        return ""
    scores, first = score_table(runs), networks[0]
    pairs = [
        (shown(name, network), shown(name, first))
        for network in networks[1:]
        for name in in_order(parts(label)[0] for label in scores)
        if {shown(name, network), shown(name, first)} <= set(scores)
    ]
    table = comparisons.selected_pairs(scores, pairs)
    if table.empty:
        return ""
    return "\n\n".join(
        [
            "## Networks",
            f"Each method compared with the same method on the network `{first}`, over data sets. "
            + comparisons.legend(table),
            comparisons.to_markdown(table),
        ]
    )
