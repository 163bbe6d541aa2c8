"""Report section on data sets with a subsampled minority: the gap to the upper reference.

The layout follows Table 1 of arXiv 2202.10550. The gap is a method's average precision relative to
that of `potential`, which is trained on real minority rows withheld from all other methods.
"""

import pandas as pd

from imbax.reports.comparisons import count
from imbax.reports.tabular.tables import in_order, markdown, paper_table

__all__ = ["ceiling_section", "gaps"]

_CEILING = "potential"
_SHORT = {
    "average_precision": "AP",
    "roc_auc": "AUC-ROC",
    "precision_at_recall_75": "P@.75",
    "precision_at_recall_50": "P@.5",
    "precision_at_recall_25": "P@.25",
}


def gaps(runs: pd.DataFrame) -> pd.DataFrame:
    """Metrics by data set and method, with the gap to `potential`.

    The index is (``dataset``, ``method``), for data sets with runs of `potential`. The columns are
    ``n`` (number of runs), mean and SD of each metric as ``<metric>`` and ``<metric>_sd``;
    ``gap_percent``, 100 (AP / AP of `potential` - 1), NaN for `potential` itself; and the paper's
    figures ``paper`` and ``paper_gap_percent``, NaN where the paper prints none.
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


def ceiling_section(runs: pd.DataFrame) -> str:
    """Section on the gap to `potential`; empty without runs of `potential`."""
    table = gaps(runs)
    if table.empty:
        return ""
    parts = [
        "## Gap to training on more real rows",
        "`potential` is trained on twice as many real minority rows; the additional ones are "
        "withheld from all other methods. Values are mean ± SD over repeats. The gap is a method's "
        "mean average precision relative to that of `potential`. P@r is the precision at the "
        "highest threshold with a recall of at least r. The paper's figures are for other splits "
        "and have no SD.",
    ]
    for dataset, part in table.groupby(level="dataset"):
        part = part.droplevel("dataset")
        part = part.loc[in_order(part.index)]
        cells = pd.DataFrame(
            {
                short: [
                    f"{m:.3f} ± {s:.3f}"
                    for m, s in zip(part[name], part[f"{name}_sd"], strict=True)
                ]
                for name, short in _SHORT.items()
            },
            index=part.index,
        )
        cells["gap"] = part["gap_percent"].map(_percent)
        if part["paper"].notna().any():
            cells["AP (paper)"] = part["paper"].map(lambda v: "–" if pd.isna(v) else f"{v:.3f}")
            cells["gap (paper)"] = part["paper_gap_percent"].map(_percent)
        n = int(part["n"].max())
        parts.append(f"{dataset}, {count(n, 'repeat')}:\n\n{markdown(cells)}")
    return "\n\n".join(parts)


def _percent(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:+.0f} %"
