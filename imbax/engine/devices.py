"""The devices at hand: CPU cores as devices, their memory, and how they say that it is full."""

import math
import os
from collections.abc import Sequence

import jax

__all__ = ["is_out_of_memory", "memory_of", "usable_cores", "use_cpu_cores"]


def use_cpu_cores(number: int | None = None) -> None:
    """Let jax see each CPU core (default all this process may use) as a device of its own.

    A small network's operations are too short to be split over cores, while whole runs divide
    perfectly. Changes jax's configuration, so it is for programs, not libraries, to call, and
    before jax is first used.

    Raises
    ------
    RuntimeError
        Jax has already started its backends.
    """
    jax.config.update("jax_num_cpu_devices", number or usable_cores())


def usable_cores() -> int:
    """CPU cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory_of(devices: Sequence[jax.Device]) -> float:
    """Bytes that the devices have together: cores share the machine's, as far as it is known."""
    if devices[0].platform == "cpu":
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError):  # no POSIX
            return math.inf
    known = [device.memory_stats() or {} for device in devices]
    return sum(stats.get("bytes_limit", math.inf) for stats in known)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device had no room, or a compiler says that it would have none."""
    return "RESOURCE_EXHAUSTED" in str(error)
