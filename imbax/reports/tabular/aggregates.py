"""Report section on aggregates over data sets: win rates, Elo, interquartile mean, improvement."""

import math
from pathlib import Path

import pandas as pd

from imbax.experiments import disk
from imbax.reports.comparisons import count
from imbax.reports.tabular import tables
from imbax.reports.tabular.single_dataset import control_of
from imbax.statistics import aggregates
from imbax.statistics.ranks import FEWEST_DATASETS

__all__ = ["over_runs"]

_MOST_METHODS = 12


def over_runs(runs: pd.DataFrame, out: Path) -> str:
    """Section on aggregates; writes its CSV files.

    Empty if there are fewer than two data sets, two methods or two runs per data set and method.
    """
    scores = tables.score_table(runs)
    n_datasets, n_methods = scores.dropna().shape
    n_runs = runs.dropna(subset="average_precision").groupby(["dataset", "method"]).size()
    if n_datasets < 2 or n_methods < 2 or n_runs.max() < 2:
        return ""
    control = control_of(scores)
    found = _aggregates(runs, scores, control)
    rates = aggregates.win_rates(scores).rename_axis("method")
    found.insert(0, "win_rate", rates.mean(axis=1))
    found = found.sort_values("elo", ascending=False, kind="stable")
    rates = rates.loc[found.index, found.index]
    folder = Path(out, "tables")
    for name, table in (("aggregates", found), ("win_rates", rates)):
        disk.write_table(folder / f"{name}.csv", table.reset_index(), index=False)
    parts = [
        "## Aggregates over data sets and runs",
        _legend(n_datasets, control),
        tables.markdown(_formatted(found, control)),
    ]
    if n_methods <= _MOST_METHODS:
        parts += [
            "Win rate of the row's method against the column's method:",
            tables.markdown(rates.map("{:.2f}".format).replace("nan", "–")),
        ]
    return "\n\n".join(parts)


def _aggregates(runs: pd.DataFrame, scores: pd.DataFrame, control: str | None) -> pd.DataFrame:
    """Aggregates except win rates, one row per method; the control's improvement is NaN."""
    parts = [aggregates.elo(scores), aggregates.interquartile_mean(runs).add_prefix("iqm_")]
    parts[0].columns = ["elo", "elo_low", "elo_high"]
    if len(scores.dropna()) < FEWEST_DATASETS:
        parts[0][["elo_low", "elo_high"]] = math.nan
    if control is not None:
        improvement = aggregates.probability_of_improvement(runs, control)
        parts.append(improvement.add_prefix("improvement_"))
    return pd.concat(parts, axis=1).rename_axis("method")


def _legend(n_datasets: int, control: str | None) -> str:
    interval = (
        "; its 95% interval is a bootstrap over data sets"
        if n_datasets >= FEWEST_DATASETS
        else f" (no interval below {FEWEST_DATASETS} data sets)"
    )
    improvement = (
        ""
        if control is None
        else (
            " Improvement is the probability that a run of the method scores higher than a run of "
            f"`{control}` on the same data set."
        )
    )
    return (
        f"Aggregates over {count(n_datasets, 'data set')} with a score of every method. The win "
        "rate is the fraction of data sets on which a method's mean is higher than another's (ties "
        "count half), averaged over the other methods. Elo is the Bradley-Terry model fitted to "
        "these wins; a lead of 400 means odds of 10 to 1, and the mean is "
        f"1000{interval}. IQM is the interquartile mean of "
        f"average precision over all runs.{improvement} The other 95% intervals are bootstraps of "
        "the runs within each data set (Agarwal et al. 2021). They assume independent runs; the "
        "runs share rows, so the intervals are too narrow for other splits. All values: "
        "[aggregates.csv](tables/aggregates.csv), [win_rates.csv](tables/win_rates.csv)."
    )


def _formatted(found: pd.DataFrame, control: str | None) -> pd.DataFrame:
    def shown(name: str, form: str) -> list[str]:
        names = (name, f"{name.split('_')[0]}_low", f"{name.split('_')[0]}_high")
        return [
            "–" if pd.isna(middle) else form.format(middle) + _interval(low, high, form)
            for middle, low, high in found[list(names)].itertuples(index=False, name=None)
        ]

    columns = {
        "win rate": found["win_rate"].map("{:.2f}".format),
        "Elo": shown("elo", "{:.0f}"),
        "IQM": shown("iqm_mean", "{:.3f}"),
    }
    if control is not None:
        columns["improvement"] = shown("improvement_probability", "{:.2f}")
    return pd.DataFrame(columns, index=found.index)


def _interval(low: float, high: float, form: str) -> str:
    return "" if pd.isna(low) else f" ({form.format(low)} to {form.format(high)})"
