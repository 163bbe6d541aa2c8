"""Settings of jax for suites: devices, processes, memory, compilation cache, profiler."""

import contextlib
import gc
import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import jax
from platformdirs import user_cache_path

from imbax.engine.devices import use_cpu_cores
from imbax.engine.vectorize import Engine
from imbax.errors import InputError
from imbax.experiments.lock import Lock
from imbax.experiments.processes import Share, join

__all__ = ["engine", "join_processes", "keep_compiled_programs", "profiled", "start"]

_CORES_MEMORY = 4.0
"""Default memory budget in GiB on a CPU, which other programs use, too."""


def start(options: Namespace, out: Path, is_program: bool) -> Share:
    """Configures jax according to the options, before its first use; returns this process's share.

    The share holds the lock of the results folder, and waits if another command holds it.
    Process-wide settings are changed only if `is_program` is True, that is, if the process runs
    only this suite. Everything that may fail later belongs inside `with`; see `Share`.
    """
    if is_program:
        use_cpu_cores()  # runs are divided over devices; accelerators have priority
        # Tracing makes many objects and little garbage; garbage collection took 1/8 of its time.
        gc.set_threshold(20_000, 50, 50)
        keep_compiled_programs()
    if not options.distributed:
        return Share(lock=Lock(out))
    join_processes(options.coordinator, options.processes, options.process)
    return join(out / "processes")


def engine(options: Namespace) -> Engine:
    """Engine with the strategy and memory budget of the command line."""
    memory = options.memory
    if memory is None and jax.default_backend() == "cpu":
        memory = _CORES_MEMORY
    return Engine(options.strategy, None, memory and memory * 2**30)


def keep_compiled_programs() -> None:
    """Stores compiled programs in the user's cache folder, unless jax has another one."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(user_cache_path("imbax") / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def join_processes(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> None:
    """Joins the processes of `jax.distributed`, before the first use of jax.

    Defaults are taken from `JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`, or
    from SLURM, MPI, Kubernetes or TPU metadata, if jax finds them.

    Parameters
    ----------
    coordinator
        Address HOST:PORT of process 0.
    processes
        Number of processes.
    process
        Number of this process, starting from 0.

    Raises
    ------
    InputError
        An argument is missing or invalid, or other processes did not join.
    """
    # A terminated process ends without waiting; finished cells are stored.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            coordinator,
            _number("JAX_NUM_PROCESSES") if processes is None else processes,
            _number("JAX_PROCESS_ID") if process is None else process,
        )
    except (ValueError, RuntimeError) as error:
        message = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"--distributed: {message}; give --coordinator HOST:PORT, --processes N and --process "
            "I, with the same HOST:PORT and N for every process"
        ) from None


def _number(variable):
    value = os.environ.get(variable)
    return None if value is None else int(value)


@contextlib.contextmanager
def profiled(folder: Path | None) -> Iterator[None]:
    """Writes a jax profiler trace of the context to a folder, if one is given."""
    if folder is None:
        yield
    else:
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0  # Python calls would fill the trace
        with jax.profiler.trace(folder, profiler_options=options):
            yield
        print(f"profile: {folder}")
