"""Figures of a set of runs, as PNG files at 150 dots per inch and as SVG files.

Each function draws one figure, writes ``path`` (PNG) and returns it. If the runs contain nothing to
draw it writes nothing and returns None. ``methods`` is the full list of a report's methods: a
method keeps its colour and line style in every figure drawn with the same list. ``rows`` are the
rows of ``store.read(..., arrays=True)`` of one data set. ``draw_...`` functions draw on given axes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from imbax.reports.drawing import (
    FAINT,
    INK,
    LEGEND,
    OWN_COLOUR,
    add_legend,
    log_scale,
    new_figure,
    plain,
    rgb,
    root_scale,
    save,
    styles_of,
)
from imbax.reports.tabular.calibration import pooled, two_classes
from imbax.statistics.ranks import paired_differences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "MOST_LINES",
    "convergence",
    "draw_precision_recall",
    "draw_reliability",
    "methods_shown",
    "precision_recall",
    "reliability_bins",
    "reliability_diagram",
    "score_differences",
    "synthetic_points",
    "training_curves",
    "two_class_runs",
]

_BANDED = ("explicit_gradient", "ce")
MOST_LINES = 12
"""Maximum number of methods in a figure."""
_MOST_BARS, _MOST_POINTS = 4, 4000
_DOTTED = {"linewidth": 1, "markersize": 4, "clip_on": False, "zorder": 3}


def precision_recall(
    rows: pd.DataFrame, path: Path, *, methods: Sequence[str] | None = None
) -> Path | None:
    """Writes the precision-recall curves of a data set; see `draw_precision_recall`."""
    rows = two_class_runs(rows)
    if rows.empty:
        return None
    figure, (ax,) = new_figure(7.2, 4.4, 1)
    styles = styles_of(methods or rows["method"])
    draw_precision_recall(ax, rows[rows["method"].isin(methods_shown(rows))], styles)
    ax.set_title(plain(rows["dataset"].iloc[0]))
    add_legend(figure, ax)
    return save(figure, path)


def two_class_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs with a precision-recall curve: those with two classes that did not diverge."""
    return rows[~rows["diverged"] & two_classes(rows)]


def draw_precision_recall(
    ax: "Axes", rows: pd.DataFrame, styles: Mapping[str, Mapping[str, Any]]
) -> "Axes":
    """Draws the mean precision over runs at each recall, with the SD of explicit_gradient and ce.

    The precision at recall r is the one at the highest threshold with a recall of at least r.
    ``rows`` come from `two_class_runs` and ``styles`` from `styles_of`.
    """
    recall = np.linspace(0, 1, 401)
    recall[0] = 1e-6  # at 0 itself the precision is 1 by definition
    for method, style in styles.items():
        runs = rows[rows["method"] == method]
        if runs.empty:
            continue
        pairs = zip(runs["test_y"], runs["test_score"], strict=True)
        precision = np.stack([_precision_at(recall, y, score) for y, score in pairs])
        mean, sd = precision.mean(axis=0), precision.std(axis=0)
        if method in _BANDED:
            low, high = np.clip([mean - sd, mean + sd], 0, 1)
            ax.fill_between(
                recall, low, high, step="pre", color=style["color"], alpha=0.12, linewidth=0
            )
        ax.plot(recall, mean, label=plain(method), drawstyle="steps-pre", **style)
    chance = float(np.mean(np.concatenate(list(rows["test_y"]))))
    ax.axhline(chance, color=INK, linewidth=0.8, linestyle=(0, (1, 3)), label="chance")
    ax.set(xlabel="Recall", ylabel="Precision (mean over runs)", xlim=(0, 1), ylim=(0, 1.02))
    return ax


