"""SMOTE (`smote`): interpolation between rows of a class and their nearest neighbours.

    x_synth = x_i + u (x_j - x_i),  u ~ U[0, 1),  i ~ U(class),  j ~ U(k nearest to i in the class)

Source: Chawla et al. 2002 (arXiv:1106.1813), section 4.2, applied to each class as in
imbalanced-learn. As in imbalanced-learn, i is drawn with replacement (the paper uses each row
equally often) and u once per row (the paper's listing: once per feature). In a class of n <= k
rows, k is n - 1; a class of one row is repeated, and `Resampled.fallback` is True. DeepSMOTE
applies SMOTE to codes.
"""

import chex
import jax
import jax.numpy as jnp

from imbax.methods.sampling import (
    Made,
    Sizes,
    by_class,
    check_sample,
    extended,
    pick,
    slots,
    uniform_by_row,
)
from imbax.neighbors import nearest
from imbax.types import Resampled, Rows

__all__ = ["interpolate", "sample", "smote"]


def sample(
    key: jax.Array, train: Rows, wanted: jax.Array, sizes: Sizes, *, k_neighbors: int = 5
) -> Resampled:
    """Adds synthetic rows of SMOTE to the training view.

    Parameters
    ----------
    key
        Random key.
    train
        Training rows.
    wanted
        Number of new rows of each class `[K]`; 0 for a class without rows.
    sizes
        Static bounds on numbers of rows.
    k_neighbors
        Number of neighbours to draw from, >= 1.
    """
    check_sample(train, wanted)
    counts = by_class(train.y.astype(jnp.int32), train.w, len(wanted)).counts
    made = smote(key, train, wanted, sizes, k_neighbors=k_neighbors)
    return extended(train, made, fallback=((wanted > 0) & (counts < 2)).any())


def smote(
    key: jax.Array, train: Rows, wanted: jax.Array, sizes: Sizes, *, k_neighbors: int = 5
) -> Made:
    """Returns only the new rows; arguments as in `sample`."""
    wanted = jnp.asarray(wanted)
    classes = by_class(train.y.astype(jnp.int32), train.w, len(wanted))
    place = jnp.arange(sizes.max_rows)

    def search(c):
        x = train.take(classes.row(c, place)).x
        return nearest(x, x, place < classes.counts[c], k_neighbors, own=place)[0]

    def skip(c):
        return jnp.broadcast_to(place[:, None], (sizes.max_rows, k_neighbors))

    neighbors = jax.lax.map(
        lambda c: jax.lax.cond(wanted[c] > 0, search, skip, c), jnp.arange(len(wanted))
    )
    c, is_wanted = slots(wanted, sizes.max_synth)
    uniform, column, gap = uniform_by_row(key, sizes.max_synth, 3)
    base = pick(uniform, classes.counts[c])
    count = jnp.minimum(k_neighbors, classes.counts[c] - 1)
    towards = jnp.where(count > 0, neighbors[c, base, pick(column, count)], base)
    i, j = classes.row(c, base), classes.row(c, towards)
    start, end = train.take(i).x, train.take(j).x
    made = start + gap[:, None] * (end - start)
    return Made(made, c, is_wanted.astype(made.dtype), jnp.stack([i, j], 1), gap)


def interpolate(
    x: jax.Array,
    points: jax.Array,
    neighbor: jax.Array,
    base: jax.Array,
    column: jax.Array,
    gap: jax.Array,
) -> jax.Array:
    """Interpolates between rows and their neighbours.

    Parameters
    ----------
    x
        Rows `[m, d]` to start from.
    points
        Rows `[n, d]` that hold the neighbours.
    neighbor
        Indices `[m, k]` into `points`.
    base
        Index i of each new row's start in `x`, `[s]`.
    column
        Column of `neighbor` that holds j, `[s]`.
    gap
        Draws u, `[s]`.

    Returns
    -------
    jax.Array
        New rows `[s, d]`.
    """
    chex.assert_equal_shape([base, column, gap], custom_message="interpolate: draws differ in size")
    start = x[base]
    return start + gap[:, None] * (points[neighbor[base, column]] - start)
