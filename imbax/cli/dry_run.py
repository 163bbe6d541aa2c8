"""Output of `imbax run --dry-run`."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.table import Table

from imbax.engine.vectorize import Engine
from imbax.experiments.dry_run import Foreseen, cache_folder, foresee
from imbax.experiments.suites import Suite

__all__ = ["show"]


def show(
    suite: Suite, options: Namespace, experiment: ModuleType, out: Path, engine: Engine
) -> int:
    """Print what a run would compute; returns the exit status. Nothing is downloaded or written."""
    options.data_home = options.data_home or cache_folder()
    prepared = experiment.prepared(suite, options, out if out.is_dir() else None, engine)
    found = foresee(prepared, out)
    console = Console(markup=False, highlight=False)
    for one in found:
        name = "/".join(filter(None, (one.dataset, one.method)))
        if one.failed:
            print(f"imbax: error: {name}: {one.failed}", file=sys.stderr)
        elif one.notice:
            console.print(f"{name}: {one.notice}", soft_wrap=True)
    cells = [one for one in found if not (one.failed or one.notice)]
    if cells:
        Console(width=None if console.is_terminal else 160, markup=False).print(_table(cells))
    console.print("\n".join(_sums(cells, engine, out)), soft_wrap=True)
    return 2 if any(one.failed for one in found) else 0


def _table(cells: Sequence[Foreseen]) -> Table:
    table = Table("data set", "method", "runs stored", "runs to do", "shared data", "minutes")
    table.add_column("estimated by")
    for one in cells:
        minutes = "unknown" if one.seconds is None else f"{one.seconds / 60:.2f}"
        counts = (str(one.stored), str(one.runs), f"{one.mebibytes:.1f} MiB")
        table.add_row(one.dataset, one.method, *counts, minutes, one.by)
    return table


def _sums(cells, engine, out):
    runs = sum(one.runs for one in cells)
    todo = [one for one in cells if one.runs]
    yield f"{runs} runs to do in {len(todo)} of {len(cells)} cells, into {out}"
    if not cells:
        return
    known = [one.seconds for one in todo if one.seconds is not None]
    minutes = f"about {sum(known) / 60:.1f} minutes"
    if len(known) < len(todo):
        of = f"for {len(known)} cells, unknown for {len(todo) - len(known)}" if known else ""
        yield f"time: {minutes} {of}" if known else f"time: unknown, {out} has no timings of them"
    else:
        yield f"time: {minutes} by stored timings; another machine or load takes other times"
    largest = max((one.mebibytes for one in cells), default=0.0)
    budget = f"{engine.memory / 2**30:g} GiB" if engine.memory else "all that the devices have"
    yield (
        f"memory: {largest:.1f} MiB of shared data at most; budget {budget}: runs that do not fit "
        "beside each other are divided"
    )
