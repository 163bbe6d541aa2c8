"""How results look as text and as a table."""

from collections.abc import Collection, Sequence

import pandas as pd

from imbax.reports.answer import best_first
from imbax.reports.comparisons import count
from imbax.reports.tabular import tables
from imbax.statistics.ranks import mean_ranks

__all__ = ["as_table", "as_text", "number_of_runs"]

_MOST_SHOWN = 12
_WHAT = "mean and SD over runs"
_NAMES = {"method": "method", "dataset": "data set", "seed": "seed", "fold": "fold"}


def number_of_runs(frame: pd.DataFrame, runs: pd.DataFrame) -> str:
    """How many runs, methods, data sets, seeds and folds there are."""
    parts = [count(runs[name].nunique(), shown) for name, shown in _NAMES.items()]
    return f"{count(len(frame), 'run')}: {', '.join(parts)}"


def as_text(runs: pd.DataFrame, metric: str, sign: int) -> str:
    """The scores of the best methods, a line each."""
    scores = tables.score_table(runs, metric)
    means, best = scores.mean(), best_first(sign * scores)
    if len(scores) > 1:
        what = "mean and mean rank over data sets"
        ranked = mean_ranks(sign * scores.dropna(axis=1, how="all"))
        after = {name: f"  {rank:.2f}" for name, rank in ranked.dropna().items()}
    else:
        what = "mean ± SD over runs"
        spread = runs.groupby("method")[metric].std()
        after = {name: f" ± {sd:.3f}" for name, sd in spread.dropna().items()}
    width = max(map(len, best[:_MOST_SHOWN]))
    lines = [f"{metric.replace('_', ' ')}, {what}"]
    for name in best[:_MOST_SHOWN]:
        lines.append(f"  {name:{width}}  {means[name]:.3f}{after.get(name, '')}")
    if len(best) > _MOST_SHOWN:
        lines.append(f"  and {len(best) - _MOST_SHOWN} more")
    return "\n".join(lines)


def as_table(
    runs: pd.DataFrame, metrics: Sequence[str], lower: Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The table to read, where it is bold, and its caption.

    A row per method and a column per metric on a single data set; else, of the first metric, a row
    per data set and a column per method. Of the metrics in ``lower``, lower is better.
    """
    first = metrics[0]
    if runs["dataset"].nunique() > 1:
        table = tables.summary_table(runs, first, lower)
        best = tables.best_cells(runs, table, first, lower)
        return table, best, f"{first.replace('_', ' ')}, {_WHAT}"
    table = tables.dataset_table(runs, metrics, lower)
    best = tables.best_of_dataset(runs, table, metrics, lower)
    return table, best, f"{runs['dataset'].iloc[0]}: {_WHAT}"
