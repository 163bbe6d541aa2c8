"""Results as text and as a table."""

from collections.abc import Collection, Sequence

import pandas as pd

from imbax.reports.answer import best_first
from imbax.reports.comparisons import count
from imbax.reports.tabular import tables
from imbax.statistics.ranks import mean_ranks

__all__ = ["as_table", "as_text", "number_of_runs"]

_MOST_SHOWN = 12
_STATISTICS = "mean and SD over runs"
_NAMES = {"method": "method", "dataset": "data set", "seed": "seed", "fold": "fold"}


def number_of_runs(frame: pd.DataFrame, runs: pd.DataFrame) -> str:
    """Text with the numbers of runs, methods, data sets, seeds and folds."""
    parts = [count(runs[name].nunique(), shown) for name, shown in _NAMES.items()]
    return f"{count(len(frame), 'run')}: {', '.join(parts)}"


def as_text(runs: pd.DataFrame, metric: str, sign: int) -> str:
    """Text with the scores of the best methods, one line each."""
    scores = tables.score_table(runs, metric)
    means, best = scores.mean(), best_first(sign * scores)
    if len(scores) > 1:
        statistics = "mean and mean rank over data sets"
        ranked = mean_ranks(sign * scores.dropna(axis=1, how="all"))
        after = {name: f"  {rank:.2f}" for name, rank in ranked.dropna().items()}
    else:
        statistics = "mean ± SD over runs"
        spread = runs.groupby("method")[metric].std()
        after = {name: f" ± {sd:.3f}" for name, sd in spread.dropna().items()}
    width = max(map(len, best[:_MOST_SHOWN]))
    lines = [f"{metric.replace('_', ' ')}, {statistics}"]
    for name in best[:_MOST_SHOWN]:
        lines.append(f"  {name:{width}}  {means[name]:.3f}{after.get(name, '')}")
    if len(best) > _MOST_SHOWN:
        lines.append(f"  and {len(best) - _MOST_SHOWN} more")
    return "\n".join(lines)


def as_table(
    runs: pd.DataFrame, metrics: Sequence[str], lower: Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Table of text cells, mask of its bold cells, and caption.

    For a single data set the table has a row per method and a column per metric. Otherwise it shows
    the first metric, with a row per data set and a column per method. ``lower`` names metrics for
    which lower is better.
    """
    first = metrics[0]
    if runs["dataset"].nunique() > 1:
        table = tables.summary_table(runs, first, lower)
        best = tables.best_cells(runs, table, first, lower)
        return table, best, f"{first.replace('_', ' ')}, {_STATISTICS}"
    table = tables.dataset_table(runs, metrics, lower)
    best = tables.best_of_dataset(runs, table, metrics, lower)
    return table, best, f"{runs['dataset'].iloc[0]}: {_STATISTICS}"
