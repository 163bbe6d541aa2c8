"""Tables of `results/imblearn27_peers` from run folders of the recommended classifier and peers.

    python benchmarks/peers.py [FOLDER ...]

Compares `imbalanced_mlp_all_rows` with every other method, over all data sets and over those that
the search for the recipe did not use, on the splits that have runs of every method. Writes
`runs.csv.gz` (all metrics of each run; those of the folders are added to the stored ones),
`means.csv`, `comparisons.csv` and `ranks.csv`.
"""

import argparse
from pathlib import Path

import pandas as pd
from recipe_search import SETS

import imbax
import imbax.experiments.tabular.baselines  # registers the peers
from imbax.reports.comparisons import against_control

HERE = Path(__file__).resolve().parent / "results" / "imblearn27_peers"
CONTROL = "imbalanced_mlp_all_rows"


def calibration_error(y, p):
    """Expected calibration error of probabilities, 10 bins."""
    return float(imbax.expected_calibration_error(p, y))


ECE = imbax.Metric(calibration_error, "calibration_error", "probability", greater_is_better=False)
METRICS = ("average_precision", "brier", ECE.name)


def read_runs(description, home, metrics):
    """Runs stored in `home`, to which those of the folders are added; and the value of --out."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=home)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    stored = home / "runs.csv.gz"
    runs = pd.read_csv(stored) if stored.exists() else pd.DataFrame()
    if options.folders:
        more = imbax.load(*options.folders, metrics=metrics).frame
        run = ["dataset", "method", "network", "members", "fold", "seed"]
        runs = pd.concat([runs, more]).drop_duplicates(run, keep="last").sort_values(run)
        runs.to_csv(options.out / "runs.csv.gz", index=False)
    return runs, options.out


def main():
    runs, out = read_runs(__doc__, HERE, ["brier", ECE])
    split = runs.groupby(["dataset", "seed", "fold"])["method"]
    runs = runs[split.transform("nunique") == runs["method"].nunique()]
    means = runs.groupby(["dataset", "method"])[list(METRICS)].mean().round(5)
    means.reset_index().to_csv(out / "means.csv", index=False)
    seeds = runs.groupby(["method", "dataset", "seed"])["average_precision"].mean().unstack("seed")
    print("SD between a data set's seeds, median over data sets:")
    print(seeds.std(axis=1).groupby("method").median().round(4).to_string())
    parts = {"all": set(runs["dataset"]), "not in the search": set(runs["dataset"]) - set(SETS)}
    tables, ranks = [], []
    for part, names in parts.items():
        table = {m: means[m].unstack("method").loc[sorted(names)].dropna() for m in METRICS}
        for metric, scores in table.items():
            sign = 1 if metric == "average_precision" else -1  # positive: better than the control
            found = against_control(sign * scores, CONTROL)
            tables.append(found.assign(metric=metric, sets=part))
        order = table["average_precision"]
        ranked = order.rank(axis=1, ascending=False).mean().sort_values()
        ranks.append(pd.DataFrame({"mean_rank": ranked, "mean": order.mean(), "sets": part}))
        print(f"\n{part}: {len(order)} data sets\n{ranks[-1].round(3).to_string()}")
    comparisons, ranks = pd.concat(tables), pd.concat(ranks)
    comparisons.round(5).to_csv(out / "comparisons.csv")
    ranks.round(4).to_csv(out / "ranks.csv")
    print(comparisons.round(4).to_string())


if __name__ == "__main__":
    main()
