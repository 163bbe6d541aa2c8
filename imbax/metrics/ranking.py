"""Exact ranking metrics under `jit` and `vmap`, as scikit-learn defines them.

Each takes scores `[n]` (higher means minority), targets `y [n]` in {0, 1} and a row mask `w [n]`
(default all rows; rows where `w` is 0 are padding and change nothing, all others count alike), and
returns a scalar in [0, 1]; `weighted` has those in which rows count `w` times, and `public` what
users call. Tied scores share one threshold. A non-finite score of an unmasked row gives NaN.
`macro_average_precision` is for more classes.

All need only be looked at where the threshold is the score of a minority row, so sorts
of one integer key (far faster on CPU than a sort that carries a payload) and binary searches
do the work.
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
    """`Σ_k (R_k - R_{k-1}) P_k` over the distinct thresholds; 0 without a minority row.

    Minority rows that share a threshold gain recall together, so this is the mean over minority
    rows of the precision at their own score.
    """
    at = _at_minority_rows(scores, y, w)
    total = jnp.where(at.mask, at.true_positives / at.predicted, 0).sum()
    return jnp.where(at.broken, jnp.nan, total / jnp.maximum(at.mask.sum(), 1))


def macro_average_precision(
    scores: jax.Array, y: jax.Array, w: jax.Array | None = None
) -> jax.Array:
    """The mean over the classes that have rows of each one's average precision against the rest.

    Parameters
    ----------
    scores
        `[n, K]`: the higher, the likelier the class.
    y
        `[n]`: classes in 0..K-1.
    w
        `[n]`.
    """
    scores, y = jnp.asarray(scores), jnp.asarray(y)
    chex.assert_rank(scores, 2, custom_message="scores must be [n, K]")
    w = jnp.ones(len(scores), scores.dtype) if w is None else w
    each = jax.lax.map(
        lambda c: average_precision(scores[:, c], (y == c).astype(scores.dtype), w),
        jnp.arange(scores.shape[1]),
    )
    there = ((y[:, None] == jnp.arange(scores.shape[1])) & (w > 0)[:, None]).any(0)
    return jnp.where(there, each, 0).sum() / jnp.maximum(there.sum(), 1)


def macro_roc_auc(scores: jax.Array, y: jax.Array, w: jax.Array | None = None) -> jax.Array:
    """The mean over classes of each one's area under the ROC curve against the rest.

    Classes without rows, or without others, do not count. Arguments as in
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
    """The share of (minority, majority) pairs in the right order, ties half; NaN without a pair."""
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
    """Precision at the highest threshold whose recall is at least `recall` in (0, 1].

    NaN without a minority row. This is what the Explicit Gradient paper's tables call AP@r.
    """
    at = _at_minority_rows(scores, y, w)
    positives = at.mask.sum()
    # The margin lets 9 of 10 rows count as recall 0.9 in float32.
    reached = at.mask & (at.true_positives >= recall * positives * (1 - 1e-6))
    first = jnp.argmax(reached)
    precision = at.true_positives[first] / jnp.maximum(at.predicted[first], 1)
    return jnp.where(at.broken | (positives == 0), jnp.nan, precision)


class _AtMinorityRows(NamedTuple):
    """Counts `[n]` at the score of each minority row, best first; `mask [n]` marks real ones."""

    mask: jax.Array
    true_positives: jax.Array  # minority rows that score at least as high
    true_positives_strictly: jax.Array  # minority rows that score higher
    predicted: jax.Array  # rows that score at least as high
    predicted_strictly: jax.Array  # rows that score higher
    rows: jax.Array  # rows in all
    broken: jax.Array  # whether a score is not finite


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
    # One sort for both: for two, XLA may compute the scores twice, rounded in two ways, and a
    # minority row would be looked for where it is not.
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
    """Unsigned integers `[n]` that sort as the scores do from best to worst."""
    kind = {2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint64}[scores.dtype.itemsize]
    bits = jax.lax.bitcast_convert_type(scores, kind)
    sign = jnp.array(1, kind) << (8 * scores.dtype.itemsize - 1)
    bits = jnp.where(bits == sign, 0, bits)  # -0.0; XLA compares numbers below 1.2e-38 as zeros
    ascending = jnp.where(bits & sign, ~bits, bits | sign)
    return ~ascending
