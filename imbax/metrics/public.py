"""Public metrics, such as `imbax.average_precision`.

Arrays, lists and columns of frames are checked. Metrics are computed in float64 as in scikit-learn,
but in the array's precision, float32 by default, if any of them is a jax array, including those
traced by `jit`, `vmap` or `grad`; arguments cannot be checked if one is traced. Scores that differ
by less than their precision are tied.
"""

import warnings
from typing import Any

import jax
import numpy as np

from imbax.errors import InputError, Range, shortened
from imbax.metrics import calibration, ranking, weighted

__all__ = [
    "average_precision",
    "brier_score",
    "expected_calibration_error",
    "precision_at_recall",
    "roc_auc",
]

_RECALL, _BINS = Range(0, 1, above=True), Range(1, whole=True)


def average_precision(scores: Any, y: Any, w: Any = None) -> Any:
    """Average precision, `Σ_k (R_k - R_{k-1}) P_k` over the distinct thresholds.

    Parameters
    ----------
    scores
        Scores `[n]`; higher means that the minority is more likely.
    y
        Labels `[n]`: 1 for the minority, otherwise 0.
    w
        Row weights `[n]`, at least 0; default 1. Rows of weight 0 are ignored. A mask of bools is
        faster for jax arrays.

    Returns
    -------
    float or jax.Array
        A scalar in [0, 1]; 0 without minority rows, NaN if a score is not finite.

    Raises
    ------
    InputError
        If labels are not 0 or 1, weights are negative or not finite, there are no rows, or shapes
        differ. Traced arrays with different shapes raise AssertionError.
    """
    if _in_jax(scores, y, w):
        return _computed_in_jax("average_precision", scores, y, w)
    scores, y, w = _checked(scores, y, w)
    if not np.isfinite(scores).all():
        return np.float64(np.nan)
    if not y.any():
        _warn("average precision is 0", "minority")
        return np.float64(0)
    true_positives, predicted = _at_thresholds(scores, y, w)
    recall = true_positives / true_positives[-1]
    return np.sum(np.diff(recall, prepend=0) * true_positives / predicted)


def roc_auc(scores: Any, y: Any, w: Any = None) -> Any:
    """Area under the ROC curve: share of (minority, majority) pairs in order; ties count half.

    Arguments and errors are those of `average_precision`. The weight of a pair is the product of
    its rows' weights. The result is NaN if a class is absent or a score is not finite.
    """
    if _in_jax(scores, y, w):
        return _computed_in_jax("roc_auc", scores, y, w)
    scores, y, w = _checked(scores, y, w)
    if not np.isfinite(scores).all():
        return np.float64(np.nan)
    if y.all() or not y.any():
        _warn("the area under the ROC curve is NaN", "majority" if y.all() else "minority")
        return np.float64(np.nan)
    true_positives, predicted = _at_thresholds(scores, y, w)
    false_positives = predicted - true_positives
    if w.min() != w.max():  # a difference of sums would lose digits
        false_positives = _at_thresholds(scores, ~y, w)[0]
    height = np.concatenate([[0], true_positives / true_positives[-1]])
    width = np.diff(false_positives / false_positives[-1], prepend=0)
    return np.sum(width * (height[1:] + height[:-1])) / 2


def precision_at_recall(scores: Any, y: Any, w: Any = None, *, recall: float) -> Any:
    """Precision at the highest threshold with a recall of at least `recall` in (0, 1].

    Other arguments and errors are those of `average_precision`. The result is NaN without minority
    rows or if a score is not finite. The tables of the Explicit Gradient paper call it AP@r.
    """
    if not isinstance(recall, jax.Array):
        recall = _RECALL.check("recall", recall)
    if _in_jax(scores, y, w, recall):
        return _computed_in_jax("precision_at_recall", scores, y, w, recall=recall)
    scores, y, w = _checked(scores, y, w)
    if not np.isfinite(scores).all():
        return np.float64(np.nan)
    if not y.any():
        _warn("precision at a recall is NaN", "minority")
        return np.float64(np.nan)
    true_positives, predicted = _at_thresholds(scores, y, w)
    # The margin lets 3 of 10 rows reach a recall of 0.1 + 0.2.
    first = np.argmax(true_positives >= recall * true_positives[-1] * (1 - 1e-9))
    return true_positives[first] / predicted[first]


def brier_score(probability: Any, y: Any, w: Any = None) -> Any:
    """Brier score `Σ_i w_i (p_i - y_i)² / Σ_i w_i`, in [0, 1] (Brier 1950); lower is better.

    Constant predictions equal to the share π of the minority give π (1 - π).

    Parameters
    ----------
    probability
        Probabilities `[n]` of the minority.
    y
        Labels `[n]`: 1 for the minority, otherwise 0.
    w
        Row weights `[n]`, at least 0; default 1.

    Returns
    -------
    float or jax.Array
        A scalar in [0, 1]; NaN if a probability is NaN or, for jax arrays, outside [0, 1].

    Raises
    ------
    InputError
        As in `average_precision`, and if a probability outside jax arrays is not in [0, 1].
    """
    if _in_jax(probability, y, w):
        return _computed_in_jax("brier_score", probability, y, w)
    probability, y, w = _probabilities(probability, y, w)
    return np.average((probability - y) ** 2, weights=w)


