"""Compares the recommended classifier with its peers on the rows of `recipe_search.py`.

    python benchmarks/recipe_peers.py --data-home DIR

Each method trains on the training rows and is scored on the validation rows of the same seeds; test
rows are not used. Each run is added to `results/recipe/peers.jsonl`; runs that are there are not
repeated. `peers.csv` has the mean average precision of each method on each data set.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import pandas as pd
from recipe_search import HERE, SETS, scores, splits

import imbax.experiments.tabular.baselines  # noqa: F401  registers the peers
from imbax import ImbalancedMLPClassifier
from imbax.catalogue import get
from imbax.catalogue.hosts import EstimatorHost
from imbax.data.tabular import imblearn27
from imbax.networks.mlp_ple import mlp_ple
from imbax.networks.named import NAMED

PEERS = (
    "catboost",
    "lightgbm",
    "xgboost",
    "hist_gradient_boosting",
    "random_forest",
    "extra_trees",
    "logistic_regression_cv",
)
LAST = {"fold_ensemble": False}
VARIANTS = {
    "recommended": ({}, {}),
    "all rows, last epoch": ({}, LAST),
    "dropout 0.4 to 0.7": ({"floor": 0.0}, LAST),
    "dropout 0.7": ({"floor": 0.0, "dropout": 0.7}, LAST),
    "dropout 0.4": ({"floor": 0.0, "dropout": 0.4}, LAST),
}
"""Options of `mlp_ple` and of `ImbalancedMLPClassifier` by variant; those with a dropout rate in
their name are earlier steps of the search."""


def host(method):
    """Returns what fits a method's estimator."""
    if method not in VARIANTS:
        return get(method).tables.host
    network, options = VARIANTS[method]
    NAMED[method] = NAMED["mlp_ple"]._replace(factory=partial(mlp_ple, **network))
    return EstimatorHost(ImbalancedMLPClassifier(network=method, **options), "probability")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", default="../shared/data")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    methods = [*VARIANTS, *PEERS]
    parser.add_argument("--methods", nargs="+", default=methods, choices=methods)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "peers.jsonl"
    runs = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    stored = {(run["set"], run["method"]) for run in runs}
    for name in options.sets:
        data = imblearn27(name, options.data_home)
        for method in options.methods:
            if (name, method) in stored:
                continue
            run = {"set": name, "method": method, **scored(name, method, data)}
            runs.append(run)
            with open(path, "a") as file:
                file.write(json.dumps(run) + "\n")
            print(*run.values(), flush=True)
    found = pd.DataFrame(runs).explode("average_precision", ignore_index=True)
    found["average_precision"] = found["average_precision"].astype(float)
    table = found.pivot_table("average_precision", "set", "method")
    table.round(4).to_csv(options.out / "peers.csv")


def scored(name, method, data):
    """Average precision and cross-entropy on validation rows, and CPU time, of each seed."""
    fits, found = host(method), {"average_precision": [], "log_loss": [], "seconds": []}
    for seed, (train, valid) in enumerate(splits(name, data)):
        model = fits.build(seed)
        started = time.process_time()
        model.fit(data.x[train], data.y[train])
        p = model.predict_proba(data.x[valid])[:, 1]
        run = (*scores(data.y[valid], p[None]), time.process_time() - started)
        for values, value in zip(found.values(), run, strict=True):
            values.append(round(float(value), 4))
    return found


if __name__ == "__main__":
    main()
