"""Seconds of a classifier's first fit, of its second fit, and of predictions for a million rows.

    python benchmarks/first_fit.py

Each classifier and round runs in a new process, on a table of 1,000 x 20 with a minority share of
5 %; no compiled program is kept from an earlier process. The second fit is on another table of
nearly the same size. The time of importing the classifier, including scikit-learn and jax, is
measured too.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = (
    "ImbalancedMLPClassifier",
    "ExplicitGradientClassifier",
    "MetaWeightNetClassifier",
    "MESAClassifier",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to predict")
    parser.add_argument("--name", choices=NAMES, help="measure this one, in this process")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "first_fit.json")
    options = parser.parse_args()
    if options.name:
        print(json.dumps(measured(options)))
        return
    from imbax.experiments.provenance import environment

    rounds = [(name, in_new_process(name)) for _ in range(options.rounds) for name in options.names]
    figures = {
        name: {
            figure: summary([one[figure] for measured, one in rounds if measured == name])
            for figure in rounds[0][1]
        }
        for name in options.names
    }
    settings = {"rows": 1000, "columns": 20, "predicted": options.rows, "rounds": options.rounds}
    result = {"settings": settings, "environment": environment(), "figures": figures}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    for name, summaries in figures.items():
        parts = (f"{f} {s['median']} ({s['min']} to {s['max']})" for f, s in summaries.items())
        print(f"{name}: {', '.join(parts)}")


def summary(values):
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def in_new_process(name):
    command = [sys.executable, __file__, *sys.argv[1:], "--name", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(options):
    """Seconds of each step, and GiB of peak memory added by predicting."""
    start = time.perf_counter()
    import numpy as np
    from sklearn.datasets import make_classification

    import imbax

    model = getattr(imbax, options.name)(random_state=0)
    imported = time.perf_counter() - start
    tables = [make_classification(n, 20, weights=[0.95], random_state=n) for n in (1000, 990)]
    first, after = (seconds(lambda table=table: model.fit(*table)) for table in tables)
    x = np.random.default_rng(0).normal(size=(options.rows, 20)).astype(np.float32)
    before = peak_gib()
    predicting = seconds(lambda: model.predict_proba(x))
    return {
        "import_seconds": imported,
        "first_fit_seconds": first,
        "next_fit_seconds": after,
        "predict_seconds": predicting,
        "predict_added_gib": peak_gib() - before,
    }


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_gib():
    """Peak memory of this process in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


if __name__ == "__main__":
    main()
