"""The report's section on data sets whose minority was thinned out: how far from the ceiling.

The layout is that of Table 1 of arXiv 2202.10550: the gap is a method's average precision against
that of `potential`, which trained on real rows withheld from the others.
"""

import pandas as pd

from imbax.reports.comparisons import count
from imbax.reports.tabular.tables import in_order, markdown, paper_table

__all__ = ["beside_the_ceiling", "gaps"]

_CEILING = "potential"
_SHORT = {
    "average_precision": "AP",
    "roc_auc": "AUC-ROC",
    "precision_at_recall_75": "P@.75",
    "precision_at_recall_50": "P@.5",
    "precision_at_recall_25": "P@.25",
}


def gaps(runs: pd.DataFrame) -> pd.DataFrame:
    """Metrics by data set and method, and the gap to the ceiling.

    Indexed by ``dataset`` and ``method``, data sets with a ceiling only: ``n`` runs, mean and SD of
    each metric as ``<metric>`` and ``<metric>_sd``; ``gap_percent``, 100 (AP / AP of the ceiling -
    1), NaN for the ceiling itself; the paper's ``paper`` and ``paper_gap_percent``, NaN where it
    prints none.
    """
    with_ceiling = runs.loc[runs["method"] == _CEILING, "dataset"].unique()
    cells = runs[runs["dataset"].isin(with_ceiling)].groupby(["dataset", "method"])[list(_SHORT)]
    mean, sd = cells.mean(), cells.std(ddof=1).add_suffix("_sd")
    table = pd.concat([mean, sd], axis=1)
    table.insert(0, "n", cells.count()["average_precision"])
    if table.empty:
        return table
    precision = table["average_precision"]
    ceiling = precision.xs(_CEILING, level="method")
    gap = 100 * (precision.div(ceiling, level="dataset") - 1)
    table["gap_percent"] = gap.mask(gap.index.get_level_values("method") == _CEILING)
    printed = paper_table("table_1").rename(index=lambda ratio: f"adult_{ratio}", level="ratio")
    printed = printed.swaplevel().reindex(table.index)
    table["paper"], table["paper_gap_percent"] = (
        printed[name] for name in ("average_precision", "gap_percent")
    )
    return table


def beside_the_ceiling(runs: pd.DataFrame) -> str:
    """The section; empty where no method is a ceiling."""
    table = gaps(runs)
    if table.empty:
        return ""
    parts = [
        "## Beside the ceiling",
        "`potential` trains on as many real minority rows more as there are, withheld from all "
        "others. Mean ± SD over repeats; the gap is a method's mean average precision against "
        "`potential`'s. P@r is the precision at the highest threshold with recall r or more. The "
        "paper's figures, found with other splits, have no SD.",
    ]
    for dataset, part in table.groupby(level="dataset"):
        part = part.droplevel("dataset")
        part = part.loc[in_order(part.index)]
        shown = pd.DataFrame(
            {
                short: [
                    f"{m:.3f} ± {s:.3f}"
                    for m, s in zip(part[name], part[f"{name}_sd"], strict=True)
                ]
                for name, short in _SHORT.items()
            },
            index=part.index,
        )
        shown["gap"] = part["gap_percent"].map(_percent)
        if part["paper"].notna().any():
            shown["AP (paper)"] = part["paper"].map(lambda v: "–" if pd.isna(v) else f"{v:.3f}")
            shown["gap (paper)"] = part["paper_gap_percent"].map(_percent)
        n = int(part["n"].max())
        parts.append(f"{dataset}, {count(n, 'repeat')}:\n\n{markdown(shown)}")
    return "\n\n".join(parts)


def _percent(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:+.0f} %"
