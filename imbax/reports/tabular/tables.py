"""Tables of a set of runs: single runs, timings, and the summary with the paper's figures.

``paper/`` contains the figures of Tables 1 to 3 of Yasinnik, Salhov, Lindenbaum and Averbuch,
"Imbalanced Classification via Explicit Gradient Learning From Augmented Data" (arXiv 2202.10550),
for comparison only. The values are as printed, the names are this library's: ``table_1.csv``
(Adult), and for Tables 2 and 3 one file of means and one of SDs [dataset x method].
"""

import math
from collections.abc import Collection, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbax.errors import InputError
from imbax.experiments import disk
from imbax.experiments.labels import method_of, parts
from imbax.experiments.tabular.metrics import METRICS
from imbax.experiments.tabular.named_metrics import lower_is_better
from imbax.experiments.tabular.schema import SCHEMA
from imbax.reports.tabular.markup import latex
from imbax.statistics.ranks import TIE_DECIMALS, mean_ranks
from imbax.statistics.runs import scores_by_run, size_ratio
from imbax.statistics.single_dataset import not_different_from_best

__all__ = [
    "CALIBRATION",
    "best_cells",
    "best_methods",
    "best_of_dataset",
    "beyond_paper",
    "dataset_table",
    "in_order",
    "markdown",
    "metrics_in",
    "multiclass_runs",
    "paper_figures",
    "paper_table",
    "score_table",
    "sign_of",
    "summarise",
    "summary_table",
    "timing_table",
    "write_tables",
]

CALIBRATION = ("brier_score", "expected_calibration_error")
"""Metrics of probabilities, added to runs by `calibration.with_calibration`; lower is better."""

_CALIBRATION_COLUMNS = ("mean_probability", "minority_share")  # not metrics

# The paper's methods come first in every table and figure; the other methods follow by name.
_FIRST = ("explicit_gradient", "explicit_gradient_frozen", "ce", "ce_long")
_FIRST_METRIC = "average_precision"
_BESIDE_PAPER = ("ce", "explicit_gradient")
_MISSING = "–"


def in_order(methods: Iterable[str]) -> list[str]:
    """Distinct method names in the order of all tables and figures.

    Labels that include a network or an ensemble (see ``labels``) are grouped by method.
    """

    def position(label):
        name, (_, network) = method_of(label), parts(label)
        return _FIRST.index(name) if name in _FIRST else len(_FIRST), name, network, label

    return sorted(set(methods), key=position)


def paper_table(name: str) -> pd.DataFrame:
    """Reads a table of the paper.

    ``name`` is "table_1", "table_2", "table_2_sd", "table_3" or "table_3_sd". Table 1 is indexed by
    method and imbalance ratio. The others are [dataset x method], NaN for values that the paper
    does not print.
    """
    file = resources.files("imbax.reports") / "paper" / f"{name}.csv"
    with file.open(encoding="utf-8") as lines:
        return pd.read_csv(lines, index_col=["method", "ratio"] if name == "table_1" else "dataset")


def paper_figures() -> pd.DataFrame:
    """Mean and SD of average precision in Tables 2 and 3, indexed by data set and method."""
    columns = {
        column: pd.concat([paper_table(f"table_{number}{suffix}").stack() for number in (2, 3)])
        for column, suffix in (("mean", ""), ("sd", "_sd"))
    }
    # The paper's method is in both tables, with the same figures.
    columns = {name: column[~column.index.duplicated()] for name, column in columns.items()}
    return pd.DataFrame(columns).dropna(subset="mean").rename_axis(["dataset", "method"])


def score_table(runs: pd.DataFrame, metric: str = "average_precision") -> pd.DataFrame:
    """Mean of a metric over runs, [dataset x method]; NaN if no run has the metric."""
    means = runs.groupby(["dataset", "method"])[metric].mean().unstack("method")
    return means[in_order(means.columns)].rename_axis(columns=None)


