"""Exact ranking metrics under `jit` and `vmap`, as scikit-learn defines them.

Each metric takes scores `[n]` (higher means minority), targets `y [n]` in {0, 1} and a row mask
`w [n]` (default all rows; rows where `w` is 0 are padding and have no effect, all others count
equally), and returns a scalar in [0, 1]. `weighted` has versions with real row weights, and
`public` the functions for users. Tied scores share one threshold. A non-finite score of an unmasked
row gives NaN. `macro_average_precision` is for K classes.

Only thresholds at the score of a minority row matter. Sorts of one integer key (far faster
on CPU than a sort that carries a payload) and binary searches are therefore sufficient.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

__all__ = [
    "average_precision",
    "macro_average_precision",
    "macro_roc_auc",
    "precision_at_recall",
    "roc_auc",
]


def average_precision(scores: jax.Array, y: jax.Array, w: jax.Array | None = None) -> jax.Array:
    """Returns `Σ_k (R_k - R_{k-1}) P_k` over the distinct thresholds; 0 without minority rows.

    Minority rows that share a threshold increase the recall together, so the sum equals the mean,
    over minority rows, of the precision at their score.
    """
    at = _at_minority_rows(scores, y, w)
    total = jnp.where(at.mask, at.true_positives / at.predicted, 0).sum()
    return jnp.where(at.broken, jnp.nan, total / jnp.maximum(at.mask.sum(), 1))


def macro_average_precision(
    scores: jax.Array, y: jax.Array, w: jax.Array | None = None
) -> jax.Array:
    """Macro average of one-vs-rest average precision over the classes that have rows.

    Parameters
    ----------
    scores
        Scores `[n, K]`; higher means that the class is more likely.
    y
        Classes `[n]` in 0..K-1.
    w
        Row mask `[n]`.
    """
    scores, y = jnp.asarray(scores), jnp.asarray(y)
    chex.assert_rank(scores, 2, custom_message="scores must be [n, K]")
    w = jnp.ones(len(scores), scores.dtype) if w is None else w
    each = jax.lax.map(
        lambda c: average_precision(scores[:, c], (y == c).astype(scores.dtype), w),
        jnp.arange(scores.shape[1]),
    )
    has_rows = ((y[:, None] == jnp.arange(scores.shape[1])) & (w > 0)[:, None]).any(0)
    return jnp.where(has_rows, each, 0).sum() / jnp.maximum(has_rows.sum(), 1)


def macro_roc_auc(scores: jax.Array, y: jax.Array, w: jax.Array | None = None) -> jax.Array:
    """Macro average of the one-vs-rest area under the ROC curve.

    Classes with no rows or with all rows are excluded. Arguments are those of
    `macro_average_precision`.
    """
    scores, y = jnp.asarray(scores), jnp.asarray(y)
    chex.assert_rank(scores, 2, custom_message="scores must be [n, K]")
    w = jnp.ones(len(scores), scores.dtype) if w is None else w
    each = jax.lax.map(
        lambda c: roc_auc(scores[:, c], (y == c).astype(w.dtype), w), jnp.arange(scores.shape[1])
    )
    return jnp.nanmean(each)


def roc_auc(scores: jax.Array, y: jax.Array, w: jax.Array | None = None) -> jax.Array:
    """Share of (minority, majority) pairs in the right order, ties half; NaN without a pair."""
    at = _at_minority_rows(scores, y, w)
    positives, majority = at.mask.sum(), at.rows - at.mask.sum()
    above = at.predicted_strictly - at.true_positives_strictly
    tied = at.predicted - at.true_positives - above
    wrong = jnp.where(at.mask, (above + 0.5 * tied) / jnp.maximum(majority, 1), 0).sum()
    area = 1 - wrong / jnp.maximum(positives, 1)
    return jnp.where(at.broken | (positives == 0) | (majority == 0), jnp.nan, area)


def precision_at_recall(
    scores: jax.Array, y: jax.Array, w: jax.Array | None = None, *, recall: float
) -> jax.Array:
    """Precision at the highest threshold with a recall of at least `recall` in (0, 1].

    The result is NaN without minority rows. The tables of the Explicit Gradient paper call it AP@r.
    """
    at = _at_minority_rows(scores, y, w)
    positives = at.mask.sum()
    # The margin lets 9 of 10 rows count as recall 0.9 in float32.
    reached = at.mask & (at.true_positives >= recall * positives * (1 - 1e-6))
    first = jnp.argmax(reached)
    precision = at.true_positives[first] / jnp.maximum(at.predicted[first], 1)
    return jnp.where(at.broken | (positives == 0), jnp.nan, precision)


class _AtMinorityRows(NamedTuple):
    """Counts `[n]` at the score of each minority row, best first."""

    mask: jax.Array  # marks entries of minority rows; the others are padding
    true_positives: jax.Array  # minority rows with at least this score
    true_positives_strictly: jax.Array  # minority rows with a higher score
    predicted: jax.Array  # rows with at least this score
    predicted_strictly: jax.Array  # rows with a higher score
    rows: jax.Array  # number of rows
    broken: jax.Array  # True if a score is not finite


def _at_minority_rows(scores, y, w) -> _AtMinorityRows:
    scores = jnp.asarray(scores)
    if not jnp.issubdtype(scores.dtype, jnp.floating):
        scores = scores.astype(jnp.float32)
    chex.assert_rank(scores, 1, custom_message="scores must be [n]")
    w = jnp.ones(scores.shape, scores.dtype) if w is None else w
    chex.assert_equal_shape([scores, y, w], custom_message="scores, y and w must all be [n]")
    mask = w > 0
    key = _descending_key(scores)
    worst = jnp.array(
        jnp.iinfo(key.dtype).max, key.dtype
    )  # no finite score has this key: masked rows sort last
    # A single sort for both: with two sorts, XLA may compute the scores twice with different
    # rounding, and the score of a minority row would not be found among those of all rows.
    wanted = jnp.stack([mask, mask & (y > 0.5)])
    every, minority = jnp.sort(jnp.where(wanted, key, worst), axis=1)

    def count(among, side):
        return jnp.searchsorted(among, minority, side=side)

    return _AtMinorityRows(
        mask=minority < worst,
        true_positives=count(minority, "right"),
        true_positives_strictly=count(minority, "left"),
        predicted=count(every, "right"),
        predicted_strictly=count(every, "left"),
        rows=mask.sum(),
        broken=jnp.any(mask & ~jnp.isfinite(scores)),
    )


def _descending_key(scores):
    """Unsigned integers `[n]` in the order of the scores from best to worst."""
    kind = {2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint64}[scores.dtype.itemsize]
    bits = jax.lax.bitcast_convert_type(scores, kind)
    sign = jnp.array(1, kind) << (8 * scores.dtype.itemsize - 1)
    # -0.0 ties with 0.0. Comparing integers also separates scores below 1.2e-38, which XLA
    # compares as equal to 0.
    bits = jnp.where(bits == sign, 0, bits)
    ascending = jnp.where(bits & sign, ~bits, bits | sign)
    return ~ascending
