"""Calibration of the predicted probabilities of a set of runs.

The metrics are computed when a report is written, from the stored scores of test rows. A method's
`OnTables.scores` states whether its scores are logits, probabilities or only ranks. Scores that are
only ranks, and diverged runs, have no probabilities.
"""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import expit

from imbax.experiments import store
from imbax.experiments.tabular import padding
from imbax.experiments.tabular.schema import SCHEMA
from imbax.reports.comparisons import count
from imbax.reports.tabular.tables import CALIBRATION, in_order, markdown, score_table

__all__ = [
    "by_method",
    "calibrated",
    "kinds_of_score",
    "pooled",
    "probabilities",
    "probabilities_page",
    "two_classes",
    "with_calibration",
]

_BASELINE = "ce"
_OFF = 1.5  # mean probabilities that deviate from the share by more than this factor are reported

_RUN = ["dataset", "method", "fold", "seed"]
_ADDED = [*CALIBRATION, "mean_probability", "minority_share"]
_READ = pa.schema([SCHEMA.field(c) for c in (*_RUN, "diverged", "test_y", "test_score")])


def kinds_of_score(provenance: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Kind of each method's scores: "logit", "probability" or "rank".

    Old results do not store the kind; it is then the kind of the registered method of that name. If
    no such method is registered, scores are logits if the method was trained in jax.
    """
    return {one["method"]: _kind(one["method"], one["method_facts"]) for one in provenance}


def probabilities(rows: pd.DataFrame, kinds: dict[str, str]) -> pd.Series:
    """Predicted probability of the minority class `[n_test]` for each run, or None.

    None stands for runs that diverged, scores that are only ranks, supposed probabilities outside
    [0, 1] and more than two classes. ``rows`` has the columns ``method``, ``diverged``, ``test_y``
    and ``test_score``. Methods missing in ``kinds``, because their results were stored later, also
    have no probabilities.
    """
    kind = rows["method"].map(lambda method: kinds.get(method, "rank"))
    missing = rows["diverged"] | ~two_classes(rows)
    runs = zip(kind, missing, rows["test_score"], strict=True)
    values = [None if missing else _probability(score, kind) for kind, missing, score in runs]
    return pd.Series(values, index=rows.index, dtype=object)


def two_classes(rows: pd.DataFrame) -> pd.Series:
    """Mask of the runs with one score per test row, that is, with two classes."""
    return rows["test_score"].map(len) == rows["test_y"].map(len)


def with_calibration(
    runs: pd.DataFrame, folders: Iterable[Path], kinds: dict[str, str]
) -> pd.DataFrame:
    """Adds calibration metrics to the runs of the folders; NaN for runs without probabilities.

    Adds ``brier_score``, ``expected_calibration_error``, ``mean_probability`` over the test rows
    and ``minority_share``, the minority's share of the test rows.
    """
    parts = []
    for dataset in sorted(set(runs["dataset"])):
        rows = store.read(folders, _READ, arrays=True, dataset=dataset)
        parts.append(calibrated(rows, kinds))
    return runs.merge(pd.concat(parts), on=_RUN, how="left", validate="1:1")


def calibrated(rows: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Dataset, method, fold and seed of runs, with the metrics that `with_calibration` adds.

    ``rows`` also has the columns ``diverged``, ``test_y`` and ``test_score``.
    """
    predictions = zip(probabilities(rows, kinds), rows["test_y"], strict=True)
    metrics = [_metrics(probability, y) for probability, y in predictions]
    table = pd.DataFrame(metrics, index=rows.index, columns=_ADDED, dtype=float)
    return rows[_RUN].join(table)


def by_method(runs: pd.DataFrame) -> pd.DataFrame:
    """Calibration by method, over the data sets on which all these methods have probabilities.

    ``runs`` is the output of ``with_calibration``. The index is the method, lowest Brier score
    first. The columns are ``datasets`` (their number); ``brier_score`` and
    ``expected_calibration_error``, averaged over runs and then over data sets; ``ratio``, the
    geometric mean over data sets of mean probability divided by minority share; ``worse``, the
    number of data sets on which the constant prediction of the minority share π has a lower Brier
    score, π (1 - π); and ``share_brier_score``, the mean of π (1 - π).
    """
    runs = runs.dropna(subset=_ADDED)
    runs = runs.assign(prior_brier=runs["minority_share"] * (1 - runs["minority_share"]))
    brier = score_table(runs, "brier_score").dropna()
    if brier.empty:
        return pd.DataFrame()
    others = ("expected_calibration_error", "mean_probability", "minority_share", "prior_brier")
    error, mean, share, prior_brier = (score_table(runs, name).loc[brier.index] for name in others)
    table = pd.DataFrame(
        {
            "datasets": brier.count(),
            "brier_score": brier.mean(),
            "expected_calibration_error": error.mean(),
            "ratio": np.exp(np.log(mean / share).mean()),
            "worse": (brier > prior_brier).sum(),
            "share_brier_score": prior_brier.mean(),
        }
    )
    return table.sort_values("brier_score", kind="stable").rename_axis("method")


def probabilities_page(runs: pd.DataFrame, provenance: Sequence[dict[str, Any]]) -> str:
    """Section on calibration; empty if no data set has probabilities of every method.

    ``runs`` is the output of ``with_calibration``.
    """
    table = by_method(runs)
    if table.empty:
        return ""
    shown = pd.DataFrame(
        {
            "Brier score": table["brier_score"].map("{:.4f}".format),
            "calibration error": table["expected_calibration_error"].map("{:.4f}".format),
            "predicted / observed": table["ratio"].map("{:.2f}".format),
            "worse than the prior on": table["worse"],
        }
    )
    facts = {one["method"]: one["method_facts"] for one in provenance}
    kinds = kinds_of_score(provenance)
    ranks = [name for name in in_order(kinds) if kinds[name] == "rank"]
    left_out = f" Methods without probabilities (ranks only): {', '.join(ranks)}." if ranks else ""
    n = int(table["datasets"].max())
    return "\n\n".join(
        [
            "## Probabilities",
            "Calibration of the predicted probabilities of test rows, averaged over runs and then "
            f"over {count(n, 'data set')}. Brier score: mean squared difference from the label, "
            "lower is better. Calibration error: expected calibration error in ten bins of equal "
            "mass, lower is better; sampling noise keeps it above 0. Predicted / observed: mean "
            "probability divided by the minority share, geometric mean over data sets. The last "
            "column counts the data sets on which always predicting the minority share has a lower "
            f"Brier score. By data set: [summary.csv](tables/summary.csv).{left_out}",
            markdown(shown),
            _calibration_summary(table, facts),
        ]
    )


def _calibration_summary(table, facts):
    score, ratio = table["brier_score"], table["ratio"]
    largest, smallest, n = ratio.idxmax(), ratio.idxmin(), len(table)
    highest = f" and `{score.index[-1]}` the highest ({score.iloc[-1]:.4f})" if n > 1 else ""
    sentences = [
        f"`{score.index[0]}` has the lowest Brier score ({score.iloc[0]:.4f}){highest}; the score "
        "of always predicting the minority share is "
        f"{table['share_brier_score'].iloc[0]:.4f}."
    ]
    if high := (ratio > _OFF).sum():
        sentences.append(
            f"The mean probability is more than {_OFF:g} times the minority share for {high} of "
            f"{count(n, 'method')}; `{largest}` has the largest ratio ({ratio[largest]:.2f})."
        )
    if low := (ratio < 1 / _OFF).sum():
        sentences.append(
            f"The mean probability is less than 1/{_OFF:g} of the minority share for {low} of "
            f"{count(n, 'method')}; `{smallest}` has the smallest ratio ({ratio[smallest]:.2f})."
        )
    sampling = ratio[[facts[name]["kind"] == "sampling" for name in ratio.index]]
    if len(sampling) and _BASELINE in ratio:
        sentences.append(
            "A network trained on resampled classes learns the resampled class prior: predicted / "
            f"observed is {sampling.median():.2f} (median of "
            f"{count(len(sampling), 'sampling method')}) and {ratio[_BASELINE]:.2f} for "
            f"`{_BASELINE}`. The classifiers' `recalibrate=True` corrects this prior shift."
        )
    return " ".join(sentences)


def pooled(rows: pd.DataFrame) -> pd.DataFrame:
    """Bins of equal mass of the pooled test rows of all runs, without empty bins.

    ``rows`` has the columns ``probability`` and ``test_y``. The result has one row per bin:
    ``rows`` (their number), ``predicted`` (mean probability) and ``observed`` (minority share).
    """
    probability, y = (np.concatenate(list(rows[name])) for name in ("probability", "test_y"))
    bins = pd.DataFrame(_compiled().reliability(*_padded(probability, y))._asdict())
    bins = bins[bins["weight"] > 0]
    return bins.assign(rows=len(y) * bins.pop("weight"))


def _kind(name, facts):
    if "scores" in facts:
        return facts["scores"]
    import imbax.experiments.tabular.baselines  # noqa: F401  registers the baselines
    from imbax.catalogue import get, names

    if name in names():
        return get(name).tables.scores
    return "logit" if facts["neural"] else "rank"


def _probability(score, kind):
    if kind == "logit":
        return expit(score)
    is_valid = kind == "probability" and score.min() >= 0 and score.max() <= 1
    return score if is_valid else None


def _metrics(probability, y):
    if probability is None:
        return {}
    padded = _padded(probability, y)
    brier, error = (getattr(_compiled(), name)(*padded) for name in CALIBRATION)
    return {
        "brier_score": float(brier),
        "expected_calibration_error": float(error),
        "mean_probability": float(np.mean(probability)),
        "minority_share": float(np.mean(y)),
    }


def _padded(probability, y):
    """Probabilities, labels and row weights `[3, n]`, padded.

    Runs of similar sizes are padded to the same n, so that they share a compiled program.
    """
    padded = np.zeros((3, padding.rows(len(y))), np.float32)
    padded[:, : len(y)] = probability, y, np.ones(len(y))
    return padded


@functools.cache
def _compiled():
    """Compiled metrics; jax is imported only when there is something to compute."""
    from types import SimpleNamespace

    import jax

    from imbax.metrics import calibration

    compiled = {name: jax.jit(getattr(calibration, name)) for name in (*CALIBRATION, "reliability")}
    read = lambda f: lambda *arrays: jax.device_get(f(*arrays))
    return SimpleNamespace(**{name: read(f) for name, f in compiled.items()})
