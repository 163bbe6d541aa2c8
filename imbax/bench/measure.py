"""Measure kernels at many sizes, and keep each figure as it comes.

Everything of one size is called in turns, imbax, its peers and the references of the machine's own
rates, so that a drift of the machine hits all alike. The file is written after each size; the same
call again measures only what is missing.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from imbax.bench.kernels import KERNELS, kernel
from imbax.bench.sizes import Size
from imbax.bench.timing import Reference, Workload, rates, references, seconds_in_turns
from imbax.errors import InputError
from imbax.experiments.provenance import environment

__all__ = ["Case", "Contender", "Peers", "cases", "first_line", "measure", "read"]


class Contender(NamedTuple):
    """Something that takes a kernel's steps."""

    name: str
    """"imbax", or a peer's."""
    setting: str
    """How it does."""
    workload: Callable[[], Workload]
    """Compiled and called once; a RuntimeError says why it does not work."""


class Case(NamedTuple):
    """A kernel and a size of it."""

    kernel: str
    size: Size


class Peers(NamedTuple):
    """Another library's way to the same steps."""

    environment: dict[str, Any]
    """Its version and device."""
    check: Callable[[Sequence[str]], dict[str, float | str]]
    """`kernels -> relative differences` from imbax's results, if none is too large; of what does
    not work, why."""
    contenders: Callable[[Case], list[Contender]]


def cases(
    names: Sequence[str] | None = None,
    runs: Sequence[int] | None = None,
    batches: Sequence[int] | None = None,
    *,
    small: bool = False,
) -> list[Case]:
    """Every number of runs with every batch size, for each kernel; None: its own defaults.

    `small` means the smallest rows, columns and networks, which show nothing but that all works.

    Raises
    ------
    InputError
        An unknown kernel, or a number below 1.
    """
    for flag, numbers in (("runs", runs), ("batch", batches)):
        if numbers and min(numbers) < 1:
            raise InputError(f"--{flag} {min(numbers)}, expected numbers of at least 1")
    found = []
    for name in names or KERNELS:
        each = kernel(name)
        size = each.small if small else each.size
        of_runs = runs or ((size.runs,) if small else each.runs)
        of_batches = (batches or ((size.batch,) if small else each.batches)) if size.batch else (0,)
        for batch, number in itertools.product(of_batches, sorted(of_runs)):
            found.append(Case(name, size.resized(number, batch)))
    return found


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
) -> dict[str, Any]:
    """Time each case and write what was found to `path` (JSON), as it is found.

    Parameters
    ----------
    cases
        Kernels and sizes.
    path
        JSON; what it holds of this machine and commit is not measured again, but what failed is
        tried again.
    rounds
        Times that everything is timed, >= 1.
    strategies
        Of `Vectorized`, each a contender.
    peers
        Contenders of another library, checked to do the same before they are timed.
    small
        References too are small.
    command
        Recorded with the figures.
    say
        Told of each case and of what does not work.

    Returns
    -------
    dict[str, Any]
        What the file holds: `environment`, `commands`, `relative_difference` of peers, and
        `measurements`, a record per contender and size with the seconds of every round.

    Raises
    ------
    InputError
        Rounds below 1; the file holds figures of another machine, version or commit.
    """
    if rounds < 1:
        raise InputError(f"--rounds {rounds}, expected at least 1")
    here = environment() | (peers.environment if peers else {})
    found = read(path) if path.exists() else _nothing()
    _check_same(found["environment"], here, path)
    found["environment"] |= here
    found["commands"] += [command] * (command not in found["commands"])

    def missing(case):
        contenders = [*_ours(case, strategies), *(peers.contenders(case) if peers else ())]
        return _missing(found["measurements"], case, contenders, rounds)

    wanted = [case for case in cases if missing(case)]
    if wanted and peers:
        names = list(dict.fromkeys(case.kernel for case in wanted))
        found["relative_difference"] |= peers.check(names)
    machine = references(small=small) if wanted else []
    for case in wanted:
        say(f"{case.kernel}: {_described(case.size)}")
        new = _measured(case, missing(case), machine, rounds, say)
        records = {_identity(record): record for record in [*found["measurements"], *new]}
        found["measurements"] = list(records.values())
        _write(path, found)
    return found


def read(path: Path) -> dict[str, Any]:
    """What `measure` wrote. Raises InputError where it is something else."""
    try:
        found = json.loads(Path(path).read_text())
        if isinstance(found, dict) and found.keys() == _nothing().keys():
            return found
    except (OSError, ValueError):
        pass
    raise InputError(f"{path} holds no figures of `imbax bench`; name a file that it wrote")


def first_line(error: Exception) -> str:
    """What an error says, in a line."""
    return str(error).strip().split("\n")[0][:200]


def _nothing():
    return {"commands": [], "environment": {}, "relative_difference": {}, "measurements": []}


def _ours(case, strategies):
    workload = KERNELS[case.kernel].workload
    return [Contender("imbax", s, partial(workload, case.size, s)) for s in strategies]


def _measured(case, contenders, machine: Sequence[Reference], rounds, say):
    """A record of each contender, with why where one does not work."""
    records, works = [], []
    for name, setting, build in contenders:
        record = {"kernel": case.kernel, **case.size._asdict(), "contender": name}
        records.append(record | {"setting": setting})
        try:
            works.append(build())
        except (RuntimeError, MemoryError) as error:
            works.append(None)
            records[-1]["failed"] = first_line(error)
            say(f"  {name} ({setting}) does not work: {records[-1]['failed']}")
    working = [work for work in works if work]
    if not working:
        return records
    all_works = [*working, *(each.work for each in machine)]
    seconds = seconds_in_turns(all_works, rounds)
    rate = rates(machine, seconds[len(working) :], KERNELS[case.kernel].precision)
    of_working = iter(seconds.tolist())
    for record, work in zip(records, works, strict=True):
        if work:
            record |= {
                "compile_seconds": work.compile_seconds,
                "run_steps": work.run_steps,
                "operations": work.operations / work.run_steps,
                "bytes": work.bytes / work.run_steps,
                "seconds": next(of_working),
                "matmul_rate": rate.matmul,
                "memory_rate": rate.memory,
            }
    return records


def _missing(records, case, contenders, rounds):
    """All contenders if one lacks rounds, for they take turns; else those that failed."""
    of = {_identity(record): record for record in records}
    found = [of.get((case, each.name, each.setting), {"seconds": ()}) for each in contenders]
    if any(len(record["seconds"]) < rounds for record in found if "failed" not in record):
        return contenders
    return [each for each, record in zip(contenders, found, strict=True) if "failed" in record]


def _identity(record):
    case = Case(record["kernel"], Size(*(record[name] for name in Size._fields)))
    return case, record["contender"], record["setting"]


def _check_same(then, now, path):
    for name in then.keys() & now.keys():
        if then[name] != now[name]:
            raise InputError(
                f"{path} holds figures of {name} {then[name]}, here it is {now[name]}; name "
                "another folder with --out, or remove the file"
            )


def _described(size):
    named = {name: value for name, value in size._asdict().items() if value}
    return ", ".join(f"{name} {value:,}" for name, value in named.items())


def _write(path, found):
    """In one step: a crash leaves the figures so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(found, indent=1) + "\n")
    unfinished.replace(path)
