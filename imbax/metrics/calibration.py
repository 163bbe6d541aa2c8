"""How far probabilities are from what happens, under `jit` and `vmap`.

Each takes probabilities `[n]` of the minority, targets `y [n]` in {0, 1} and row weights `w [n]`
(default 1; rows where `w` is 0 are padding and change nothing). Lower is better. A probability of
an unmasked row that is not in [0, 1] gives NaN, as no rows at all do.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

__all__ = ["Bins", "brier_score", "expected_calibration_error", "reliability"]


class Bins(NamedTuple):
    """Rows with about the same probability, from the lowest; NaN where a bin is empty."""

    weight: jax.Array
    """`[bins]`: share of the weight of all rows."""
    predicted: jax.Array
    """`[bins]`: mean probability."""
    observed: jax.Array
    """`[bins]`: share of the minority."""


def brier_score(probability: jax.Array, y: jax.Array, w: jax.Array | None = None) -> jax.Array:
    """`Σ_i w_i (p_i - y_i)² / Σ_i w_i`, in [0, 1] (Brier 1950).

    Always predicting the share π of the minority gives π (1 - π).
    """
    probability, y, w, broken = _checked(probability, y, w)
    error = (w * (probability - y) ** 2).sum() / w.sum()
    return jnp.where(broken, jnp.nan, error)


def expected_calibration_error(
    probability: jax.Array, y: jax.Array, w: jax.Array | None = None, *, bins: int = 10
) -> jax.Array:
    """`Σ_b (W_b / W) |mean of p in b - mean of y in b|`, in [0, 1] (Naeini et al. 2015).

    The bins are those of `reliability`, of equal mass as in Nixon et al. 2019. Those of Guo et al.
    2017 have equal width: where one row in a hundred is of the minority, nearly all rows would lie
    in the lowest of them. Chance alone gives a value above 0, the more the fewer the rows of a bin.
    """
    weight, predicted, observed = reliability(probability, y, w, bins=bins)
    error = jnp.where(weight > 0, weight * jnp.abs(predicted - observed), 0).sum()
    return jnp.where(jnp.isnan(weight).any(), jnp.nan, error)


def reliability(
    probability: jax.Array, y: jax.Array, w: jax.Array | None = None, *, bins: int = 10
) -> Bins:
    """Probabilities and what was observed, in bins of equal mass.

    Row i belongs to bin `⌊bins (W(p < p_i) + W(p = p_i) / 2) / W⌋`, `W(·)` being the weight of the
    rows of which that is true, `W` that of all. Rows that tie share a bin; bins may be empty.
    """
    probability, y, w, broken = _checked(probability, y, w)
    order = jnp.argsort(probability)
    ascending = probability[order]
    below = jnp.concatenate([jnp.zeros(1, w.dtype), jnp.cumsum(w[order])])
    first, last = (jnp.searchsorted(ascending, probability, side=s) for s in ("left", "right"))
    # Without a division, whose rounding differs under `jit`, so that rows on an edge stay there.
    edges = jnp.arange(1, bins) * 2 * below[-1]
    bin_of = jnp.searchsorted(edges, bins * (below[first] + below[last]), side="right")
    weight, predicted, observed = (
        jax.ops.segment_sum(each, bin_of, bins) for each in (w, w * probability, w * y)
    )
    binned = Bins(weight / w.sum(), predicted / weight, observed / weight)
    return jax.tree.map(lambda leaf: jnp.where(broken, jnp.nan, leaf), binned)


def _checked(probability, y, w):
    """All three as floats, padding as zeros, and whether a row that counts has no probability."""
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
