"""Peak memory of a cell (all runs of one method on `webpage`, trained as in a suite) and of SMOTE.

    python benchmarks/memory.py --data-home DIR

`imbax.SMOTE` runs on a table of 1,000,000 x 64 with a minority of a tenth. Each method runs in its
own process, since the peak of a process never falls. Explicit Gradient starts from untrained
parameters, so that the training of its start is not measured.
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
    # A suite compiles pieces of ten epochs; more epochs take longer, but not more memory.
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table for SMOTE")
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
    """Peak resident memory in GiB before training, with the data split into runs, and after it."""
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
    """Peak resident memory in GiB before `fit_resample`, which adds 80 % of the rows, and after."""
    rng = np.random.default_rng(0)
    x = rng.random((rows, features), np.float32)
    y = (rng.permutation(rows) < share * rows).astype(int)
    before, start = peak_gib(), time.perf_counter()
    resampled, _ = imbax.SMOTE(random_state=0).fit_resample(x, y)
    return {
        "method": SAMPLER,
        "rows": rows,
        "features": features,
        "rows_after": len(resampled),
        "peak_gib_with_data": before,
        "peak_gib": peak_gib(),
        "seconds": time.perf_counter() - start,
    }


def untrained(cut):
    """Training result with the initial parameters of the network."""
    params = jax.device_get(jax.vmap(mlp(cut.facts.features).init)(cut.runs.key))
    zeros = np.zeros(len(cut.splits), np.float32)
    return Progress((), Fit(params), zeros, zeros, zeros, zeros)


def peak_gib():
    """Peak memory of this process in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


if __name__ == "__main__":
    main()
