"""The clock, and the machine's own rates: matrix products and a pass over memory."""

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
"""Of matrix products in jax; the second is the device's own choice, on a CPU the same."""


class Workload(NamedTuple):
    """Something to time, compiled and called once."""

    call: Callable[[], Any]
    """Does it once, to the end."""
    operations: float = 0.0
    """Necessary floating-point operations of one call."""
    bytes: float = 0.0
    """Necessary traffic with memory of one call."""
    run_steps: int = 1
    """Steps of one call, summed over runs."""
    compile_seconds: float = 0.0
    """Tracing and compiling."""


class Reference(NamedTuple):
    """A workload that shows what the machine can do."""

    kind: str
    """One of `PRECISIONS`, of a matrix product, or "memory"."""
    work: Workload


class Rates(NamedTuple):
    """What the machine did best within some rounds, all devices together."""

    matmul: float
    """Operations per second."""
    memory: float
    """Bytes per second."""


def seconds_in_turns(workloads: Sequence[Workload], rounds: int) -> np.ndarray:
    """Seconds `[workloads, rounds]`; each is called once a round, so that drift hits all alike."""
    seconds = np.empty((len(workloads), rounds))
    for turn, (number, work) in itertools.product(range(rounds), enumerate(workloads)):
        started = time.perf_counter()
        work.call()
        seconds[number, turn] = time.perf_counter() - started
    return seconds


def rates(references: Sequence[Reference], seconds: np.ndarray, precision: str) -> Rates:
    """The best rates in `seconds [references, rounds]`, of matrix products at one precision."""
    timed = list(zip(references, seconds.min(1), strict=True))
    matmul = [each.work.operations / best for each, best in timed if each.kind == precision]
    memory = [each.work.bytes / best for each, best in timed if each.kind == "memory"]
    return Rates(max(matmul), max(memory))


def references(*, small: bool = False) -> list[Reference]:
    """Square matrix products at each of `PRECISIONS`, and passes over memory.

    Each is tried on one device, which on a CPU may use all cores, and on all devices at once.
    `small` is for a trial, not for figures.
    """
    everywhere = jax.devices()
    on_cpu = everywhere[0].platform == "cpu"
    sizes = (64,) if small else (512, 1024, 2048) if on_cpu else (4096, 8192)
    megabytes = 1 if small else 256 if on_cpu else 1024
    groups = [everywhere[:1], everywhere][: len(everywhere)]
    found = []
    for devices in groups:
        found.append(Reference("memory", _pass(megabytes, devices)))
        for size, precision in itertools.product(sizes, PRECISIONS):
            found.append(Reference(precision, _matmul(size, devices, precision)))
    return found


def _matmul(size, devices, precision):
    product = Vectorized(lambda _, a: jnp.matmul(a, a, precision=precision), devices=devices)
    a = jax.random.normal(jax.random.key(0), (len(devices), size, size))
    a = product((), a)  # a result lies where the next call expects it: nothing is copied
    call = lambda: jax.block_until_ready(product((), a))
    call()
    return Workload(call, operations=2.0 * size**3 * len(devices))


def _pass(megabytes, devices):
    """Every number of an array read, negated and written back: in place, so that no page is new."""
    sharding = NamedSharding(Mesh(np.array(devices), ("part",)), PartitionSpec("part"))
    negated = jax.jit(lambda a: -a, donate_argnums=0)
    length = megabytes * 2**18 // len(devices) * len(devices)
    latest = negated(jax.device_put(np.ones(length, np.float32), sharding))

    def call():
        nonlocal latest
        latest = jax.block_until_ready(negated(latest))

    call()
    return Workload(call, bytes=8.0 * length)
