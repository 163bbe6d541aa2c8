"""Tables of a suite of images: scores and the paper's, differences, variants of DeepSMOTE.

``paper/deepsmote.csv`` contains the figures of Dablain et al. 2021, for comparison only: Table 1 of
arXiv 2105.02340 (the imbalanced test) and the table of the balanced test in its journal version.
"""

import math
from collections.abc import Sequence
from importlib import resources

import numpy as np
import pandas as pd

from imbax.experiments.images.metrics import METRICS, TESTS
from imbax.reports.tabular.tables import best_methods, markdown

__all__ = [
    "against_controls",
    "image_summary",
    "mean_scores",
    "paired",
    "paper_scores",
    "readings_table",
    "score_table",
]

_PRINTED = ("acsa", "g_mean", "f1")
_MISSING = "–"
_CONTROLS = ("ce", "ros")


def image_summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Summary with one row per data set, test part and method, over runs that did not diverge.

    The columns are ``n`` (number of runs), ``<metric>`` and ``<metric>_sd`` (ddof=1) of each metric
    in percent, and ``<metric>_paper`` of the paper's three metrics.
    """
    tables, paper = [], paper_scores()
    for test in TESTS:
        cells = runs.groupby(["dataset", "method"], sort=False)
        columns = {"n": cells[f"{test}_acsa"].count()}
        for metric in METRICS:
            columns[metric] = 100 * cells[f"{test}_{metric}"].mean()
            columns[f"{metric}_sd"] = 100 * cells[f"{test}_{metric}"].std(ddof=1)
        table = pd.DataFrame(columns)
        printed = paper.loc[test].reindex(table.index)
        table = table.join(printed.add_suffix("_paper")).reset_index()
        table.insert(1, "test", test)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def mean_scores(runs: pd.DataFrame, metric: str = "balanced_acsa") -> pd.DataFrame:
    """Mean of a metric over the runs that did not diverge, [dataset x method]; NaN for gaps.

    Means are rounded to six decimals so that equal accuracies computed in float32 are ties.
    """
    means = runs.groupby(["dataset", "method"])[metric].mean().unstack().round(6)
    return means[runs["method"].unique()].rename_axis(columns=None)


def paper_scores() -> pd.DataFrame:
    """Figures of the paper in percent, indexed by test part, data set and method."""
    file = resources.files("imbax.reports") / "paper" / "deepsmote.csv"
    with file.open(encoding="utf-8") as lines:
        return pd.read_csv(lines, index_col=["test", "dataset", "method"])


def paired(runs: pd.DataFrame, control: str, metric: str = "balanced_acsa") -> pd.DataFrame:
    """Paired differences of each method from a control, in percentage points.

    Pairs have the same fold and seed. The index is the method; the columns are ``n`` (number of
    pairs), ``difference`` (mean), ``sd`` of the differences, and ``better`` (number of pairs in
    which the method is higher).
    """
    scores = runs.pivot(index=["seed", "fold"], columns="method", values=metric)
    rows = {}
    for method in dict.fromkeys(runs["method"]):
        if method == control or control not in scores:
            continue
        difference = 100 * (scores[method] - scores[control]).dropna()
        rows[method] = {
            "n": len(difference),
            "difference": difference.mean(),
            "sd": difference.std(ddof=1),
            "better": int((difference > 0).sum()),
        }
    columns = ["n", "difference", "sd", "better"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def score_table(
    summary: pd.DataFrame, dataset: str, test: str, runs: pd.DataFrame | None = None
) -> str:
    """Score table of one data set and test part: a row per method, the best of a metric in bold.

    If the data set's `runs` are given, all methods that are not significantly different from the
    highest mean are bold; otherwise only the highest mean.
    """
    rows = summary.query("dataset == @dataset and test == @test").set_index("method")
    table = pd.DataFrame(index=rows.index)
    table["runs"] = rows["n"].astype(str)
    for metric in METRICS:
        table[METRICS[metric].title] = [
            _plus_minus(*pair) for pair in rows[[metric, f"{metric}_sd"]].to_numpy()
        ]
        if metric in _PRINTED and rows[f"{metric}_paper"].notna().any():
            table[f"{METRICS[metric].title} (paper)"] = [
                _printed(row, metric) for _, row in rows.iterrows()
            ]
    best = pd.DataFrame(False, index=table.index, columns=table.columns)
    for metric in METRICS:
        best[METRICS[metric].title] = (
            rows[metric] == rows[metric].max()
            if runs is None
            else rows.index.isin(best_methods(runs, f"{test}_{metric}"))
        )
    return f"### Scores, {test} test\n\n{markdown(table, best)}"


def against_controls(rows: pd.DataFrame) -> str:
    """Section on paired differences from `ce` and `ros`; empty without these controls."""
    parts = []
    for control in _CONTROLS:
        table = paired(rows, control)
        if table.empty:
            continue
        shown = pd.DataFrame(
            {
                f"minus {control}": [
                    f"{d:+.2f}" + ("" if math.isnan(sd) else f" ± {sd:.2f}")
                    for d, sd in table[["difference", "sd"]].to_numpy()
                ],
                "better in": [f"{b} of {n}" for b, n in table[["better", "n"]].to_numpy(int)],
            },
            index=table.index.rename("method"),
        )
        parts.append(markdown(shown))
    if not parts:
        return ""
    text = (
        "ACSA on the balanced test, in percentage points, paired by run on the same images: mean "
        "difference ± SD of the differences."
    )
    return "### Differences from the controls\n\n" + "\n\n".join([text, *parts])


def readings_table(rows: pd.DataFrame, train: Sequence[int]) -> str:
    """Section on the variants of DeepSMOTE; empty if fewer than two of them were run.

    `train` holds the number of training images of each class.
    """
    names = [m for m in dict.fromkeys(rows["method"]) if m.startswith("deepsmote")]
    if len(names) < 2:
        return ""
    table = {}
    for name in names:
        group = rows[rows["method"] == name]
        kept = np.array(group["variance_kept"].tolist())
        table[name] = {
            "ACSA": _plus_minus(100 * group["balanced_acsa"].mean(),
                                100 * group["balanced_acsa"].std(ddof=1)),
            "variance kept, largest class": f"{kept[:, np.argmax(train)].mean():.2f}",
            "smallest class": f"{kept[:, np.argmin(train)].mean():.2f}",
            "epochs": f"{group['generator_epochs'].mean():.0f}",
        }  # fmt: skip
    text = (
        "Variance kept is the variance of a class's reconstructions divided by the variance of its "
        "images; near 0, all images have the same reconstruction. `deepsmote` uses the "
        "penalty of the public code. `deepsmote_paper` is Algorithm 1 as printed; its permuted "
        "penalty, which `deepsmote_permuted` applies to the decoder alone, pulls rare classes "
        "towards their means."
    )
    shown = pd.DataFrame.from_dict(table, orient="index").rename_axis("method")
    return f"### Variants of DeepSMOTE\n\n{text}\n\n{markdown(shown)}"


def _plus_minus(mean, sd):
    if math.isnan(mean):
        return "diverged"
    return f"{mean:.2f}" + ("" if math.isnan(sd) else f" ± {sd:.2f}")


def _printed(row, metric):
    value = row[f"{metric}_paper"]
    if math.isnan(value):
        return _MISSING
    impossible = metric == "g_mean" and value > 10 * math.sqrt(row["acsa_paper"])
    return f"{value:.2f}" + (" ?" if impossible else "")
