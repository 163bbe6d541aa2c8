"""The section of aggregates over data sets: interquartile mean, Elo, win rates, improvement."""

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
    """The section, with its CSV files; empty below two data sets, two methods or two runs each."""
    scores = tables.score_table(runs)
    n_datasets, n_methods = scores.dropna().shape
    n_runs = runs.dropna(subset="average_precision").groupby(["dataset", "method"]).size()
    if n_datasets < 2 or n_methods < 2 or n_runs.max() < 2:
        return ""
    control = control_of(scores)
    found = _found(runs, scores, control)
    rates = aggregates.win_rates(scores).rename_axis("method")
    found.insert(0, "win_rate", rates.mean(axis=1))
    found = found.sort_values("elo", ascending=False, kind="stable")
    rates = rates.loc[found.index, found.index]
    folder = Path(out, "tables")
    for name, table in (("aggregates", found), ("win_rates", rates)):
        disk.write_table(folder / f"{name}.csv", table.reset_index(), index=False)
    parts = [
        "## Aggregates over datasets and runs",
        _legend(n_datasets, control),
        tables.markdown(_to_read(found, control)),
    ]
    if n_methods <= _MOST_METHODS:
        parts += [
            "The win rate of the method of a row over that of a column:",
            tables.markdown(rates.map("{:.2f}".format).replace("nan", "–")),
        ]
    return "\n\n".join(parts)


def _found(runs: pd.DataFrame, scores: pd.DataFrame, control: str | None) -> pd.DataFrame:
    """All figures but win rates, a row per method; NaN for the control's own improvement."""
    parts = [aggregates.elo(scores), aggregates.interquartile_mean(runs).add_prefix("iqm_")]
    parts[0].columns = ["elo", "elo_low", "elo_high"]
    if len(scores.dropna()) < FEWEST_DATASETS:
        parts[0][["elo_low", "elo_high"]] = math.nan
    if control is not None:
        better = aggregates.probability_of_improvement(runs, control)
        parts.append(better.add_prefix("improvement_"))
    return pd.concat(parts, axis=1).rename_axis("method")


def _legend(n_datasets: int, control: str | None) -> str:
    interval = (
        "; its 95% interval is a bootstrap over datasets"
        if n_datasets >= FEWEST_DATASETS
        else f" (below {FEWEST_DATASETS} datasets without an interval)"
    )
    improvement = (
        ""
        if control is None
        else (
            " Improvement is the probability that a run of the method scores higher than one of "
            f"`{control}` on the same dataset."
        )
    )
    return (
        f"Over {count(n_datasets, 'dataset')} with a score of every method. The win rate is the "
        "share of datasets on which a method's mean is higher than another's, ties counting half, "
        "averaged over the others. Elo is the Bradley-Terry model fitted to these wins, a lead of "
        f"400 being odds of 10 to 1 and the mean 1000{interval}. IQM is the interquartile mean of "
        f"average precision over all runs.{improvement} Other 95% intervals are bootstraps of "
        "the runs within each dataset (Agarwal et al. 2021), which take runs for independent: they "
        "share rows, so other splits would vary more. All figures: "
        "[aggregates.csv](tables/aggregates.csv), [win_rates.csv](tables/win_rates.csv)."
    )


def _to_read(found: pd.DataFrame, control: str | None) -> pd.DataFrame:
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
