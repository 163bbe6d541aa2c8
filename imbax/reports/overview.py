"""The first figure of a report: all runs of every method on every data set."""

import math
from pathlib import Path

import pandas as pd

from imbax.errors import InputError
from imbax.reports import diagrams
from imbax.reports.drawing import INK, new_figure, plain, save, styles_of
from imbax.reports.tabular.tables import best_methods
from imbax.statistics import single_dataset
from imbax.statistics.runs import size_ratio

__all__ = ["MOST_METHODS", "runs_by_dataset"]

MOST_METHODS = 12
_COLUMNS = 4


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
    figure.suptitle(
        f"{label.capitalize()} of all runs, best mean rank on top", color=INK, fontsize=11
    )
    return save(figure, path)


def _intervals(points: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame | None:
    try:
        ratio = size_ratio(rows)
    except (InputError, KeyError):
        return None
    ends = {method: single_dataset.corrected_interval(points[method], ratio) for method in points}
    return pd.DataFrame.from_dict(ends, orient="index", columns=["low", "high"])
