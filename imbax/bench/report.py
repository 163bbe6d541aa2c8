"""Table and figure of the results of `measure`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from imbax.bench.kernels import KERNELS
from imbax.errors import InputError
from imbax.reports.drawing import INK, LEGEND, OWN_COLOUR, log_scale, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "CASE",
    "OURS",
    "best_setting",
    "digits",
    "draw",
    "draw_spread",
    "frame",
    "log_axes",
    "machine",
    "short_time",
    "show",
    "spaced",
    "table",
    "unit_of",
]

CASE = ["kernel", "batch", "rows", "features", "points", "width", "epochs", "runs"]
"""Columns that identify a kernel at one size."""


def frame(found: Mapping[str, Any]) -> pd.DataFrame:
    """Data frame with one row per contender and size, in the order of the kernels.

    Adds columns to the measurements: `best`, `median` and `worst` over rounds, in microseconds per
    run-step, that is, per step and run; `rate`, necessary operations per second in the best round;
    `attainable`, the time of the necessary operations or of the memory traffic at the machine's
    rates, whichever is longer; `roofline`, `attainable` divided by `best`; and `times_imbax`,
    `best` divided by that of imbax's best setting.

    Raises
    ------
    InputError
        There is no successful measurement.
    """
    rows = pd.DataFrame([r for r in found["measurements"] if "failed" not in r])
    if rows.empty:
        raise InputError(f"no successful timing: {'; '.join(_failures(found)) or 'no results'}")
    per_step = 1e6 / rows["run_steps"]
    rows["best"] = rows["seconds"].map(min) * per_step
    rows["median"] = rows["seconds"].map(lambda seconds: pd.Series(seconds).median()) * per_step
    rows["worst"] = rows["seconds"].map(max) * per_step
    rows["rate"] = 1e6 * rows["operations"] / rows["best"]
    attainable = [rows["operations"] / rows["matmul_rate"], rows["bytes"] / rows["memory_rate"]]
    rows["attainable"] = 1e6 * pd.concat(attainable, axis=1).max(axis=1)
    rows["roofline"] = rows["attainable"] / rows["best"]
    ours = rows[rows["contender"] == "imbax"].groupby(CASE)["best"].min().rename("ours")
    rows = rows.join(ours, on=CASE)
    rows["times_imbax"] = rows["best"] / rows.pop("ours")
    order = {name: number for number, name in enumerate(KERNELS)}
    return rows.sort_values(
        ["kernel", *CASE[1:]],
        key=lambda column: column.map(order) if column.name == "kernel" else column,
        kind="stable",
        ignore_index=True,
    )


def show(drawn: Table, *, stderr: bool = False) -> None:
    """Prints a table with a width of at least 160 characters."""
    console = Console(stderr=stderr)
    Console(stderr=stderr, width=max(console.width, 160)).print(drawn)


def table(found: Mapping[str, Any]) -> Table:
    """Rich table of the results."""
    rows = frame(found)
    caption = "\n".join([_machine(found), *_failures(found)])
    drawn = Table(title="Time per run-step", caption=caption, box=box.SIMPLE_HEAD)
    for name in ("kernel", "contender"):
        drawn.add_column(name, no_wrap=True)
    numbers = ("batch", "runs", "compile s", "best", "median", "worst", "rows/s", "GFLOP/s",
               "% roof", "x imbax")  # fmt: skip
    for name in numbers:
        drawn.add_column(name, justify="right")
    previous = None
    for row in rows.itertuples():
        if previous not in (None, row.kernel):
            drawn.add_section()
        previous = row.kernel
        drawn.add_row(
            row.kernel,
            f"{row.contender}, {row.setting}",
            f"{row.batch}" if row.batch else "",
            f"{row.runs}",
            f"{row.compile_seconds:.1f}",
            *(short_time(value) for value in (row.best, row.median, row.worst)),
            digits(1e6 * (row.batch or row.points) / row.best),
            digits(1e-9 * row.rate),
            f"{100 * row.roofline:.0f}",
            "" if pd.isna(row.times_imbax) else f"{row.times_imbax:.2f}",
        )
    return drawn


def draw(found: Mapping[str, Any], path: Path) -> Path:
    """Writes a figure of the time per run-step by number of runs, one panel per kernel.

    Each contender is shown with its best setting at the kernel's usual batch size, as a band from
    the best to the worst round. Thin lines with labels are other batch sizes of imbax. Percentages
    are fractions of the roofline, which is dotted.
    """
    rows = frame(found)
    names = list(rows["kernel"].unique())
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    height = 3.6 * lines + 0.6
    figure, axes = new_figure(4.2 * columns, height, len(names), columns=columns)
    for ax, name in zip(axes, names, strict=True):
        _panel(ax, rows[rows["kernel"] == name], name)
    shown: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    ncols = min(len(shown), 2 * columns)
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": ncols} | LEGEND
    figure.legend(shown.values(), shown.keys(), **place)
    figure.suptitle(_machine(found), color=INK, fontsize=9)
    return save(figure, path)


OURS: dict[str, Any] = {
    "color": OWN_COLOUR["explicit_gradient"],
    "linewidth": 2.2,
    "marker": "o",
    "zorder": 4,
}
"""Style of imbax's line."""
_LOOKS = {
    "imbax": OURS,
    "torch eager": {"color": "#999999", "linewidth": 1.4, "marker": "s"},
    "torch.func": {"color": OWN_COLOUR["ce"], "linewidth": 1.4, "marker": "^"},
    "torch.compile": {"color": OWN_COLOUR["ce_long"], "linewidth": 1.4, "marker": "D"},
}
_ROOFLINE = {"color": INK, "linewidth": 1, "linestyle": (0, (1, 2)), "marker": "_"}


