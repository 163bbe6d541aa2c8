"""Devices: CPU cores as devices, memory of devices, and out-of-memory errors."""

import math
import os
from collections.abc import Sequence

import jax

__all__ = ["is_out_of_memory", "memory_of", "threads_for", "usable_cores", "use_cpu_cores"]


def use_cpu_cores(number: int | None = None) -> None:
    """Makes jax treat CPU cores as separate devices, by default all that the process may use.

    Operations of a small network are too short to be split over cores, but independent runs can be
    divided over them. Without this function `Vectorized` divides them over threads, one for each
    core; after `use_cpu_cores(1)` runs are executed one after another. The function changes jax's
    global configuration, so programs rather than libraries should call it, before jax is first
    used.

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


def threads_for(devices: Sequence[jax.Device]) -> int:
    """Number of threads that execute runs on these devices.

    It is the number of cores if the only device is the CPU and the number of devices was not
    chosen by `use_cpu_cores` or `jax_num_cpu_devices`, otherwise 1.
    """
    is_cpu = len(devices) == 1 and devices[0].platform == "cpu"
    is_default = _chosen_cpu_devices() < 1 and list(devices) == jax.local_devices()
    return usable_cores() if is_cpu and is_default else 1


def _chosen_cpu_devices():
    return jax.config.jax_num_cpu_devices


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
