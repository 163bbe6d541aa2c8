"""Peers in PyTorch: eager loops, `torch.func.vmap` over runs, and `torch.compile`.

Only PyTorch's training steps are timed, on batches that are drawn and sliced beforehand. A loop
trains one run after the other, so its time per run-step does not depend on the number of runs; at
most `LOOPED` runs are timed. Image kernels have loops only.
"""

import time
from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from imbax.bench import tables
from imbax.bench import torch_images as ti
from imbax.bench import torch_steps as ts
from imbax.bench.kernels import KERNELS
from imbax.bench.measure import Case, Contender, Peers, first_line
from imbax.bench.sizes import Size
from imbax.bench.timing import Workload
from imbax.bench.torch_bagan import bagan
from imbax.bench.torch_gamo import gamo
from imbax.engine.devices import usable_cores
from imbax.methods.explicit_gradient import Hparams
from imbax.networks.mlp import mlp

__all__ = ["LOOPED", "TOLERANCE", "check", "contenders", "peers"]

LOOPED = 4
"""Maximum number of timed runs of a loop."""
TOLERANCE = 1e-4
"""Maximum relative difference from imbax's results."""
_RUN_STEPS = 500
"""Approximate number of run-steps per call, so that a call is not much longer than imbax's."""
_TABLES = ("explicit_gradient", "supervised")
_IMAGE_WAYS = {("torch eager", "loop"): None, ("torch.compile", "loop"): None}
_HPARAMS = Hparams()
_IMAGES = {
    "deepsmote": partial(ti.deepsmote, "mirrored"),
    "deepsmote_reference": partial(ti.deepsmote, "reference"),
    "bagan": bagan,
    "gamo": gamo,
    "resnet": ti.resnet,
}


def peers(*, compile: bool = True) -> Peers:
    """PyTorch peers on the first CUDA device or on the CPU, with or without `torch.compile`."""
    torch.compiler.config.force_disable_caches = True  # so that compile times are not from caches
    # Above this limit, PyTorch would continue without compiling, with only a warning.
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    name = torch.cuda.get_device_name() if _device() == "cuda" else "cpu"
    versions = {"torch": torch.__version__, "torch_device": name}
    return Peers(versions, partial(check, compile=compile), partial(contenders, compile=compile))


def contenders(case: Case, *, compile: bool = True) -> list[Contender]:
    """PyTorch contenders for a case, to be measured before those of another case; none for SMOTE.

    `torch.compile` takes many seconds for each size and number of threads. It is therefore timed on
    all cores only, and for tabular kernels in one way: a loop for one run, `vmap` for several.
    """
    torch._dynamo.reset()
    name, size = case
    if name == "smote":
        return []
    ways, build = (_ways(name), _table) if name in _TABLES else (_IMAGE_WAYS, _image)
    if name in _TABLES:
        del ways["torch.compile", "vmap" if size.runs == 1 else "loop"]
    result = []
    for (kind, way), train in ways.items():
        for number in _threads(kind) if kind != "torch.compile" or compile else ():
            setting = way if number is None else f"{way}, threads: {number}"
            built = partial(build, name, size, kind, way, train)
            tf32 = KERNELS[name].precision == "default"
            workload = partial(_workload, kind, number, tf32, built)
            result.append(Contender(kind, setting, workload))
    return result


def check(names: Sequence[str], *, compile: bool = True) -> dict[str, float | str]:
    """Relative differences from imbax by contender, or the error message of a failure.

    For tabular kernels, the changes of parameters and points in five steps from the same start are
    compared. For image kernels, the number of operations per step counted by PyTorch is compared.

    Raises
    ------
    RuntimeError
        A difference is larger than `TOLERANCE`.
    """
    differences: dict[str, float | str] = {}
    for name in names:
        if name in _TABLES:
            differences |= _table_differences(name, compile)
        elif name != "smote":
            differences[f"{name}, operations"] = _operations_difference(name)
    for name, difference in differences.items():
        if not (isinstance(difference, str) or difference <= TOLERANCE):
            raise RuntimeError(f"{name}: PyTorch differs from imbax by {difference:.1e}")
    return differences


def _device():
    return "cuda" if torch.cuda.is_available() else "cpu"


def _threads(kind):
    if _device() == "cuda":
        return [None]
    return [usable_cores()] if kind == "torch.compile" else sorted({1, usable_cores()})


def _ways(name, hparams=_HPARAMS):
    """Training functions `(n_steps, params, batches) -> [*params, *points]` by kind and way."""
    if name == "supervised":
        eager, by_func, step = ts.supervised, ts.supervised_by_func, ts.loss_gradient
    else:
        eager = partial(ts.explicit_gradient, partial(ts.explicit_gradient_step, hparams))
        by_func, step = ts.explicit_gradient, partial(ts.explicit_gradient_step_by_func, hparams)
    mapped = torch.func.vmap(step)
    return {
        ("torch eager", "loop"): eager,
        ("torch.func", "vmap"): partial(by_func, mapped),
        ("torch.compile", "loop"): partial(by_func, _compiled(step)),
        ("torch.compile", "vmap"): partial(by_func, _compiled(mapped)),
    }