def expected_calibration_error(probability: Any, y: Any, w: Any = None, *, bins: int = 10) -> Any:
    """Expected calibration error in `bins` bins of equal mass, in [0, 1]; lower is better.

    The error is `Σ_b (W_b / W) |mean of p in b - mean of y in b|`; see `metrics.calibration`. Other
    arguments, errors and NaN are as in `brier_score`.
    """
    bins = _BINS.check("bins", bins)
    if _in_jax(probability, y, w):
        return _computed_in_jax("expected_calibration_error", probability, y, w, bins=bins)
    probability, y, w = _probabilities(probability, y, w)
    order = np.argsort(probability, kind="stable")
    sums = np.concatenate([[0], np.cumsum(w[order])])
    first, last = (np.searchsorted(probability[order], probability, s) for s in ("left", "right"))
    edges = np.arange(1, bins) * 2 * sums[-1]
    bin_of = np.searchsorted(edges, bins * (sums[first] + sums[last]), "right")
    return np.abs(np.bincount(bin_of, w * (probability - y))).sum() / sums[-1]


def _in_jax(*arrays):
    return any(isinstance(array, jax.Array) for array in arrays)


def _computed_in_jax(name, scores, y, w, **options):
    """Computes a metric in jax; arguments are checked unless labels or weights are traced."""
    noun = "probability" if name in calibration.__all__ else "scores"
    if not isinstance(scores, jax.Array):
        scores = _column(scores, noun)
    if not any(isinstance(array, jax.core.Tracer) for array in (y, w)):
        labels, weights = _checked_rows(scores, y, w, noun)
        y = y if isinstance(y, jax.Array) else labels.astype(np.float32)
        if w is not None and not isinstance(w, jax.Array):
            w = weights > 0 if np.asarray(w).dtype == bool else weights
    if name in calibration.__all__:
        return getattr(calibration, name)(scores, y, w, **options)
    is_mask = w is None or w.dtype == bool
    return getattr(ranking if is_mask else weighted, name)(scores, y, w, **options)


def _checked(scores, y, w, name="scores"):
    """Checks the arrays; returns scores, labels as bools and weights of the rows with weight."""
    scores = _column(scores, name)
    labels, w = _checked_rows(scores, y, w, name)
    counted = w > 0
    return scores[counted], labels[counted], w[counted]


def _checked_rows(scores, y, w, name):
    """Checks shapes, labels and weights; returns labels as bools, and weights, of all rows."""
    labels = np.asarray(y)
    for each, shape in ((name, np.shape(scores)), ("y", labels.shape)):
        if len(shape) != 1:
            raise InputError(f"{each} has shape {shape}, expected [rows]; use {each}.ravel()")
    n = len(scores)
    if len(labels) != n:
        raise InputError(f"{name} has {n} rows and y has {len(labels)}")
    w = np.ones(n) if w is None else _column(w, "w").astype(float)
    if len(w) != n:
        raise InputError(f"{name} has {n} rows and w has {len(w)}")
    if not (np.isfinite(w) & (w >= 0)).all():
        raise InputError("w holds negative, infinite or missing weights, expected at least 0")
    counted = w > 0
    if not counted.any():
        raise InputError(f"{name} and y have no rows{' with weight' if n else ''}")
    is_minority = np.zeros(n, bool)
    is_minority[counted] = _labels(labels[counted], scores)
    return is_minority, w


def _probabilities(probability, y, w):
    probability, y, w = _checked(probability, y, w, "probability")
    if ((probability < 0) | (probability > 1)).any():
        raise InputError(
            "probability holds numbers outside [0, 1]; give predict_proba(x)[:, 1], or the sigmoid "
            "of logits"
        )
    return probability.astype(float), y, w


def _column(values, name):
    """Converts to numbers `[n]`; integers stay integers, so that large ones keep their digits."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        try:
            if array.dtype.kind in "cSU":
                raise TypeError
            array = array.astype(float)
        except (TypeError, ValueError):
            raise InputError(f"{name} holds {array.dtype}, expected numbers") from None
    if array.ndim != 1:
        columns = array.ndim == 2 and array.shape[1] > 1
        remedy = "take the minority's column, as proba[:, 1]" if columns else "use .ravel()"
        raise InputError(f"{name} has shape {array.shape}, expected [rows]; {remedy}")
    return array.astype(int) if array.dtype.kind == "b" else array


def _labels(labels, scores):
    """Checks labels and returns the mask `[n]` of minority rows."""
    if labels.dtype.kind == "b":
        return labels
    is_object = labels.dtype == object
    is_missing = list(map(_is_missing, labels.tolist())) if is_object else labels != labels
    if missing := np.count_nonzero(is_missing):
        raise InputError(f"y has {missing} missing labels; drop these rows")
    values = np.array(labels.tolist()) if labels.dtype == object else labels
    if values.dtype.kind in "biuf" and np.isin(values, (0, 1)).all():
        return values == 1
    shown = shortened(sorted(map(str, np.unique(values.astype(str)))))
    remedy = "give (y == label of the minority)"
    if not isinstance(scores, jax.Array) and np.isin(scores, (0, 1)).all():
        remedy = "scores and y look swapped: give scores first and y second"
    raise InputError(f"y holds the labels {shown}; expected 0, and 1 for the minority; {remedy}")


def _is_missing(label):
    """Returns whether a label is None, NaN, or a missing value of pandas, which is not imported."""
    return label is None or type(label).__name__ in ("NAType", "NaTType") or label != label


def _at_thresholds(scores, y, w):
    """Weights of minority rows and of all rows at or above each distinct score, best first."""
    order = np.argsort(scores, kind="stable")[::-1]
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return np.cumsum((w * y)[order])[ends], np.cumsum(w[order])[ends]


def _warn(result, missing):
    warnings.warn(f"y has no row of the {missing}: {result}", stacklevel=3)
