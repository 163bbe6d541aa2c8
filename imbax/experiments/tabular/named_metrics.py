"""Metrics that the user requests: by name, or any function of labels and scores.

They are computed from stored labels and scores (see `own_scores`), so nothing is trained for them.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from imbax.errors import InputError, Range, did_you_mean
from imbax.experiments.tabular.metrics import METRICS
from imbax.statistics import classification, thresholds

__all__ = [
    "AT_VALID",
    "NAMED",
    "NEEDS",
    "Metric",
    "expected_cost",
    "lower_is_better",
    "metrics_of",
    "named",
    "precision_at_k",
    "recall_at_precision",
]

NEEDS = ("score", "label", "probability")
AT_VALID = "_at_valid"
"""Suffix of columns whose labels come from a threshold chosen on validation rows."""


@dataclass(frozen=True)
class Metric:
    """Metric computed on test rows.

    Parameters
    ----------
    function
        `(y_true [n], y_score [n]) -> number`, like the functions of `sklearn.metrics`. Labels are 1
        for the minority and 0 for the majority; for K > 2 classes they are 0..K-1, and scores and
        probabilities are `[n, K]`.
    name
        Name of the column; by default the name of the function.
    needs
        Second argument of the function: "score" (higher for likelier minority rows; for K > 2
        classes probabilities if the method has them), "label", or "probability" (the metric is NaN
        for methods whose scores only rank). For two classes, labels are predicted with the
        threshold that is best on the run's validation rows, and the column's name ends in
        ``_at_valid``; for K > 2 classes the label is the class with the highest score.
    greater_is_better
        Whether a higher value is better.

    Raises
    ------
    InputError
        `function` is not callable or has no name, or `needs` has another value.

    Examples
    --------
    >>> from sklearn.metrics import f1_score
    >>> Metric(f1_score, needs="label").column(classes=2)
    'f1_score_at_valid'
    """

    function: Callable[..., Any]
    name: str = ""
    needs: str = "score"
    greater_is_better: bool = True
    value: Callable[[thresholds.Counts], Any] | None = None
    """Criterion for the threshold, `counts [t] -> [t]`, higher is better; None: the function is
    called at each threshold."""
    several: Callable[..., Any] | None = None
    """The function for K > 2 classes; None: `function`."""

    def __post_init__(self):
        if hasattr(self.function, "_score_func"):
            raise InputError(
                f"metric {self.function!r} is a scorer, which takes an estimator; give its "
                "function of labels and scores, such as imbax.Metric(f1_score, needs='label')"
            )
        if not callable(self.function):
            raise InputError(f"metric {self.function!r}, expected a function (y_true, y_score)")
        name = self.name or getattr(self.function, "__name__", "")
        if not isinstance(name, str) or not name.strip() or name == "<lambda>":
            raise InputError(
                f"metric {self.function!r} has no name; give imbax.Metric(function, name='...')"
            )
        object.__setattr__(self, "name", name)
        if self.needs not in NEEDS:
            expected = " or ".join(map(repr, NEEDS))
            raise InputError(f"metric {name!r} needs={self.needs!r}, expected {expected}")
        if not isinstance(self.greater_is_better, bool):
            text = f"greater_is_better={self.greater_is_better!r}"
            raise InputError(f"metric {name!r} has {text}, expected True or False")

    def column(self, classes: int) -> str:
        """Returns the name of the metric's column for data sets with that many classes."""
        return self.name + (AT_VALID if self.needs == "label" and classes == 2 else "")

    def threshold(self, y: np.ndarray, scores: np.ndarray) -> float:
        """Returns the best threshold for labels `y [n]`, 0 and 1, and finite scores `[n]`.

        Without a criterion `value`, the function is called at no more than 256 thresholds, which
        are quantiles of the scores.
        """
        if self.value is not None:
            return thresholds.best_threshold(y, scores, self.value)
        sign, found = (1 if self.greater_is_better else -1), thresholds.candidates(y, scores)[0]
        if len(found) > _MAX_THRESHOLDS:
            found = found[np.linspace(0, len(found) - 1, _MAX_THRESHOLDS).round().astype(int)]
        values = [sign * float(self.function(y.copy(), (scores >= t) * 1)) for t in found]
        return float(found[np.argmax(np.where(np.isnan(values), -np.inf, values))])


_MAX_THRESHOLDS = 256


def metrics_of(given: Any) -> tuple[Metric, ...]:
    """Returns the metrics for names, functions and `Metric` objects, without duplicates.

    Parameters
    ----------
    given
        A metric, or an iterable of metrics. Each is a name in `NAMED`, with its number after "=" if
        it has one, such as "recall_at_precision=0.8"; a name in `METRICS`, which is already a
        column; a function `(y_true, y_score)`; or a `Metric`.

    Raises
    ------
    InputError
        A name is unknown, two metrics have the same name, or `given` has another type.
    """
    listed = [given] if isinstance(given, str | Metric) or callable(given) else given
    if not isinstance(listed, Iterable) or isinstance(listed, Mapping):
        raise InputError(f"metrics={given!r}, expected a list of names and functions")
    from imbax.experiments.tabular.schema import SCHEMA  # imports pyarrow

    found: dict[str, Metric] = {}
    for one in listed:
        if isinstance(one, str) and one in METRICS and one not in NAMED:
            continue
        metric = named(one) if isinstance(one, str) else one
        metric = metric if isinstance(metric, Metric) else Metric(metric)
        is_built_in = metric.value is not None or metric is NAMED.get(metric.name)
        if not is_built_in and metric.name in {*NAMED, *METRICS}:
            raise InputError(
                f"metric {metric.name!r} is built in; rename yours: imbax.Metric(f, name='...')"
            )
        if metric.name in {*SCHEMA.names, "threshold_from"} - METRICS.keys():
            raise InputError(
                f"metric {metric.name!r} has the name of a column of the runs; rename it: "
                "imbax.Metric(f, name='...')"
            )
        twins = {other.column(k) for other in found.values() for k in (2, 3)}
        is_twin = metric.name not in found and {metric.column(2), metric.column(3)} & twins
        if is_twin or found.setdefault(metric.name, metric) != metric:
            raise InputError(f"two metrics are called {metric.name!r}; rename one of them")
    return tuple(found.values())


