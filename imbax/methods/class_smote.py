"""SMOTE within every class of K: new rows between a row and a near one of the same class.

    x_synth = x_i + u (x_j - x_i),    u ~ U[0, 1),    i ~ U(class),    j ~ U(k nearest of i in it)

One gap u per row. Where a class has n <= k rows, k is n - 1; a single row is repeated. Source:
Chawla et al. 2002 (arXiv:1106.1813), section 4.2, class by class as imbalanced-learn does. On
pixels it is a reference system of DeepSMOTE, on codes a part of it.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.losses.by_class import class_counts
from imbax.methods.smote import pick, uniform_by_row
from imbax.neighbors import nearest

__all__ = [
    "Classes",
    "Synthetic",
    "by_class",
    "check_rows_of_classes",
    "class_smote",
    "slots",
]


class Classes(NamedTuple):
    """The rows of a view, class after class."""

    order: jax.Array
    """`[n]`: row numbers, padding last."""
    first: jax.Array
    """`[K]`: where each class begins in `order`."""
    counts: jax.Array
    """`[K]`."""

    def row(self, c: jax.Array, place: jax.Array) -> jax.Array:
        """Numbers of the rows at `place` within class `c`; what lies beyond it means nothing."""
        return self.order[jnp.minimum(self.first[c] + place, len(self.order) - 1)]


class Synthetic(NamedTuple):
    """Rows made of others."""

    x: jax.Array
    """`[s, ...]`."""
    y: jax.Array
    """`[s]`: their classes."""
    w: jax.Array
    """`[s]`, 0 = padding."""
    parents: jax.Array
    """`[s, 2]`: i and j; equal where a row is repeated."""
    gap: jax.Array
    """`[s]`: u."""


def check_rows_of_classes(x: jax.Array, y: jax.Array, w: jax.Array, wanted: jax.Array) -> None:
    """Raise AssertionError unless `x [n, d]`, `y [n]`, `w [n]` and `wanted [K]` fit each other."""
    chex.assert_rank([x, y, w, wanted], [2, 1, 1, 1], custom_message="x [n, d], y, w, wanted [K]")
    chex.assert_equal_shape_prefix([x, y, w], 1, custom_message="x, y and w differ in rows")


def by_class(y: jax.Array, w: jax.Array, classes: int) -> Classes:
    """The rows of `y [n]` with weight `w [n]`, class after class."""
    counts = class_counts(y, w, classes)
    order = jnp.argsort(jnp.where(w > 0, y, classes), stable=True)
    return Classes(order, jnp.cumsum(counts) - counts, counts)


def slots(wanted: jax.Array, max_synth: int) -> tuple[jax.Array, jax.Array]:
    """The class of each new row `[max_synth]`, class after class, and whether it is wanted."""
    number = jnp.arange(max_synth)
    c = jnp.searchsorted(jnp.cumsum(wanted), number, side="right")
    return jnp.minimum(c, len(wanted) - 1), number < wanted.sum()


def class_smote(
    key: jax.Array,
    x: jax.Array,
    y: jax.Array,
    w: jax.Array,
    wanted: jax.Array,
    *,
    max_rows: int,
    max_synth: int,
    k_neighbors: int = 5,
) -> Synthetic:
    """Make as many rows of each class as are wanted, class after class.

    Args:
      key: random key.
      x: `[n, d]`.
      y: `[n]`: classes in 0..K-1.
      w: `[n]`; rows of weight 0 are padding.
      wanted: `[K]`: new rows of each class; 0 for a class without rows.
      max_rows: static upper bound on the rows of a class of which new ones are wanted.
      max_synth: static upper bound on the new rows.
      k_neighbors: neighbours to draw from, >= 1.
    """
    check_rows_of_classes(x, y, w, wanted)
    rows = by_class(y, w, len(wanted))

    place = jnp.arange(max_rows)

    def search(c):
        mine = x[rows.row(c, place)]
        return nearest(mine, mine, place < rows.counts[c], k_neighbors, own=place)[0]

    def none(c):
        return jnp.broadcast_to(place[:, None], (max_rows, k_neighbors))

    neighbors = jax.lax.map(
        lambda c: jax.lax.cond(wanted[c] > 0, search, none, c), jnp.arange(len(wanted))
    )
    c, added = slots(wanted, max_synth)
    which, column, gap = uniform_by_row(key, max_synth, 3)
    base = pick(which, rows.counts[c])
    several = jnp.minimum(k_neighbors, rows.counts[c] - 1)
    towards = jnp.where(several > 0, neighbors[c, base, pick(column, several)], base)
    i, j = rows.row(c, base), rows.row(c, towards)
    made = x[i] + gap[:, None] * (x[j] - x[i])
    return Synthetic(made, c.astype(y.dtype), added.astype(x.dtype), jnp.stack([i, j], 1), gap)
