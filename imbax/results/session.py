"""How a suite uses jax: devices, processes, memory, kept programs, a profile."""

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
"""GiB; that of cores is other programs' too."""


def start(options: Namespace, out: Path, is_program: bool) -> Share:
    """Start jax as the options ask, before it is first used; which process this is.

    It holds the lock of the folder of results, and waits where another command does. What is true
    of the whole process is changed only if it `is_program`, for this alone.

    What can go wrong afterwards belongs inside `with`; see `Share`.
    """
    if is_program:
        use_cpu_cores()  # runs divide over devices; an accelerator goes first anyway
        # Tracing makes many objects and little garbage; to look for it took an eighth of that time.
        gc.set_threshold(20_000, 50, 50)
        keep_compiled_programs()
    if not options.distributed:
        return Share(lock=Lock(out))
    join_processes(options.coordinator, options.processes, options.process)
    return join(out / "processes")


def engine(options: Namespace) -> Engine:
    """Strategy and memory budget that the command line asks for."""
    memory = options.memory
    if memory is None and jax.default_backend() == "cpu":
        memory = _CORES_MEMORY
    return Engine(options.strategy, None, memory and memory * 2**30)


def keep_compiled_programs() -> None:
    """In the user's cache folder, unless jax was told of another; a later run loads them."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(user_cache_path("imbax") / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def join_processes(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> None:
    """Become one of several processes that `jax.distributed` knows, before jax is first used.

    What is not given is taken from `JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES` and
    `JAX_PROCESS_ID`, or from SLURM, MPI, Kubernetes or TPU metadata, where jax finds them.

    Parameters
    ----------
    coordinator
        HOST:PORT at which process 0 can be reached.
    processes
        How many there are.
    process
        The number of this one, from 0.

    Raises
    ------
    InputError
        Something is missing or wrong, or the others did not come.
    """
    # A process that is told to end ends: finished cells are kept.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            coordinator,
            _number("JAX_NUM_PROCESSES") if processes is None else processes,
            _number("JAX_PROCESS_ID") if process is None else process,
        )
    except (ValueError, RuntimeError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"--distributed: {said}; give --coordinator HOST:PORT, --processes N and --process I, "
            "the same HOST:PORT and N to every process"
        ) from None


def _number(variable):
    given = os.environ.get(variable)
    return None if given is None else int(given)


@contextlib.contextmanager
def profiled(folder: Path | None) -> Iterator[None]:
    """Write a trace of all that jax does inside to a folder, if one is named."""
    if folder is None:
        yield
    else:
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0  # calls of Python would crowd out all else
        with jax.profiler.trace(folder, profiler_options=options):
            yield
        print(f"profile: {folder}")
