"""What a user waits for: a classifier's first fit, its next one, and a million rows to foretell.

    python benchmarks/first_fit.py

A new process for each classifier and round, on a table of 1,000 x 20 with 5 % of the rarer class;
no program is kept from an earlier process. The next fit is on another table of about that size. The
import of the classifier, scikit-learn and jax with it, stands beside.
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
    parser.add_argument("--rows", type=int, default=1_000_000, help="to foretell")
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
            figure: summary([one[figure] for own, one in rounds if own == name])
            for figure in rounds[0][1]
        }
        for name in options.names
    }
    settings = {"rows": 1000, "columns": 20, "foretold": options.rows, "rounds": options.rounds}
    result = {"settings": settings, "environment": environment(), "figures": figures}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    for name, of_name in figures.items():
        told = (f"{f} {s['median']} ({s['min']} to {s['max']})" for f, s in of_name.items())
        print(f"{name}: {', '.join(told)}")


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
    """Seconds, and GiB of peak memory that foretelling adds."""
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
    foretold = seconds(lambda: model.predict_proba(x))
    return {
        "import_seconds": imported,
        "first_fit_seconds": first,
        "next_fit_seconds": after,
        "foretell_seconds": foretold,
        "foretell_added_gib": peak_gib() - before,
    }


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_gib():
    """Of this process, so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


if __name__ == "__main__":
    main()
