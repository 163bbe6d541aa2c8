"""Computation of all cells of a suite; an error in one cell does not stop the others."""

import contextlib
import itertools
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from imbax.catalogue import Method, check_package, get
from imbax.data.origins import Origin
from imbax.data.tabular import DataUnavailable
from imbax.engine.float32 import in_float32
from imbax.errors import InputError, StorageError, shortened
from imbax.experiments import disk, manifest, store
from imbax.experiments.lab import Cell, Lab
from imbax.experiments.labels import method_of, parts, shown
from imbax.experiments.processes import Share
from imbax.experiments.progress import Bar

__all__ = ["Outcome", "Prepared", "cells_of", "run_cells", "with_starts"]


def with_starts(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the methods and the methods that they start from, each after its start."""
    ordered: dict[str, None] = {}
    for name in names:
        method = get(name)
        if method.tables is None:
            raise InputError(f"method {name!r} does not run on tables; see `imbax list methods`")
        check_package(method)
        if method.tables.starts_from:
            ordered[method.tables.starts_from] = None
        ordered[name] = None
    return tuple(ordered)


class Prepared(NamedTuple):
    """Arguments of `run_cells` for one suite."""

    lab: Lab
    datasets: list[tuple[str, Callable[[], Any]]]
    methods: list[Method]
    seeds: Sequence[int]
    required: bool


@dataclass
class Outcome:
    """Outcome of a suite's run."""

    skipped: dict[str, str] = field(default_factory=dict)
    """Unavailable default data sets of the suite, with the reason."""
    failed: dict[str, str] = field(default_factory=dict)
    """Failed data sets or `dataset/method` cells, with a one-line error message."""
    diverged: dict[str, str] = field(default_factory=dict)
    """Cells with diverged runs, with their number and the number of all runs."""
    origins: dict[str, Origin] = field(default_factory=dict)
    """Origin of each loaded data set."""
    results: Any = None
    """Additional input of the report, besides stored runs."""


@in_float32
def run_cells(
    lab: Lab,
    datasets: Iterable[tuple[str, Callable[[], Any]]],
    methods: Sequence[Method],
    seeds: Sequence[int],
    *,
    required: bool,
    origin: Callable[[str], Origin] | None = None,
    share: Share | None = None,
    command: str = "",
    plugins: Mapping[str, str] | None = None,
    console: Console | None = None,
    progress: bool | None = None,
) -> Outcome:
    """Compute every missing cell of a suite; an error in one does not stop the others.

    Parameters
    ----------
    lab
        Lab with an output folder.
    datasets
        Names and loaders of data sets, in order.
    methods
        Methods, each after the method it starts from.
    seeds
        Seeds to compute.
    required
        True if an unavailable data set is a failure (the user named it), False if it is skipped.
    origin
        Origin of a data set by name, stored with the results.
    share
        Share of this process, if several processes run the same suite into the same folder.
    command
        Command line, stored with the results.
    plugins
        Plugin file of each of the user's methods.
    console
        Console for notices.
    progress
        Whether to show a bar on stderr; None: only if stderr is a terminal.

    Returns
    -------
    Outcome
        Skipped and failed data sets and cells of this process, or of all processes in process 0,
        which also writes them to `manifest.json` in the output folder. Only process 0 knows the
        diverged cells.

    Raises
    ------
    StorageError
        Results cannot be stored any more.
    """
    console, plugins = console or Console(markup=False), plugins or {}
    outcome = Outcome()
    # Data sets of one shape are computed in succession to share compiled programs.
    loaded = sorted(_load(datasets, required, origin, outcome, console), key=lab.shape)
    share = share or Share()
    units: dict[str, list[Cell]] = {}
    cells, notices = cells_of(
        lab, loaded, methods, lambda name: _sparing_others(lab, name, plugins, outcome)
    )
    if share.process == 0:
        _tell_notices(notices, console)
    _announce(lab, cells, seeds, console)
    for cell in cells:
        unit = shown(lab.unit(cell.method), cell.network, cell.members)
        todo = units.setdefault(f"{cell.dataset.name}/{unit}", [])
        if lab.missing(cell, seeds):
            todo.append(cell)
        else:
            lab.run(cell, seeds)  # no training: selects its stored runs

    total = sum(map(lab.work, itertools.chain(*units.values())))
    with Bar(total / share.processes, progress) as bar:

        def compute(cell):
            with bar.cell(lab, cell):
                if not {cell.dataset.name, cell.name} & outcome.failed.keys():
                    with _sparing_others(lab, cell.name, plugins, outcome):
                        lab.run(cell, seeds)

        for unit in share.turns(list(units)):
            for cell in units[unit]:
                compute(cell)
        share.wait()
        if share.processes > 1 and share.process == 0:
            for cell in itertools.chain(*units.values()):
                if lab.missing(cell, seeds):  # another process failed
                    compute(cell)
    if share.process == 0:
        manifest.write(lab.out, command, outcome.skipped, outcome.failed, outcome.origins)
        outcome.diverged = _diverged(lab, cells, seeds)
        _tell_diverged(outcome.diverged, console)
    return outcome


def cells_of(
    lab: Lab,
    datasets: Sequence[Any],
    methods: Sequence[Method],
    sparing: Callable[[str], AbstractContextManager[None]],
) -> tuple[list[Cell], dict[str, tuple[str, ...]]]:
    """Cells of a suite, and notices on its data sets by name.

    `sparing` takes the subject of an error, `dataset/method` or `dataset/`, and returns a context
    that records the error without stopping the other cells.
    """
    # Methods that train no network are in one cell for all networks and ensembles.
    cells: dict[str, Cell] = {}
    notices = {dataset.name: tuple(dataset.notices) for dataset in datasets}
    for dataset in datasets:
        fitting: Sequence[Method] = ()
        with sparing(f"{dataset.name}/"):
            fitting, more = lab.fitting(dataset, methods)
            notices[dataset.name] += more
        for members, network, method in itertools.product(lab.ensembles, lab.networks, fitting):
            with sparing(f"{dataset.name}/{shown(method.name, network or '', members)}"):
                cell = lab.cell(dataset, method, network, members)
                cells.setdefault(cell.name, cell)
    return list(cells.values()), notices


def _diverged(lab, cells, seeds):
    """Cells with diverged runs, as in `Outcome.diverged`."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # issued when the results are read
        runs = store.read([lab.out], lab.schema)
    runs = runs[runs["seed"].isin(list(seeds))].groupby(["dataset", "method"])["diverged"]
    counts = runs.agg(["sum", "size"]).to_dict("index")
    for cell in cells:
        count = counts.get((cell.dataset.name, cell.label))
        if count and count["sum"]:
            found[cell.name] = f"{count['sum']} of {count['size']}"
    return found


def _tell_diverged(diverged, console):
    if diverged:
        named = [f"{name} ({count} runs)" for name, count in diverged.items()]
        console.print(
            f"diverged, and not included in means: {shortened(named)}; check the columns for "
            "extreme values, or reduce the method's learning rate",
            style="yellow",
            soft_wrap=True,
        )


def _load(datasets, required, origin, outcome, console):
    loaded = []
    for name, load in datasets:
        try:
            loaded.append(load())
            if origin is not None:
                outcome.origins[loaded[-1].name] = origin(name)
        except DataUnavailable as error:
            (outcome.failed if required else outcome.skipped)[name] = str(error)
            if not required:
                console.print(f"skipped {error}", style="yellow", soft_wrap=True)
        except InputError as error:
            outcome.failed[name] = str(error)
    return loaded


def _tell_notices(notices, console):
    """Print the notices of each data set, collected before training."""
    for name, lines in notices.items():
        for notice in lines:
            # Users' names are not markup.
            console.print(
                f"{name}: {notice}", style="yellow", soft_wrap=True, markup=False,
                highlight=False,
            )  # fmt: skip


def _announce(lab, cells, seeds, console):
    """Print which stored results are computed again, and why."""
    for reason, applies in (
        ("stored with other code or settings", lab.replaces),
        ("stored with metrics of other code; no training is needed", lab.outdated),
    ):
        again = [cell.name for cell in cells if applies(cell, seeds)]
        if again:
            console.print(
                f"computed again, {reason}: {shortened(again)}; no file is deleted",
                style="yellow",
                soft_wrap=True,
            )


@contextlib.contextmanager
def _sparing_others(lab, name, plugins, outcome):
    """Record an error in a cell by its name, without stopping the other cells.

    Only an unwritable folder or a closed pipe, such as that of `| head`, ends the run.
    """
    dataset, _, label = name.rpartition("/")
    method = label if label in plugins else method_of(label)
    is_ensemble = method not in (label, parts(label)[0])
    try:
        yield
    except (StorageError, BrokenPipeError):
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, InputError) and method not in plugins:
            # Too few rows or groups: concerns all methods, or only the folds of an ensemble.
            outcome.failed[name if is_ensemble else dataset] = str(error)
            return
        kind = "" if isinstance(error, MemoryError) else f"{type(error).__name__}: "
        message = " ".join(f"{kind}{error}".split())[:300]
        outcome.failed[name] = message + _plugin_line(error, plugins.get(method))
        with disk.writing(lab.out), (lab.out / "errors.log").open("a") as log:
            log.write(f"{name}\n{traceback.format_exc()}\n")


def _plugin_line(error, plugin):
    """Plugin file of a method, and its last line in the traceback."""
    if plugin is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == Path(plugin)]
    return f" (--plugin {plugin}{f', line {lines[-1]}' if lines else ''})"
