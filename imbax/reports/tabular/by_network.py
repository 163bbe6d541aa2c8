"""Networks against each other, single or as ensembles: the report's section, and the runs of each
apart."""

import pandas as pd

from imbax.experiments.labels import method_of, shown
from imbax.reports import comparisons
from imbax.reports.tabular.tables import in_order, score_table

__all__ = ["DEFAULT", "by_network", "networks_page"]

DEFAULT = "mlp"
"""The network of a label that names none."""

_ENSEMBLES = """Probabilities are means over members: `x5` are five that see the same rows; `5-fold`
are five that each validate on one of five folds of the training and validation rows and train on
the others. """


def by_network(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs of each network, single or as an ensemble (`mlp x5`), the single default first, with
    the methods' own names; methods that train none of imbax's networks are with each.

    Parameters
    ----------
    runs
        One row per run; `method` holds labels.
    """
    if "network" not in runs:
        return {DEFAULT: runs}
    pairs = list(zip(runs["method"], runs["network"], strict=True))
    own = runs.assign(method=[method_of(label) if network else label for label, network in pairs])
    kinds = _kinds(runs)
    return {
        shown(network, "", members): own[kinds.isin([(network, members)]) | (runs["network"] == "")]
        for network, members in _in_order(kinds) or [(DEFAULT, "1")]
    }


def networks_page(runs: pd.DataFrame) -> str:
    """Each method with another network, or an ensemble, against the same method with the first one;
    empty where no method has several."""
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
    table = comparisons.of_pairs(scores, pairs)
    if table.empty:
        return ""
    ensembles = _ENSEMBLES if any(members != "1" for _, members in kinds) else ""
    return "\n\n".join(
        [
            "## Networks",
            "Each method with another network against itself with "
            f"`{shown(first[0], '', first[1])}`, over data sets. {ensembles}"
            + comparisons.legend(table),
            comparisons.to_read(table),
        ]
    )


def _kinds(runs):
    """Network and ensemble of each run."""
    members = runs["members"] if "members" in runs else pd.Series("1", runs.index)
    return pd.Series(list(zip(runs["network"], members, strict=True)), runs.index, dtype=object)


def _in_order(kinds):
    """Those of networks, each once; the default's first, and single networks before ensembles."""
    found = {kind for kind in kinds if kind[0]}
    return sorted(found, key=lambda kind: (kind[0] != DEFAULT, kind[0], kind[1] != "1", kind[1]))
