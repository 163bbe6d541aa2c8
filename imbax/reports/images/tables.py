"""Tables of a suite of images: scores beside the paper's, differences, readings of DeepSMOTE.

``paper/deepsmote.csv`` holds the figures of Dablain et al. 2021: Table 1 of arXiv 2105.02340 (the
imbalanced test) and the table of the balanced test in its journal version, for comparison only.
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
_NOTHING = "–"
_CONTROLS = ("ce", "ros")


def image_summary(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per dataset, test part and method, in percent, over runs that did not diverge.

    ``n`` runs, ``<metric>`` and ``<metric>_sd`` (n - 1) of each metric, and of the paper's three
    ``<metric>_paper``.
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

    Six places, since metrics are computed in float32: equal accuracies are to be ties.
    """
    means = runs.groupby(["dataset", "method"])[metric].mean().unstack().round(6)
    return means[runs["method"].unique()].rename_axis(columns=None)


def paper_scores() -> pd.DataFrame:
    """The paper's figures in percent, indexed by test part, dataset and method."""
    file = resources.files("imbax.reports") / "paper" / "deepsmote.csv"
    with file.open(encoding="utf-8") as lines:
        return pd.read_csv(lines, index_col=["test", "dataset", "method"])


def paired(runs: pd.DataFrame, control: str, metric: str = "balanced_acsa") -> pd.DataFrame:
    """Each method against a control on the same folds and seeds, in points of a percent.

    Indexed by method: ``n`` pairs, ``difference`` (mean), ``sd`` of the differences, ``better``
    (how often the method was higher).
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
    """The section of one dataset and test part, a row per method, the best of a metric bold.

    With the dataset's `runs` these are all that are not told apart from the highest mean.
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
    """The section of differences from `ce` and `ros`, run by run; empty without them."""
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
        "ACSA on the balanced test, in points, run by run on the same images: mean difference ± SD "
        "of the differences."
    )
    return "### Against the controls\n\n" + "\n\n".join([text, *parts])


def readings_table(rows: pd.DataFrame, train: Sequence[int]) -> str:
    """The section of DeepSMOTE beside its other readings; empty where none ran.

    `train`: images of each class.
    """
    names = [m for m in dict.fromkeys(rows["method"]) if m.startswith("deepsmote")]
    if len(names) < 2:
        return ""
    table = {}
    for name in names:
        mine = rows[rows["method"] == name]
        kept = np.array(mine["variance_kept"].tolist())
        table[name] = {
            "ACSA": _plus_minus(100 * mine["balanced_acsa"].mean(),
                                100 * mine["balanced_acsa"].std(ddof=1)),
            "variance kept, largest class": f"{kept[:, np.argmax(train)].mean():.2f}",
            "smallest class": f"{kept[:, np.argmin(train)].mean():.2f}",
            "epochs": f"{mine['generator_epochs'].mean():.0f}",
        }  # fmt: skip
    text = (
        "Variance kept is that of a class's reconstructions over that of its images: near 0 all "
        "are reconstructed as one picture. `deepsmote` has the penalty of the public code, "
        "`deepsmote_permuted` the one that the paper describes, which pulls rare classes towards "
        "their means."
    )
    shown = pd.DataFrame.from_dict(table, orient="index").rename_axis("method")
    return f"### Readings of DeepSMOTE\n\n{text}\n\n{markdown(shown)}"


def _plus_minus(mean, sd):
    if math.isnan(mean):
        return "diverged"
    return f"{mean:.2f}" + ("" if math.isnan(sd) else f" ± {sd:.2f}")


def _printed(row, metric):
    value = row[f"{metric}_paper"]
    if math.isnan(value):
        return _NOTHING
    impossible = metric == "g_mean" and value > 10 * math.sqrt(row["acsa_paper"])
    return f"{value:.2f}" + (" ?" if impossible else "")
