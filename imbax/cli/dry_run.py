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
    """Prints what a run would compute; returns the exit status. Downloads and writes nothing."""
    options.data_home = options.data_home or cache_folder()
    prepared = experiment.prepared(suite, options, out if out.is_dir() else None, engine)
    forecasts = foresee(prepared, out)
    console = Console(markup=False, highlight=False)
    for forecast in forecasts:
        name = "/".join(filter(None, (forecast.dataset, forecast.method)))
        if forecast.failed:
            print(f"imbax: error: {name}: {forecast.failed}", file=sys.stderr)
        elif forecast.notice:
            console.print(f"{name}: {forecast.notice}", soft_wrap=True)
    cells = [forecast for forecast in forecasts if not (forecast.failed or forecast.notice)]
    if cells:
        Console(width=None if console.is_terminal else 160, markup=False).print(_table(cells))
    console.print("\n".join(_sums(cells, engine, out)), soft_wrap=True)
    return 2 if any(forecast.failed for forecast in forecasts) else 0


def _table(cells: Sequence[Foreseen]) -> Table:
    table = Table("data set", "method", "runs stored", "runs to do", "shared data", "minutes")
    table.add_column("estimated by")
    for forecast in cells:
        minutes = "unknown" if forecast.seconds is None else f"{forecast.seconds / 60:.2f}"
        counts = (str(forecast.stored), str(forecast.runs), f"{forecast.mebibytes:.1f} MiB")
        table.add_row(forecast.dataset, forecast.method, *counts, minutes, forecast.by)
    return table


def _sums(cells, engine, out):
    runs = sum(forecast.runs for forecast in cells)
    todo = [forecast for forecast in cells if forecast.runs]
    yield f"{runs} runs to do in {len(todo)} of {len(cells)} cells, results in {out}"
    if not cells:
        return
    known = [forecast.seconds for forecast in todo if forecast.seconds is not None]
    minutes = f"about {sum(known) / 60:.1f} minutes"
    if len(known) < len(todo):
        counts = f"for {len(known)} cells, unknown for {len(todo) - len(known)}" if known else ""
        yield (
            f"time: {minutes} {counts}"
            if known
            else f"time: unknown, {out} has no timings of these cells"
        )
    else:
        yield f"time: {minutes} from stored timings; it depends on the machine and its load"
    largest = max((forecast.mebibytes for forecast in cells), default=0.0)
    budget = f"{engine.memory / 2**30:g} GiB" if engine.memory else "all memory of the devices"
    yield (
        f"memory: at most {largest:.1f} MiB of shared data; budget {budget}: runs that do not fit "
        "together are divided"
    )
