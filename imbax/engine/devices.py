"""Devices: CPU cores as devices, memory of devices, and out-of-memory errors."""

import math
import os
from collections.abc import Sequence

import jax

__all__ = ["is_out_of_memory", "memory_of", "usable_cores", "use_cpu_cores"]


def use_cpu_cores(number: int | None = None) -> None:
    """Makes jax treat CPU cores as separate devices, by default all that the process may use.

    Operations of a small network are too short to be split over cores, but independent runs can be
    divided over them. `Vectorized` does so in threads even if the CPU is one device. The function
    changes jax's global configuration, so programs rather than libraries should call it, before jax
    is first used.

    Raises
    ------
    RuntimeError
        If jax has already initialised its backends.
    """
    jax.config.update("jax_num_cpu_devices", number or usable_cores())


def usable_cores() -> int:
    """Number of CPU cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory_of(devices: Sequence[jax.Device]) -> float:
    """Total memory of the devices in bytes, infinite if unknown; CPU cores share the machine's."""
    if devices[0].platform == "cpu":
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError):  # no POSIX
            return math.inf
    known = [device.memory_stats() or {} for device in devices]
    return sum(stats.get("bytes_limit", math.inf) for stats in known)


def is_out_of_memory(error: Exception) -> bool:
    """Returns whether an error means that a device ran, or would run, out of memory."""
    return "RESOURCE_EXHAUSTED" in str(error)