def _compiled(f):
    return torch.compile(f, fullgraph=True, dynamic=False)


def _workload(kind, threads, tf32, build):
    """Workload of a peer with a number of threads and with or without TF32, called once."""
    call, operations, run_steps = build()

    def synchronized_call():
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        if threads:
            torch.set_num_threads(threads)
        call()
        if _device() == "cuda":
            torch.cuda.synchronize()

    def seconds():
        start = time.perf_counter()
        synchronized_call()
        return time.perf_counter() - start

    first = seconds()
    compile_seconds = max(first - seconds(), 0.0) if kind == "torch.compile" else 0.0
    return Workload(synchronized_call, operations, 0.0, run_steps, compile_seconds)


def _table(name, size, kind, way, train):
    n_runs = min(size.runs, LOOPED) if way == "loop" else size.runs
    num_steps = max(min(size.steps, _RUN_STEPS // n_runs), 1)
    short = size._replace(rows=num_steps * size.batch)
    problem = tables.random_problem(short, size.points or size.batch)
    stacked = None if way == "loop" else n_runs
    batches = ts.to_batches(problem, size.batch, stacked, _device())
    starts = [p.to(_device()) for p in ts.to_torch(_starts(size, n_runs))]

    def call():
        if way == "vmap":
            return train(num_steps, starts, batches)
        return [train(num_steps, [p[run] for p in starts], batches) for run in range(n_runs)]

    run_steps = n_runs * num_steps
    return call, KERNELS[name].needs(size)[0] * run_steps, run_steps


def _starts(size, n_runs):
    keys = jax.random.split(jax.random.key(0), n_runs)
    return jax.vmap(mlp(size.features).init)(keys)


def _image(name, size, kind, way, train):
    step, nets, optimizer, batches = _IMAGES[name](size, _device())
    if kind == "torch.compile":
        for net in nets:
            net.compile(fullgraph=True, dynamic=False)

    def call():
        for batch in batches:
            step(nets, optimizer, *batch)

    return call, KERNELS[name].needs(size)[0] * size.steps, size.steps


def _table_differences(name, compile, num_steps=5, n_runs=3):
    """Relative differences by contender, for one batch of all rows, whose order does not matter."""
    size = Size(n_runs, batch=128, rows=128, features=64, points=64, epochs=num_steps)
    problem = tables.random_problem(size, size.points)
    # Large step sizes, so that the points move by more than their rounding errors.
    hparams = Hparams(eta1=0.1, eta2=1000.0)
    steps = {"eta1": 0.1, "eta2": 1000.0} if name == "explicit_gradient" else {}
    program, (_, runs) = tables.training(name, size, problem=problem, **steps)
    state = program(problem, runs)[0].state
    starts, ours = ts.to_torch(runs.params), ts.to_torch(state.params)
    points = torch.tensor(np.asarray(problem.train.data)[: size.points])
    batches = ts.to_batches(problem, size.batch)._replace(points=[points])
    if name == "explicit_gradient":
        ours.append(torch.tensor(np.asarray(state.x_synth)))
        start = [*starts, points.expand(n_runs, -1, -1)]
    else:
        start = starts
    stacked = jax.tree.map(lambda leaf: leaf.expand(n_runs, *leaf.shape).contiguous(), batches)
    differences = {}
    for (kind, way), train in _ways(name, hparams).items():
        if kind == "torch.compile" and not compile:
            continue
        label = f"{name}, {kind} {way}"
        try:
            if way == "vmap":
                trained = train(num_steps, starts, stacked)
            else:
                runs = [train(num_steps, [p[r] for p in starts], batches) for r in range(n_runs)]
                trained = [torch.stack(leaf) for leaf in zip(*runs, strict=True)]
        except RuntimeError as error:
            differences[label] = first_line(error)
            continue
        moves = [(a - s, b - s) for a, b, s in zip(ours, trained, start, strict=True)]
        # PyTorch's max propagates NaN.
        differences[label] = float(torch.stack([(a - b).norm() / b.norm() for a, b in moves]).max())
    return differences


def _operations_difference(name):
    """Relative difference between the operations counted by PyTorch and those of the kernel."""
    size = KERNELS[name].size.resized(1, 2)
    step, nets, optimizer, batches = _IMAGES[name](size, "cpu")
    with FlopCounterMode(display=False) as counter:
        step(nets, optimizer, *batches[0])
    return abs(counter.get_total_flops() / KERNELS[name].needs(size)[0] - 1)
