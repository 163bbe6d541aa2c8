"""Timed kernels: training steps and a sampler, vectorised over runs as in the library."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

from imbax.bench import generators, images, tables
from imbax.bench.sizes import Size
from imbax.bench.timing import Workload
from imbax.engine.vectorize import Vectorized
from imbax.errors import InputError, did_you_mean

__all__ = ["KERNELS", "Kernel", "kernel"]


class Kernel(NamedTuple):
    """Kernel to time."""

    title: str
    build: Callable[[Size, str], tuple[Vectorized, tuple[Any, Any]]]
    """Function `(size, strategy) -> (program, (shared, runs))`."""
    needs: Callable[[Size], tuple[int, int]]
    """Function `size -> (operations, bytes)` for a step of one run: necessary floating-point
    operations, and minimum memory traffic if nothing stays in the cache between steps."""
    size: Size
    """Default size."""
    small: Size
    """Small size for testing that the kernel runs."""
    runs: tuple[int, ...]
    """Numbers of runs of a full measurement."""
    batches: tuple[int, ...]
    """Batch sizes of a full measurement, the usual one first; empty for kernels without batches."""
    precision: str = "float32"
    """Precision of matrix products, see `timing.PRECISIONS`."""
    few: tuple[int, ...] = (1,)
    """Numbers of runs of a short measurement, some of `runs`, at the usual batch size."""
    by_default: bool = True
    """Whether a short measurement of unnamed kernels includes this one."""
    efficiency: float = 0.5
    """Approximate rate of operations relative to matrix products, on two cores of an EPYC."""
    compile_seconds: float = 7.0
    """Approximate seconds of compilation on the same machine."""

    def workload(self, size: Size, strategy: str = "auto") -> Workload:
        """Compiles the kernel, calls it once and returns it as a workload."""
        program, (shared, runs) = self.build(size, strategy)
        shared = program.replicate(shared)

        def call():
            return jax.block_until_ready(program(shared, runs))

        call()
        steps = size.runs * size.steps
        operations, traffic = (number * steps for number in self.needs(size))
        return Workload(call, operations, traffic, steps, program.compile_seconds)


def kernel(name: str) -> Kernel:
    """Kernel by name. Raises InputError with a suggestion if there is none."""
    if name not in KERNELS:
        raise InputError(f"--kernels {name}: unknown kernel{did_you_mean(name, KERNELS)}")
    return KERNELS[name]


_TABLE_RUNS, _IMAGE_RUNS = (1, 4, 16, 64, 256, 1024), (1, 4)
_FEW = (1, 16, 64)
_DIGITS, _TINY = 28 * 28, 8 * 8

KERNELS = {
    "explicit_gradient": Kernel(
        "Explicit Gradient, one step",
        partial(tables.training, "explicit_gradient"),
        tables.explicit_gradient_needs,
        Size(20, batch=128, rows=50 * 128, features=64, points=128, epochs=4),
        Size(2, batch=4, rows=8, features=3, points=4),
        _TABLE_RUNS,
        (128, 32, 512),
        few=_FEW,
        efficiency=0.75,
        compile_seconds=3.0,
    ),
    "supervised": Kernel(
        "Supervised, one step",
        partial(tables.training, "supervised"),
        tables.supervised_needs,
        Size(20, batch=128, rows=50 * 128, features=64, epochs=4),
        Size(2, batch=4, rows=8, features=3),
        _TABLE_RUNS,
        (128, 32, 512),
        few=_FEW,
        efficiency=0.6,
        compile_seconds=1.5,
    ),
    "smote": Kernel(
        "SMOTE, one data set",
        tables.smote,
        tables.smote_needs,
        Size(20, batch=0, rows=10_000, features=64, points=1000),
        Size(2, batch=0, rows=80, features=3, points=4),
        _TABLE_RUNS,
        (),
        few=_FEW,
        efficiency=0.2,
        compile_seconds=1.0,
    ),
    "deepsmote": Kernel(
        "DeepSMOTE, one step",
        partial(images.deepsmote, "mirrored"),
        partial(images.deepsmote_needs, "mirrored"),
        Size(1, batch=100, rows=200, features=_DIGITS, width=300),
        Size(1, batch=2, rows=2, features=_TINY, width=8),
        _IMAGE_RUNS,
        (100,),
        compile_seconds=13.0,
    ),
    "deepsmote_reference": Kernel(
        "DeepSMOTE, reference decoder",
        partial(images.deepsmote, "reference"),
        partial(images.deepsmote_needs, "reference"),
        Size(1, batch=100, rows=200, features=_DIGITS, width=300),
        Size(1, batch=2, rows=2, features=_TINY, width=8),
        _IMAGE_RUNS,
        (100,),
        by_default=False,
        efficiency=0.8,
        compile_seconds=21.0,
    ),
    "bagan": Kernel(
        "BAGAN, one step",
        generators.bagan,
        generators.bagan_needs,
        Size(1, batch=128, rows=256, features=_DIGITS, width=100),
        Size(1, batch=2, rows=2, features=_TINY, width=8),
        _IMAGE_RUNS,
        (128,),
        by_default=False,
        efficiency=0.9,
        compile_seconds=34.0,
    ),
    "gamo": Kernel(
        "GAMO, one step",
        generators.gamo,
        generators.gamo_needs,
        Size(1, batch=32, rows=140 * 32, features=_DIGITS),
        Size(1, batch=2, rows=20, features=_TINY),
        _IMAGE_RUNS,
        (32,),
        efficiency=0.2,
    ),
    "resnet": Kernel(
        "ResNet-18, one step",
        images.resnet,
        images.resnet_needs,
        Size(1, batch=128, rows=256, features=_DIGITS, width=64),
        Size(1, batch=2, rows=2, features=_TINY, width=2),
        _IMAGE_RUNS,
        (128,),
        precision="default",
        efficiency=0.7,
        compile_seconds=24.0,
    ),
}
"""Kernels by name, in the order of the table."""