def reliability_diagram(
    rows: pd.DataFrame, path: Path, *, methods: Sequence[str] | None = None
) -> Path | None:
    """Writes reliability diagrams, one panel per method; see `draw_reliability`.

    ``rows`` has an additional column ``probability`` (from ``calibration.probabilities``). Methods
    without probabilities are left out.
    """
    kept = rows[rows["probability"].notna() & rows["method"].isin(methods_shown(rows))]
    if kept.empty:
        return None
    styles = styles_of(methods or rows["method"])
    binned = {m: reliability_bins(kept, m) for m in styles if m in set(kept["method"])}
    columns = min(4, len(binned))
    lines = -(-len(binned) // columns)
    figure, axes = new_figure(0.6 + 2.2 * columns, 0.9 + 2 * lines, len(binned), columns=columns)
    top = [max(bins[i].max() for bins in binned.values()) for i in ("predicted", "high")]
    for i, (method, bins) in enumerate(binned.items()):
        ax = draw_reliability(axes[i], {method: bins}, styles)
        root_scale(ax, *top)
        ax.set_title(plain(method), fontsize=9, color=INK)
        below, left = i + columns >= len(binned), i % columns == 0
        ax.tick_params(labelbottom=below, labelleft=left, labelsize=8)
    figure.supxlabel("Probability of the minority class", fontsize=10, color=INK)
    figure.supylabel("Share of minority rows", fontsize=10, color=INK)
    figure.suptitle(rows["dataset"].iloc[0], color=INK, fontsize=11)
    return save(figure, path)


def reliability_bins(rows: pd.DataFrame, method: str) -> pd.DataFrame:
    """Ten bins of equal mass of the test rows of all runs of a method, with intervals.

    Adds ``low`` and ``high`` to the columns of ``calibration.pooled``: Jeffreys' 95% interval of
    the minority share. Seeds share rows, so the number of trials is the number of rows per seed.
    """
    runs = rows[rows["method"] == method]
    bins = pooled(runs)
    trials = bins["rows"] / runs["seed"].nunique()
    hits = trials * bins["observed"]
    bins["low"], bins["high"] = beta.interval(0.95, hits + 0.5, trials - hits + 0.5)
    return bins


def draw_reliability(
    ax: "Axes", binned: Mapping[str, pd.DataFrame], styles: Mapping[str, Mapping[str, Any]]
) -> "Axes":
    """Draws the minority share against the probability: points, interval bars and the diagonal.

    ``binned`` holds the `reliability_bins` of each method. Bars are drawn for at most four methods.
    The axes are meant for `root_scale`, because most rows lie near 0.
    """
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    for method, bins in binned.items():
        colour = styles[method]["color"]
        if len(binned) <= _MOST_BARS:
            bars = bins["predicted"], bins["low"], bins["high"]
            ax.vlines(*bars, color=colour, alpha=0.3, linewidth=2.5)
        dashes = styles[method].get("linestyle", "-") if len(binned) > 1 else "-"
        ax.plot(
            bins["predicted"], bins["observed"], marker="o", color=colour, linestyle=dashes,
            label=plain(method), **_DOTTED,
        )  # fmt: skip
    return ax


def training_curves(
    rows: pd.DataFrame, path: Path, *, methods: Sequence[str] | None = None
) -> Path | None:
    """Writes curves of training loss and validation average precision, medians over runs."""
    rows = rows[rows["train_curve"].map(lambda curve: bool(np.isfinite(curve).any()))]
    if rows.empty:
        return None
    shown = methods_shown(rows)
    figure, (loss, score) = new_figure(9.6, 3.9, 2)
    positive = True
    for method, style in styles_of(methods or rows["method"]).items():
        if method not in shown:
            continue
        runs = rows[rows["method"] == method]
        train, valid = _median(runs["train_curve"]), _median(runs["valid_curve"])
        positive &= bool(np.all(train[np.isfinite(train)] > 0))
        loss.plot(np.arange(1, len(train) + 1), train, label=plain(method), **style)
        # A longer validation curve includes the score before the first epoch.
        first = 0 if len(valid) > len(train) else 1
        score.plot(np.arange(first, len(valid) + first), valid, label=plain(method), **style)
    if positive:
        log_scale(loss)
    loss.set(xlabel="Epoch of the method", ylabel="Training loss (median over runs)")
    score.set(xlabel="Epoch of the method", ylabel="Validation average precision (median)")
    for ax in (loss, score):
        ax.set_xlim(left=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(rows["dataset"].iloc[0], color=INK, fontsize=11)
    add_legend(figure, score)
    return save(figure, path)


_MONITORED = {
    "outer_loss": "Outer loss",
    "outer_gradient_norm": "Norm of the outer gradient",
    "x_synth_move": "Movement of the points (RMS)",
    "x_synth_log_density": "Change of the points' log density\nunder held-out minority rows",
}
# Runs have other held-out rows, so their levels differ by far more than a run changes.
_AS_CHANGE = ("x_synth_log_density",)


def convergence(rows: pd.DataFrame, path: Path) -> Path | None:
    """Writes the monitored quantities of synthetic points by epoch, mean ± SD over runs."""
    rows = rows[rows["monitored"].map(len) > 0]
    if rows.empty:
        return None
    monitored = rows["monitored"].map(dict)
    names = [name for name in _MONITORED if name in monitored.iloc[0]]
    figure, axes = new_figure(3.3 * len(names), 3.4, len(names))
    styles = styles_of(rows["method"])
    for name, ax in zip(names, axes, strict=True):
        for method, run_curves in monitored.groupby(rows["method"]):
            curves = np.stack([curve[name] for curve in run_curves])
            if name in _AS_CHANGE:
                curves = curves - curves[:, :1]
            mean, sd = curves.mean(0), curves.std(0)
            epochs, style = np.arange(1, len(mean) + 1), styles[method]
            ax.fill_between(
                epochs, mean - sd, mean + sd, color=style["color"], alpha=0.15, linewidth=0
            )
            ax.plot(epochs, mean, label=plain(method), **style)
        ax.set(xlabel="Epoch", title=_MONITORED[name])
    figure.suptitle(rows["dataset"].iloc[0], color=INK, fontsize=11)
    add_legend(figure, axes[-1])
    return save(figure, path)


def synthetic_points(plane: Mapping[str, np.ndarray], path: Path, title: str) -> Path:
    """Writes the start and end of synthetic points on two principal axes of the training rows.

    ``plane`` holds the arrays of ``schema.unpack_plane``. The background is the probability of the
    minority class on the plane, with its 0.5 contour if there is one.
    """
    figure, (ax,) = new_figure(7.2, 5.4, 1)
    probability = np.asarray(plane["probability"])
    shades = _white_to(OWN_COLOUR["explicit_gradient"])
    filled = ax.contourf(
        plane["grid_x"], plane["grid_y"], probability, np.linspace(0, 1, 11), cmap=shades
    )
    if probability.min() < 0.5 < probability.max():
        ax.contour(plane["grid_x"], plane["grid_y"], probability, [0.5], colors=INK, linewidths=1.2)
        ax.plot([], [], color=INK, linewidth=1.2, label="probability 0.5")
    x, y = np.asarray(plane["x"]), np.asarray(plane["y"])
    majority, minority = x[y == 0], x[y == 1]
    majority = majority[:: max(1, -(-len(majority) // _MOST_POINTS))]
    ax.scatter(*majority.T, s=5, color="#8A8A8A", alpha=0.45, linewidth=0, label="majority row")
    ax.scatter(*minority.T, s=16, color="#0072B2", linewidth=0, label="minority row")
    start, end = np.asarray(plane["start"]), np.asarray(plane["end"])
    ax.plot(*np.stack([start, end], axis=1).T, color=INK, linewidth=0.6, alpha=0.55)
    ax.scatter(*start.T, s=34, facecolor="none", edgecolor=INK, linewidth=0.8, label="point, start")
    ax.scatter(*end.T, s=18, color="#D55E00", edgecolor="white", linewidth=0.5, label="point, end")
    ax.set(xlabel="First principal axis", ylabel="Second principal axis", title=plain(title))
    ax.grid(False)
    bar = figure.colorbar(filled, ax=ax, label="Probability of the minority class", shrink=0.75)
    bar.outline.set_visible(False)
    bar.ax.yaxis.label.set_color(INK)
    bar.ax.tick_params(color="#999999", labelcolor=INK, labelsize=9)
    figure.legend(loc="outside lower center", ncols=5, **LEGEND)
    return save(figure, path)


def score_differences(
    runs: pd.DataFrame,
    path: Path,
    *,
    control: str = "explicit_gradient",
    rivals: Sequence[str] = ("explicit_gradient_frozen", "ce", "ce_long"),
) -> Path | None:
    """Writes differences in average precision between ``control`` and its rivals, by data set.

    Differences are between runs with the same fold and seed. Data sets are sorted by the first
    rival's difference; bars are the SD over runs.
    """
    tables = {rival: paired_differences(runs, control, rival) for rival in rivals}
    tables = {rival: table for rival, table in tables.items() if not table.empty}
    if not tables:
        return None
    order = next(iter(tables.values()))["mean"].sort_values().index
    order = order.append(pd.Index(sorted({*runs["dataset"]} - {*order})))
    figure, (ax,) = new_figure(7.2, 1.2 + 0.3 * len(order), 1)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(np.arange(1, len(order)) - 0.5, minor=True)
    ax.grid(axis="y", which="minor", color=FAINT, linewidth=0.7)
    ax.tick_params(axis="y", which="minor", length=0)
    for i, (rival, table) in enumerate(tables.items()):
        height = order.get_indexer(table.index) + 0.22 * ((len(tables) - 1) / 2 - i)
        colour = styles_of([rival])[rival]["color"]
        ax.errorbar(
            table["mean"],
            height,
            xerr=table["sd"],
            fmt="o",
            markersize=5,
            elinewidth=1,
            color=colour,
            ecolor=(*rgb(colour), 0.45),
            label=plain(f"minus {rival}"),
        )
    ax.set_yticks(range(len(order)), list(map(plain, order)))
    ax.set(xlabel=f"Average precision of {control} minus that of a rival (mean ± SD over runs)")
    ax.grid(axis="y", visible=False)
    ax.set_ylim(-0.5, len(order) - 0.5)
    figure.legend(loc="outside upper center", ncols=3, **LEGEND)
    return save(figure, path)


def methods_shown(rows: pd.DataFrame) -> set[str]:
    """Methods to draw, at most `MOST_LINES`: those with a fixed colour, then the best others."""
    scores = rows.groupby("method")["average_precision"].mean().sort_values(ascending=False)
    fixed = [method for method in scores.index if method in OWN_COLOUR]
    return {*fixed, *[m for m in scores.index if m not in fixed][: MOST_LINES - len(fixed)]}


def _precision_at(recall: np.ndarray, y: np.ndarray, score: np.ndarray) -> np.ndarray:
    from sklearn.metrics import precision_recall_curve

    precision, reached, _ = precision_recall_curve(y, score)
    # From the highest threshold down; the tolerance allows for rounding, such as 3/10 against 0.3.
    return precision[::-1][np.searchsorted(reached[::-1], recall - 1e-9)]


def _median(curves: pd.Series) -> np.ndarray:
    """Median over runs by epoch; stopped or diverged runs are left out of their later epochs."""
    table = pd.concat([pd.Series(curve, dtype=float) for curve in curves], axis=1)
    return table.replace([np.inf, -np.inf], np.nan).median(axis=1).to_numpy()


def _white_to(colour: str) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    pale = tuple(0.5 + 0.5 * channel for channel in rgb(colour))
    return LinearSegmentedColormap.from_list("pale", ["#FFFFFF", pale])
