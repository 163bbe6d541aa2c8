"""What is timed: training steps and a sampler as the library runs them, over runs as an axis."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

from imbax.bench import images, tables
from imbax.bench.sizes import Size
from imbax.bench.timing import Workload
from imbax.engine.vectorize import Vectorized
from imbax.errors import InputError, did_you_mean

__all__ = ["KERNELS", "Kernel", "kernel"]


class Kernel(NamedTuple):
    """One of the things that are timed."""

    title: str
    build: Callable[[Size, str], tuple[Vectorized, tuple[Any, Any]]]
    """`(size, strategy) -> (program, (shared, runs))`."""
    needs: Callable[[Size], tuple[int, int]]
    """Of a step of one run: floating-point operations that it cannot do without, and bytes that it
    reads and writes at least, if nothing stays from the step before."""
    size: Size
    """The usual one."""
    small: Size
    """One to try whether all works."""
    runs: tuple[int, ...]
    """Numbers of runs that are timed if none are given."""
    batches: tuple[int, ...]
    """Batch sizes likewise, the usual one first; empty where there are no batches."""
    precision: str = "float32"
    """Of its matrix products, see `timing.PRECISIONS`."""

    def workload(self, size: Size, strategy: str = "auto") -> Workload:
        """Compiled and called once."""
        program, (shared, runs) = self.build(size, strategy)
        shared = program.replicate(shared)

        def call():
            return jax.block_until_ready(program(shared, runs))

        call()
        steps = size.runs * size.steps
        operations, moved = (number * steps for number in self.needs(size))
        return Workload(call, operations, moved, steps, program.compile_seconds)


def kernel(name: str) -> Kernel:
    """The kernel of that name. Raises InputError naming the nearest one."""
    if name not in KERNELS:
        raise InputError(f"--kernels {name}: no such kernel{did_you_mean(name, KERNELS)}")
    return KERNELS[name]


_MANY, _FEW = (1, 4, 16, 64, 256, 1024), (1, 4)
_DIGITS, _TINY = 28 * 28, 8 * 8

KERNELS = {
    "explicit_gradient": Kernel(
        "Explicit Gradient, a step",
        partial(tables.training, "explicit_gradient"),
        tables.explicit_gradient_needs,
        Size(20, batch=128, rows=50 * 128, features=64, points=128, epochs=4),
        Size(2, batch=4, rows=8, features=3, points=4),
        _MANY,
        (128, 32, 512),
    ),
    "supervised": Kernel(
        "Supervised, a step",
        partial(tables.training, "supervised"),
        tables.supervised_needs,
        Size(20, batch=128, rows=50 * 128, features=64, epochs=4),
        Size(2, batch=4, rows=8, features=3),
        _MANY,
        (128, 32, 512),
    ),
    "smote": Kernel(
        "SMOTE, a data set",
        tables.smote,
        tables.smote_needs,
        Size(20, batch=0, rows=10_000, features=64, points=1000),
        Size(2, batch=0, rows=80, features=3, points=4),
        _MANY,
        (),
    ),
    "deepsmote": Kernel(
        "DeepSMOTE, a step",
        partial(images.deepsmote, "mirrored"),
        partial(images.deepsmote_needs, "mirrored"),
        Size(1, batch=100, rows=200, features=_DIGITS, width=300),
        Size(1, batch=2, rows=2, features=_TINY, width=8),
        _FEW,
        (100,),
    ),
    "deepsmote_reference": Kernel(
        "DeepSMOTE, reference decoder",
        partial(images.deepsmote, "reference"),
        partial(images.deepsmote_needs, "reference"),
        Size(1, batch=100, rows=200, features=_DIGITS, width=300),
        Size(1, batch=2, rows=2, features=_TINY, width=8),
        _FEW,
        (100,),
    ),
    "resnet": Kernel(
        "ResNet-18, a step",
        images.resnet,
        images.resnet_needs,
        Size(1, batch=128, rows=256, features=_DIGITS, width=64),
        Size(1, batch=2, rows=2, features=_TINY, width=2),
        _FEW,
        (128,),
        precision="default",
    ),
}
"""By name, in the order of the table."""
