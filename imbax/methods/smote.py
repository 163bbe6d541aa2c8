"""SMOTE (`smote`): new rows on the lines between minority rows and their minority neighbours.

    x_synth = x_i + u (x_j - x_i),    u ~ U[0, 1),    i ~ U(minority),    j ~ U(k nearest of i)

Source: Chawla et al. 2002 (arXiv:1106.1813), section 4.2. As in imbalanced-learn, i is drawn with
replacement (the paper takes each row equally often) and u once per row (the paper's listing: once
per feature). Where n_min <= k, k is n_min - 1. A single minority row has no neighbour: it is
repeated, and `Resampled.fallback` says so.

The samplers that choose i and j by other rules are made of the pieces here.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.methods.duplicate import synthetic_count
from imbax.neighbors import nearest
from imbax.training import minority_positions
from imbax.types import Problem, Resampled, Rows

__all__ = [
    "Minority",
    "apportion",
    "extended",
    "interpolate",
    "minority_of",
    "own_neighbors",
    "pick",
    "smote",
    "spread",
    "uniform_by_row",
]


class Minority(NamedTuple):
    """The minority rows of a training view."""

    x: jax.Array
    """`[m, d]`, scaled; beyond `n` the first row repeats."""
    positions: jax.Array
    """`[m]`: where they stand in the view."""
    n: jax.Array
    """How many there are, <= m."""
    real: jax.Array
    """`[m]`: False beyond `n`."""


def smote(
    key: jax.Array,
    problem: Problem,
    *,
    n_synth: str | jax.Array,
    max_synth: int,
    max_minority: int,
    k_neighbors: int = 5,
) -> Resampled:
    """Add SMOTE's rows to the training view.

    Args:
      key: random key.
      problem: training and validation views.
      n_synth: "double", "balance", or how many.
      max_synth: static upper bound on the rows added; surplus has weight 0.
      max_minority: static upper bound on minority rows.
      k_neighbors: neighbours to draw from, >= 1.
    """
    minority = minority_of(problem.train, max_minority)
    neighbor, count = own_neighbors(minority, k_neighbors)
    which, column, gap = uniform_by_row(key, max_synth, 3)
    base = pick(which, minority.n)
    x = interpolate(minority.x, minority.x, neighbor, base, pick(column, count), gap)
    return extended(problem.train, x, n_synth, fallback=minority.n < 2)


def interpolate(
    x: jax.Array,
    points: jax.Array,
    neighbor: jax.Array,
    base: jax.Array,
    column: jax.Array,
    gap: jax.Array,
) -> jax.Array:
    """The equation for draws that are given.

    Args:
      x: `[m, d]`: rows to start from.
      points: `[n, d]`: rows to go towards.
      neighbor: `[m, k]`: indices into `points`.
      base: `[s]`: i, an index into `x`.
      column: `[s]`: which of the k neighbours is j.
      gap: `[s]`: u.

    Returns:
      `[s, d]`.
    """
    chex.assert_equal_shape([base, column, gap], custom_message="interpolate: draws differ in size")
    start = x[base]
    return start + gap[:, None] * (points[neighbor[base, column]] - start)


def minority_of(train: Rows, max_minority: int) -> Minority:
    """The minority rows of a view, at most `max_minority`."""
    positions, n = minority_positions(train, max_minority)
    return Minority(train.take(positions).x, positions, n, jnp.arange(max_minority) < n)


def own_neighbors(minority: Minority, k: int) -> tuple[jax.Array, jax.Array]:
    """Each minority row's nearest others `[m, k]`, and how many each has: k, or n - 1 if less.

    Places beyond that number hold the row itself.
    """
    own = jnp.arange(len(minority.x))
    index, square = nearest(minority.x, minority.x, minority.real, k, own=own)
    return jnp.where(jnp.isfinite(square), index, own[:, None]), jnp.minimum(k, minority.n - 1)


def uniform_by_row(key: jax.Array, n: int, streams: int) -> jax.Array:
    """Uniform draws `[streams, n]` in [0, 1), a row's by its number: n changes none of them."""
    draw = lambda i: jax.random.uniform(jax.random.fold_in(key, i), (streams,))  # noqa: E731
    return jax.vmap(draw)(jnp.arange(n)).T


def pick(uniform: jax.Array, count: jax.Array) -> jax.Array:
    """A uniform draw from [0, 1) as one from 0..count-1; 0 where count is 0."""
    return jnp.maximum(jnp.minimum((uniform * count).astype(jnp.int32), count - 1), 0)


def apportion(weight: jax.Array, total: jax.Array) -> jax.Array:
    """Whole numbers `[m]` proportional to `weight [m]` that add up to `total`: largest remainders.

    Of equal remainders the first is served first. Exact for integer weights with
    `weight * total < 2**31`. Weights that are all 0 give 0 everywhere.
    """
    of_all = weight.sum()
    product = weight * total
    share = jnp.floor_divide(product, jnp.where(of_all > 0, of_all, 1))
    remainder = product - share * of_all
    rank = jnp.argsort(jnp.argsort(remainder, descending=True, stable=True))
    share = share.astype(jnp.int32)
    return share + ((rank < total - share.sum()) & (of_all > 0))


def spread(counts: jax.Array, size: int) -> jax.Array:
    """Each row's number as often as `counts [m]` says, in order, `[size]`; then the last one."""
    bases = jnp.searchsorted(jnp.cumsum(counts), jnp.arange(size), side="right")
    return jnp.minimum(bases, len(counts) - 1)


def extended(
    train: Rows, x_synth: jax.Array, n_synth: str | jax.Array, fallback: jax.Array | bool
) -> Resampled:
    """The training view and the first of the minority rows `x_synth [s, d]`, as many as wanted."""
    number = jnp.arange(len(x_synth))
    added = number < synthetic_count(train, n_synth)
    return Resampled(
        index=jnp.concatenate([train.index, len(train.data) + number]),
        w=jnp.concatenate([train.w, added.astype(train.w.dtype)]),
        x_synth=x_synth,
        y_synth=jnp.ones(len(x_synth), train.target.dtype),
        fallback=fallback,
    )
