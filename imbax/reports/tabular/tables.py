"""Tables of a set of runs: every run, timings, and the summary beside the paper's figures.

``paper/`` holds the figures of Tables 1 to 3 of Yasinnik, Salhov, Lindenbaum and Averbuch,
"Imbalanced Classification via Explicit Gradient Learning From Augmented Data" (arXiv 2202.10550),
as printed but under this library's names, for comparison only: ``table_1.csv`` (Adult), and for
Tables 2 and 3 one file of means and one of SDs, a row per dataset and a column per method.
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
from imbax.statistics.single_dataset import not_told_apart

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
    "of_several_classes",
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
"""Metrics of probabilities, which `probabilities.with_calibration` adds to runs: lower = better."""

_OF_PROBABILITIES = ("mean_probability", "minority_share")  # no metrics

# What the paper is about comes first in every table and figure, other methods by name after it.
_FIRST = ("explicit_gradient", "explicit_gradient_frozen", "ce", "ce_long")
_FIRST_METRIC = "average_precision"
_BESIDE_PAPER = ("ce", "explicit_gradient")
_NOTHING = "–"


def in_order(methods: Iterable[str]) -> list[str]:
    """Distinct method names in the order that all tables and figures use.

    With other networks than the default, or ensembles, names are labels (``labels``), and those of
    one method stand together.
    """

    def place(label):
        name, (_, network) = method_of(label), parts(label)
        return _FIRST.index(name) if name in _FIRST else len(_FIRST), name, network, label

    return sorted(set(methods), key=place)


def paper_table(name: str) -> pd.DataFrame:
    """One of the paper's tables: "table_1", "table_2", "table_2_sd", "table_3" or "table_3_sd".

    Table 1 is indexed by method and imbalance ratio; the others are [dataset x method], NaN where
    the paper prints none.
    """
    file = resources.files("imbax.reports") / "paper" / f"{name}.csv"
    with file.open(encoding="utf-8") as lines:
        return pd.read_csv(lines, index_col=["method", "ratio"] if name == "table_1" else "dataset")


def paper_figures() -> pd.DataFrame:
    """The mean and SD of average precision in Tables 2 and 3, indexed by dataset and method."""
    columns = {
        column: pd.concat([paper_table(f"table_{number}{suffix}").stack() for number in (2, 3)])
        for column, suffix in (("mean", ""), ("sd", "_sd"))
    }
    # The paper's own method stands in both tables, with the same figures.
    columns = {name: column[~column.index.duplicated()] for name, column in columns.items()}
    return pd.DataFrame(columns).dropna(subset="mean").rename_axis(["dataset", "method"])


def score_table(runs: pd.DataFrame, metric: str = "average_precision") -> pd.DataFrame:
    """Mean of a metric over the runs that have one, [dataset x method]; NaN where none has."""
    means = runs.groupby(["dataset", "method"])[metric].mean().unstack("method")
    return means[in_order(means.columns)].rename_axis(columns=None)


def of_several_classes(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of datasets with more than two classes."""
    return runs[runs.groupby("dataset")["balanced_accuracy"].transform("count") > 0]


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per dataset and method, over its runs that did not diverge.

    ``n`` runs, ``mean`` and ``sd`` (over folds and seeds, n - 1) of average precision, the paper's
    ``paper_mean`` and ``paper_sd``, ``<metric>_mean`` and ``<metric>_sd`` of the other metrics that
    the runs hold, and how many runs ``diverged``.
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
    columns["diverged"] = cells["diverged"].sum().astype(int)
    return pd.DataFrame(columns).reset_index()


def summary_table(
    runs: pd.DataFrame, metric: str = "average_precision", lower: Collection[str] = ()
) -> pd.DataFrame:
    """The table to read, as text: a row per dataset, a column per method, mean and mean rank last.

    Cells are ``mean ± SD`` over runs, with ``(n=19)`` where a run diverged. The last two rows are
    over the datasets on which every method that has a score at all has one, and say how many those
    are. For average precision the paper's figures stand beside ours. ``lower`` as in ``sign_of``.
    """
    scores = score_table(runs, metric)
    cells = _cells(runs, ["dataset", "method"], metric)
    table = cells.unstack("method").reindex(columns=scores.columns)
    some = scores.dropna(axis=1, how="all")
    full = some.dropna()
    over = f"({len(full)} dataset{'' if len(full) == 1 else 's'})"
    ranks = mean_ranks(sign_of(metric, lower) * some)
    last = {f"mean {over}": full.mean(), f"mean rank {over}": ranks}
    table = pd.concat([table, pd.DataFrame(last).T.map(_number)])
    if metric == _FIRST_METRIC:
        table = _beside_paper(table, full.index, f"mean {over}")
    return table.fillna(_NOTHING).rename_axis(index="dataset", columns=None)


def best_cells(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    metric: str = "average_precision",
    lower: Collection[str] = (),
) -> pd.DataFrame:
    """Where ``table`` (of ``summary_table``) shows a dataset's best methods, [row x column].

    These are the highest mean and those that the corrected resampled t test does not tell apart
    from it. Where the methods ran on different splits, only the highest mean and its ties.
    """
    best = pd.DataFrame(False, index=table.index, columns=table.columns)
    for dataset, rows in runs.groupby("dataset"):
        best.loc[dataset, best_methods(rows, metric, lower)] = True
    return best


def best_methods(runs: pd.DataFrame, metric: str, lower: Collection[str] = ()) -> list[str]:
    """The methods whose score on one dataset is bold; ``lower`` as in ``sign_of``."""
    sign = sign_of(metric, lower)
    try:
        return not_told_apart(sign * scores_by_run(runs, metric), size_ratio(runs))
    except InputError:
        means = sign * runs.groupby("method")[metric].mean().round(TIE_DECIMALS)
        return list(means.index[means == means.max()])


