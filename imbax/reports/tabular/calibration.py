"""How far the probabilities of a set of runs are from what was observed.

Computed when a report is written, from the scores of test rows that every result keeps. What those
are, logits or probabilities, the method says (`Method.scores`); scores that only rank give no
probability, and neither do runs that diverged.
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
_OFF = 1.5  # a mean probability further from the share than by this factor is spoken of

_RUN = ["dataset", "method", "fold", "seed"]
_ADDED = [*CALIBRATION, "mean_probability", "minority_share"]
_READ = pa.schema([SCHEMA.field(c) for c in (*_RUN, "diverged", "test_y", "test_score")])


def kinds_of_score(provenance: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What each method's scores are: "logit", "probability" or "rank".

    Results stored before they said so are as the method of that name is today; those of a method
    that is not registered are logits where it was trained in jax.
    """
    return {one["method"]: _kind(one["method"], one["method_facts"]) for one in provenance}


def probabilities(rows: pd.DataFrame, kinds: dict[str, str]) -> pd.Series:
    """Probability of the minority `[n_test]` of each run, None where there is none, where what a
    method calls probabilities is not in [0, 1], and where there are more than two classes.

    ``rows`` hold ``method``, ``diverged``, ``test_y`` and ``test_score``. A method without a kind,
    stored since those were read, has none.
    """
    kind = rows["method"].map(lambda method: kinds.get(method, "rank"))
    lost = rows["diverged"] | ~two_classes(rows)
    given = zip(kind, lost, rows["test_score"], strict=True)
    values = [None if lost else _probability(score, kind) for kind, lost, score in given]
    return pd.Series(values, index=rows.index, dtype=object)


def two_classes(rows: pd.DataFrame) -> pd.Series:
    """Whether runs have one score for each test row, not one for each of several classes."""
    return rows["test_score"].map(len) == rows["test_y"].map(len)


def with_calibration(
    runs: pd.DataFrame, folders: Iterable[Path], kinds: dict[str, str]
) -> pd.DataFrame:
    """The runs of the folders with the metrics of their probabilities, NaN where there are none.

    Adds ``brier_score``, ``expected_calibration_error``, ``mean_probability`` of the test rows and
    the ``minority_share`` among them.
    """
    parts = []
    for dataset in sorted(set(runs["dataset"])):
        rows = store.read(folders, _READ, arrays=True, dataset=dataset)
        parts.append(calibrated(rows, kinds))
    return runs.merge(pd.concat(parts), on=_RUN, how="left", validate="1:1")


