"""Figures of a table of scores [dataset x method]: critical differences and profiles.

Each function writes ``path`` and returns it. If there is nothing to draw it writes nothing and
returns None. ``draw_...`` functions draw on given axes. Only datasets with a score of every method
are used.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imbax.reports.drawing import INK, LEGEND, OWN_COLOUR, new_figure, plain, save, styles_of
from imbax.statistics import profiles, ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "critical_difference",
    "diagram_size",
    "draw_critical_difference",
    "draw_scores",
    "performance_profiles",
]

_MOST_LINES = 12
_LARGEST_FACTOR = 8


def critical_difference(scores: pd.DataFrame, path: Path) -> Path | None:
    """Write the critical difference diagram; see `draw_critical_difference`."""
    n, k = scores.dropna().shape
    if n < 2 or k < 3:
        return None
    figure, (ax,) = new_figure(7.2, 4, 1)
    draw_critical_difference(ax, scores)
    figure.set_size_inches(*diagram_size(ax))
    figure.suptitle(f"Mean rank over {n} datasets, 1 = best", color=INK, fontsize=11)
    return save(figure, path)


def diagram_size(ax: "Axes") -> tuple[float, float]:
    """Width and height, in inches, of a figure with only this diagram."""
    return 7.2, 0.25 * (2.5 - ax.get_ylim()[0]) + 0.4


def draw_critical_difference(ax: "Axes", scores: pd.DataFrame) -> "Axes":
    """Draw Demšar's critical difference diagram of mean ranks.

    A bar joins methods whose mean ranks lie within Nemenyi's critical difference at the 5% level.
    Needs scores of at least two datasets and three methods.
    """
    full = scores.dropna()
    n, k = full.shape
    # Imported here because it imports pyplot and statsmodels.
    from scikit_posthocs import critical_difference_diagram

    means = ranks.mean_ranks(full)
    means.index = [plain(name) for name in means.index]
    distance = ranks.critical_difference(k, n)
    gaps = np.abs(np.subtract.outer(means.to_numpy(), means.to_numpy()))
    # The diagram compares p-values with 0.05; only the side of 0.05 matters.
    same = pd.DataFrame(np.where(gaps > distance, 0.0, 1.0), index=means.index, columns=means.index)
    ax.grid(False)
    styles = styles_of(scores.columns)
    drawn = critical_difference_diagram(
        means,
        same,
        ax=ax,
        label_fmt_left="{label}  {rank:.2f}",
        label_fmt_right="{rank:.2f}  {label}",
        label_props={"fontsize": 9},
        marker_props={"s": 18},
        elbow_props={"linewidth": 1},
        crossbar_props={"color": INK, "linewidth": 2.5, "solid_capstyle": "butt"},
        color_palette={
            plain(name): style["color"] if name in OWN_COLOUR else INK
            for name, style in styles.items()
        },
        text_h_margin=0.03 * float(means.max() - means.min() + 0.1),
    )
    low = float(means.min())
    (scale,) = ax.plot([low, low + distance], [1.5, 1.5], color=INK, linewidth=1, marker="|")
    ax.text(low, 1.75, f"critical difference {distance:.2f}", fontsize=9, color=INK)
    for line in (*drawn["elbows"], scale):
        line.set_clip_on(False)
    ax.spines["top"].set(visible=True, color="#999999")
    bottom = min(label.get_position()[1] for label in drawn["labels"])
    ax.set_ylim(bottom - 0.5, 2.2)
    return ax


def draw_scores(
    ax: "Axes",
    points: pd.DataFrame,
    styles: Mapping[str, Mapping[str, Any]],
    *,
    intervals: pd.DataFrame | None = None,
    apart: Collection[str] = (),
) -> "Axes":
    """Draw a row of dots per method, with a marker at their mean.

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
    """Write Dolan and Moré's performance profiles.

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
    left.set(xlabel="θ", ylabel="Fraction of datasets", xlim=(0, 1), ylim=(0, 1.02))
    left.set_title("score ≥ θ · best score")
    right.set(xlabel="τ", xlim=(1, _LARGEST_FACTOR), ylim=(0, 1.02))
    right.set_xscale("log", base=2)
    right.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    right.set_title("best score / score ≤ τ")
    figure.legend(
        lines, labels, loc="outside right center", title="area under the left curve", **LEGEND
    ).get_title().set(fontsize=9, color=INK)
    return save(figure, path)