def multiclass_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs on data sets with more than two classes."""
    return runs[runs.groupby("dataset")["balanced_accuracy"].transform("count") > 0]


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Summary with one row per data set and method, over the runs that did not diverge.

    The columns are ``n`` (number of runs), ``mean`` and ``sd`` of average precision (over folds and
    seeds, ddof=1), the paper's ``paper_mean`` and ``paper_sd``, ``<metric>_mean`` and
    ``<metric>_sd`` of the other metrics, ``start_kept`` (share of the runs of Explicit Gradient
    whose best epoch is its start) and ``diverged`` (number of diverged runs).
    """
    cells = runs.groupby(["dataset", "method"])
    first = _FIRST_METRIC
    columns = {
        "n": cells[first].count(),
        "mean": cells[first].mean(),
        "sd": cells[first].std(ddof=1),
    }
    paper = paper_figures().reindex(columns["n"].index)
    columns |= {"paper_mean": paper["mean"], "paper_sd": paper["sd"]}
    for metric in metrics_in(runs)[1:]:
        columns |= {
            f"{metric}_mean": cells[metric].mean(),
            f"{metric}_sd": cells[metric].std(ddof=1),
        }
    if "epoch" in runs:
        has_points = runs["method"].str.startswith("explicit_gradient") & ~runs["diverged"]
        is_start = (runs["epoch"] == 0).astype(float).where(has_points)
        columns["start_kept"] = is_start.groupby([runs["dataset"], runs["method"]]).mean()
    columns["diverged"] = cells["diverged"].sum().astype(int)
    return pd.DataFrame(columns).reset_index()


def summary_table(
    runs: pd.DataFrame, metric: str = "average_precision", lower: Collection[str] = ()
) -> pd.DataFrame:
    """Summary table of text cells: a row per data set, a column per method, then mean and rank.

    Cells are ``mean ± SD`` over runs, followed by ``(n=19)`` if a run diverged, or if another
    method has more runs on the data set. The last two rows are over the data sets with a score of
    every method, except methods without any scores; the labels state how many there are. For
    average precision the paper's figures are added. ``lower`` as in ``sign_of``.
    """
    scores = score_table(runs, metric)
    cells = _cells(runs, ["dataset", "method"], metric)
    table = cells.unstack("method").reindex(columns=scores.columns)
    scored = scores.dropna(axis=1, how="all")
    full = scored.dropna()
    size = f"({len(full)} data set{'' if len(full) == 1 else 's'})"
    ranks = mean_ranks(sign_of(metric, lower) * scored)
    last = {f"mean {size}": full.mean(), f"mean rank {size}": ranks}
    table = pd.concat([table, pd.DataFrame(last).T.map(_number)])
    if metric == _FIRST_METRIC:
        table = _with_paper_columns(table, full.index, f"mean {size}")
    return table.fillna(_MISSING).rename_axis(index="dataset", columns=None)


def best_cells(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    metric: str = "average_precision",
    lower: Collection[str] = (),
) -> pd.DataFrame:
    """Mask of a data set's best methods in ``table`` (from ``summary_table``), [row x column].

    Marks the highest mean and those not significantly different from it by the corrected resampled
    t test. If the methods ran on different splits, only the highest mean and its ties are marked.
    """
    best = pd.DataFrame(False, index=table.index, columns=table.columns)
    for dataset, rows in runs.groupby("dataset"):
        best.loc[dataset, best_methods(rows, metric, lower)] = True
    return best


def best_methods(runs: pd.DataFrame, metric: str, lower: Collection[str] = ()) -> list[str]:
    """Best methods on one data set, shown in bold; ``lower`` as in ``sign_of``."""
    sign = sign_of(metric, lower)
    try:
        return not_different_from_best(sign * scores_by_run(runs, metric), size_ratio(runs))
    except InputError:
        means = sign * runs.groupby("method")[metric].mean().round(TIE_DECIMALS)
        return list(means.index[means == means.max()])


