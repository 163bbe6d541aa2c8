"""Seconds of a fit of `ImbalancedMLPClassifier()` and of CatBoost's default on the 27 data sets.

    python benchmarks/fit_cost.py --data-home DIR

Both train on the training and validation rows of the first seed and fold, with all cores. The
classifier's first fit on a data set compiles; then both are fitted alternately, `--rounds` times,
in the same process. Each data set is added to `fit_cost.jsonl` of `--out`; those that are there are
not measured again. `fit_cost.json` has all of them, and the median and quartiles of the ratio of
the times' medians. `--stored JSON LATER` measures nothing and summarises two such files.
"""

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from catboost import CatBoostClassifier

from imbax import ImbalancedMLPClassifier
from imbax.data.splits import stratified_splits
from imbax.data.tabular import DataUnavailable, imblearn27, imblearn27_facts
from imbax.experiments.provenance import environment

HERE = Path(__file__).resolve().parent / "results" / "imblearn27_peers"
NAMES = [facts.name for facts in imblearn27_facts()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", default="../shared/data")
    parser.add_argument("--sets", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--stored", nargs=2, type=Path, metavar=("JSON", "LATER"))
    options = parser.parse_args()
    if options.stored:
        summarise(*(json.loads(path.read_text())["sets"] for path in options.stored))
        return
    warnings.simplefilter("ignore", FutureWarning)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "fit_cost.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for name in options.sets:
        if name in {one["set"] for one in found}:
            continue
        try:
            data = imblearn27(name, options.data_home)
        except DataUnavailable as error:
            print(error, flush=True)
            continue
        found.append({"set": name, **measured(data, options.rounds)})
        with open(path, "a") as file:
            file.write(json.dumps(found[-1]) + "\n")
        print(*found[-1].values(), flush=True)
    ratios = [one["ratio"] for one in found]
    result = {
        "environment": environment(),
        "rounds": options.rounds,
        "median_ratio": round(statistics.median(ratios), 2),
        "quartiles_of_ratio": [round(q, 2) for q in np.quantile(ratios, [0.25, 0.75]).tolist()],
        "sets": found,
    }
    (options.out / "fit_cost.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"median ratio {result['median_ratio']}, quartiles {result['quartiles_of_ratio']}")


def summarise(before, after):
    """Prints spreads, times of compilation and ratios of the sets of two files."""
    for found in (before, after):
        times = [one[name] for one in found for name in ("network", "catboost")]
        spread = sorted(max(pair) / min(pair) for pair in times)
        more = statistics.median(
            one["first_fit"] - statistics.median(one["network"]) for one in found
        )
        print(f"largest ratios of two fits {spread[-2]:.2f} and {spread[-1]:.2f}")
        print(f"first fit: {more:.1f} s more in the median")
    old = {one["set"]: one["ratio"] for one in before}
    new = {one["set"]: one["ratio"] for one in after}
    print(
        f"{len(new)} sets of both files: {statistics.median(old[name] for name in new):.2f}, later"
    )
    print(f"{statistics.median(new.values()):.2f}; with another set as the largest, the median of")
    for name, ratios in (("the first", old), ("both, the later ratio first", old | new)):
        print(f"{name}: {statistics.median([*ratios.values(), float('inf')]):.2f}")


def measured(data, rounds):
    """Seconds of the first fit and of later ones, and the ratio of the medians of later ones."""
    split = next(iter(stratified_splits(data.y, seed=0)))
    rows = np.concatenate([split.train, split.valid])
    fits = {
        "network": lambda: ImbalancedMLPClassifier(random_state=0),
        "catboost": lambda: CatBoostClassifier(
            random_seed=0, verbose=False, allow_writing_files=False
        ),
    }

    def seconds(name):
        model = fits[name]()
        start = time.perf_counter()
        model.fit(data.x[rows], data.y[rows])
        return round(time.perf_counter() - start, 3)

    first = seconds("network")
    times = [{name: seconds(name) for name in fits} for _ in range(rounds)]
    times = {name: [one[name] for one in times] for name in fits}
    network, catboost = (statistics.median(times[name]) for name in fits)
    size = {"rows": len(rows), "columns": data.x.shape[1]}
    return {**size, "first_fit": first, **times, "ratio": round(network / catboost, 2)}


if __name__ == "__main__":
    main()
