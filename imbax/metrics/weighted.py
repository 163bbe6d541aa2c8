"""Ranking metrics with real row weights, under `jit` and `vmap`.

`ranking` treats weights as a mask, which is faster and sufficient for training; here each row
counts `w` times. The two agree for weights 0 and 1.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.metrics.ranking import _descending_key

__all__ = ["average_precision", "precision_at_recall", "roc_auc"]


def average_precision(scores: jax.Array, y: jax.Array, w: jax.Array) -> jax.Array:
    """Returns `Σ_k (R_k - R_{k-1}) P_k` over the distinct thresholds; 0 without minority rows."""
    at = _at_minority_rows(scores, y, w)
    precision = at.true_positives / jnp.where(at.weight > 0, at.predicted, 1)
    total = at.weight.sum()
    return jnp.where(
        at.broken, jnp.nan, (at.weight * precision).sum() / jnp.where(total > 0, total, 1)
    )


def roc_auc(scores: jax.Array, y: jax.Array, w: jax.Array) -> jax.Array:
    """Weighted share of pairs in the right order, ties half; NaN without a pair."""
    at = _at_minority_rows(scores, y, w)
    minority, majority = at.weight.sum(), at.total - at.weight.sum()
    above = at.predicted_strictly - at.true_positives_strictly
    upto = at.predicted - at.true_positives
    wrong = (at.weight * (above + upto) / 2).sum() / jnp.maximum(majority, 1e-30)
    area = 1 - wrong / jnp.maximum(minority, 1e-30)
    has_pair = at.has_minority & at.has_majority
    return jnp.where(at.broken | ~has_pair, jnp.nan, area)


def precision_at_recall(
    scores: jax.Array, y: jax.Array, w: jax.Array, *, recall: float
) -> jax.Array:
    """Precision at the highest threshold with a recall of at least `recall` in (0, 1]."""
    at = _at_minority_rows(scores, y, w)
    # The margin lets 9 of 10 rows count as recall 0.9 in float32.
    enough = at.true_positives >= recall * at.true_positives[-1] * (1 - 1e-6)
    first = jnp.argmax(enough & (at.weight > 0))
    precision = at.true_positives[first] / jnp.where(at.has_minority, at.predicted[first], 1)
    return jnp.where(at.broken | ~at.has_minority, jnp.nan, precision)


class _AtMinorityRows(NamedTuple):
    """Weights `[n]` at the score of each minority row, best first."""

    weight: jax.Array  # weight of the row itself; 0 after the last minority row
    true_positives: jax.Array  # weight of minority rows with at least this score
    true_positives_strictly: jax.Array  # weight of minority rows with a higher score
    predicted: jax.Array  # weight of rows with at least this score
    predicted_strictly: jax.Array  # weight of rows with a higher score
    total: jax.Array
    has_minority: jax.Array
    has_majority: jax.Array
    broken: jax.Array  # True if a score of a row with weight is not finite


def _at_minority_rows(scores, y, w) -> _AtMinorityRows:
    scores = jnp.asarray(scores)
    if not jnp.issubdtype(scores.dtype, jnp.floating):
        scores = scores.astype(jnp.float32)
    chex.assert_rank(scores, 1, custom_message="scores must be [n]")
    chex.assert_equal_shape([scores, y, w], custom_message="scores, y and w must all be [n]")
    w = jnp.asarray(w, jnp.promote_types(scores.dtype, jnp.float32))
    mask, is_minority = w > 0, jnp.asarray(y) > 0.5
    key = _descending_key(scores)
    worst = jnp.array(jnp.iinfo(key.dtype).max, key.dtype)
    found = mask & is_minority
    wanted = jnp.stack([mask, found])
    # A single sort for both, as in `ranking`.
    keys, weights = jnp.where(wanted, key, worst), jnp.where(wanted, w, 0)
    (every, minority), (every_weight, weight) = jax.lax.sort((keys, weights), num_keys=1)

    def weight_of(among, weights, side):
        sums = jnp.concatenate([jnp.zeros(1, weights.dtype), jnp.cumsum(weights)])
        return sums[jnp.searchsorted(among, minority, side=side)]

    return _AtMinorityRows(
        weight,
        true_positives=weight_of(minority, weight, "right"),
        true_positives_strictly=weight_of(minority, weight, "left"),
        predicted=weight_of(every, every_weight, "right"),
        predicted_strictly=weight_of(every, every_weight, "left"),
        total=every_weight.sum(),
        has_minority=found.any(),
        has_majority=(mask & ~is_minority).any(),
        broken=jnp.any(mask & ~jnp.isfinite(scores)),
    )