def _panel(ax, rows, name):
    batches = list(rows["batch"].unique())
    usual = next((b for b in (*KERNELS[name].batches, *batches) if b in batches), 0)
    unit, word = unit_of(rows["best"].min())
    rows = rows.assign(**{c: rows[c] / unit for c in ("best", "worst", "attainable")})
    main, ours = rows[rows["batch"] == usual], rows[rows["contender"] == "imbax"]
    for contender, look in _LOOKS.items():
        line = best_setting(main[main["contender"] == contender])
        if len(line):
            ax.plot(line.index, line["best"], markersize=4.5, label=contender, **look)
            draw_spread(ax, line, look["color"])
    line = best_setting(ours[ours["batch"] == usual])
    ax.plot(line.index, line["attainable"], label="roofline", **_ROOFLINE)
    text = {"textcoords": "offset points", "color": INK}
    ticks = spaced(rows["runs"].unique())
    for runs, row in line[line.index.isin(ticks)].iterrows():
        share = f"{100 * row['roofline']:.0f} %"
        ax.annotate(share, (runs, row["best"]), xytext=(0, -13), ha="center", fontsize=7.5, **text)
    for batch in set(batches) - {usual}:
        line = best_setting(ours[ours["batch"] == batch])
        if line.empty:
            continue
        ax.plot(line.index, line["best"], color=_LOOKS["imbax"]["color"], linewidth=0.9)
        end = (line.index[-1], line["best"].iloc[-1])
        ax.annotate(f"{batch}", end, xytext=(4, 0), va="center", fontsize=7.5, **text)
    log_axes(ax, ticks)
    ax.set(xlabel="Runs", ylabel=f"{word} per run-step")
    ax.set_title(KERNELS[name].title + (f", batch {usual}" if usual else ""))


def draw_spread(ax: "Axes", line: pd.DataFrame, colour: str) -> None:
    """Draws a band from the best to the worst round, or a bar if there is one number of runs."""
    ends = line.index, line["best"], line["worst"]
    if len(line) > 1:
        ax.fill_between(*ends, color=colour, alpha=0.15, linewidth=0)
    else:
        ax.vlines(*ends, color=colour, alpha=0.3, linewidth=4)


def spaced(numbers: Iterable[int], factor: float = 1.5) -> list[int]:
    """Numbers with room for a label on a logarithmic axis, from the largest one down."""
    kept: list[int] = []
    for number in sorted(numbers, reverse=True):
        if not kept or kept[-1] >= factor * number:
            kept.append(number)
    return kept


def log_axes(ax: "Axes", ticks: Sequence[int]) -> None:
    """Sets logarithmic axes with these ticks of the number of runs."""
    from matplotlib.ticker import FixedLocator, NullLocator

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")
    ax.margins(0.09)
    log_scale(ax)


def best_setting(rows: pd.DataFrame) -> pd.DataFrame:
    """Best setting of each number of runs, which is the index."""
    return rows.loc[rows.groupby("runs")["best"].idxmin()].set_index("runs").sort_index()


def machine(found: Mapping[str, Any]) -> str:
    """Devices, versions of jax and PyTorch."""
    env = found["environment"]
    torch = f", torch {env['torch']} on {env['torch_device']}" if "torch" in env else ""
    return f"{env['devices']} x {env['device']} ({env['cpu']}), jax {env['jax']}{torch}"


def _machine(found):
    env, rows = found["environment"], frame(found)
    accelerated = env["device"] != "cpu"  # on a CPU all products have the same precision
    precision = rows["kernel"].map(lambda k: KERNELS[k].precision if accelerated else "float32")
    products = ", ".join(
        f"{name} {1e-9 * rate:,.0f} GFLOP/s"
        for name, rate in rows["matmul_rate"].groupby(precision, sort=False).max().items()
    )
    return (
        f"{machine(found)}\n"
        f"matrix product {products}, memory {1e-9 * rows['memory_rate'].max():,.0f} GB/s"
    )


def _failures(found):
    """Lines with the error messages of failed contenders."""
    return [
        f"{r['kernel']}, {r['contender']} ({r['setting']}), runs {r['runs']}: {r['failed']}"
        for r in found["measurements"]
        if "failed" in r
    ]


def short_time(microseconds: float) -> str:
    """Time with three significant digits and its unit."""
    unit, word = unit_of(microseconds)
    return f"{digits(microseconds / unit)} {word}"


def unit_of(microseconds: float) -> tuple[float, str]:
    """Unit of a time, in microseconds and in words."""
    units = ((1e6, "s"), (1e3, "ms"), (1, "µs"))
    return next(each for each in units if microseconds >= each[0] or each[0] == 1)


def digits(value: float) -> str:
    """Number with three significant digits, or as an integer from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
