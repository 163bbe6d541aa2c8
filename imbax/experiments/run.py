"""The two ways to run an experiment: on your own arrays, or a suite from the command line."""

import itertools
import json
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import Method, get
from imbax.data.tabular import Dataset, DataUnavailable, make_dataset
from imbax.errors import InputError
from imbax.experiments.lab import Lab
from imbax.experiments.processes import Share
from imbax.experiments.suites import METHODS
from imbax.experiments.tabular import padding as sizes
from imbax.experiments.tabular.cells import Engine
from imbax.experiments.tabular.plan import Protocol

__all__ = ["Outcome", "evaluate", "run_suite", "with_starts"]


def evaluate(
    x: Any,
    y: Any,
    methods: Sequence[str] = METHODS,
    *,
    seeds: int | Sequence[int] = 5,
    folds: int = 4,
    epochs: int = 200,
    n_synth: str = "double",
    splits: Sequence[tuple] | None = None,
    minority: Any = None,
    groups: Any = None,
    name: str = "data",
    out: str | Path | None = None,
    strategy: str = "auto",
    precision: str = "float32",
    memory: float | None = None,
) -> pd.DataFrame:
    """Run methods on your own arrays, over folds and seeds, each method's runs as one program.

    Args:
      x: features `[n, d]`, an array or a data frame of numbers.
      y: labels `[n]` of any type, two classes unless `minority` is named.
      methods: registered names, your own included (`imbax.register`).
      seeds: how many, or which; each seed has its own splits and random numbers.
      folds: stratified folds per seed over the rows that are not validation.
      epochs: epochs of each training; Explicit Gradient adds as many to those of `ce`.
      n_synth: synthetic rows, "double" the minority or "balance" the classes.
      splits: your own (train, valid, test) index arrays, in place of the folds.
      minority: the minority's label; default the rarer.
      groups: `[n]`; no group is cut by a split.
      name: the data set's name in the table.
      out: a folder to store results in and resume from; the report is not written.
      strategy: "auto", "map", "vmap" or "rows", see `Vectorized`.
      precision: of matrix products in training, "float32" or "bfloat16"; scores are in float32.
      memory: budget in GiB; default, and at most, what the devices have.

    Returns:
      One row per method, fold and seed: test metrics, validation score, chosen epoch, counts.

    Raises:
      InputError: bad data or an unknown name; the message says what to do.
    """
    dataset = make_dataset(x, y, name=name, minority=minority, groups=groups)
    protocol = Protocol(folds=folds, epochs=epochs, n_synth=n_synth, precision=precision)
    engine = Engine(strategy, None, memory and memory * 2**30)
    lab = Lab(protocol, engine, out and Path(out), splits=splits)
    wanted = range(seeds) if isinstance(seeds, int) else seeds
    for method in map(get, with_starts(methods)):
        lab.run(dataset, method, wanted)
    table = pd.concat([lab.rows(dataset, get(method), wanted) for method in methods])
    return table.sort_values(["method", "seed", "fold"], ignore_index=True, kind="stable")


def with_starts(names: Sequence[str]) -> tuple[str, ...]:
    """The methods in an order in which each follows the one it starts from, which is added."""
    ordered: dict[str, None] = {}
    for name in names:
        if start := get(name).starts_from:
            ordered[start] = None
        ordered[name] = None
    return tuple(ordered)


@dataclass
class Outcome:
    """What a suite's run came to."""

    skipped: dict[str, str] = field(default_factory=dict)
    """Data sets that the suite implies and that cannot be had, with the reason."""
    failed: dict[str, str] = field(default_factory=dict)
    """Data sets or `dataset/method` cells that gave an error, with its one line."""


def run_suite(
    lab: Lab,
    datasets: Iterable[tuple[str, Callable[[], Dataset]]],
    methods: Sequence[Method],
    seeds: Sequence[int],
    *,
    required: bool,
    share: Share | None = None,
    command: str = "",
    console: Console | None = None,
) -> Outcome:
    """Compute every missing cell of a suite; an error in one does not stop the others.

    Args:
      lab: with an output folder.
      datasets: names and their loaders, in order.
      methods: each after the one it starts from.
      seeds: the seeds wanted.
      required: whether a data set that cannot be had is a failure (the user named it) or skipped.
      share: which process this is, of several that run the same suite into the same folder.
      command: the command line, to be kept beside the results.
      console: where to show progress.

    Returns:
      What was skipped and what failed, here or, in process 0, anywhere; that process also keeps
      it in `manifest.json` of the output folder.
    """
    console = console or Console()
    outcome = Outcome()
    # One after the other, those of one shape share compiled programs, of which few are kept.
    loaded = sorted(_load(datasets, required, outcome, console), key=_shape)
    share = share or Share()
    units: dict[str, list] = {}
    for cell in itertools.product(loaded, methods):
        todo = units.setdefault(f"{cell[0].name}/{lab.unit(cell[1])}", [])
        if lab.missing(*cell, seeds):
            todo.append(cell)
        else:
            lab.run(*cell, seeds)  # nothing to compute: its stored runs now count

    with _progress(console) as progress:
        total = sum(_work(*cell) for cell in itertools.chain(*units.values()))
        bar = progress.add_task("", total=total / share.processes)

        def compute(dataset, method):
            done = progress.tasks[0].completed
            work = _work(dataset, method)
            progress.update(bar, description=f"{dataset.name}/{method.name}")
            lab.on_progress = lambda part: progress.update(bar, completed=done + part * work)
            if not {dataset.name, _name(dataset, method)} & outcome.failed.keys():
                _run_cell(lab, dataset, method, seeds, console, outcome)
            progress.update(bar, completed=done + work)

        for unit in share.turns(list(units)):
            for cell in units[unit]:
                compute(*cell)
        share.wait()
        if share.processes > 1 and share.process == 0:
            for cell in itertools.chain(*units.values()):
                if lab.missing(*cell, seeds):  # another process could not
                    compute(*cell)
    if share.process == 0:
        _write_manifest(lab.out, outcome, command)
    return outcome


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


def _run_cell(lab, dataset, method: Method, seeds, console, outcome):
    cell = _name(dataset, method)
    started = time.perf_counter()
    try:
        lab.run(dataset, method, seeds)
        console.print(f"{cell} {time.perf_counter() - started:.1f} s", style="dim")
    except InputError as error:
        outcome.failed[dataset.name] = str(error)  # too few rows or groups: for every method
    except MemoryError as error:
        outcome.failed[cell] = str(error)
    except Exception as error:
        # A fault in one method, perhaps the user's own, must not cost the others' results.
        outcome.failed[cell] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        with (lab.out / "errors.log").open("a") as log:
            log.write(f"{cell}\n{traceback.format_exc()}\n")


def _name(dataset, method):
    return f"{dataset.name}/{method.name}"


def _shape(dataset):
    return sizes.columns(dataset.n_features, dataset.n_rows), sizes.rows(dataset.n_rows)


def _work(dataset, method):
    """Time a cell takes, in some unit that all cells share; for the progress bar only."""
    return method.cost * dataset.n_rows * (50 + dataset.n_features) + 1e5


def _progress(console):
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)


def _write_manifest(out: Path, outcome: Outcome, command: str) -> None:
    path = out / "manifest.json"
    before = json.loads(path.read_text())["commands"] if path.exists() else []
    commands = list(dict.fromkeys([*before, command] if command else before))
    content = {"commands": commands, "skipped": outcome.skipped, "failed": outcome.failed}
    path.write_text(json.dumps(content, indent=1))
