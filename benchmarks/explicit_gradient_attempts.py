"""Tables of `results/explicit_gradient_attempts`: does a variant of Explicit Gradient help?

    python benchmarks/explicit_gradient_attempts.py [FOLDER ...]

Variants are ranked by average precision on the validation rows of the data sets `SEARCH`, and only
the one with the best mean rank is compared on test rows: with its fixed points, with cross-entropy,
and with cross-entropy trained as long. Writes `runs.csv.gz` (all metrics of each run; read if no
folder is given), `search.csv`, `means.csv` and `comparisons.csv`.
"""

from pathlib import Path

import pandas as pd
from peers import read_runs

from imbax.reports.comparisons import selected_pairs
from imbax.statistics.ranks import mean_ranks

HERE = Path(__file__).resolve().parent / "results" / "explicit_gradient_attempts"
# Data sets of recipe_search.SETS with at most 2,000 rows.
SEARCH = ("arrhythmia", "car_eval_34", "oil", "us_crime", "yeast_me2")
# The outer rows of these are not the rows that choose the epoch, which the ranking reads.
VARIANTS = [
    f"eg_cross_fit{name}" for name in ("", "_pairwise", "_adam", "_unit", "_weights", "_all")
]
RIVALS = ("eg_cross_fit_frozen", "ce", "ce_long")
SCORE = "average_precision"


def main():
    runs, out = read_runs(__doc__, HERE, ["brier", "log_loss"])
    cells = runs.groupby(["dataset", "method"])
    searched = cells[f"validation_{SCORE}"].mean().unstack("method")
    searched = searched.loc[list(SEARCH), [*VARIANTS, RIVALS[0]]].dropna()
    ranks = mean_ranks(searched[VARIANTS]).sort_values()
    searched.round(5).to_csv(out / "search.csv")
    print(f"validation rows of {len(searched)} data sets\n{searched.round(3).to_string()}")
    kept = (runs["epoch"] == 0)[runs["dataset"].isin(SEARCH)].groupby(runs["method"]).mean()
    shown = pd.DataFrame({"mean_rank": ranks, "start_kept": kept[ranks.index]})
    print(f"\n{shown.round(2).to_string()}")
    chosen = ranks.index[0]
    means = cells[SCORE].mean().unstack("method")[[chosen, *RIVALS]].dropna()
    means.round(5).to_csv(out / "means.csv")
    others = means.drop(index=list(SEARCH), errors="ignore")
    tables = [
        selected_pairs(scores, [(chosen, rival) for rival in RIVALS]).assign(sets=name)
        for name, scores in (("all", means), ("not in the search", others))
        if len(scores)
    ]
    comparisons = pd.concat(tables)
    comparisons.round(5).to_csv(out / "comparisons.csv")
    print(f"\ntest rows\n{comparisons.round(4).to_string()}")


if __name__ == "__main__":
    main()
