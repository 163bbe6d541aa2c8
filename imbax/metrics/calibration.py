"""Calibration of predicted probabilities, under `jit` and `vmap`.

Each metric takes probabilities `[n]` of the minority, targets `y [n]` in {0, 1} and row weights
`w [n]` (default 1; rows of weight 0 are padding and have no effect). Lower is better. The result is
NaN if a row with weight has a probability outside [0, 1], or if there are no rows.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

__all__ = ["Bins", "brier_score", "expected_calibration_error", "reliability"]


class Bins(NamedTuple):
    """Bins of rows with similar probabilities, in ascending order; NaN where a bin is empty."""

    weight: jax.Array
    """Share of the total row weight in each bin, `[bins]`."""
    predicted: jax.Array
    """Mean probability, `[bins]`."""
    observed: jax.Array
    """Share of the minority, `[bins]`."""


def brier_score(probability: jax.Array, y: jax.Array, w: jax.Array | None = None) -> jax.Array:
    """Returns `Σ_i w_i (p_i - y_i)² / Σ_i w_i`, in [0, 1] (Brier 1950).

    Constant predictions equal to the share π of the minority give π (1 - π).
    """
    probability, y, w, broken = _checked(probability, y, w)
    error = (w * (probability - y) ** 2).sum() / w.sum()
    return jnp.where(broken, jnp.nan, error)


def expected_calibration_error(
    probability: jax.Array, y: jax.Array, w: jax.Array | None = None, *, bins: int = 10
) -> jax.Array:
    """Returns `Σ_b (W_b / W) |mean of p in b - mean of y in b|`, in [0, 1] (Naeini et al. 2015).

    The bins are those of `reliability` and have equal mass as in Nixon et al. 2019. The bins of Guo
    et al. 2017 have equal width; with one minority row in a hundred, nearly all rows would fall
    into the lowest bin. Even perfectly calibrated probabilities give a value above 0 by chance,
    which grows as the number of rows per bin falls.
    """
    weight, predicted, observed = reliability(probability, y, w, bins=bins)
    error = jnp.where(weight > 0, weight * jnp.abs(predicted - observed), 0).sum()
    return jnp.where(jnp.isnan(weight).any(), jnp.nan, error)


def reliability(
    probability: jax.Array, y: jax.Array, w: jax.Array | None = None, *, bins: int = 10
) -> Bins:
    """Mean predicted probability and observed minority share in bins of equal mass.

    Row i belongs to bin `⌊bins (W(p < p_i) + W(p = p_i) / 2) / W⌋`, where `W(·)` is the weight of
    the rows that satisfy the condition and `W` the weight of all rows. Tied rows share a bin; bins
    may be empty.
    """
    probability, y, w, broken = _checked(probability, y, w)
    order = jnp.argsort(probability)
    ascending = probability[order]
    below = jnp.concatenate([jnp.zeros(1, w.dtype), jnp.cumsum(w[order])])
    first, last = (jnp.searchsorted(ascending, probability, side=s) for s in ("left", "right"))
    # No division: its rounding differs under `jit` and would move rows that lie on an edge.
    edges = jnp.arange(1, bins) * 2 * below[-1]
    bin_of = jnp.searchsorted(edges, bins * (below[first] + below[last]), side="right")
    weight, predicted, observed = (
        jax.ops.segment_sum(each, bin_of, bins) for each in (w, w * probability, w * y)
    )
    binned = Bins(weight / w.sum(), predicted / weight, observed / weight)
    return jax.tree.map(lambda leaf: jnp.where(broken, jnp.nan, leaf), binned)


def _checked(probability, y, w):
    """Casts the arrays to floats with zeros as padding, and flags probabilities out of range."""
    probability = jnp.asarray(probability)
    if not jnp.issubdtype(probability.dtype, jnp.floating):
        probability = probability.astype(jnp.float32)
    chex.assert_rank(probability, 1, custom_message="probability must be [n]")
    kind = jnp.promote_types(probability.dtype, jnp.float32)
    w = jnp.ones(probability.shape, kind) if w is None else jnp.asarray(w, kind)
    chex.assert_equal_shape(
        [probability, y, w], custom_message="probability, y and w must all be [n]"
    )
    counts = w > 0
    inside = (probability >= 0) & (probability <= 1)
    # `where` and not a product: padding may hold NaN.
    probability, y = (jnp.where(counts, jnp.asarray(each, kind), 0) for each in (probability, y))
    return probability, y, w, jnp.any(counts & ~inside)
