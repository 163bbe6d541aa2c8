"""Normal scores: quantile transform of numbers to a standard normal distribution.

TabM and MLP-PLR use them as preprocessing. Quantiles are fitted on training rows with weight.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from imbax.networks.columns import FittedRows, kinds_of, quantiles
from imbax.types import Rows

__all__ = ["Scores", "normal_scores", "ranks_of"]


class Scores(NamedTuple):
    """Normal scores of numbers and 0 or 1 for categories, fitted on training rows."""

    values: jax.Array
    """Quantiles `[most, d]`."""
    ranks: jax.Array
    """Levels `[most]` of the quantiles in [0, 1]."""
    is_numeric: jax.Array
    """Indicator `[d]` of columns with at least three values."""
    varies: jax.Array
    """Indicator `[d]` of columns with at least two values."""

    @classmethod
    def of(cls, features: int, train: Rows | None, most: int = 256) -> "Scores":
        """Fits the rows of a view, or numbers evenly spaced in [-1, 1] if there is none."""
        if train is None:
            ranks = jnp.linspace(0, 1, most, dtype=jnp.float32)
            ones = jnp.ones(features, jnp.float32)
            return cls(jnp.tile(2 * ranks[:, None] - 1, features), ranks, ones, ones)
        rows = FittedRows.of(train)
        kinds = kinds_of(rows)
        as_number = lambda mask: mask.astype(jnp.float32)
        return cls(*ranks_of(rows, most), as_number(kinds.is_numeric), as_number(kinds.varies))

    def transform(self, x: jax.Array) -> jax.Array:
        """Maps numbers in `[n, d]` to normal scores, categories to 0 or 1, other columns to 0."""
        low, high = self.values[0], self.values[-1]
        share = (x - low) / jnp.where(high > low, high - low, 1)
        number = normal_scores(x, self.values, self.ranks)
        return jnp.where(self.is_numeric > 0, number, share) * self.varies


def ranks_of(rows: FittedRows, most: int) -> tuple[jax.Array, jax.Array]:
    """Returns quantiles `[most, d]` and their levels `[most]` in [0, 1].

    For n rows, `max(n // 30, 10)` are used, at most n and `most`; the others repeat the last one.
    """
    n = rows.is_row.sum()
    number = jnp.minimum(jnp.minimum(jnp.maximum(n // 30, 10), most), jnp.maximum(n, 1))
    ranks = jnp.minimum(jnp.arange(most, dtype=jnp.float32) / jnp.maximum(number - 1, 1), 1.0)
    return quantiles(rows, ranks), ranks


def normal_scores(x: jax.Array, values: jax.Array, ranks: jax.Array) -> jax.Array:
    """Maps `x [n, d]` by rank to a standard normal distribution, within ±5.2.

    Ranks are interpolated linearly between values; a tied value gets the middle of its ranks. This
    equals scikit-learn's QuantileTransformer except for repeated minima and maxima, which
    QuantileTransformer maps to the ends. The papers fit it on values with a little noise, for which
    it also maps them to about the middle of their ranks.
    """
    last = len(ranks) - 1

    def column_ranks(x, values):
        first, after = (jnp.searchsorted(values, x, side) for side in ("left", "right"))
        low, high = jnp.clip(after - 1, 0, last), jnp.clip(after, 0, last)
        step = values[high] - values[low]
        share = jnp.clip((x - values[low]) / jnp.where(step > 0, step, 1), 0, 1)
        between = ranks[low] + share * (ranks[high] - ranks[low])
        tied = (ranks[jnp.clip(first, 0, last)] + ranks[low]) / 2
        return jnp.where(after > first, tied, between)

    rank = jax.vmap(column_ranks, 1, 1)(x, values)
    upper = rank > 0.5
    tail = jnp.clip(jnp.where(upper, 1 - rank, rank), 1e-7, 0.5)
    score = jax.scipy.special.ndtri(tail)
    return jnp.where(upper, -score, score)
