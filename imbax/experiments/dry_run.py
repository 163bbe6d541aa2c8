"""Plan a run of a suite without computing anything or writing a file."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from imbax.data.tabular import DataUnavailable
from imbax.errors import InputError
from imbax.experiments import store
from imbax.experiments.run import Prepared, cells_of

__all__ = ["Foreseen", "cache_folder", "foresee"]


class Foreseen(NamedTuple):
    """The work that a run would do for a cell, or the reason why it cannot."""

    dataset: str
    method: str
    stored: int = 0
    """Runs that are stored and are not computed again."""
    runs: int = 0
    """Runs that would be computed."""
    mebibytes: float = 0.0
    """Size of the data that the runs share, on each device."""
    seconds: float | None = None
    """Estimated from stored timings; None: unknown."""
    by: str = ""
    """Source of the stored timings."""
    notice: str = ""
    """Remarks on the data set, such as why it is skipped."""
    failed: str = ""
    """Reason why the cell cannot be computed."""


class _Timing(NamedTuple):
    """Times of the stored runs of a cell."""

    compiling: float
    each: float
    epochs: Any
    facts: dict[str, Any]


def cache_folder() -> Path:
    """Data folder of scikit-learn; unlike `get_data_home`, this function does not create it."""
    return Path(os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data")).expanduser()


def foresee(prepared: Prepared, folder: Path) -> list[Foreseen]:
    """List the cells that `run_cells` would compute, with the timings stored in a folder."""
    lab, datasets, methods, seeds, required = prepared
    loaded, found = [], []
    for name, load in datasets:
        try:
            dataset = load()
            lab.check_splits(dataset, seeds)
            loaded.append(dataset)
        except DataUnavailable as error:
            known, message = Foreseen(name, ""), str(error)
            found.append(
                known._replace(failed=message) if required else known._replace(notice=message)
            )
        except InputError as error:
            found.append(Foreseen(name, "", failed=str(error)))

    @contextlib.contextmanager
    def noted(name):
        try:
            yield
        except Exception as error:  # may come from a user's method
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            dataset, _, method = name.rpartition("/")
            found.append(Foreseen(dataset, method, failed=f"{kind}{error}"))

    cells, notices = cells_of(lab, sorted(loaded, key=lab.shape), methods, noted)
    for name, lines in notices.items():
        found += [Foreseen(name, "", notice=notice) for notice in lines]
    timings = _timings(folder)
    for cell in cells:
        missing = len(lab.missing(cell, seeds))
        folds = lab.protocol.folds
        seconds, by = _seconds(lab, cell, missing * folds, timings) if missing else (0.0, "")
        found.append(
            Foreseen(
                cell.dataset.name,
                cell.label,
                (len(seeds) - missing) * folds,
                missing * folds,
                lab.shared_bytes(cell.dataset) / 2**20,
                seconds,
                by,
            )
        )
    return found


def _timings(folder: Path) -> dict[tuple[str, str], _Timing]:
    """Timings by data set and method."""
    files: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for about in store.read_provenance([folder]):
        files.setdefault((about["dataset"], about["method"]), []).append(about)
    return {cell: timing for cell, abouts in files.items() if (timing := _timing(abouts))}


def _timing(abouts: Sequence[dict[str, Any]]) -> _Timing | None:
    names = ("compile_seconds", "run_seconds", "n_runs")
    try:
        sums = [sum(float(about["timing"][name]) for about in abouts) for name in names]
    except (KeyError, TypeError, ValueError):  # a file of another program
        return None
    compiling, running, runs = sums
    about = abouts[0]
    epochs = about.get("config", {}).get("epochs")
    if not runs or not isinstance(epochs, int):
        return None
    is_neural = about.get("method_facts", {}).get("neural", True)
    facts = about.get("dataset_facts", {})
    return _Timing(compiling, running / runs, epochs if is_neural else None, facts)


def _seconds(lab, cell, runs, timings):
    """Estimated seconds of a cell's missing runs, and the source of the estimate."""

    def seconds(timing, factor):
        longer = lab.protocol.epochs / timing.epochs if timing.epochs else 1
        return timing.compiling + timing.each * factor * longer * runs

    stored = timings.get((cell.dataset.name, cell.label))
    if stored:
        return seconds(stored, 1), "its own runs"
    work, near = lab.work(cell), {}
    for (dataset, method), timing in timings.items():
        sizes = {name: timing.facts.get(name) for name in ("n_rows", "n_features")}
        if method == cell.label and all(isinstance(size, int) for size in sizes.values()):
            about = {name: getattr(cell, name) for name in ("method", "network", "members")}
            other = SimpleNamespace(dataset=SimpleNamespace(**sizes), **about)
            factor = work / lab.work(other)
            near[max(factor, 1 / factor)] = (seconds(timing, factor), f"runs on {dataset}")
    return near[min(near)] if near else (None, "")