def sign_of(metric: str, lower: Collection[str] = ()) -> int:
    """Sign of a metric: -1 if lower is better, otherwise 1.

    ``lower`` names further metrics where lower is better, in addition to the known ones.
    """
    return -1 if metric in CALIBRATION or metric in lower or metric in lower_is_better(()) else 1


def dataset_table(
    runs: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    lower: Collection[str] = (),
) -> pd.DataFrame:
    """Text table of metrics on one data set: a row per method, the best by the first metric on top.

    The columns are the metrics' names with spaces instead of `_`; by default, all metrics that any
    run has. ``lower`` as in ``sign_of``.
    """
    metrics = metrics or metrics_in(runs)
    means = sign_of(metrics[0], lower) * runs.groupby("method")[metrics[0]].mean()
    best_first = means.sort_values(ascending=False, kind="stable").index
    table = pd.DataFrame({metric: _cells(runs, "method", metric) for metric in metrics})
    return table.loc[best_first].rename(columns=lambda name: name.replace("_", " "))


def best_of_dataset(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    lower: Collection[str] = (),
) -> pd.DataFrame:
    """Mask of bold cells in ``table`` (``dataset_table`` with the same metrics), [method x column].

    Bold cells of a column are the best mean and all means that are not significantly different from
    it; see ``best_cells``.
    """
    best = pd.DataFrame(False, index=table.index, columns=table.columns)
    for column, metric in zip(table, metrics or metrics_in(runs), strict=True):
        best.loc[best_methods(runs, metric, lower), column] = True
    return best


def beyond_paper(runs: pd.DataFrame, method: str = "ce") -> pd.DataFrame:
    """Data sets on which a method's mean differs from the paper's by more than max(2 SD, 0.02).

    SD is the paper's. The columns are ``ours``, ``sd``, ``paper``, ``paper_sd``, ``difference``.
    """
    ours = summarise(runs).query("method == @method").set_index("dataset")
    table = pd.DataFrame(
        {
            "ours": ours["mean"],
            "sd": ours["sd"],
            "paper": ours["paper_mean"],
            "paper_sd": ours["paper_sd"],
            "difference": ours["mean"] - ours["paper_mean"],
        }
    )
    spread = (2 * table["paper_sd"].fillna(0)).clip(lower=0.02)
    return table[table["difference"].abs() > spread + 1e-9]


