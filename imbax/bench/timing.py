"""Timing, and reference rates of the machine: matrix products and passes over memory."""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from imbax.engine.vectorize import Vectorized

__all__ = [
    "PRECISIONS",
    "Rates",
    "Reference",
    "Workload",
    "rates",
    "references",
    "seconds_in_turns",
]

PRECISIONS = ("float32", "default")
"""Precisions of matrix products in jax; "default" is the device's, on a CPU float32."""


class Workload(NamedTuple):
    """Compiled workload to time."""

    call: Callable[[], Any]
    """Function that runs the workload once and waits for the result."""
    operations: float = 0.0
    """Necessary floating-point operations of one call."""
    bytes: float = 0.0
    """Necessary memory traffic of one call in bytes."""
    run_steps: int = 1
    """Steps of one call, summed over runs."""
    compile_seconds: float = 0.0
    """Seconds of tracing and compiling."""


class Reference(NamedTuple):
    """Workload that measures a rate of the machine."""

    kind: str
    """One of `PRECISIONS` for a matrix product, or "memory"."""
    work: Workload


class Rates(NamedTuple):
    """Best rates of the machine over all rounds, all devices together."""

    matmul: float
    """Operations of matrix products per second."""
    memory: float
    """Bytes read and written per second."""


def seconds_in_turns(workloads: Sequence[Workload], rounds: int) -> np.ndarray:
    """Measures seconds `[workloads, rounds]`.

    Every workload is called once per round, so that drift of the machine affects all of them.
    """
    seconds = np.empty((len(workloads), rounds))
    for turn, (number, work) in itertools.product(range(rounds), enumerate(workloads)):
        start = time.perf_counter()
        work.call()
        seconds[number, turn] = time.perf_counter() - start
    return seconds


def rates(references: Sequence[Reference], seconds: np.ndarray, precision: str) -> Rates:
    """Best rates in `seconds [references, rounds]`, for matrix products of one precision."""
    timed = list(zip(references, seconds.min(1), strict=True))
    matmul = [each.work.operations / best for each, best in timed if each.kind == precision]
    memory = [each.work.bytes / best for each, best in timed if each.kind == "memory"]
    return Rates(max(matmul), max(memory))


def references(*, small: bool = False) -> list[Reference]:
    """Square matrix products at each of `PRECISIONS`, and passes over memory.

    Each is run on one device, which on a CPU may use all cores, and on all devices at once. Sizes
    with `small` are for tests only.
    """
    all_devices = jax.devices()
    on_cpu = all_devices[0].platform == "cpu"
    sizes = (64,) if small else (512, 1024, 2048) if on_cpu else (4096, 8192)
    megabytes = 1 if small else 256 if on_cpu else 1024
    groups = [all_devices[:1], all_devices][: len(all_devices)]
    workloads = []
    for devices in groups:
        workloads.append(Reference("memory", _memory_pass(megabytes, devices)))
        for size, precision in itertools.product(sizes, PRECISIONS):
            workloads.append(Reference(precision, _matmul(size, devices, precision)))
    return workloads


def _matmul(size, devices, precision):
    product = Vectorized(lambda _, a: jnp.matmul(a, a, precision=precision), devices=devices)
    a = jax.random.normal(jax.random.key(0), (len(devices), size, size))
    a = product((), a)  # places the array on the devices of the next call, which copies nothing
    call = lambda: jax.block_until_ready(product((), a))
    call()
    return Workload(call, operations=2.0 * size**3 * len(devices))


def _memory_pass(megabytes, devices):
    """Workload that reads, negates and writes an array in place, without new memory pages."""
    sharding = NamedSharding(Mesh(np.array(devices), ("part",)), PartitionSpec("part"))
    negated = jax.jit(lambda a: -a, donate_argnums=0)
    length = megabytes * 2**18 // len(devices) * len(devices)
    latest = negated(jax.device_put(np.ones(length, np.float32), sharding))

    def call():
        nonlocal latest
        latest = jax.block_until_ready(negated(latest))

    call()
    return Workload(call, bytes=8.0 * length)