def calibrated(rows: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Data set, method, fold and seed of runs, and the metrics that `with_calibration` adds.

    ``rows`` hold ``diverged``, ``test_y`` and ``test_score``, too.
    """
    of_runs = zip(probabilities(rows, kinds), rows["test_y"], strict=True)
    metrics = [_metrics(probability, y) for probability, y in of_runs]
    table = pd.DataFrame(metrics, index=rows.index, columns=_ADDED, dtype=float)
    return rows[_RUN].join(table)


def by_method(runs: pd.DataFrame) -> pd.DataFrame:
    """Per method, over the datasets on which every method that has probabilities has them.

    ``runs`` are those of ``with_calibration``. Indexed by method, lowest Brier score first:
    ``datasets``; ``brier_score`` and ``expected_calibration_error``, means over runs and then over
    datasets; ``ratio``, the geometric mean over datasets of the mean probability against the share
    of the minority; ``worse``, on how many datasets always predicting that share π has a lower
    Brier score, π (1 - π), and ``share_brier_score``, the mean of that.
    """
    runs = runs.dropna(subset=_ADDED)
    runs = runs.assign(of_share=runs["minority_share"] * (1 - runs["minority_share"]))
    brier = score_table(runs, "brier_score").dropna()
    if brier.empty:
        return pd.DataFrame()
    others = ("expected_calibration_error", "mean_probability", "minority_share", "of_share")
    error, mean, share, of_share = (score_table(runs, name).loc[brier.index] for name in others)
    table = pd.DataFrame(
        {
            "datasets": brier.count(),
            "brier_score": brier.mean(),
            "expected_calibration_error": error.mean(),
            "ratio": np.exp(np.log(mean / share).mean()),
            "worse": (brier > of_share).sum(),
            "share_brier_score": of_share.mean(),
        }
    )
    return table.sort_values("brier_score", kind="stable").rename_axis("method")


def probabilities_page(runs: pd.DataFrame, provenance: Sequence[dict[str, Any]]) -> str:
    """The report's section on the runs of ``with_calibration``; empty where no dataset has the
    probabilities of every method."""
    table = by_method(runs)
    if table.empty:
        return ""
    shown = pd.DataFrame(
        {
            "Brier score": table["brier_score"].map("{:.4f}".format),
            "calibration error": table["expected_calibration_error"].map("{:.4f}".format),
            "predicted / observed": table["ratio"].map("{:.2f}".format),
            "worse than the share on": table["worse"],
        }
    )
    facts = {one["method"]: one["method_facts"] for one in provenance}
    kinds = kinds_of_score(provenance)
    ranks = [name for name in in_order(kinds) if kinds[name] == "rank"]
    left_out = f" Left out, as their scores only rank: {', '.join(ranks)}." if ranks else ""
    n = int(table["datasets"].max())
    return "\n\n".join(
        [
            "## Probabilities",
            "How far the probabilities of test rows are from what was observed, means over runs "
            f"and then over {count(n, 'dataset')}; lower is better. Brier score: mean squared "
            "difference from the label. Calibration error: expected calibration error in ten bins "
            "of equal mass, which chance alone keeps above 0. Predicted / observed: mean "
            "probability against the share of the minority, geometric mean over datasets. The "
            "last column counts the datasets on which always predicting that share has a lower "
            f"Brier score. By dataset: [summary.csv](tables/summary.csv).{left_out}",
            markdown(shown),
            _what_they_say(table, facts),
        ]
    )


def _what_they_say(table, facts):
    score, ratio = table["brier_score"], table["ratio"]
    most, least, n = ratio.idxmax(), ratio.idxmin(), len(table)
    highest = f", `{score.index[-1]}` the highest ({score.iloc[-1]:.4f})" if n > 1 else ""
    said = [
        f"`{score.index[0]}` has the lowest Brier score ({score.iloc[0]:.4f}){highest}; always "
        f"predicting the share of the minority has {table['share_brier_score'].iloc[0]:.4f}."
    ]
    if high := (ratio > _OFF).sum():
        said.append(
            f"The mean probability is more than {_OFF:g} times the share of the minority for "
            f"{high} of {count(n, 'method')}, most for `{most}` ({ratio[most]:.2f})."
        )
    if low := (ratio < 1 / _OFF).sum():
        said.append(
            f"It is less than 1/{_OFF:g} of the share for {low}, least for `{least}` "
            f"({ratio[least]:.2f})."
        )
    sampling = ratio[[facts[name]["kind"] == "sampling" for name in ratio.index]]
    if len(sampling) and _BASELINE in ratio:
        said.append(
            "A network that is shown other shares of the classes than there are learns those: "
            f"predicted / observed is {sampling.median():.2f} in the median of "
            f"{count(len(sampling), 'sampling method')}, and {ratio[_BASELINE]:.2f} for "
            f"`{_BASELINE}`. The classifiers' `recalibrate=True` takes that shift back."
        )
    return " ".join(said)


def pooled(rows: pd.DataFrame) -> pd.DataFrame:
    """Bins of equal mass of the test rows of runs together, empty ones left out.

    ``rows`` hold ``probability`` and ``test_y``; the result the ``rows`` of each bin, their mean
    probability ``predicted`` and the share of the minority ``observed`` among them.
    """
    probability, y = (np.concatenate(list(rows[name])) for name in ("probability", "test_y"))
    bins = pd.DataFrame(_in_jax().reliability(*_padded(probability, y))._asdict())
    bins = bins[bins["weight"] > 0]
    return bins.assign(rows=len(y) * bins.pop("weight"))


def _kind(name, facts):
    if "scores" in facts:
        return facts["scores"]
    import imbax.experiments.tabular.baselines  # noqa: F401  registers them
    from imbax.catalogue import get, names

    if name in names():
        return get(name).tables.scores
    return "logit" if facts["neural"] else "rank"


def _probability(score, kind):
    if kind == "logit":
        return expit(score)
    inside = kind == "probability" and score.min() >= 0 and score.max() <= 1
    return score if inside else None


def _metrics(probability, y):
    if probability is None:
        return {}
    given = _padded(probability, y)
    brier, error = (getattr(_in_jax(), name)(*given) for name in CALIBRATION)
    return {
        "brier_score": float(brier),
        "expected_calibration_error": float(error),
        "mean_probability": float(np.mean(probability)),
        "minority_share": float(np.mean(y)),
    }


def _padded(probability, y):
    """Both and the weights, `[3, n]`, of one length for runs of about the same: they share a
    compiled program."""
    padded = np.zeros((3, padding.rows(len(y))), np.float32)
    padded[:, : len(y)] = probability, y, np.ones(len(y))
    return padded


@functools.cache
def _in_jax():
    """The metrics compiled; jax is imported only once there is something to compute."""
    from types import SimpleNamespace

    import jax

    from imbax.metrics import calibration

    compiled = {name: jax.jit(getattr(calibration, name)) for name in (*CALIBRATION, "reliability")}
    read = lambda f: lambda *given: jax.device_get(f(*given))
    return SimpleNamespace(**{name: read(f) for name, f in compiled.items()})
