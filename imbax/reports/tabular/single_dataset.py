"""Methods compared on each data set alone: the section on few data sets, and a table for each."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from imbax.errors import InputError
from imbax.experiments import disk
from imbax.experiments.labels import method_of
from imbax.reports.comparisons import interval_text, p_text
from imbax.reports.tabular.tables import in_order, markdown
from imbax.statistics.bayesian import ROPE
from imbax.statistics.ranks import FEWEST_DATASETS, LEVEL
from imbax.statistics.runs import scores_by_run, size_ratio
from imbax.statistics.single_dataset import against_control, every_pair

__all__ = ["BY_DATASET", "contrasts", "control_of", "of_dataset", "overview", "write"]

_CONTROLS = ("ce", "explicit_gradient")
_CSV = "single_datasets.csv"

BY_DATASET = f"""Differences are method minus rival, means over the runs (folds and seeds) that both
have. `p` is the corrected resampled t test (Nadeau and Bengio 2003), two-sided, which gives the
interval too, and `p_holm` is corrected for all comparisons on the dataset. The last column is the
Bayesian correlated t test (Corani and Benavoli 2015): the probabilities that the method is worse,
equal within ±{ROPE:g}, or better. A dash: fewer than two runs, or the same difference in all of
them."""


def control_of(methods: Iterable[str]) -> str | None:
    """The method that all others are compared with, best a single default network; None: every
    pair is compared."""
    labels = in_order(methods)
    found = (label for name in _CONTROLS for label in labels if method_of(label) == name)
    return next(found, None)


def contrasts(runs: pd.DataFrame) -> dict[str, pd.DataFrame | str]:
    """For each data set its comparisons by average precision, or why there are none."""
    control, found = control_of(runs["method"]), {}
    for dataset, rows in runs.groupby("dataset"):
        try:
            scores, ratio = scores_by_run(rows), size_ratio(rows)
        except InputError as error:
            found[dataset] = str(error)
            continue
        if control is None:
            found[dataset] = every_pair(scores, ratio)
        elif control in scores:
            found[dataset] = against_control(scores, control, ratio)
        else:
            found[dataset] = f"{control}, with which methods are compared, has no run"
    return found


def overview(runs: pd.DataFrame, found: Mapping[str, pd.DataFrame | str]) -> str:
    """The section of results on each data set alone, where they are too few for a test over them.

    Empty for six data sets or more, and where nothing could be compared.
    """
    tables = {name: table for name, table in found.items() if not isinstance(table, str)}
    if len(found) >= FEWEST_DATASETS or all(table.empty for table in tables.values()):
        return ""
    control, rows = control_of(runs["method"]), {}
    for dataset, table in tables.items():
        is_apart, above = table["p_holm"] < LEVEL, table["mean_difference"] > 0
        parts = {
            "better": is_apart & above,
            "worse": is_apart & ~above,
            "not told apart": ~is_apart,
        }
        rows[dataset] = {
            "runs": int(table["n"].max()) if len(table) else 0,
            "n_test / n_train": f"{size_ratio(runs[runs['dataset'] == dataset]):.2f}",
            **{title: _names(table[chosen], control) for title, chosen in parts.items()},
        }
    whom = "every pair of methods" if control is None else f"every method with `{control}`"
    return (
        "## On each dataset alone\n\n"
        "Runs of one dataset share rows, so a paired t test over them finds differences where "
        f"there are none. This compares {whom} by the corrected resampled t test (Nadeau and "
        "Bengio 2003), which takes (1/J + n_test / n_train) s² for the variance of a mean over J "
        "runs; n_train counts training and validation rows. Better and worse are at the "
        f"{LEVEL:.0%} level after Holm's correction for the comparisons on a dataset. It says what "
        "to expect of other rows of the same dataset, not of other datasets. The figures stand "
        f"below, dataset by dataset, and in [{_CSV}](tables/{_CSV}).\n\n"
        + markdown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("dataset"))
    )


def of_dataset(table: pd.DataFrame | str) -> str:
    """The comparisons on one data set in Markdown; empty for a single method."""
    if isinstance(table, str):
        return f"No comparison: {table}."
    if table.empty:
        return ""
    shown = table[["n"]].rename(columns={"n": "runs"})
    shown["mean difference"] = table["mean_difference"].map("{:+.3f}".format)
    shown["95% interval"] = list(map(interval_text, table["low"], table["high"]))
    shown["p"], shown["p_holm"] = table["p_value"].map(p_text), table["p_holm"].map(p_text)
    chances = table[["worse", "equal", "better"]].to_numpy()
    shown["worse, equal, better"] = [
        "–" if math.isnan(row[0]) else ", ".join(map("{:.2f}".format, row)) for row in chances
    ]
    against = table.index.get_level_values("against")
    if against.nunique() > 1:
        return markdown(shown.reset_index("against"))
    return f"Against `{against[0]}`:\n\n{markdown(shown.droplevel('against'))}"


def write(found: Mapping[str, pd.DataFrame | str], out: Path) -> None:
    """Write all comparisons to ``<out>/tables/single_datasets.csv``."""
    tables = {name: table for name, table in found.items() if not isinstance(table, str)}
    if tables:
        together = pd.concat(tables, names=["dataset"]).reset_index()
        disk.write_table(Path(out, "tables", _CSV), together, index=False)


def _names(table: pd.DataFrame, control: str | None) -> str:
    """The methods of comparisons, with their rivals where these differ."""
    names = [m if control else f"{m} – {rival}" for m, rival in table.index]
    return ", ".join(names) or "–"
