"""Comparisons of methods on single data sets: the overview section and one table per data set."""

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

__all__ = ["BY_DATASET", "contrasts", "control_of", "dataset_section", "overview", "write"]

_CONTROLS = ("ce", "explicit_gradient")
_CSV = "single_datasets.csv"

BY_DATASET = f"""Differences are method minus rival, averaged over the runs (folds and seeds) that
both have. `p` and the interval are those of the two-sided corrected resampled t test (Nadeau and
Bengio 2003); `p_holm` is Holm-corrected for all comparisons on the data set. The last column gives
the probabilities that the method is worse, practically equivalent (within ±{ROPE:g}), or better, by
the Bayesian correlated t test (Corani and Benavoli 2015). A dash means fewer than two runs, or the
same difference in all of them."""


def control_of(methods: Iterable[str]) -> str | None:
    """Method that all others are compared with, preferably with a single default network.

    None if every pair is to be compared.
    """
    labels = in_order(methods)
    controls = (label for name in _CONTROLS for label in labels if method_of(label) == name)
    return next(controls, None)


def contrasts(runs: pd.DataFrame) -> dict[str, pd.DataFrame | str]:
    """Comparisons by average precision for each data set, or the reason why there are none."""
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
            found[dataset] = f"the control {control} has no run"
    return found


def overview(runs: pd.DataFrame, found: Mapping[str, pd.DataFrame | str]) -> str:
    """Section on each single data set, if there are too few data sets for a test over them.

    Empty for six data sets or more, or if no methods could be compared.
    """
    tables = {name: table for name, table in found.items() if not isinstance(table, str)}
    if len(found) >= FEWEST_DATASETS or all(table.empty for table in tables.values()):
        return ""
    control, rows = control_of(runs["method"]), {}
    for dataset, table in tables.items():
        is_significant, is_higher = table["p_holm"] < LEVEL, table["mean_difference"] > 0
        groups = {
            "better": is_significant & is_higher,
            "worse": is_significant & ~is_higher,
            "not significantly different": ~is_significant,
        }
        rows[dataset] = {
            "runs": int(table["n"].max()) if len(table) else 0,
            "n_test / n_train": f"{size_ratio(runs[runs['dataset'] == dataset]):.2f}",
            **{title: _names(table[chosen], control) for title, chosen in groups.items()},
        }
    compared = "every pair of methods" if control is None else f"every method with `{control}`"
    return (
        "## Comparisons on each data set\n\n"
        "Runs on one data set share rows, so an uncorrected paired t test over them is too "
        f"liberal. This section compares {compared} by the corrected resampled t test (Nadeau and "
        "Bengio 2003), which estimates the variance of a mean over J runs by "
        "(1/J + n_test / n_train) s²; n_train counts training and validation rows. Methods are "
        f"better or worse at the {LEVEL:.0%} level, after Holm's correction for the comparisons on "
        "a data set. The result generalises to other rows of the same data set, not to other "
        f"data sets. All values: below for each data set, and in [{_CSV}](tables/{_CSV}).\n\n"
        + markdown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("dataset"))
    )


def dataset_section(table: pd.DataFrame | str) -> str:
    """Markdown of the comparisons on one data set; empty for a single method."""
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
    """Writes all comparisons to ``<out>/tables/single_datasets.csv``."""
    tables = {name: table for name, table in found.items() if not isinstance(table, str)}
    if tables:
        together = pd.concat(tables, names=["dataset"]).reset_index()
        disk.write_table(Path(out, "tables", _CSV), together, index=False)


def _names(table: pd.DataFrame, control: str | None) -> str:
    """Method names of the comparisons, with their rivals if there is no control."""
    names = [m if control else f"{m} – {rival}" for m, rival in table.index]
    return ", ".join(names) or "–"
