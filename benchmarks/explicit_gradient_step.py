"""One Explicit Gradient step in imbax and in PyTorch: same equations, same shapes, one process.

    python benchmarks/explicit_gradient_step.py

Per run and step, in float32 on the CPU, for an MLP 64-128-16-1 (ReLU, cross-entropy) and batches of
128 training, 128 synthetic and 128 outer rows:

    θ' = θ - η₁ ∇_θ L(X₁ ∪ X_synth | θ),  X_synth <- X_synth - η₂ ∇_{X_synth} L(X₂ | θ'),  θ <- θ'

imbax is timed as users run it: the registered training with its shuffling, validation scores and
checkpoints. PyTorch is spared these: only its steps are timed. All must first reach the same
parameters and points from the same start. Contenders take turns, so that a drift of the machine
hits all alike.
"""

import argparse
import json
import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
import pytorch_steps as pt
import torch

from imbax import bench
from imbax.experiments.provenance import environment
from imbax.methods.explicit_gradient import Hparams
from imbax.vectorize import usable_cores, use_cpu_cores

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-4


class Contender(NamedTuple):
    """Something timed, and how the result names it."""

    step: str
    runs: int
    kind: str
    setting: str
    work: bench.Workload


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="at least 2")
    parser.add_argument("--rounds", type=int, default=15, help="times everything is timed")
    parser.add_argument("--batches", type=int, default=50, help="steps in an epoch")
    parser.add_argument("--epochs", type=int, default=2, help="epochs in each timed training")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True,
                        help="also time torch.compile, which needs a C++ compiler")  # fmt: skip
    default = HERE / "results" / "explicit_gradient_step.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()

    use_cpu_cores()
    torch.compiler.config.force_disable_caches = True  # compile times are of the first time
    # Past its limit PyTorch would go on without compiling, and say so only in a warning.
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    found = disagreements(options.compile)
    print("relative differences:", {name: f"{value:.1e}" for name, value in found.items()})
    if (worst := max(found.values())) > TOLERANCE:
        sys.exit(f"contenders differ by {worst:.1e}, more than {TOLERANCE:g}: nothing was timed")

    size = {"batches": options.batches, "epochs": options.epochs}
    rows = [
        *in_imbax(options.runs, **size),
        *in_torch(options.runs, options.compile, **size),
        *products(),
    ]
    seconds = bench.seconds_in_turns([row.work for row in rows], options.rounds)
    result = {
        "command": shlex.join(["python", f"benchmarks/{Path(__file__).name}", *sys.argv[1:]]),
        "environment": environment() | {"torch": torch.__version__},
        "settings": {"widths": bench.WIDTHS, "batch": bench.BATCH, "rounds": options.rounds} | size,
        "operations": {name: bench.necessary_operations(name) for name in bench.METHODS},
        "relative_difference": found,
        **summary(rows, seconds),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    for name in ("microseconds_per_run_step", "times_imbax"):
        print(pd.DataFrame(result[name]).round(1).to_string(index=False), end="\n\n")
    print("matrix product, GFLOP/s:", {k: round(v, 1) for k, v in result["matmul_gflops"].items()})


def disagreements(compile, num_steps=5, n_runs=3):
    """By contender: the largest relative difference from eager PyTorch in how far tensors moved.

    All rows fit into one batch, so that the order in which imbax draws them does not matter.
    """
    problem = bench.random_problem(bench.BATCH, n_minority=bench.BATCH // 2)
    # Larger steps than usual, or the move of the points would drown in their own rounding.
    hparams = Hparams(eta1=0.1, eta2=1000.0)
    traced = {"hparams": jax.tree.map(lambda v: np.full(n_runs, v, np.float32), hparams)}
    points = torch.tensor(np.asarray(problem.train.data)[: bench.BATCH // 2])
    batches = pt.to_batches(problem)._replace(points=[points])

    def imbax(method, strategy, **changes):
        size = {"epochs": num_steps, "strategy": strategy}
        program, runs = bench.training_of(method, problem, n_runs, **size)
        return program(problem, runs | changes)[0].state

    def one_by_one(train):
        runs = pt.one_by_one(partial(train, num_steps), starts, batches)
        return [torch.stack(leaf) for leaf in zip(*runs, strict=True)]

    _, runs = bench.training_of("ce", problem, n_runs, epochs=num_steps)
    starts = pt.to_torch(runs["start"])
    trained = one_by_one(pt.supervised)
    moved = one_by_one(partial(pt.explicit_gradient, partial(pt.eager_step, hparams)))
    start = [*starts, points.expand(n_runs, -1, -1)]
    found = {}
    for strategy in ("map", "vmap"):
        after = imbax("ce", strategy)
        found[f"ce, imbax {strategy}"] = apart(pt.to_torch(after.params), trained, starts)
        after = imbax("explicit_gradient", strategy, **traced)
        ours = [*pt.to_torch(after.params), torch.tensor(np.asarray(after.x_synth))]
        found[f"explicit_gradient, imbax {strategy}"] = apart(ours, moved, start)

    step = partial(pt.func_step, hparams)
    same = jax.tree.map(lambda leaf: leaf.expand(n_runs, *leaf.shape).contiguous(), batches)
    batched = {"torch.func": torch.func.vmap(step)}
    if compile:
        batched["torch.compile, vmap"] = compiled(torch.func.vmap(step))
        theirs = one_by_one(partial(pt.explicit_gradient, compiled(step)))
        found["explicit_gradient, torch.compile, map"] = apart(theirs, moved, start)
    for name, step in batched.items():
        theirs = pt.explicit_gradient(step, num_steps, starts, same)
        found[f"explicit_gradient, {name}"] = apart(theirs, moved, start)
    return found


def apart(ours, theirs, start):
    moves = [(a - s, b - s) for a, b, s in zip(ours, theirs, start, strict=True)]
    return max(float((a - b).norm() / b.norm()) for a, b in moves)


def compiled(step):
    return torch.compile(step, fullgraph=True, dynamic=False)


def in_imbax(n_runs, **size):
    """The real training, over runs by both strategies, and of a single run on one device."""
    for method, count, strategy in (
        ("explicit_gradient", n_runs, "map"),
        ("explicit_gradient", n_runs, "vmap"),
        ("explicit_gradient", 1, "map"),
        ("ce", n_runs, "map"),
        ("ce", n_runs, "vmap"),
    ):
        work = bench.training_workload(method, count, strategy=strategy, **size)
        yield Contender(method, count, "imbax", strategy, work)


def in_torch(n_runs, compile, batches, epochs):
    """The same steps on one thread and on all cores, runs in a loop or batched."""
    problem, num_steps = bench.random_problem(bench.BATCH * batches), batches * epochs
    _, runs = bench.training_of("ce", problem, n_runs, epochs=epochs)
    starts = pt.to_torch(runs["start"])
    one, each = pt.to_batches(problem), pt.to_batches(problem, n_runs)
    step = partial(pt.func_step, Hparams())
    steps = {
        ("torch eager", "loop"): partial(pt.eager_step, Hparams()),
        ("torch.func", "vmap"): torch.func.vmap(step),
    }
    if compile:
        steps["torch.compile", "loop"] = compiled(step)
        steps["torch.compile", "vmap"] = compiled(torch.func.vmap(step))

    cases = []
    for (kind, way), step in steps.items():
        train = partial(pt.explicit_gradient, step, num_steps)
        if way == "vmap":
            cases.append(("explicit_gradient", n_runs, kind, way, partial(train, starts, each)))
            continue
        for count in (1, n_runs):
            call = partial(pt.one_by_one, train, [p[:count] for p in starts], one)
            cases.append(("explicit_gradient", count, kind, way, call))
    call = partial(pt.one_by_one, partial(pt.supervised, num_steps), starts, one)
    cases.append(("ce", n_runs, "torch eager", "loop", call))

    for threads in sorted({1, usable_cores()}):
        for method, count, kind, way, call in cases:
            call = on_threads(threads, call)
            first, second = seconds_of(call), seconds_of(call)
            compile_seconds = max(first - second, 0.0) if kind == "torch.compile" else 0.0
            steps = count * num_steps
            operations = steps * bench.necessary_operations(method)
            work = bench.Workload(call, operations, steps, compile_seconds)
            yield Contender(method, count, kind, f"{way}, threads: {threads}", work)


def on_threads(number, call):
    def with_threads():
        torch.set_num_threads(number)
        return call()

    return with_threads


def seconds_of(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def products():
    """Square matrix products of both libraries, on all cores."""
    for work in bench.matmul_workloads():
        yield Contender("matmul", 1, "imbax", "", work)
    for size in (512, 1024, 2048):
        a = torch.randn(size, size)
        call = on_threads(usable_cores(), partial(torch.matmul, a, a))
        yield Contender("matmul", 1, "torch", "", bench.Workload(call, 2.0 * size**3))


def summary(rows, seconds):
    """Times, rates and ratios as JSON-ready tables."""
    names = list(Contender._fields[:-1])
    table = pd.DataFrame([row[:-1] for row in rows], columns=names)
    work = pd.DataFrame([row.work for row in rows])
    table["compile_seconds"] = work["compile_seconds"]
    is_matmul = table["step"] == "matmul"
    rate = 1e-9 * work["operations"] / seconds.min(1)
    matmul = rate[is_matmul].groupby(table["kind"]).max().rename({"imbax": "jax"})
    for name, taken in (("minimum", seconds.min(1)), ("median", np.median(seconds, 1))):
        table[name] = 1e6 * taken / work["run_steps"]
    table["gflops"], table["percent_of_matmul"] = rate, 100 * rate / matmul.max()
    table = table[~is_matmul].sort_values(["step", "runs"], ascending=False, kind="stable")

    # Each kind at its best setting, by either statistic.
    best = table.groupby(["step", "runs", "kind"], sort=False)[["minimum", "median"]].min()
    ratios = best.div(best.xs("imbax", level="kind")).drop("imbax", level="kind")
    return {
        "matmul_gflops": matmul.to_dict(),
        "microseconds_per_run_step": table.to_dict("records"),
        "times_imbax": ratios.reset_index().to_dict("records"),
    }


if __name__ == "__main__":
    main()
