"""Drawing functions shared by all figures: styles of methods, empty figures, legends, files."""

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imbax.experiments import disk
from imbax.reports.tabular.tables import in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = [
    "DOTS_PER_INCH",
    "FAINT",
    "FORMATS",
    "INK",
    "LEGEND",
    "OWN_COLOUR",
    "add_legend",
    "diverging",
    "interactive_axes",
    "log_scale",
    "new_figure",
    "plain",
    "rgb",
    "root_scale",
    "save",
    "styles_of",
]

# The Okabe-Ito palette without yellow, which is hard to see as a line on white.
OWN_COLOUR = {
    "explicit_gradient": "#D55E00",
    "explicit_gradient_frozen": "#E69F00",
    "ce": "#0072B2",
    "ce_long": "#56B4E9",
}
_OTHER_COLOURS = ("#009E73", "#CC79A7", "#000000", "#999999")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
INK, FAINT = "#333333", "#E4E4E4"
FORMATS: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
"""Formats of figures, with the metadata to leave out."""
DOTS_PER_INCH = 150
"""Resolution of PNG files."""
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK}


def styles_of(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and line style of each method, in the order of the legend."""
    looks = list(product(_DASHES, _OTHER_COLOURS))
    styles, others = {}, 0
    for method in in_order(methods):
        if method in OWN_COLOUR:
            styles[method] = {"color": OWN_COLOUR[method], "linewidth": 2.2, "zorder": 3}
        else:
            dashes, colour = looks[others % len(looks)]
            styles[method] = {"color": colour, "linewidth": 1.3, "linestyle": dashes}
            others += 1
    return styles


def new_figure(
    width: float,
    height: float,
    panels: int,
    widths: Sequence[float] | None = None,
    *,
    columns: int | None = None,
) -> "tuple[Figure, list[Axes]]":
    """Empty figure and its panels, in one row or with ``columns`` panels per row."""
    # Figure instead of pyplot: no global state, usable from any thread, no window.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    columns = columns or panels
    grid = figure.subplots(-(-panels // columns), columns, squeeze=False, width_ratios=widths)
    axes = list(grid.flat)
    for ax in axes[panels:]:
        ax.remove()
    axes = axes[:panels]
    for ax in axes:
        _restyle(ax)
    return figure, axes


def interactive_axes(width: float, height: float) -> "Axes":
    """Axes of a new pyplot figure, which notebooks display, in the common style."""
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    _restyle(ax)
    return ax


def _restyle(ax):
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#999999")
    ax.tick_params(color="#999999", labelcolor=INK, labelsize=9)
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)
    ax.title.set(color=INK, fontsize=11)
    ax.grid(color=FAINT, linewidth=0.7)
    ax.set_axisbelow(True)


def add_legend(figure: "Figure", ax: "Axes") -> None:
    """Adds the legend of ``ax`` to the right of the figure's panels."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", **LEGEND)


def plain(name: str) -> str:
    """Name escaped for matplotlib: $ starts no formula, and _ hides no legend entry."""
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue in [0, 1]."""
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def diverging() -> "Colormap":
    """Colour map from vermillion (low) over white to blue (high), for the colour-blind too."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = [OWN_COLOUR["explicit_gradient"], "white", OWN_COLOUR["ce"]]
    return LinearSegmentedColormap.from_list("diverging", ends)


def save(figure: "Figure", path: Path) -> Path:
    """Writes a figure as PNG and, for print, as SVG; returns the path of the PNG.

    The same figure gives the same bytes: versions, dates and random identifiers are left out.
    """
    from matplotlib import rc_context

    path = Path(path)
    for kind, metadata in FORMATS.items():
        target = path.with_suffix(f".{kind}")
        with rc_context({"svg.hashsalt": path.stem}), disk.atomic(target, durable=False) as file:
            figure.savefig(file, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    return path


def log_scale(ax: "Axes") -> None:
    """Sets a logarithmic y axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(which="minor", color=FAINT)


def root_scale(ax: "Axes", most_x: float, most_y: float) -> None:
    """Sets square-root scales on both axes, from 0 to 1.1 times the largest value.

    Ticks are at 1, 2.5 and 5 times powers of ten. The x ticks are further apart because their
    labels stand side by side.
    """
    root = {"functions": (lambda share: np.sqrt(np.maximum(share, 0)), np.square)}
    ax.set_xscale("function", **root)
    ax.set_yscale("function", **root)
    # If all values are 0 the axis still needs a length.
    top_x, top_y = (min(1.1 * most, 1) or 1 for most in (most_x, most_y))
    ax.set(xlim=(0, top_x), ylim=(0, top_y))
    for axis, top, spacing in ((ax.xaxis, top_x, 0.25), (ax.yaxis, top_y, 0.13)):
        power = math.floor(math.log10(top))
        powers, ticks = range(power - 2, power + 1), [0.0]
        for share in (digits * 10.0**power for power in powers for digits in (1, 2.5, 5)):
            if share <= top and np.sqrt(share) - np.sqrt(ticks[-1]) > spacing * np.sqrt(top):
                ticks.append(share)
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
