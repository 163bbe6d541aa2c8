"""What more runs, rows, features and synthetic points cost: time per run-step, and its slope.

    python benchmarks/cost_curves.py

Explicit Gradient's step, the supervised step and SMOTE are timed as `imbax bench` does it, while
one number grows and the others stay. On logarithmic axes the slope says by which power of that
number the time grows: over the whole range, and at its end, where fixed costs no longer flatten the
curve and which is compared with the arithmetic's power. Figures are kept as they come; the same
command goes on from there.
"""

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np

from imbax.bench.kernels import KERNELS
from imbax.bench.measure import Case, measure
from imbax.bench.report import frame
from imbax.engine.devices import usable_cores, use_cpu_cores
from imbax.reports.drawing import FAINT, INK, LEGEND, OWN_COLOUR, new_figure, save

HERE = Path(__file__).resolve().parent
AXES = {
    "runs": (1, 32, 1024),
    "rows": (1000, 10_000, 100_000, 1_000_000),
    "features": (8, 128, 2048),
    "points": (10, 1000, 10_000),
}
SMALL = {"runs": (1, 2), "rows": (80, 160), "features": (3, 6), "points": (4, 8)}
CURVES = ("explicit_gradient", "supervised", "smote")
# The power of each number by which the arithmetic of a run-step grows in the end, as CURVES go. A
# step takes no more rows or points than its batches have; SMOTE compares all pairs of rows.
POWERS = {"runs": (0, 0, 0), "rows": (0, 0, 2), "features": (1, 1, 1), "points": (0, 0, 1)}
# Of an epoch, where its rows are not what grows.
STEPS = 20
# Slopes this far apart are one: clocks and caches are not exact.
TOLERANCE = 0.1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--rounds", type=int, default=2, help="times that everything is timed")
    parser.add_argument("--small", action="store_true", help="to try whether all works")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "cost_curves")
    options = parser.parse_args()

    use_cpu_cores()
    wanted = curves(options.axes, small=options.small)
    command = shlex.join(["python", f"benchmarks/{Path(__file__).name}", *sys.argv[1:]])
    cases = list(dict.fromkeys(case for curve in wanted.values() for case in curve))
    settings = {"rounds": options.rounds, "small": options.small, "command": command}
    rows = frame(measure(cases, options.out / "cost_curves.json", **settings))
    found = {key: curve_of(rows, key[1], curve) for key, curve in wanted.items()}
    lines = [sentence(*key, *curve) for key, curve in found.items() if len(curve[0]) > 1]
    lines += untimed(wanted, found)
    (options.out / "slopes.md").write_text("".join(f"- {line}\n" for line in lines))
    print("\n".join(lines))
    print(f"figure: {draw(found, options.out / 'cost_curves.png')}")


def curves(axes, *, small):
    """By kernel and axis: its cases, one number growing. Supervised training has no points."""
    found = {}
    for axis in axes:
        for name in CURVES:
            if (name, axis) == ("supervised", "points"):
                continue
            numbers = (SMALL if small else AXES)[axis]
            found[name, axis] = [Case(name, sized(name, axis, n, small=small)) for n in numbers]
    return found


def sized(name, axis, number, *, small):
    """The kernel's usual size with a run per core, `STEPS` steps, and that number."""
    kernel = KERNELS[name]
    size = (kernel.small if small else kernel.size).resized(usable_cores())
    if size.batch and not small:
        size = size._replace(rows=STEPS * size.batch, epochs=1)
    if axis == "points" and size.batch:
        most = max((SMALL if small else AXES)["points"])
        size = size._replace(rows=2 * most)  # the points start as minority rows: as many are there
    size = size._replace(**{axis: number})
    if axis == "rows" and size.batch:
        # Few rows make few steps: about as many epochs as it takes to have as many.
        epochs = 1 if small else max(STEPS // size.steps, 1)
        size = size._replace(epochs=epochs, points=min(size.points, number))
    return size


def curve_of(rows, axis, curve):
    """Along the axis, where timed: its numbers and the best time, the median and the roofline."""
    by_case = rows.set_index(["kernel", *curve[0].size._fields]).sort_index()
    timed = [case for case in curve if (case.kernel, *case.size) in by_case.index]
    kept = [by_case.loc[(case.kernel, *case.size)] for case in timed]
    numbers = np.array([getattr(case.size, axis) for case in timed])
    return numbers, *(np.array([r[c] for r in kept]) for c in ("best", "median", "attainable"))


def slope(numbers, values):
    """The power of the numbers with which the values grow: least squares of the logarithms."""
    return float(np.polyfit(np.log(numbers), np.log(values), 1)[0])


def sentence(name, axis, numbers, best, *_):
    """The slopes in words."""
    over_all, at_end = slope(numbers, best), slope(numbers[-2:], best[-2:])
    power = POWERS[axis][CURVES.index(name)]
    faster = "FASTER than" if at_end > power + TOLERANCE else "no faster than"
    return (
        f"{KERNELS[name].title}, {axis} {numbers[0]:,} to {numbers[-1]:,}: {growth(over_all)}, "
        f"slope {over_all:.2f}, at the end {at_end:.2f}; the arithmetic has {power}: {faster} that."
    )


def untimed(wanted, found):
    """A line for each case that failed; `measure` has said why."""
    return [
        f"{KERNELS[name].title}, {axis} {getattr(case.size, axis):,}: could not be timed."
        for (name, axis), curve in wanted.items()
        for case in curve
        if getattr(case.size, axis) not in found[name, axis][0]
    ]


def growth(power):
    """A slope as one would say it."""
    if abs(power) <= TOLERANCE:
        word = "a run-step takes about as long throughout"
    else:
        word = f"a run-step takes {'longer' if power > 0 else 'less time'}"
    return f"{word}, x {10**power:.2g} for ten times as many"


def draw(found, path):
    axes = list(dict.fromkeys(axis for _, axis in found))
    figure, panels = new_figure(3.7 * len(axes), 3.8, len(axes))
    own = (OWN_COLOUR["explicit_gradient"], OWN_COLOUR["ce"], "#009E73")
    colours, roofline = (
        dict(zip(CURVES, own, strict=True)),
        {"linewidth": 1, "linestyle": (0, (1, 2))},
    )
    for (name, axis), (numbers, best, median, attainable) in found.items():
        ax, colour = panels[axes.index(axis)], colours[name]
        ax.plot(
            numbers,
            best,
            marker="o",
            markersize=4.5,
            linewidth=1.8,
            color=colour,
            label=KERNELS[name].title,
        )
        ax.fill_between(numbers, best, median, color=colour, alpha=0.2, linewidth=0)
        ax.plot(numbers, attainable, color=colour, **roofline)
        if len(numbers) > 1:
            end = f"{slope(numbers[-2:], best[-2:]):+.2f}"
            place = {"x": 0.2 + 0.3 * CURVES.index(name), "y": 1.02, "transform": ax.transAxes}
            ax.text(s=end, ha="center", fontsize=8.5, color=colour, **place)
    for ax, axis in zip(panels, axes, strict=True):
        ax.set(xscale="log", yscale="log", xlabel=axis.capitalize())
        ax.grid(color=FAINT, linewidth=0.7)
        ax.margins(0.1)
    panels[0].set_ylabel("µs per run-step")
    panels[-1].plot([], [], color=INK, label="roofline; numbers: slope at the end", **roofline)
    shown = {}
    for ax in panels:
        handles, labels = ax.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    style = {"loc": "outside lower center", "ncols": len(axes)} | LEGEND
    figure.legend(shown.values(), shown.keys(), **style)
    return save(figure, path)


if __name__ == "__main__":
    main()
