"""Networks against each other: the report's section, and the runs of each network apart."""

import pandas as pd

from imbax.experiments.labels import parts, shown
from imbax.reports import comparisons
from imbax.reports.tabular.tables import in_order, score_table

__all__ = ["DEFAULT", "by_network", "networks_page"]

DEFAULT = "mlp"
"""The network of a label that names none."""


def by_network(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs of each network, the default first, with the methods' own names; methods that train
    none of imbax's networks are with each.

    Parameters
    ----------
    runs
        One row per run; `method` holds labels.
    """
    if "network" not in runs:
        return {DEFAULT: runs}
    pairs = list(zip(runs["method"], runs["network"], strict=True))
    own = runs.assign(method=[parts(label)[0] if network else label for label, network in pairs])
    found = sorted(set(runs["network"]) - {""}, key=lambda name: (name != DEFAULT, name))
    return {name: own[own["network"].isin([name, ""])] for name in found or [DEFAULT]}


def networks_page(runs: pd.DataFrame) -> str:
    """Each method with another network against the same method with the first one; empty where no
    method has several."""
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
    table = comparisons.of_pairs(scores, pairs)
    if table.empty:
        return ""
    return "\n\n".join(
        [
            "## Networks",
            f"Each method with another network against itself with `{first}`, over data sets. "
            + comparisons.legend(table),
            comparisons.to_read(table),
        ]
    )
