"""Tables of the scores of a data set's runs, and the ratio of its test and training rows."""

import pandas as pd

from imbax.errors import InputError, did_you_mean

__all__ = ["check_metric", "scores_by_run", "size_ratio"]

_RUN = ["seed", "fold"]
_SIZES = ("n_train", "n_valid", "n_test")


def scores_by_run(runs: pd.DataFrame, metric: str = "average_precision") -> pd.DataFrame:
    """Returns the scores of one data set as a table [run x method], NaN where missing.

    Parameters
    ----------
    runs
        One row per run of one data set with the columns ``fold``, ``seed``, ``method`` and the
        metric. If it has numbers of rows (``n_train``, ``n_valid``, ``n_test``), they are used to
        check that all methods ran on the same splits.
    metric
        Column of scores; higher is better.

    Raises
    ------
    InputError
        The runs come from several data sets or different splits, lack the metric, or contain a
        method twice for the same fold and seed.
    """
    check_metric(runs, metric)
    if "dataset" in runs and runs["dataset"].nunique() > 1:
        raise InputError(
            f"runs of {runs['dataset'].nunique()} data sets, expected runs of one; select the rows "
            "of a data set first"
        )
    if (twice := runs[runs.duplicated([*_RUN, "method"])])["method"].size:
        seed, fold, method = twice[[*_RUN, "method"]].iloc[0]
        raise InputError(
            f"{method} has several runs of seed {seed}, fold {fold}, expected one; leave out runs "
            "with other settings"
        )
    sizes = runs.groupby(_RUN)[[name for name in _SIZES if name in runs]].nunique()
    if (sizes > 1).any(axis=None):
        seed, fold = sizes.index[(sizes > 1).any(axis=1)][0]
        raise InputError(
            f"the methods ran on different splits: the numbers of rows of seed {seed}, fold {fold} "
            "differ; compare runs of the same folds"
        )
    return runs.pivot(index=_RUN, columns="method", values=metric)


def size_ratio(runs: pd.DataFrame) -> float:
    """Returns n_test / n_train of a data set's runs, from mean numbers of rows.

    Parameters
    ----------
    runs
        One row per run with the columns ``n_test``, ``n_train`` and, if validation rows were used,
        ``n_valid``. Validation rows count as training rows.
    """
    learned = runs["n_train"] + runs.get("n_valid", 0)
    return float(runs["n_test"].mean() / learned.mean())


def check_metric(runs: pd.DataFrame, metric: str) -> None:
    """Raises ``InputError`` if the runs have no column with the metric's name."""
    if metric not in runs:
        raise InputError(f"unknown metric {metric!r}{did_you_mean(metric, runs.columns)}")
