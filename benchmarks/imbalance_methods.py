"""Tables of `results/imblearn27_networks`: do imbalance methods help a better network?

    python benchmarks/imbalance_methods.py [FOLDER ...]

Compares every method with cross-entropy, `ce`, that trains the same network, by each metric over
the data sets that have runs of every method and network. Writes `runs.csv.gz` (all metrics of each
run; read if no folder is given), `means.csv`, `comparisons.csv`, `networks.csv` (the same method
with the other network), `points.csv` (Explicit Gradient against its fixed points) and `gains.png`.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from peers import ECE, read_runs

from imbax.reports.comparisons import against_control, selected_pairs

HERE = Path(__file__).resolve().parent / "results" / "imblearn27_networks"
CONTROL = "ce"
POINTS = ("explicit_gradient", "explicit_gradient_frozen")
NETWORKS = ("mlp", "mlp_ple")
METRICS = {  # column: (title, sign that makes higher better)
    "average_precision": ("average precision", 1),
    "roc_auc": ("ROC AUC", 1),
    "balanced_accuracy_at_valid": ("balanced accuracy", 1),
    "f1_at_valid": ("F1", 1),
    "mcc_at_valid": ("MCC", 1),
    "brier": ("Brier score", -1),
    "log_loss": ("log loss", -1),
    "calibration_error": ("calibration error", -1),
}
LEVEL = 0.05


def main():
    names = ["brier", "log_loss", "f1", "mcc", "balanced_accuracy", ECE]
    runs, out = read_runs(__doc__, HERE, names)
    runs["method"] = runs["method"].str.split().str[0]  # "ce (mlp_ple)"
    means = runs.groupby(["dataset", "network", "method"])[list(METRICS)].mean()
    means.round(5).reset_index().to_csv(out / "means.csv", index=False)
    methods, networks, points = [], [], []
    for metric, (_, sign) in METRICS.items():
        # Positive differences are better than the control.
        scores = (sign * means[metric]).unstack(["network", "method"]).dropna()
        for network in NETWORKS:
            table = scores[network]
            methods.append(against_control(table, CONTROL).assign(metric=metric, network=network))
            points.append(selected_pairs(table, [POINTS]).assign(metric=metric, network=network))
        for method in scores[NETWORKS[0]]:
            pair = scores.xs(method, axis=1, level="method")
            found = selected_pairs(pair, [NETWORKS[::-1]])
            networks.append(found.assign(metric=metric, trained_by=method))
    methods, networks, points = map(pd.concat, (methods, networks, points))
    for name, table in (("comparisons", methods), ("networks", networks), ("points", points)):
        table.round(5).to_csv(out / f"{name}.csv")
        print(f"\n{name}, {len(scores)} data sets\n{table.round(4).to_string()}")
    draw(methods.droplevel("against"), len(scores)).savefig(out / "gains.png", dpi=150)


def draw(comparisons, n):
    """Heat map of median gains over cross-entropy, one panel per network."""
    figure, panels = plt.subplots(1, len(NETWORKS), figsize=(13, 5.2), layout="constrained")
    for panel, network in zip(panels, NETWORKS, strict=True):
        chosen = comparisons[comparisons["network"] == network].set_index("metric", append=True)
        gains = chosen["median_difference"].unstack("metric")[list(METRICS)]
        p = chosen["p_holm"].unstack("metric").loc[gains.index, list(METRICS)]
        image = panel.imshow(100 * gains, cmap="RdBu", vmin=-5, vmax=5, aspect="auto")
        for row, column in ((r, c) for r in range(len(gains)) for c in range(len(METRICS))):
            value, sure = gains.iat[row, column], p.iat[row, column] < LEVEL
            weight, color = ("bold", "black") if sure else ("normal", "dimgray")
            color = "white" if abs(value) > 0.035 else color
            text = f"{100 * value:+.1f}" + ("*" if sure else "")
            style = {"ha": "center", "va": "center", "fontsize": 8.5}
            panel.text(column, row, text, weight=weight, color=color, **style)
        titles = [title for title, _ in METRICS.values()]
        panel.set_xticks(range(len(METRICS)), titles, rotation=40, ha="right")
        panel.set_yticks(range(len(gains)), gains.index)
        panel.set_title(f"network {network}")
    figure.colorbar(
        image, ax=panels, label="median gain over ce in hundredths (blue: better)", extend="both"
    )
    figure.suptitle(f"Gains over cross-entropy on {n} data sets; *: p < {LEVEL} after Holm")
    return figure


if __name__ == "__main__":
    main()
