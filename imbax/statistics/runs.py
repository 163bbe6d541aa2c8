"""The runs of a data set as a table of scores, and the ratio of their test and training rows."""

import pandas as pd

from imbax.errors import InputError, did_you_mean

__all__ = ["check_metric", "scores_by_run", "size_ratio"]

_RUN = ["seed", "fold"]
_SIZES = ("n_train", "n_valid", "n_test")


def scores_by_run(runs: pd.DataFrame, metric: str = "average_precision") -> pd.DataFrame:
    """Scores of one data set as a table [run x method], NaN where a method has none.

    Parameters
    ----------
    runs
        One row per run with the columns ``fold``, ``seed``, ``method`` and the metric, of one
        data set. Where numbers of rows are given (``n_train``, ``n_valid``, ``n_test``), they tell
        whether all methods ran on the same splits.
    metric
        Column of scores, higher = better.

    Raises
    ------
    InputError
        The runs are of several data sets or of different splits, lack the metric, or have a method
        twice on one fold and seed.
    """
    check_metric(runs, metric)
    if "dataset" in runs and runs["dataset"].nunique() > 1:
        raise InputError(
            f"runs of {runs['dataset'].nunique()} data sets, expected those of one; choose the "
            "rows of a data set first"
        )
    if (twice := runs[runs.duplicated([*_RUN, "method"])])["method"].size:
        seed, fold, method = twice[[*_RUN, "method"]].iloc[0]
        raise InputError(
            f"{method} has several runs of seed {seed}, fold {fold}, expected one; leave out those "
            "of other settings"
        )
    sizes = runs.groupby(_RUN)[[name for name in _SIZES if name in runs]].nunique()
    if (sizes > 1).any(axis=None):
        seed, fold = sizes.index[(sizes > 1).any(axis=1)][0]
        raise InputError(
            f"the methods ran on different splits: seed {seed}, fold {fold} has not as many rows "
            "for all of them; compare runs of the same folds"
        )
    return runs.pivot(index=_RUN, columns="method", values=metric)


def size_ratio(runs: pd.DataFrame) -> float:
    """n_test / n_train of the runs of a data set, by the mean numbers of rows.

    Parameters
    ----------
    runs
        One row per run with the columns ``n_test``, ``n_train`` and, where validation rows were
        used, ``n_valid``, which count as rows that a method learned from.
    """
    learned = runs["n_train"] + runs.get("n_valid", 0)
    return float(runs["n_test"].mean() / learned.mean())


def check_metric(runs: pd.DataFrame, metric: str) -> None:
    """Raises ``InputError`` where the runs have no column of that name."""
    if metric not in runs:
        raise InputError(f"no metric {metric!r} in the runs{did_you_mean(metric, runs.columns)}")
