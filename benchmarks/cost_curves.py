"""Time per run-step as a function of runs, rows, features and synthetic points, with its slope.

    python benchmarks/cost_curves.py

Explicit Gradient's step, the supervised step and SMOTE are timed as in `imbax bench`, while one
number grows and the others are fixed. On logarithmic axes, the slope is the power of that number
with which the time grows. It is reported over the whole range, and at its end, where fixed costs no
longer flatten the curve; the slope at the end is compared with the power of the operation count.
Results are stored after each case; the same command resumes.
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
# Asymptotic powers of the operation count of a run-step, in the order of CURVES. A step uses one
# batch of rows and of points; SMOTE compares all pairs of rows.
POWERS = {"runs": (0, 0, 0), "rows": (0, 0, 2), "features": (1, 1, 1), "points": (0, 0, 1)}
# Steps per epoch, except on the axis of rows.
STEPS = 20
# Slopes that differ by less are considered equal, since timings are noisy.
TOLERANCE = 0.1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--rounds", type=int, default=2, help="number of timings")
    parser.add_argument("--small", action="store_true", help="small sizes, to test the script")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "cost_curves")
    options = parser.parse_args()

    use_cpu_cores()
    curve_cases = curves(options.axes, small=options.small)
    command = shlex.join(["python", f"benchmarks/{Path(__file__).name}", *sys.argv[1:]])
    cases = list(dict.fromkeys(case for curve in curve_cases.values() for case in curve))
    settings = {"rounds": options.rounds, "small": options.small, "command": command}
    rows = frame(measure(cases, options.out / "cost_curves.json", **settings))
    timed = {key: curve_of(rows, key[1], curve) for key, curve in curve_cases.items()}
    lines = [sentence(*key, *curve) for key, curve in timed.items() if len(curve[0]) > 1]
    lines += untimed(curve_cases, timed)
    (options.out / "slopes.md").write_text("".join(f"- {line}\n" for line in lines))
    print("\n".join(lines))
    print(f"figure: {draw(timed, options.out / 'cost_curves.png')}")


def curves(axes, *, small):
    """Cases with one growing number, by kernel and axis. Supervised training has no points."""
    result = {}
    for axis in axes:
        for name in CURVES:
            if (name, axis) == ("supervised", "points"):
                continue
            numbers = (SMALL if small else AXES)[axis]
            result[name, axis] = [Case(name, sized(name, axis, n, small=small)) for n in numbers]
    return result


def sized(name, axis, number, *, small):
    """Default size of a kernel with one run per core, `STEPS` steps, and `number` on the axis."""
    kernel = KERNELS[name]
    size = (kernel.small if small else kernel.size).resized(usable_cores())
    if size.batch and not small:
        size = size._replace(rows=STEPS * size.batch, epochs=1)
    if axis == "points" and size.batch:
        most = max((SMALL if small else AXES)["points"])
        size = size._replace(rows=2 * most)  # as many minority rows as points, which start there
    size = size._replace(**{axis: number})
    if axis == "rows" and size.batch:
        # Few rows give few steps per epoch, so that more epochs are needed.
        epochs = 1 if small else max(STEPS // size.steps, 1)
        size = size._replace(epochs=epochs, points=min(size.points, number))
    return size


def curve_of(rows, axis, curve):
    """Numbers of the timed cases on the axis, with best time, median time and roofline."""
    by_case = rows.set_index(["kernel", *curve[0].size._fields]).sort_index()
    timed = [case for case in curve if (case.kernel, *case.size) in by_case.index]
    kept = [by_case.loc[(case.kernel, *case.size)] for case in timed]
    numbers = np.array([getattr(case.size, axis) for case in timed])
    return numbers, *(np.array([r[c] for r in kept]) for c in ("best", "median", "attainable"))


def slope(numbers, values):
    """Power of the numbers with which the values grow, by least squares on logarithms."""
    return float(np.polyfit(np.log(numbers), np.log(values), 1)[0])


def sentence(name, axis, numbers, best, *_):
    """Sentence on the slopes of a curve."""
    overall, at_end = slope(numbers, best), slope(numbers[-2:], best[-2:])
    power = POWERS[axis][CURVES.index(name)]
    growth_rate = "FASTER than" if at_end > power + TOLERANCE else "not faster than"
    return (
        f"{KERNELS[name].title}, {axis} {numbers[0]:,} to {numbers[-1]:,}: {growth(overall)}; "
        f"slope {overall:.2f}, at the end {at_end:.2f}, {growth_rate} the operation count "
        f"({power})."
    )


def untimed(curve_cases, timed):
    """Lines for the cases that failed; `measure` has printed the errors."""
    return [
        f"{KERNELS[name].title}, {axis} {getattr(case.size, axis):,}: no successful timing."
        for (name, axis), curve in curve_cases.items()
        for case in curve
        if getattr(case.size, axis) not in timed[name, axis][0]
    ]


def growth(power):
    """Phrase on the change of the time for a ten times larger number."""
    if abs(power) <= TOLERANCE:
        change = "constant time per run-step"
    else:
        change = f"{'more' if power > 0 else 'less'} time per run-step"
    return f"{change}, x {10**power:.2g} for a ten times larger number"


def draw(timed, path):
    axes = list(dict.fromkeys(axis for _, axis in timed))
    figure, panels = new_figure(3.7 * len(axes), 3.8, len(axes))
    palette = (OWN_COLOUR["explicit_gradient"], OWN_COLOUR["ce"], "#009E73")
    colours, roofline = (
        dict(zip(CURVES, palette, strict=True)),
        {"linewidth": 1, "linestyle": (0, (1, 2))},
    )
    for (name, axis), (numbers, best, median, attainable) in timed.items():
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
