"""Peak memory of a cell: all runs of one method on the data set `webpage`, as a suite trains them.

    python benchmarks/memory.py --data-home DIR

And of `imbax.SMOTE` on 1,000,000 x 64 rows, a tenth of them minority. One process per method, since
a process's peak never falls. Explicit Gradient begins from untrained parameters, so that the
training it starts from does not count.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

import imbax
from imbax.catalogue import get
from imbax.data.tabular import imblearn27
from imbax.engine.devices import use_cpu_cores
from imbax.engine.vectorize import Engine
from imbax.experiments.provenance import environment
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.networks.mlp import mlp
from imbax.training import Fit, Progress

HERE = Path(__file__).resolve().parent
METHODS = ("ce", "explicit_gradient")
SAMPLER = "SMOTE"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", type=Path, required=True, metavar="DIR")
    parser.add_argument("--dataset", default="webpage")
    parser.add_argument("--seeds", type=int, default=5, help="each gives 4 runs")
    # A suite compiles ten epochs at a time: more of them take longer, not more memory.
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the table to sample from")
    parser.add_argument(
        "--method", choices=(*METHODS, SAMPLER), help="measure this one, in this process"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results" / "memory.json")
    options = parser.parse_args()

    use_cpu_cores()
    if options.method:
        measured = peak_of_sampling(options.rows) if options.method == SAMPLER else peak_of(options)
        print(json.dumps(measured))
        return
    cells = [in_new_process(method) for method in (*METHODS, SAMPLER)]
    settings = {"dataset": options.dataset, "runs": 4 * options.seeds, "epochs": options.epochs}
    result = {"settings": settings, "environment": environment(), "cells": cells}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    for cell in cells:
        print(cell)


def in_new_process(method):
    command = [sys.executable, __file__, *sys.argv[1:], "--method", method]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak_of(options):
    """Peak resident memory in GiB, with the data cut into runs and then after training them."""
    dataset = imblearn27(options.dataset, options.data_home)
    cut = plan(dataset, range(options.seeds), Protocol(epochs=options.epochs))
    method, before = get(options.method), peak_gib()
    start = untrained(cut) if method.tables.starts_from else None
    # The budget is the command line's default.
    result = train_cell(cut, method, start=start, engine=Engine(memory=4 * 2**30))
    return {
        "method": method.name,
        "peak_gib_with_data": before,
        "peak_gib": peak_gib(),
        "compile_seconds": result.compile_seconds,
        "run_seconds": result.run_seconds,
    }


def peak_of_sampling(rows, features=64, share=0.1):
    """Likewise, with the table and then after `fit_resample`, which gives 1.8 times its rows."""
    rng = np.random.default_rng(0)
    x = rng.random((rows, features), np.float32)
    y = (rng.permutation(rows) < share * rows).astype(int)
    before, started = peak_gib(), time.perf_counter()
    resampled, _ = imbax.SMOTE(random_state=0).fit_resample(x, y)
    return {
        "method": SAMPLER,
        "rows": rows,
        "features": features,
        "rows_after": len(resampled),
        "peak_gib_with_data": before,
        "peak_gib": peak_gib(),
        "seconds": time.perf_counter() - started,
    }


def untrained(cut):
    """A training's outcome with the parameters that a network begins with."""
    params = jax.device_get(jax.vmap(mlp(cut.facts.features).init)(cut.runs.key))
    nothing = np.zeros(len(cut.splits), np.float32)
    return Progress((), Fit(params), nothing, nothing, nothing, nothing)


def peak_gib():
    """Of this process, so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


if __name__ == "__main__":
    main()
