"""Runs grouped by network and ensemble, and the report's section that compares networks."""

import pandas as pd

from imbax.experiments.labels import method_of, shown
from imbax.reports import comparisons
from imbax.reports.tabular.tables import in_order, score_table

__all__ = ["DEFAULT", "by_network", "networks_page"]

DEFAULT = "mlp"
"""Network of a label without a network name."""

_ENSEMBLES = """Ensembles average the probabilities of their members: the members of `x5` train on
the same rows; each member of `5-fold` validates on one of five folds of the training and validation
rows and trains on the others. """


def by_network(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Runs of each network, the default network first, under the method names without the network.

    Ensembles of a network are groups of their own, such as `mlp x5`. Methods that train none of
    imbax's networks are included in every group.

    Parameters
    ----------
    runs
        One row per run; `method` holds labels.
    """
    if "network" not in runs:
        return {DEFAULT: runs}
    pairs = list(zip(runs["method"], runs["network"], strict=True))
    named = runs.assign(method=[method_of(label) if network else label for label, network in pairs])
    kinds, found = _kinds(runs), {}
    for network, members in _in_order(kinds) or [(DEFAULT, "1")]:
        kept = kinds.isin([(network, members)]) | (runs["network"] == "")
        found[shown(network, "", members)] = named[kept]
    return found


def networks_page(runs: pd.DataFrame) -> str:
    """Section that compares each method across networks and ensembles.

    The reference is the same method with the first network. Empty if no method has several.
    """
    kinds = _in_order(_kinds(runs)) if "network" in runs else []
    if len(kinds) < 2:
        return ""
    scores, first = score_table(runs), kinds[0]
    pairs = [
        (shown(name, *kind), shown(name, *first))
        for kind in kinds[1:]
        for name in in_order(map(method_of, scores))
        if {shown(name, *kind), shown(name, *first)} <= set(scores)
    ]
    table = comparisons.selected_pairs(scores, pairs)
    if table.empty:
        return ""
    reference = shown(first[0], "", first[1])
    ensembles = _ENSEMBLES if any(members != "1" for _, members in kinds) else ""
    return "\n\n".join(
        [
            "## Networks",
            f"Each row compares a method with the same method on the network `{reference}`, over "
            f"data sets. {ensembles}{comparisons.legend(table)}",
            comparisons.to_markdown(table),
        ]
    )


def _kinds(runs):
    """Network and ensemble of each run."""
    members = runs["members"] if "members" in runs else pd.Series("1", runs.index)
    return pd.Series(list(zip(runs["network"], members, strict=True)), runs.index, dtype=object)


def _in_order(kinds):
    """Distinct networks and ensembles: the default network first, single networks before ensembles
    of them."""
    found = {kind for kind in kinds if kind[0]}
    return sorted(found, key=lambda kind: (kind[0] != DEFAULT, kind[0], kind[1] != "1", kind[1]))
