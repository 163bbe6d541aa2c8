"""How long the training steps take on this machine, and how near that is to a matrix product.

A step is timed inside the real training: `training.train` of a registered method, with its
shuffling, validation and checkpoints. Only the operations that the step cannot do without count,
so its rate in GFLOP/s is a lower bound of what the machine does.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from imbax.errors import InputError
from imbax.methods import Facts, get
from imbax.networks.mlp import mlp
from imbax.training import train
from imbax.types import Problem, rows
from imbax.vectorize import Vectorized

__all__ = [
    "BATCH",
    "METHODS",
    "WIDTHS",
    "StepTime",
    "Workload",
    "matmul_workloads",
    "measure_steps",
    "necessary_operations",
    "print_steps",
    "random_problem",
    "seconds_in_turns",
    "training_of",
    "training_workload",
]

METHODS = ("explicit_gradient", "ce")
WIDTHS = (64, 128, 16, 1)
"""Features, hidden layers and output of the classifier."""
BATCH = 128
"""Rows of each batch: training, synthetic and outer."""


class Workload(NamedTuple):
    """Something to time."""

    call: Callable[[], Any]
    """Does it once, to the end."""
    operations: float
    """Necessary floating-point operations of one call."""
    run_steps: int = 1
    """Steps of one call, summed over runs."""
    compile_seconds: float = 0.0


class StepTime(NamedTuple):
    """One line of the table."""

    method: str
    runs: int
    compile_seconds: float
    minimum: float
    """Microseconds per run-step: the time of all runs, divided by runs and steps."""
    median: float
    """The same, median over rounds."""
    gflops: float
    """Necessary operations, by the minimum."""
    matmul_share: float
    """`gflops` over the best rate of a square float32 matrix product in the same rounds."""


def necessary_operations(method: str, widths: Sequence[int] = WIDTHS, batch: int = BATCH) -> int:
    """Floating-point operations of one step of one run: the matrix products that its equations ask.

    Count, for one row and a layer of a x b weights, products of a·b multiply-adds. With P the sum
    of a·b over layers and P₁ the first layer's, a row costs

    - 3P - P₁ for the gradient of a loss: forward, gradient of the weights, and gradient of the
      layer's input, which the first layer can leave out;
    - 4P - P₁ for the mixed derivative along a direction v of the weights: forward h·v and ḣ·w in
      each layer (ẋ = 0 in the first), backward δ·vᵀ and δ̇·wᵀ. Activations h and signals δ are
      those of the gradient just taken and are not counted again.

    Supervised training takes the gradient of one batch. Explicit Gradient takes that of the
    training, the synthetic and the outer batch, and the mixed derivative of the synthetic one.
    Element-wise work, the optimizer's arithmetic, shuffling and validation count nothing.

    Args:
      method: one of `METHODS`.
      widths: features, hidden layers, output.
      batch: rows of each batch.
    """
    layers = [a * b for a, b in itertools.pairwise(widths)]
    gradient, mixed = 3 * sum(layers) - layers[0], 4 * sum(layers) - layers[0]
    return 2 * batch * {"ce": gradient, "explicit_gradient": 3 * gradient + mixed}[method]


def print_steps(runs: Sequence[int], **options: Any) -> None:
    """Print the table of `measure_steps(runs, **options)`; raises InputError as that does."""
    console = Console()
    with console.status("compiling and timing"):
        times = measure_steps(runs, **options)
    devices, first = jax.devices(), times[0]
    matmul = first.gflops / first.matmul_share
    table = Table(
        title=f"MLP {'-'.join(map(str, WIDTHS))}, batches of {BATCH}, float32: µs per run-step",
        caption=f"{len(devices)} x {devices[0].device_kind}, matrix product {matmul:.0f} GFLOP/s",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("step", no_wrap=True)
    for name in ("runs", "compile s", "best", "median", "GFLOP/s", "% product"):
        table.add_column(name, justify="right")
    for method, count, *numbers, share in times:
        table.add_row(method, f"{count}", *(f"{n:.1f}" for n in numbers), f"{100 * share:.0f}")
    console.print(table)


def measure_steps(
    runs: Sequence[int] = (1, 4, 20),
    *,
    rounds: int = 10,
    batches: int = 50,
    epochs: int = 2,
    sizes: Sequence[int] | None = None,
) -> list[StepTime]:
    """Time both methods' steps for each number of runs, in turns with matrix products.

    Args:
      runs: numbers of runs, each >= 1.
      rounds: times that everything is timed.
      batches, epochs: as in `training_workload`.
      sizes: as in `matmul_workloads`.

    Raises:
      InputError: a number of runs below 1.
    """
    if min(runs) < 1:
        raise InputError(f"--runs {min(runs)}, expected numbers of at least 1")
    cases = list(itertools.product(METHODS, runs))
    steps = [training_workload(*case, batches=batches, epochs=epochs) for case in cases]
    products = matmul_workloads(sizes)
    seconds = seconds_in_turns([*steps, *products], rounds)
    best, median = seconds.min(1), np.median(seconds, 1)
    rates = np.array([work.operations for work in (*steps, *products)]) / best
    matmul = rates[len(steps) :].max()
    return [
        StepTime(
            *case,
            work.compile_seconds,
            float(1e6 * best[i] / work.run_steps),
            float(1e6 * median[i] / work.run_steps),
            float(1e-9 * rates[i]),
            float(rates[i] / matmul),
        )
        for i, (case, work) in enumerate(zip(cases, steps, strict=True))
    ]


def seconds_in_turns(workloads: Sequence[Workload], rounds: int) -> np.ndarray:
    """Seconds `[workloads, rounds]`; each is called once a round, so that drift hits all alike."""
    for work in workloads:
        work.call()
    seconds = np.empty((len(workloads), rounds))
    for turn, (number, work) in itertools.product(range(rounds), enumerate(workloads)):
        started = time.perf_counter()
        work.call()
        seconds[number, turn] = time.perf_counter() - started
    return seconds


def training_workload(
    method: str, n_runs: int, *, strategy: str = "auto", batches: int = 50, epochs: int = 2
) -> Workload:
    """A whole training, compiled: `epochs` epochs of `batches` steps, `batches >= 1`."""
    problem = random_problem(BATCH * batches)
    program, runs = training_of(method, problem, n_runs, epochs=epochs, strategy=strategy)
    problem = program.replicate(problem)

    def call():
        return jax.block_until_ready(program(problem, runs))

    call()
    run_steps = n_runs * batches * epochs
    operations = necessary_operations(method) * run_steps
    return Workload(call, operations, run_steps, program.compile_seconds)


def training_of(
    method: str, problem: Problem, n_runs: int, *, epochs: int, strategy: str = "auto"
) -> tuple[Vectorized, dict[str, Any]]:
    """A registered method's training, `(problem, runs) -> (Progress, Curves)`, and the runs.

    Runs differ in their key and in the parameters that they start from; leaves `[n_runs, ...]`.
    """
    entry, features = get(method), problem.train.data.shape[1]
    minority = int(problem.train.y.sum())
    built = entry.build(Facts(features, minority, minority, "double", epochs))
    keys = jax.random.split(jax.random.key(0), n_runs)
    runs = {
        "key": keys,
        "start": jax.vmap(mlp(features).init)(keys),
        "hparams": jax.tree.map(lambda v: np.full(n_runs, v, np.float32), entry.settings[0]),
    }

    def whole(problem, run):
        return train(built, run["key"], problem, run["hparams"], epochs, run["start"])

    return Vectorized(whole, strategy=strategy, devices=jax.devices()[:n_runs]), runs


def random_problem(
    n_train: int, n_valid: int | None = None, n_minority: int | None = None
) -> Problem:
    """Gaussian rows; minority are `n_minority` training rows and a tenth of the validation rows.

    By default there is a validation row for three training rows, and one of ten of those is
    minority, but always enough for a full batch.
    """
    n_valid = n_valid or max(n_train // 3, BATCH)
    n_minority = n_minority or max(n_train // 10, BATCH)
    rng = np.random.default_rng(0)

    def part(n, minority):
        x = rng.normal(size=(n, WIDTHS[0])).astype(np.float32)
        return rows(x, (np.arange(n) < minority).astype(np.float32))

    return Problem(part(n_train, n_minority), part(n_valid, n_valid // 10))


def matmul_workloads(sizes: Sequence[int] | None = None) -> list[Workload]:
    """Products of square matrices, on one device (which may use all cores) and on all at once.

    Args:
      sizes: side lengths; default 512, 1024 and 2048, and larger on accelerators.
    """
    everywhere = jax.devices()
    sizes = sizes or ((512, 1024, 2048) if everywhere[0].platform == "cpu" else (4096, 8192))
    groups = [everywhere[:1], everywhere][: len(everywhere)]
    return [_matmul(size, devices) for size in sizes for devices in groups]


def _matmul(size, devices):
    product = Vectorized(lambda _, a: jnp.matmul(a, a, precision="float32"), devices=devices)
    a = jax.random.normal(jax.random.key(0), (len(devices), size, size))
    a = product((), a)  # a result lies where the next call expects it: nothing is copied
    call = lambda: jax.block_until_ready(product((), a))  # noqa: E731
    return Workload(call, 2.0 * size**3 * len(devices))
