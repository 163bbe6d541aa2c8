"""Time of 64 settings x 4 folds x 3 seeds of `ce` on `oil`: one program, or 768 sequential fits.

    python benchmarks/search.py --data-home DIR

Both are timed alternately after compilation, in one process on all cores: `imbax.search` as a
whole, including its table, and a sample of single fits with a compiled program, scaled to all fits.
The first search, including compilation, is timed too.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

import imbax
from imbax.catalogue import get
from imbax.data.tabular import imblearn27
from imbax.engine.vectorize import Engine
from imbax.experiments.provenance import environment
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.methods import supervised as sv

HERE = Path(__file__).resolve().parent
SPACE = {
    "learning_rate": np.geomspace(1e-4, 1e-2, 8).tolist(),
    "weight_decay": [0.0, *np.geomspace(1e-3, 1.0, 7).tolist()],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", type=int, default=24, help="single fits timed in each round")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "search.json")
    options = parser.parse_args()
    imbax.use_cpu_cores()
    data = imblearn27("oil", options.data_home)
    cut = plan(data, range(3), Protocol(epochs=options.epochs))
    rng, fits = np.random.default_rng(0), 64 * len(cut.seed)

    cold, _ = seconds(lambda: search(data, options.epochs))
    single_fit(cut, rng)  # compiles
    turns = []
    for _ in range(options.rounds):
        together, table = seconds(lambda: search(data, options.epochs))
        separate, _ = seconds(lambda: [single_fit(cut, rng) for _ in range(options.sample)])
        turns.append({"search": together, "fits": separate / options.sample * fits})
        print(turns[-1], flush=True)
    ratios = [turn["fits"] / turn["search"] for turn in turns]
    chosen = table[table["chosen"]]
    result = {
        "settings": vars(options) | {"out": options.out.name, "data_home": "DIR"},
        "summary": {
            "ratio_median": statistics.median(ratios),
            "ratio_range": [min(ratios), max(ratios)],
            "ratio_of_the_first": statistics.median(turn["fits"] for turn in turns) / cold,
            "first_search_seconds": cold,
            "nested_average_precision": chosen["average_precision"].mean(),
        },
        "turns": turns,
        "environment": environment(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(result["summary"])


def search(data, epochs):
    return imbax.search("ce", data.x, data.y, SPACE, seeds=3, epochs=epochs)


def single_fit(cut, rng):
    """Trains one of the fits, drawn at random."""
    r = int(rng.integers(len(cut.seed)))
    single = cut._replace(
        seed=cut.seed[r : r + 1],
        fold=cut.fold[r : r + 1],
        splits=cut.splits[r : r + 1],
        runs=jax.tree.map(lambda leaf: leaf[r : r + 1], cut.runs),
    )
    values = {name: float(rng.choice(values)) for name, values in SPACE.items()}
    ce = get("ce")
    method = replace(ce, tables=replace(ce.tables, settings=(sv.Hparams(**values),)))
    return train_cell(single, method, engine=Engine(devices=tuple(jax.devices()[:1])))


def seconds(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
