"""Figures of a table of scores [dataset x method]: ranks, win rates and profiles.

Each function writes ``path``, a PNG file with an SVG file of the same name, and returns it. If
there is nothing to draw it writes nothing and returns None. ``draw_...`` functions draw on given
axes. Only data sets with a score of every method are used.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imbax.reports.drawing import (
    INK,
    LEGEND,
    OWN_COLOUR,
    diverging,
    new_figure,
    plain,
    save,
    styles_of,
)
from imbax.statistics import aggregates, profiles, ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "critical_difference",
    "diagram_size",
    "draw_critical_difference",
    "draw_scores",
    "performance_profiles",
    "win_rates",
]

_MOST_LINES = _MOST_CELLS = 12
_LARGEST_FACTOR = 8


def critical_difference(scores: pd.DataFrame, path: Path) -> Path | None:
    """Writes the critical difference diagram; see `draw_critical_difference`."""
    n, k = scores.dropna().shape
    if n < 2 or k < 3:
        return None
    figure, (ax,) = new_figure(7.2, 4, 1)
    draw_critical_difference(ax, scores)
    figure.set_size_inches(*diagram_size(ax))
    figure.suptitle(f"Mean rank over {n} data sets, 1 = best", color=INK, fontsize=11)
    return save(figure, path)


def diagram_size(ax: "Axes") -> tuple[float, float]:
    """Width and height, in inches, of a figure with only this diagram."""
    return 7.2, 0.25 * (2.5 - ax.get_ylim()[0]) + 0.4


def draw_critical_difference(ax: "Axes", scores: pd.DataFrame) -> "Axes":
    """Draws Demšar's critical difference diagram of mean ranks.

    A bar joins methods whose mean ranks lie within Nemenyi's critical difference at the 5% level.
    Needs scores of at least two data sets and three methods.
    """
    full = scores.dropna()
    n, k = full.shape
    means = ranks.mean_ranks(full).sort_values(kind="stable")
    x, difference = means.to_numpy(), ranks.critical_difference(k, n)
    styles = styles_of(scores.columns)
    colours = [styles[name]["color"] if name in OWN_COLOUR else INK for name in means.index]
    ax.grid(False)
    ax.yaxis.set_visible(False)
    ax.spines[["left", "right", "bottom"]].set_visible(False)
    ax.spines["top"].set(position="zero", visible=True, color="#999999")
    ax.xaxis.set_ticks_position("top")

    # Bars below the axis, one per level.
    bars = _joined(x, difference)
    for level, (first, last) in enumerate(bars, start=1):
        ax.plot([x[first], x[last]], [-level] * 2, color=INK, linewidth=2.5, solid_capstyle="butt")

    # Connecting lines to the labels: the better half on the left, outer methods above inner ones.
    low, high = float(x[0]), float(x[-1])
    edge = 0.05 * (high - low) + 0.1
    left, right = low - edge, max(high + edge, low + difference)
    half = (k + 1) // 2
    for position, (name, mean, colour) in enumerate(zip(means.index, x, colours, strict=True)):
        is_left = position < half
        y = -(len(bars) + 1 + (position if is_left else k - 1 - position))
        end = left if is_left else right
        ax.plot([mean, mean, end], [0, y, y], color=colour, linewidth=1, clip_on=False)
        ax.plot(mean, 0, "o", color=colour, markersize=5, clip_on=False, zorder=3)
        label = f"{plain(name)}  {mean:.2f}" if is_left else f"{mean:.2f}  {plain(name)}"
        side = "right" if is_left else "left"
        ax.annotate(
            label,
            (end, y),
            xytext=(-3 if is_left else 3, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=9,
            color=colour,
            annotation_clip=False,
        )

    ax.plot([low, low + difference], [1.5, 1.5], color=INK, linewidth=1, marker="|", clip_on=False)
    ax.text(low, 1.75, f"critical difference {difference:.2f}", fontsize=9, color=INK)
    ax.set_ylim(-(len(bars) + half) - 0.5, 2.2)
    ax.set_xlim(left, right)
    return ax


def _joined(means: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """First and last place of each longest run of sorted mean ranks within the difference."""
    last = [int(np.flatnonzero(means - mean <= difference)[-1]) for mean in means]
    return [
        (first, end)
        for first, end in enumerate(last)
        if end > first and (first == 0 or last[first - 1] < end)
    ]


def win_rates(scores: pd.DataFrame, path: Path) -> Path | None:
    """Writes the matrix of win rates of the twelve methods with the best mean ranks.

    A cell is the share of data sets on which the row's method scores higher than the column's; ties
    count as half a win.
    """
    n, k = scores.dropna().shape
    if n < 2 or k < 2:
        return None
    order = ranks.mean_ranks(scores).sort_values(kind="stable").index[:_MOST_CELLS]
    rates = aggregates.win_rates(scores).loc[order, order].to_numpy()
    size = 0.5 * len(order)
    figure, (ax,) = new_figure(size + 2.4, size + 1.9, 1)
    ax.imshow(rates, cmap=diverging(), vmin=0, vmax=1)
    for row, column in np.argwhere(~np.isnan(rates)):
        rate = rates[row, column]
        colour = "white" if abs(rate - 0.5) > 0.38 else INK
        text = f"{rate:.2f}"
        ax.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    names = list(map(plain, order))
    ax.set_yticks(range(len(order)), names)
    ax.set_xticks(range(len(order)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.grid(False)
    part = "" if k == len(order) else f", {len(order)} best of {k} methods"
    title = f"Share of {n} data sets won by the row against the column{part}"
    figure.suptitle(title, color=INK, fontsize=11, wrap=True)
    return save(figure, path)


def draw_scores(
    ax: "Axes",
    points: pd.DataFrame,
    styles: Mapping[str, Mapping[str, Any]],
    *,
    intervals: pd.DataFrame | None = None,
    apart: Collection[str] = (),
) -> "Axes":
    """Draws a row of dots per method, with a marker at their mean.

    Parameters
    ----------
    ax
        Axes to draw on.
    points
        Scores ``[run or dataset x method]``; the first column is drawn at the top.
    styles
        Styles by method, from ``drawing.styles_of``.
    intervals
        Columns ``low`` and ``high`` by method; clipped to [0, 1] if all points are in [0, 1].
    apart
        Methods drawn with a hollow marker.
    """
    if intervals is not None and points.min(axis=None) >= 0 and points.max(axis=None) <= 1:
        intervals = intervals.clip(0, 1)
    for height, method in enumerate(points):
        colour, x = styles[method]["color"], points[method].dropna()
        ax.plot(x, [height] * len(x), "o", color=colour, alpha=0.3, markersize=4, linewidth=0)
        if intervals is not None:
            ax.hlines(height, *intervals.loc[method], color=colour, linewidth=1.5)
        face = "white" if method in apart else colour
        ax.plot(x.mean(), height, "o", color=colour, markerfacecolor=face, markersize=7, zorder=3)
    ax.set_yticks(range(points.shape[1]), list(map(plain, points)))
    ax.set_ylim(points.shape[1] - 0.5, -0.5)
    return ax


def performance_profiles(
    scores: pd.DataFrame, path: Path, *, first: Sequence[str] = ()
) -> Path | None:
    """Writes Dolan and Moré's performance profiles.

    The left panel follows Figure 3 of arXiv 2202.10550, the right one is the classical form. At
    most twelve methods are drawn: those in ``first``, then those with the largest area.
    """
    if not profiles.drawable(scores) or scores.shape[1] < 2:
        return None
    area = profiles.areas(scores).sort_values(ascending=False, kind="stable")
    area = pd.concat([area[area.index.isin(first)], area[~area.index.isin(first)]])[:_MOST_LINES]
    factors = np.geomspace(1, _LARGEST_FACTOR, 241)
    fractions = profiles.profile(scores, np.linspace(0, 1, 401))
    classical = profiles.cost_profile(profiles.costs(scores), factors)
    figure, (left, right) = new_figure(9.6, 4.2, 2)
    lines, labels = [], []
    styles = styles_of(scores.columns)
    for method in area.sort_values(ascending=False, kind="stable").index:
        (line,) = left.step(fractions.index, fractions[method], where="pre", **styles[method])
        right.step(classical.index, classical[method], where="post", **styles[method])
        lines.append(line)
        labels.append(f"{plain(method)}  {area[method]:.3f}")
    left.set(xlabel="θ", ylabel="Fraction of data sets", xlim=(0, 1), ylim=(0, 1.02))
    left.set_title("score ≥ θ · best score")
    right.set(xlabel="τ", xlim=(1, _LARGEST_FACTOR), ylim=(0, 1.02))
    right.set_xscale("log", base=2)
    right.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    right.set_title("best score / score ≤ τ")
    figure.legend(
        lines, labels, loc="outside right center", title="area under the left curve", **LEGEND
    ).get_title().set(fontsize=9, color=INK)
    return save(figure, path)
