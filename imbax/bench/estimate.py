"""Estimate of the time of a measurement, from the machine's rates and the costs of `KERNELS`."""

from collections.abc import Callable, Sequence

from imbax.bench.kernels import KERNELS
from imbax.bench.measure import Case
from imbax.bench.timing import Reference, rates, seconds_in_turns

__all__ = ["Estimate", "as_text", "estimate"]

Estimate = Callable[[Sequence[tuple[Case, int]]], float]
"""Function `(case, number of contenders), ... -> seconds`."""


def estimate(machine: Sequence[Reference], rounds: int) -> Estimate:
    """Times the reference workloads once; returns the function that estimates measurements.

    A contender compiles, runs once without timing and then once per round. All contenders are
    assumed to take as long as imbax.
    """
    once = seconds_in_turns([each.work for each in machine], 1)

    def seconds(case, contenders):
        kernel, size = KERNELS[case.kernel], case.size
        rate = rates(machine, once, kernel.precision)
        operations, traffic = (number * size.runs * size.steps for number in kernel.needs(size))
        call = max(operations / (kernel.efficiency * rate.matmul), traffic / rate.memory)
        return contenders * (kernel.compile_seconds + (rounds + 1) * call) + rounds * once.sum()

    return lambda cases: sum(seconds(*each) for each in cases)


def as_text(seconds: float) -> str:
    """Rounded time in words."""
    if seconds < 90:
        return f"about {max(10 * round(seconds / 10), 10)} seconds"
    minutes = seconds / 60
    return f"about {minutes:.0f} minutes" if minutes < 120 else f"about {minutes / 60:.0f} hours"
