"""Runs every cell of a suite; what is stored is kept, and an error in one spares the others."""

import itertools
import json
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from imbax.catalogue import Method, get
from imbax.data.tabular import DataUnavailable
from imbax.errors import InputError, shortened
from imbax.experiments import store
from imbax.experiments.lab import Cell, Lab
from imbax.experiments.processes import Share

__all__ = ["Outcome", "run_cells", "with_starts"]


def with_starts(names: Sequence[str]) -> tuple[str, ...]:
    """The methods in an order in which each follows the one it starts from, which is added."""
    ordered: dict[str, None] = {}
    for name in names:
        method = get(name)
        if method.tables is None:
            raise InputError(f"method {name!r} does not run on tables; `imbax list methods`")
        if method.tables.starts_from:
            ordered[method.tables.starts_from] = None
        ordered[name] = None
    return tuple(ordered)


@dataclass
class Outcome:
    """What a suite's run came to."""

    skipped: dict[str, str] = field(default_factory=dict)
    """Data sets that the suite implies and that cannot be had, with the reason."""
    failed: dict[str, str] = field(default_factory=dict)
    """Data sets or `dataset/method` cells that gave an error, with its one line."""
    diverged: dict[str, str] = field(default_factory=dict)
    """Cells of which runs did not stay finite, with how many of how many."""
    results: Any = None
    """What a report needs besides stored runs."""


def run_cells(
    lab: Lab,
    datasets: Iterable[tuple[str, Callable[[], Any]]],
    methods: Sequence[Method],
    seeds: Sequence[int],
    *,
    required: bool,
    share: Share | None = None,
    command: str = "",
    console: Console | None = None,
) -> Outcome:
    """Compute every missing cell of a suite; an error in one does not stop the others.

    Parameters
    ----------
    lab
        With an output folder.
    datasets
        Names and their loaders, in order.
    methods
        Each after the one it starts from.
    seeds
        The seeds wanted.
    required
        Whether a data set that cannot be had is a failure (the user named it) or skipped.
    share
        Which process this is, of several that run the same suite into the same folder.
    command
        The command line, to be kept beside the results.
    console
        Where to show progress.

    Returns
    -------
    Outcome
        What was skipped and what failed, here or, in process 0, anywhere; that process also keeps
        it in `manifest.json` of the output folder. What diverged is known in process 0.
    """
    console = console or Console()
    outcome = Outcome()
    # One after the other, those of one shape share compiled programs, of which few are kept.
    loaded = sorted(_load(datasets, required, outcome, console), key=lab.shape)
    share = share or Share()
    units: dict[str, list[Cell]] = {}
    cells = [lab.cell(*pair) for pair in itertools.product(loaded, methods)]
    _announce(lab, cells, seeds, console)
    for cell in cells:
        todo = units.setdefault(f"{cell.dataset.name}/{lab.unit(cell.method)}", [])
        if lab.missing(cell, seeds):
            todo.append(cell)
        else:
            lab.run(cell, seeds)  # nothing to train: its stored runs now count

    with _progress(console) as progress:
        total = sum(map(lab.work, itertools.chain(*units.values())))
        bar = progress.add_task("", total=total / share.processes)

        def compute(cell):
            done, work = progress.tasks[0].completed, lab.work(cell)
            progress.update(bar, description=cell.name)
            lab.on_progress = lambda part: progress.update(bar, completed=done + part * work)
            if not {cell.dataset.name, cell.name} & outcome.failed.keys():
                _run_cell(lab, cell, seeds, console, outcome)
            progress.update(bar, completed=done + work)

        for unit in share.turns(list(units)):
            for cell in units[unit]:
                compute(cell)
        share.wait()
        if share.processes > 1 and share.process == 0:
            for cell in itertools.chain(*units.values()):
                if lab.missing(cell, seeds):  # another process could not
                    compute(cell)
    if share.process == 0:
        _write_manifest(lab.out, outcome, command)
        outcome.diverged = _diverged(lab, cells, seeds)
        _tell_diverged(outcome.diverged, console)
    return outcome


def _diverged(lab, cells, seeds):
    """Cells with runs that did not stay finite, as `Outcome.diverged`."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever reads the results is told
        runs = store.read([lab.out], lab.schema)
    runs = runs[runs["seed"].isin(list(seeds))].groupby(["dataset", "method"])["diverged"]
    counts = runs.agg(["sum", "size"]).to_dict("index")
    for cell in cells:
        count = counts.get((cell.dataset.name, cell.method.name))
        if count and count["sum"]:
            found[cell.name] = f"{count['sum']} of {count['size']}"
    return found


def _tell_diverged(diverged, console):
    if diverged:
        named = [f"{name} ({count} runs)" for name, count in diverged.items()]
        console.print(
            f"did not stay finite, and left out of means: {shortened(named)}; look for extreme "
            "values in the columns, or lower the method's learning rate",
            style="yellow",
            soft_wrap=True,
        )


def _load(datasets, required, outcome, console):
    loaded = []
    for name, load in datasets:
        try:
            loaded.append(load())
        except DataUnavailable as error:
            (outcome.failed if required else outcome.skipped)[name] = str(error)
            if not required:
                console.print(f"skipped {error}", style="yellow", soft_wrap=True)
        except InputError as error:
            outcome.failed[name] = str(error)
    return loaded


def _announce(lab, cells, seeds, console):
    """Say which stored results are computed again, and why."""
    for what, found in (
        ("stored as results of other code or settings", lab.replaces),
        ("stored with metrics of other code; nothing is trained for them", lab.outdated),
    ):
        again = [cell.name for cell in cells if found(cell, seeds)]
        if again:
            console.print(
                f"computed again, {what}: {shortened(again)}; no file is deleted",
                style="yellow",
                soft_wrap=True,
            )


def _run_cell(lab, cell, seeds, console, outcome):
    started = time.perf_counter()
    try:
        lab.run(cell, seeds)
        console.print(f"{cell.name} {time.perf_counter() - started:.1f} s", style="dim")
    except InputError as error:
        outcome.failed[cell.dataset.name] = str(error)  # too few rows or groups: for every method
    except MemoryError as error:
        outcome.failed[cell.name] = str(error)
    except Exception as error:
        # A fault in one method, perhaps the user's own, must not cost the others' results.
        outcome.failed[cell.name] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        with (lab.out / "errors.log").open("a") as log:
            log.write(f"{cell.name}\n{traceback.format_exc()}\n")


def _progress(console):
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)


def _write_manifest(out: Path, outcome: Outcome, command: str) -> None:
    path = out / "manifest.json"
    before = json.loads(path.read_text())["commands"] if path.exists() else []
    commands = list(dict.fromkeys([*before, command] if command else before))
    content = {"commands": commands, "skipped": outcome.skipped, "failed": outcome.failed}
    path.write_text(json.dumps(content, indent=1))
