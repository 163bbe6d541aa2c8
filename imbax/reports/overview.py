"""First part of a report: size of the experiment, figures of all runs, table of scores."""

import math
from pathlib import Path

import pandas as pd

from imbax.errors import InputError
from imbax.reports import diagrams
from imbax.reports.answer import best_first
from imbax.reports.compare import rank_figures
from imbax.reports.comparisons import count
from imbax.reports.drawing import INK, new_figure, plain, save, styles_of
from imbax.reports.page import Grid
from imbax.reports.tabular.tables import best_methods
from imbax.statistics import single_dataset
from imbax.statistics.ranks import LEVEL, mean_ranks
from imbax.statistics.runs import size_ratio

__all__ = ["MOST_METHODS", "facts_of", "grid_of", "overview_figures", "runs_by_dataset"]

MOST_METHODS = 12
_LEGEND = (
    "A dot is a run; the large dot and the line are the mean and its corrected 95% interval. Large "
    "dots are filled for the best method of a data set and every method that is not significantly "
    "different from it. The test is paired by run, so it can separate methods whose intervals "
    "overlap."
)
_COLUMNS = 4


def facts_of(runs: pd.DataFrame) -> str:
    """Numbers of runs, data sets, methods, seeds and folds, as one line."""
    parts = [
        count(runs[column].nunique(), noun)
        for column, noun in (
            ("dataset", "data set"),
            ("method", "method"),
            ("seed", "seed"),
            ("fold", "fold"),
        )
    ]
    return f"{count(len(runs), 'run')}: {', '.join(parts)}"


def grid_of(runs: pd.DataFrame, scores: pd.DataFrame, metric: str, title: str) -> Grid:
    """Mean scores `[method x data set]`, with their mean and mean rank over several data sets.

    Parameters
    ----------
    runs
        One row per run; data sets without runs have no bold cells.
    scores
        Means of the metric `[dataset x method]`; higher is better.
    metric
        Column of `runs`.
    title
        Heading of the table.
    """
    table = scores[best_first(scores)].T
    bold = pd.DataFrame(False, index=table.index, columns=table.columns)
    for dataset, rows in runs.groupby("dataset"):
        bold.loc[best_methods(rows, metric), dataset] = True
    lower = []
    if len(scores.dropna()) > 1:
        table["mean"], table["mean rank"] = scores.mean(), mean_ranks(scores)
        bold["mean"] = bold["mean rank"] = False
        lower = ["mean rank"]
    note = (
        "Means over runs, best mean rank first. The highest mean of a data set is underlined; bold "
        "cells are this mean and those of all methods that are not significantly different from it "
        f"by the corrected resampled t test with Holm's correction at the {LEVEL:.0%} level. "
        "Darker cells are better. Click a heading to sort."
    )
    return Grid(title, note, table, bold, lower)


def overview_figures(
    runs: pd.DataFrame, scores: pd.DataFrame, metric: str, out: Path, label: str
) -> str:
    """Draws the figures of the overview into ``<out>/figures``; returns Markdown that shows them.

    They are all runs by data set and, from six data sets on, the rank diagram and the matrix of win
    rates.

    Parameters
    ----------
    runs
        One row per run.
    scores
        Means of the metric `[dataset x method]`; higher is better.
    metric
        Column of `runs`.
    out
        Folder of the report.
    label
        Name of the metric.
    """
    path = out / "figures" / "overview.png"
    parts = []
    if runs_by_dataset(runs, scores, metric, best_first(scores), path, label):
        parts.append(f"{_LEGEND}\n\n![{label} of all runs](figures/{path.name})")
    return "\n\n".join([*parts, rank_figures(scores, out)]).strip()


def runs_by_dataset(
    runs: pd.DataFrame, scores: pd.DataFrame, metric: str, order: list[str], path: Path, label: str
) -> Path | None:
    """Draws a panel per data set: a dot per run, the mean and its corrected 95% interval.

    Parameters
    ----------
    runs
        One row per run.
    scores
        Means `[dataset x method]`; its rows are the panels.
    metric
        Column of `runs`.
    order
        Methods from top to bottom; at most `MOST_METHODS` are drawn.
    path
        File to write.
    label
        Label of the x axes.
    """
    order = order[:MOST_METHODS]
    if not order or scores.empty:
        return None
    n_columns = min(_COLUMNS, len(scores))
    n_rows = math.ceil(len(scores) / n_columns)
    height = n_rows * (0.9 + 0.2 * len(order)) + 0.4
    figure, axes = new_figure(3.0 * n_columns + 1.6, height, len(scores), columns=n_columns)
    styles = styles_of(scores.columns)
    for place, (ax, dataset) in enumerate(zip(axes, scores.index, strict=True)):
        rows = runs[runs["dataset"] == dataset]
        points = rows.pivot(index=["seed", "fold"], columns="method", values=metric)
        points = points.reindex(columns=order)
        best = best_methods(rows, metric)
        diagrams.draw_scores(
            ax, points, styles, intervals=_intervals(points, rows), apart=set(order) - set(best)
        )
        if place % n_columns:
            ax.set_yticklabels([])
        if place + n_columns >= len(scores):
            ax.set_xlabel(label, fontsize=9)
        ax.set_title(plain(dataset), fontsize=10)
        ax.tick_params(axis="x", labelsize=8)
        ax.margins(x=0.08)
    first = "mean rank" if len(scores) > 1 else "mean"
    title = f"{label[0].upper()}{label[1:]} of all runs, best {first} on top"
    figure.suptitle(title, color=INK, fontsize=11)
    return save(figure, path)


def _intervals(points: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame | None:
    try:
        ratio = size_ratio(rows)
    except (InputError, KeyError):
        return None
    ends = {method: single_dataset.corrected_interval(points[method], ratio) for method in points}
    return pd.DataFrame.from_dict(ends, orient="index", columns=["low", "high"])
