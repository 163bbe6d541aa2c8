"""Measurement of kernels at many sizes, with results stored after each size.

At each size, imbax, its peers and the reference workloads are called in turns, so that drift of the
machine affects all of them. Repeating the same call measures only what is missing in the file.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from imbax.bench.kernels import KERNELS, kernel
from imbax.bench.sizes import Size
from imbax.bench.timing import Reference, Workload, rates, references, seconds_in_turns
from imbax.errors import InputError
from imbax.experiments.provenance import environment

__all__ = ["Case", "Contender", "Peers", "cases", "first_line", "identity", "measure", "read"]


class Contender(NamedTuple):
    """Implementation of a kernel's steps."""

    name: str
    """Name: "imbax" or a peer's name."""
    setting: str
    """Strategy, mode or number of threads."""
    workload: Callable[[], Workload]
    """Function that compiles the workload and calls it once; raises RuntimeError on failure."""


class Case(NamedTuple):
    """Kernel at one size."""

    kernel: str
    size: Size


class Peers(NamedTuple):
    """Implementations of the kernels in another library."""

    environment: dict[str, Any]
    """Version and device of the library."""
    check: Callable[[Sequence[str]], dict[str, float | str]]
    """Function `kernels -> relative differences` from imbax's results by contender, or the error
    message of a failure. Raises RuntimeError if a difference is too large."""
    contenders: Callable[[Case], list[Contender]]
    """Function `case -> contenders`."""


Announce = Callable[[Sequence[Reference], list[tuple[Case, int]]], None]
"""Function of the reference workloads and of the missing cases with their numbers of contenders."""


def cases(
    names: Sequence[str] | None = None,
    runs: Sequence[int] | None = None,
    batches: Sequence[int] | None = None,
    *,
    small: bool = False,
    full: bool = False,
) -> list[Case]:
    """All combinations of numbers of runs and batch sizes, for each kernel.

    Without `names`, the slowest kernels are left out unless `full` or `small`. Otherwise, None
    stands for the kernel's defaults: a few numbers of runs at its usual batch size or, if `full`,
    all that it lists. `small` selects the smallest sizes, for tests only.

    Raises
    ------
    InputError
        An unknown kernel, a number below 1, or both `small` and `full`.
    """
    if small and full:
        raise InputError("--small and --full exclude each other; leave out one")
    for flag, numbers in (("runs", runs), ("batch", batches)):
        if numbers and min(numbers) < 1:
            raise InputError(f"--{flag} {min(numbers)}, expected at least 1")
    result = []
    default = [name for name, each in KERNELS.items() if each.by_default or small or full]
    for name in names or default:
        each = kernel(name)
        size = each.small if small else each.size
        n_runs = runs or ((size.runs,) if small else each.runs if full else each.few)
        usual = each.batches if full else (size.batch,)
        n_rows = (batches or usual) if size.batch else (0,)
        for batch, number in itertools.product(n_rows, sorted(n_runs)):
            result.append(Case(name, size.resized(number, batch)))
    return result


def measure(
    cases: Iterable[Case],
    path: Path,
    *,
    rounds: int = 5,
    strategies: Sequence[str] = ("auto",),
    peers: Peers | None = None,
    small: bool = False,
    command: str = "",
    say: Callable[[str], None] = print,
    announce: Announce | None = None,
) -> dict[str, Any]:
    """Times each case and writes the results to `path` (JSON) after each case.

    Parameters
    ----------
    cases
        Kernels and sizes.
    path
        JSON file. Results stored in it, for this machine and commit, are not measured again;
        failures are tried again.
    rounds
        Number of timings of each workload, >= 1.
    strategies
        Strategies of `Vectorized`; each is a contender.
    peers
        Contenders of another library. Their results are compared with imbax's before timing.
    small
        If True, use small reference workloads.
    command
        Command line recorded with the results.
    say
        Function called with progress and failure messages.
    announce
        Function called before the first timing, unless nothing is missing.

    Returns
    -------
    dict[str, Any]
        Content of the file: `environment`, `commands`, `relative_difference` of peers, and
        `measurements`, one record per contender and size with the seconds of every round.

    Raises
    ------
    InputError
        Rounds below 1; the file contains results of another machine, version or commit.
    """
    if rounds < 1:
        raise InputError(f"--rounds {rounds}, expected at least 1")
    current = environment() | (peers.environment if peers else {})
    results = read(path) if path.exists() else _empty()
    _check_same(results["environment"], current, path)
    results["environment"] |= current
    results["commands"] += [command] * (command not in results["commands"])

    def missing(case):
        contenders = [*_ours(case, strategies), *(peers.contenders(case) if peers else ())]
        return _missing(results["measurements"], case, contenders, rounds)

    incomplete = [case for case in cases if missing(case)]
    if incomplete and peers:
        names = list(dict.fromkeys(case.kernel for case in incomplete))
        results["relative_difference"] |= peers.check(names)
    machine = references(small=small) if incomplete else []
    if incomplete and announce:
        announce(machine, [(case, len(missing(case))) for case in incomplete])
    for case in incomplete:
        say(f"{case.kernel}: {_described(case.size)}")
        new = _measured(case, missing(case), machine, rounds, say)
        records = {identity(record): record for record in [*results["measurements"], *new]}
        results["measurements"] = list(records.values())
        _write(path, results)
    return results


