"""Tables of results: means with intervals, comparisons of methods, ranks."""

import math

import pandas as pd

from imbax.errors import InputError, Range, did_you_mean
from imbax.reports import comparisons
from imbax.reports.answer import best_first
from imbax.reports.compare import method_table
from imbax.reports.tabular.tables import score_table
from imbax.statistics import ranks, single_dataset
from imbax.statistics.ranks import FEWEST_DATASETS
from imbax.statistics.runs import scores_by_run, size_ratio

__all__ = ["against", "mean_scores", "method_ranks", "scored_methods"]


def mean_scores(runs: pd.DataFrame, metric: str, sign: int = 1) -> pd.DataFrame:
    """Table of `Results.scores`; ``sign`` is -1 if lower scores are better."""
    cells = runs.groupby(["dataset", "method"])[metric].agg(["mean", "std", "count"])
    cells.columns = ["mean", "sd", "n"]
    ends = {}
    for dataset, rows in runs.groupby("dataset"):
        ratio = size_ratio(rows) if {"n_train", "n_test"} <= set(rows) else math.nan
        for method, scores in rows.groupby("method")[metric]:
            known = ratio >= 0
            interval = single_dataset.corrected_interval(scores, ratio) if known else [math.nan] * 2
            ends[dataset, method] = interval
    cells[["low", "high"]] = pd.DataFrame.from_dict(ends, orient="index").to_numpy()
    table = cells[["mean", "sd", "low", "high", "n"]].unstack("dataset").swaplevel(axis=1)
    datasets = list(dict.fromkeys(runs["dataset"]))
    table = table.reindex(columns=datasets, level=0).rename_axis(columns=["dataset", "statistic"])
    return table.loc[best_first(sign * score_table(runs, metric))]


def scored_methods(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means [dataset x method] of the methods with a score on at least one data set."""
    return score_table(runs, metric).dropna(axis=1, how="all")


def against(
    runs: pd.DataFrame, control: str | None, metric: str, sign: int, rope: float
) -> pd.DataFrame:
    """Table of `Results.compare`."""
    methods = list(dict.fromkeys(runs["method"]))
    if control is not None and control not in methods:
        raise InputError(f"no method {control!r}{did_you_mean(control, methods)}")
    rope = Range(0).check("rope", rope)
    runs = runs.assign(**{metric: sign * runs[metric]})
    if runs["dataset"].nunique() >= FEWEST_DATASETS:
        scores = scored_methods(runs, metric)
        if control is not None and control not in scores:
            raise InputError(f"{control!r} has no score of {metric}; choose another control")
        if control is None:
            return comparisons.every_pair(scores, rope)
        return comparisons.against_control(scores, control, rope)
    tables = {}
    for dataset, rows in runs.groupby("dataset", sort=False):
        scores, ratio = _by_run(rows, metric, dataset)
        if control is None:
            tables[dataset] = single_dataset.every_pair(scores, ratio, rope)
        elif control in scores:
            tables[dataset] = single_dataset.against_control(scores, control, ratio, rope)
        else:
            raise InputError(
                f"the control {control!r} has no run on {dataset}; choose another data set by "
                "dataset="
            )
    return next(iter(tables.values())) if len(tables) == 1 else pd.concat(tables, names=["dataset"])


def _by_run(rows, metric, dataset):
    if not {"n_train", "n_test"} <= set(rows):
        raise InputError(
            "the runs have no columns n_train and n_test, which the corrected tests need"
        )
    try:
        return scores_by_run(rows, metric), size_ratio(rows)
    except InputError as error:
        raise InputError(f"{dataset}: {error}") from None


def method_ranks(runs: pd.DataFrame, metric: str, sign: int) -> pd.DataFrame:
    """Table of `Results.ranks`."""
    scores = scored_methods(runs, metric)
    full = scores.dropna()
    if full.empty:
        raise InputError("no data set has a score of every method, so there are no ranks")
    table = method_table(sign * full).assign(**{"mean score": full.mean()})
    table = table.rename(columns=lambda name: name.replace(" ", "_"))
    test = ranks.friedman(sign * scores)
    table.attrs = {
        "n": test.n,
        "friedman_p": test.f_p_value,
        "critical_difference": ranks.critical_difference(test.n_methods, test.n),
    }
    return table