def timing_table(provenance: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Numbers of seeds and runs, compilation and running seconds, by data set and method."""
    names = ["dataset", "method", "seeds", "n_runs", "compile_seconds", "run_seconds"]
    rows = [{"seeds": 1} | one | one["timing"] for one in provenance]
    return pd.DataFrame(rows, columns=names).groupby(names[:2], as_index=False).sum()


def markdown(table: pd.DataFrame, best: pd.DataFrame | None = None) -> str:
    """Markdown table with the index as its first column; cells marked in ``best`` are bold."""
    lines = [[table.index.name or "", *table.columns], ["---"] * (table.shape[1] + 1)]
    for i, (name, row) in enumerate(table.iterrows()):
        cells = [str(cell) for cell in row]
        if best is not None:
            cells = [f"**{c}**" if best.iat[i, j] else c for j, c in enumerate(cells)]
        lines.append([str(name), *cells])
    clean = [[str(c).replace("|", "\\|").replace("\n", " ") for c in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in clean)


def write_tables(runs: pd.DataFrame, provenance: Sequence[dict[str, Any]], out: Path) -> Path:
    """Writes the tables into the folder ``<out>/tables/``; returns the folder.

    The files are ``runs.csv`` (every run; the same runs give the same bytes), ``timings.csv``, the
    summary as ``summary.csv`` (long format), ``summary.md`` and ``summary.tex``, and ``scores.csv``
    (mean average precision [dataset x method], input for ``imbax compare``). For more than two
    classes there is also ``balanced_accuracy.csv``, in the format of ``scores.csv``.
    """
    folder = Path(out, "tables")
    folder.mkdir(parents=True, exist_ok=True)
    keys = ["dataset", "method", "fold", "seed"]
    columns = [*keys[:2], *(name for name in ("network", "members") if name in runs), *keys[2:]]
    _csv(runs[[*columns, *metrics_in(runs)]].sort_values(keys), folder / "runs.csv")
    _csv(timing_table(provenance), folder / "timings.csv")
    _csv(summarise(runs), folder / "summary.csv")
    scores = score_table(runs)
    _csv(scores.reset_index(), folder / "scores.csv")
    if not (balanced := multiclass_runs(runs)).empty:
        accuracy = score_table(balanced, "balanced_accuracy")
        _csv(accuracy.reset_index(), folder / "balanced_accuracy.csv")
    table = summary_table(runs)
    best = best_cells(runs, table)
    for name, text in (("summary.md", markdown(table, best)), ("summary.tex", _latex(table, best))):
        disk.write_text(folder / name, text.strip() + "\n")
    return folder


def _csv(table: pd.DataFrame, path: Path) -> None:
    # pandas writes the shortest text that reads back as the same float.
    disk.write_table(path, table, index=False)


def metrics_in(runs: pd.DataFrame) -> list[str]:
    """Metrics of at least one run, always with average precision; the user's metrics last."""
    known = (*METRICS, *CALIBRATION)
    numbers = runs.columns[[pd.api.types.is_float_dtype(runs[name]) for name in runs]]
    added = [name for name in numbers if name not in (*SCHEMA.names, *known, *_CALIBRATION_COLUMNS)]
    present = [metric for metric in (*known, *added) if metric in runs]
    return [metric for metric in present if metric == _FIRST_METRIC or runs[metric].notna().any()]


def _number(value: float) -> str:
    return _MISSING if math.isnan(value) else f"{value:.2f}"


def _cells(runs: pd.DataFrame, by: str | list[str], metric: str) -> pd.Series:
    """Text cells of a metric, grouped by method or by data set and method."""
    groups = runs.groupby(by)
    cells = groups[metric].agg(["mean", "std", "count", "size"])
    size = cells["size"]  # a cell states its number of runs if other methods have more
    cells["size"] = size.max() if by == "method" else size.groupby("dataset").transform("max")
    # Brier scores and calibration errors are small for rare minorities and need more digits.
    text = cells.apply(_cell, axis=1, digits=4 if metric in CALIBRATION else 2)
    # Ranks have no probabilities, and some metrics are defined for two classes only.
    gaps = cells["count"] == 0
    return text.mask(gaps & ~groups["diverged"].any(), _MISSING) if "diverged" in runs else text


def _cell(cell: pd.Series, digits: int = 2) -> str:
    if cell["count"] == 0:
        return "diverged (n=0)"
    sd = "" if np.isnan(cell["std"]) else f" ± {cell['std']:.{digits}f}"
    n = "" if cell["count"] == cell["size"] else f" (n={cell['count']:.0f})"
    return f"{cell['mean']:.{digits}f}{sd}{n}"


def _with_paper_columns(table: pd.DataFrame, full: pd.Index, mean_row: str) -> pd.DataFrame:
    figures = paper_figures().assign(size=1, count=1).rename(columns={"sd": "std"})
    for method in _BESIDE_PAPER:
        figure = figures.xs(method, level="method")
        if method not in table or not table.index.isin(figure.index).any():
            continue
        cells = figure.apply(_cell, axis=1)
        if len(full) and full.isin(figure.index).all():
            cells[mean_row] = _number(figure.loc[full, "mean"].mean())
        table.insert(table.columns.get_loc(method) + 1, f"{method} (paper)", cells)
    return table


def _latex(table: pd.DataFrame, best: pd.DataFrame) -> str:
    return latex(table, best, "Average precision, mean and SD over runs.", "tab:imbax-summary")