def read(path: Path) -> dict[str, Any]:
    """Reads a file written by `measure`. Raises InputError for any other file."""
    try:
        results = json.loads(Path(path).read_text())
        if isinstance(results, dict) and results.keys() >= _empty().keys():
            _check_fields(results)
            return {name: results[name] for name in _empty()}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise InputError(f"{path} is not a result file of `imbax bench`; name a file that it wrote")


def _check_fields(results):
    """Raises KeyError or TypeError if a field that reports need is missing."""
    _ = [results["environment"][name] for name in ("device", "devices", "cpu", "jax")]
    timed = ("seconds", "run_steps", "operations", "bytes", "matmul_rate", "memory_rate")
    for record in results["measurements"]:
        identity(record)
        if "failed" not in record:
            _ = [record[name] for name in timed], min(record["seconds"])


def first_line(error: Exception) -> str:
    """First line of an error message, at most 200 characters."""
    return str(error).strip().split("\n")[0][:200]


def _empty():
    return {"commands": [], "environment": {}, "relative_difference": {}, "measurements": []}


def _ours(case, strategies):
    workload = KERNELS[case.kernel].workload
    return [Contender("imbax", s, partial(workload, case.size, s)) for s in strategies]


def _measured(case, contenders, machine: Sequence[Reference], rounds, say):
    """Records of all contenders, with the error message of those that failed."""
    records, works = [], []
    for name, setting, build in contenders:
        record = {"kernel": case.kernel, **case.size._asdict(), "contender": name}
        records.append(record | {"setting": setting})
        try:
            works.append(build())
        except (RuntimeError, MemoryError) as error:
            works.append(None)
            records[-1]["failed"] = first_line(error)
            say(f"  {name} ({setting}) failed: {records[-1]['failed']}")
    working = [work for work in works if work]
    if not working:
        return records
    all_works = [*working, *(each.work for each in machine)]
    seconds = seconds_in_turns(all_works, rounds)
    rate = rates(machine, seconds[len(working) :], KERNELS[case.kernel].precision)
    timings = iter(seconds.tolist())
    for record, work in zip(records, works, strict=True):
        if work:
            record |= {
                "compile_seconds": work.compile_seconds,
                "run_steps": work.run_steps,
                "operations": work.operations / work.run_steps,
                "bytes": work.bytes / work.run_steps,
                "seconds": next(timings),
                "matmul_rate": rate.matmul,
                "memory_rate": rate.memory,
            }
    return records


def _missing(records, case, contenders, rounds):
    """Contenders to measure: all if one lacks rounds, since they take turns; else failed ones."""
    by_identity = {identity(record): record for record in records}
    stored = [
        by_identity.get((case, each.name, each.setting), {"seconds": ()}) for each in contenders
    ]
    if any(len(record["seconds"]) < rounds for record in stored if "failed" not in record):
        return contenders
    return [each for each, record in zip(contenders, stored, strict=True) if "failed" in record]


def identity(record: Mapping[str, Any]) -> tuple[Case, str, str]:
    """Case, contender and setting of a measurement."""
    case = Case(record["kernel"], Size(*(record[name] for name in Size._fields)))
    return case, record["contender"], record["setting"]


def _check_same(stored, current, path):
    for name in stored.keys() & current.keys():
        if stored[name] != current[name]:
            raise InputError(
                f"{path} contains results for {name} {stored[name]}, expected {current[name]}; "
                "name another folder with --out, or remove the file"
            )


def _described(size):
    nonzero = {name: value for name, value in size._asdict().items() if value}
    return ", ".join(f"{name} {value:,}" for name, value in nonzero.items())


def _write(path, results):
    """Writes the file atomically, so that a crash does not lose earlier results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(results, indent=1) + "\n")
    unfinished.replace(path)
