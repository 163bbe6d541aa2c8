"""Effect of bfloat16 matrix products on test average precision, from paired runs.

    python benchmarks/precision.py --data-home DIR

Training is sensitive to any rounding. The script therefore also reports the difference between two
float32 trainings whose sums are computed in different orders (runs one by one and with `vmap`).
"""

import argparse
from pathlib import Path

import pandas as pd

import imbax
from imbax.catalogue import get
from imbax.data.tabular import imblearn27
from imbax.engine.vectorize import Engine
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol

HERE = Path(__file__).resolve().parent
DATASETS = ("ecoli", "oil", "us_crime", "yeast_me2", "mammography")
METHODS = ("ce", "explicit_gradient")
SETTINGS = {
    "float32": ("float32", "map"),
    "bfloat16": ("bfloat16", "map"),
    "float32_vmap": ("float32", "vmap"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", required=True, metavar="DIR")
    parser.add_argument("--datasets", nargs="+", default=DATASETS, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3, help="each gives 4 runs")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "precision.csv")
    options = parser.parse_args()
    imbax.use_cpu_cores()
    rows = []
    for name in options.datasets:
        scores = {setting: scores_of(name, *SETTINGS[setting], options) for setting in SETTINGS}
        for method in METHODS:
            rows.append({"dataset": name, "method": method, **row(scores, method)})
            print(rows[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(options.out, index=False, float_format="%.5f")


def scores_of(name, precision, strategy, options):
    """Test average precision by method, seed and fold."""
    lab = TabularLab(Protocol(epochs=options.epochs, precision=precision), Engine(strategy))
    dataset, seeds = imblearn27(name, options.data_home), range(options.seeds)
    cells = [lab.cell(dataset, get(method)) for method in METHODS]
    for cell in cells:
        lab.run(cell, seeds)
    table = pd.concat([lab.rows(cell, seeds) for cell in cells])
    return table.set_index(["method", "seed", "fold"])["average_precision"]


def row(scores, method):
    """Means over runs, and mean, standard deviation and largest size of the differences."""
    values = {setting: table[method] for setting, table in scores.items()}
    numbers = {"runs": len(values["float32"]), "float32": values["float32"].mean()}
    numbers |= {"float32_sd": values["float32"].std(), "bfloat16": values["bfloat16"].mean()}
    for setting in ("bfloat16", "float32_vmap"):
        change = values[setting] - values["float32"]
        summary = {"mean": change.mean(), "sd": change.std(), "largest": change.abs().max()}
        numbers |= {f"{setting}_change_{name}": value for name, value in summary.items()}
    return numbers


if __name__ == "__main__":
    main()
