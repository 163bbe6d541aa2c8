"""Runs every cell of a suite; what is stored is kept, and an error in one spares the others."""

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
    """The methods in an order in which each follows the one it starts from, which is added."""
    ordered: dict[str, None] = {}
    for name in names:
        method = get(name)
        if method.tables is None:
            raise InputError(f"method {name!r} does not run on tables; `imbax list methods`")
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
    """What a suite's run came to."""

    skipped: dict[str, str] = field(default_factory=dict)
    """Data sets that the suite implies and that cannot be had, with the reason."""
    failed: dict[str, str] = field(default_factory=dict)
    """Data sets or `dataset/method` cells that gave an error, with its one line."""
    diverged: dict[str, str] = field(default_factory=dict)
    """Cells of which runs did not stay finite, with how many of how many."""
    results: Any = None
    """What a report needs besides stored runs."""


@in_float32
def run_cells(
    lab: Lab,
    datasets: Iterable[tuple[str, Callable[[], Any]]],
    methods: Sequence[Method],
    seeds: Sequence[int],
    *,
    required: bool,
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
    plugins
        The file of each method that is the user's own.
    console
        Where to say what was noticed.
    progress
        Whether a bar is shown on stderr; None: where that is a terminal.

    Returns
    -------
    Outcome
        What was skipped and what failed, here or, in process 0, anywhere; that process also keeps
        it in `manifest.json` of the output folder. What diverged is known in process 0.

    Raises
    ------
    StorageError
        Results can no longer be kept.
    """
    console, plugins = console or Console(markup=False), plugins or {}
    outcome = Outcome()
    # One after the other, those of one shape share compiled programs, of which few are kept.
    loaded = sorted(_load(datasets, required, outcome, console), key=lab.shape)
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
            lab.run(cell, seeds)  # nothing to train: its stored runs now count

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
                if lab.missing(cell, seeds):  # another process could not
                    compute(cell)
    if share.process == 0:
        manifest.write(lab.out, command, outcome.skipped, outcome.failed)
        outcome.diverged = _diverged(lab, cells, seeds)
        _tell_diverged(outcome.diverged, console)
    return outcome


def cells_of(
    lab: Lab,
    datasets: Sequence[Any],
    methods: Sequence[Method],
    sparing: Callable[[str], AbstractContextManager[None]],
) -> tuple[list[Cell], dict[str, tuple[str, ...]]]:
    """The cells of a suite, and notices on its data sets by their names.

    `sparing` takes what an error is about, `dataset/method` or `dataset/`, and gives the context
    that notes it and spares the others.
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
    """Cells with runs that did not stay finite, as `Outcome.diverged`."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever reads the results is told
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


def _tell_notices(notices, console):
    """Notices about each data set, by name, collected before training."""
    for name, lines in notices.items():
        for notice in lines:
            # The user's names are no markup.
            console.print(
                f"{name}: {notice}", style="yellow", soft_wrap=True, markup=False,
                highlight=False,
            )  # fmt: skip


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


@contextlib.contextmanager
def _sparing_others(lab, name, plugins, outcome):
    """Notes an error in a cell, by its name: perhaps the user's own, it must not cost the others.

    Only a folder that cannot be written ends it all, or a closed pipe, such as that of `| head`.
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
            # Too few rows or groups: for every method, unless it is for the folds of an ensemble.
            outcome.failed[name if is_ensemble else dataset] = str(error)
            return
        kind = "" if isinstance(error, MemoryError) else f"{type(error).__name__}: "
        said = " ".join(f"{kind}{error}".split())[:300]
        outcome.failed[name] = said + _whose(error, plugins.get(method))
        with disk.writing(lab.out), (lab.out / "errors.log").open("a") as log:
            log.write(f"{name}\n{traceback.format_exc()}\n")


def _whose(error, plugin):
    """The user's file that a method is from, and the last line of it that ran."""
    if plugin is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == Path(plugin)]
    return f" (--plugin {plugin}{f', line {lines[-1]}' if lines else ''})"
