"""Comparison of two result files of `measure`: two machines, versions or commits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from imbax.bench import report
from imbax.bench.kernels import KERNELS
from imbax.bench.measure import Case, identity
from imbax.errors import InputError
from imbax.reports.drawing import INK, LEGEND, new_figure, save

__all__ = ["check_common", "compared", "draw_against", "table_against"]

_KEYS = [*report.CASE, "contender", "setting"]


def check_common(cases: Sequence[Case], other: Mapping[str, Any], path: Path) -> None:
    """Raises InputError unless another file has a timing of imbax for one of the cases."""
    found = [r for r in other["measurements"] if r["contender"] == "imbax" and "failed" not in r]
    if not {identity(record)[0] for record in found} & set(cases):
        sizes = [f"{r['kernel']} (batch {r['batch']}, runs {r['runs']})" for r in found]
        has = ", ".join(sizes[:3]) or "no timing of imbax"
        raise InputError(
            f"--against {path} has no kernel and size in common with this command; it has {has}"
            f"{', ...' if len(sizes) > 3 else ''}; choose the same by --kernels, --runs and --batch"
        )


def compared(found: Mapping[str, Any], other: Mapping[str, Any]) -> pd.DataFrame:
    """Timings that both results have, in the order of the kernels.

    Columns are the case, the contender, `best` and `worst` of the first results and `other_best`
    and `other_worst` of the second, in microseconds per run-step; `ratio`, `other_best` divided by
    `best`; and `is_clear`, whether the ranges of all rounds do not overlap.
    """
    one, two = (report.frame(_known(each)) for each in (found, other))
    times = ["best", "worst"]
    two = two[[*_KEYS, *times]].rename(columns={name: f"other_{name}" for name in times})
    rows = one[[*_KEYS, *times]].merge(two, on=_KEYS)
    rows["ratio"] = rows["other_best"] / rows["best"]
    rows["is_clear"] = (rows["worst"] < rows["other_best"]) | (rows["other_worst"] < rows["best"])
    return rows


def table_against(found: Mapping[str, Any], other: Mapping[str, Any]) -> Table:
    """Rich table of both results."""
    note = "other / this above 1: this is faster; ~: the ranges of the rounds overlap"
    caption = f"{_machines(found, other)}\n{note}"
    drawn = Table(title="Time per run-step of two results", caption=caption, box=box.SIMPLE_HEAD)
    for name in ("kernel", "contender"):
        drawn.add_column(name, no_wrap=True)
    for name in ("batch", "runs", "this best", "worst", "other best", "worst", "other / this"):
        drawn.add_column(name, justify="right")
    for row in compared(found, other).itertuples():
        drawn.add_row(
            row.kernel,
            f"{row.contender}, {row.setting}",
            f"{row.batch}" if row.batch else "",
            f"{row.runs}",
            *map(report.short_time, (row.best, row.worst, row.other_best, row.other_worst)),
            f"{'' if row.is_clear else '~'}{report.digits(row.ratio)}",
        )
    return drawn


def draw_against(found: Mapping[str, Any], other: Mapping[str, Any], path: Path) -> Path:
    """Writes a figure of imbax's time per run-step in both results, one panel per kernel.

    Bands and bars reach from the best to the worst round, at the kernel's usual batch size if
    possible.
    """
    rows = compared(found, other)
    rows = rows[rows["contender"] == "imbax"]
    names = list(rows["kernel"].unique())
    size = 4.2 * min(3, len(names)), 3.6 * -(-len(names) // 3) + 0.8
    figure, axes = new_figure(*size, len(names), columns=min(3, len(names)))
    for ax, name in zip(axes, names, strict=True):
        _panel(ax, rows[rows["kernel"] == name], name)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, **LEGEND
    )
    figure.suptitle(_machines(found, other), color=INK, fontsize=9)
    return save(figure, path)


def _panel(ax, rows, name):
    batches = list(rows["batch"].unique())
    usual = next(b for b in (*KERNELS[name].batches, *batches) if b in batches)
    rows = rows[rows["batch"] == usual]
    unit, word = report.unit_of(rows[["best", "other_best"]].min(axis=None))
    grey = {"color": "#999999", "linewidth": 1.4, "marker": "s"}
    for label, prefix, look in (("this", "", report.OURS), ("other", "other_", grey)):
        columns = {f"{prefix}best": "best", f"{prefix}worst": "worst"}
        line = report.best_setting(rows[["runs", *columns]].rename(columns=columns)) / unit
        ax.plot(line.index, line["best"], markersize=4.5, label=label, **look)
        report.draw_spread(ax, line, look["color"])
    report.log_axes(ax, report.spaced(rows["runs"].unique()))
    ax.set(xlabel="Runs", ylabel=f"{word} per run-step")
    ax.set_title(KERNELS[name].title + (f", batch {usual}" if usual else ""))


def _machines(found, other):
    return f"this: {_described(found, other)}\nother: {_described(other, found)}"


def _known(found):
    """Results without the kernels of another version."""
    kept = [record for record in found["measurements"] if record["kernel"] in KERNELS]
    return {**found, "measurements": kept}


def _described(found, other):
    """Machine of a result, and the parts of its environment that differ from the other's."""
    env, second = (each["environment"] for each in (found, other))
    stated = ("devices", "device", "cpu", "jax", "torch", "torch_device")
    names = [name for name in env if name not in stated and env[name] != second.get(name)]
    return ", ".join([report.machine(found), *(f"{name} {env[name]}" for name in names)])