@functools.cache
def named(text: str) -> Metric:
    """Returns the metric with a name such as "recall_at_precision=0.8".

    Raises
    ------
    InputError
        No metric has that name, or its number is missing or outside its range.
    """
    name, _, number = text.partition("=")
    if name not in NAMED:
        raise InputError(f"no metric {name!r}{did_you_mean(name, [*NAMED, *METRICS])}")
    made = NAMED[name]
    if isinstance(made, Metric):
        if number:
            raise InputError(f"metric {text!r}, expected {name!r} without a number")
        return made
    return made(number)


def expected_cost(costs: Any) -> Metric:
    """Mean cost of a row; lower is better.

    Parameters
    ----------
    costs
        `[K, K]`: finite numbers by true class (rows) and predicted class (columns). With two
        classes the majority comes first: `[[0, 1], [10, 0]]` is a cost of 1 for a false alarm and
        of 10 for a missed minority row.

    Raises
    ------
    InputError
        The matrix is not square, or has values that are not finite numbers.
    """
    try:
        matrix = np.array(costs, float)
    except (TypeError, ValueError):
        raise InputError(f"costs={costs!r}, expected a square matrix of numbers") from None
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or len(matrix) < 2:
        raise InputError(f"costs has shape {matrix.shape}, expected [classes, classes]")
    if not np.isfinite(matrix).all():
        raise InputError(f"costs={costs!r}, expected finite numbers")
    rows = tuple(map(tuple, matrix.tolist()))
    return Metric(
        functools.partial(classification.mean_cost, costs=rows),
        "expected_cost",
        "label",
        greater_is_better=False,
        value=functools.partial(classification.negative_cost, costs=rows),
    )


def recall_at_precision(precision: float = 0.9) -> Metric:
    """Recall at a threshold with at least the given precision, in (0, 1], on validation rows.

    Among several such thresholds, the one with the highest recall is used; if there is none, the
    one with the highest precision. The precision on test rows may be lower.
    """
    precision = Range(0, 1, above=True).check("precision", precision)
    return Metric(
        classification.recall,
        f"recall_at_precision_{100 * precision:g}",
        "label",
        value=functools.partial(thresholds.recall_where_precise, precision=precision),
        several=classification.undefined,
    )


def precision_at_k(k: int = 10) -> Metric:
    """Share of minority rows among the k test rows with the highest scores, k >= 1.

    It needs no threshold. Rows that tie for the last places count in proportion. If there are fewer
    than k test rows, it is the share among all of them.
    """
    k = Range(1, whole=True).check("k", k)
    function = functools.partial(classification.precision_at, k=k)
    return Metric(function, f"precision_at_{k}", several=classification.undefined)


def _costs_of(text):
    numbers = text.split(",")
    size = round(len(numbers) ** 0.5)
    try:
        if not text or size**2 != len(numbers):
            raise ValueError
        return expected_cost(np.array(numbers, float).reshape(size, size))
    except ValueError:
        raise InputError(
            f"expected_cost={text}, expected its cost matrix row by row, such as "
            "expected_cost=0,1,10,0: 1 for a false alarm and 10 for a missed minority row"
        ) from None


def _number(make, kind):
    def made(text):
        try:
            return make(kind(text)) if text else make()
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            noun = "a whole number" if kind is int else "a number"
            raise InputError(f"{make.__name__}={text}, expected {noun}") from None

    return made


def _threshold_metric(name, value, several):
    function = functools.partial(classification.counts_metric, value)
    return Metric(function, name, "label", value=value, several=several)


def _macro_f(beta):
    options = {"beta": beta, "average": "macro", "zero_division": 0}
    return functools.partial(classification.sklearn_metric, "fbeta_score", **options)


_F2 = functools.partial(thresholds.f_beta, beta=2.0)
_SEVERAL = {
    "f1": (thresholds.f_beta, _macro_f(1.0)),
    "f2": (_F2, _macro_f(2.0)),
    "balanced_accuracy": (
        thresholds.balanced_accuracy,
        functools.partial(classification.sklearn_metric, "balanced_accuracy_score"),
    ),
    "mcc": (thresholds.mcc, functools.partial(classification.sklearn_metric, "matthews_corrcoef")),
    "g_mean": (thresholds.g_mean, classification.geometric_mean),
}
NAMED: dict[str, Metric | Callable[[str], Metric]] = {
    **{name: _threshold_metric(name, *pair) for name, pair in _SEVERAL.items()},
    "recall_at_precision": _number(recall_at_precision, float),
    "precision_at_k": _number(precision_at_k, int),
    "expected_cost": _costs_of,
    "brier": Metric(classification.brier, "brier", "probability", greater_is_better=False),
    "log_loss": Metric(classification.log_loss, "log_loss", "probability", greater_is_better=False),
}
"""Metrics by name, or functions that make one from the text after "="."""


def lower_is_better(metrics: Iterable[Metric]) -> frozenset[str]:
    """Columns of these metrics and of all named metrics for which lower is better."""
    named = [metric for metric in NAMED.values() if isinstance(metric, Metric)]
    every = (*named, expected_cost([[0, 1], [1, 0]]), *metrics)
    low = {metric.name for metric in every if not metric.greater_is_better}
    return frozenset(low | {name + AT_VALID for name in low})