def sign_of(metric: str, lower: Collection[str] = ()) -> int:
    """1, or -1 for a metric of which lower is better.

    Such are, besides those known by name, the columns in ``lower``.
    """
    return -1 if metric in CALIBRATION or metric in lower or metric in lower_is_better(()) else 1


def dataset_table(
    runs: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    lower: Collection[str] = (),
) -> pd.DataFrame:
    """Metrics of the runs of one dataset as text, a row per method, best by the first one first.

    The columns are the metrics' names, `_` written as a space; default: all that some run has.
    ``lower`` as in ``sign_of``.
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
    """Where ``table`` (of ``dataset_table``, with the same metrics) is bold, [method x column].

    In a column these are the best mean and all that are not told apart from it; see ``best_cells``.
    """
    best = pd.DataFrame(False, index=table.index, columns=table.columns)
    for column, metric in zip(table, metrics or metrics_in(runs), strict=True):
        best.loc[best_methods(runs, metric, lower), column] = True
    return best


def beyond_paper(runs: pd.DataFrame, method: str = "ce") -> pd.DataFrame:
    """Datasets where a method's mean is more than max(2 paper SD, 0.02) from the paper's.

    Indexed by dataset: ``ours``, ``sd``, ``paper``, ``paper_sd``, ``difference``.
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
    """Per dataset and method: seeds, runs, and seconds of compiling and of running."""
    rows = [
        {"dataset": one["dataset"], "method": one["method"], "seeds": 1, **_timing(one)}
        for one in provenance
    ]
    names = ["dataset", "method", "seeds", "n_runs", "compile_seconds", "run_seconds"]
    return pd.DataFrame(rows, columns=names).groupby(names[:2], as_index=False).sum()


def markdown(table: pd.DataFrame, best: pd.DataFrame | None = None) -> str:
    """A pipe table with the index as its first column; cells marked in ``best`` are bold."""
    lines = [[table.index.name or "", *table.columns], ["---"] * (table.shape[1] + 1)]
    for i, (name, row) in enumerate(table.iterrows()):
        cells = [str(cell) for cell in row]
        if best is not None:
            cells = [f"**{c}**" if best.iat[i, j] else c for j, c in enumerate(cells)]
        lines.append([str(name), *cells])
    clean = [[str(c).replace("|", "\\|").replace("\n", " ") for c in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in clean)


def write_tables(runs: pd.DataFrame, provenance: Sequence[dict[str, Any]], out: Path) -> Path:
    """Write ``<out>/tables/`` and return it.

    ``runs.csv`` (every run; the same runs give the same bytes), ``timings.csv``, the summary as
    ``summary.csv`` (long, for programs), ``summary.md`` and ``summary.tex`` (to read), and
    ``scores.csv`` (mean average precision, [dataset x method], as ``imbax compare`` reads it); of
    more than two classes also ``balanced_accuracy.csv``, alike.
    """
    folder = Path(out, "tables")
    folder.mkdir(parents=True, exist_ok=True)
    keys = ["dataset", "method", "fold", "seed"]
    told = [*keys[:2], *(name for name in ("network", "members") if name in runs), *keys[2:]]
    _csv(runs[[*told, *metrics_in(runs)]].sort_values(keys), folder / "runs.csv")
    _csv(timing_table(provenance), folder / "timings.csv")
    _csv(summarise(runs), folder / "summary.csv")
    scores = score_table(runs)
    _csv(scores.reset_index(), folder / "scores.csv")
    if not (balanced := of_several_classes(runs)).empty:
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
    """Metrics that some run has, and always the first; those that the user asked for come last."""
    known = (*METRICS, *CALIBRATION)
    numbers = runs.columns[[pd.api.types.is_float_dtype(runs[name]) for name in runs]]
    asked = [name for name in numbers if name not in (*SCHEMA.names, *known, *_OF_PROBABILITIES)]
    some = [metric for metric in (*known, *asked) if metric in runs]
    return [metric for metric in some if metric == _FIRST_METRIC or runs[metric].notna().any()]


def _number(value: float) -> str:
    return _NOTHING if math.isnan(value) else f"{value:.2f}"


def _cells(runs: pd.DataFrame, by: str | list[str], metric: str) -> pd.Series:
    """The cells of a metric as text, by method or by dataset and method."""
    groups = runs.groupby(by)
    cells = groups[metric].agg(["mean", "std", "count", "size"])
    # Those of probabilities are small where the minority is.
    text = cells.apply(_cell, axis=1, digits=4 if metric in CALIBRATION else 2)
    # Scores that only rank have no probabilities, and some metrics know two classes only.
    none = cells["count"] == 0
    return text.mask(none & ~groups["diverged"].any(), _NOTHING) if "diverged" in runs else text


def _cell(cell: pd.Series, digits: int = 2) -> str:
    if cell["count"] == 0:
        return "diverged (n=0)"
    sd = "" if np.isnan(cell["std"]) else f" ± {cell['std']:.{digits}f}"
    n = "" if cell["count"] == cell["size"] else f" (n={cell['count']:.0f})"
    return f"{cell['mean']:.{digits}f}{sd}{n}"


def _beside_paper(table: pd.DataFrame, full: pd.Index, mean_row: str) -> pd.DataFrame:
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


def _timing(one: dict[str, Any]) -> dict[str, float]:
    timing = one["timing"]
    return {name: timing[name] for name in ("n_runs", "compile_seconds", "run_seconds")}
