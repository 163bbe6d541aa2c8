"""Where synthetic points start, and where they may go."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from imbax.methods.sampling import Classes
from imbax.minibatches import random_order
from imbax.types import Rows

__all__ = ["bounding_box", "cycle", "deviations", "hold", "jitter", "within"]


def deviations(train: Rows, few: Classes, max_rows: int) -> jax.Array:
    """Standard deviations `[K, d]` of the columns within each class.

    Parameters
    ----------
    train
        The view.
    few
        Its rows by class.
    max_rows
        Static upper bound on these rows.
    """
    rows, classes = train.take(few.order[:max_rows]), len(few.counts)
    y, counts = rows.y.astype(jnp.int32), jnp.maximum(few.counts, 1)[:, None]
    mine = (jnp.arange(len(y)) < few.counts.sum())[:, None]
    mean_of = lambda x: jax.ops.segment_sum(jnp.where(mine, x, 0), y, classes) / counts
    return jnp.sqrt(mean_of((rows.x - mean_of(rows.x)[y]) ** 2))


def jitter(key: jax.Array, x: jax.Array, deviation: jax.Array) -> jax.Array:
    """Gaussian noise `[m, d]` for points `x [m, d]`, times `deviation [m, d]`.

    One stream per point, so that the bound on m changes no draw.
    """
    draw = lambda i: jax.random.normal(jax.random.fold_in(key, i), x.shape[1:], x.dtype)
    return deviation * jax.vmap(draw)(jnp.arange(x.shape[0]))


def bounding_box(train: Rows) -> tuple[jax.Array, jax.Array]:
    """The lower and upper corner `[d]` of the box of the training rows."""
    x, real = train.all().x, (train.w > 0)[:, None]
    return jnp.where(real, x, jnp.inf).min(0), jnp.where(real, x, -jnp.inf).max(0)


def within(x: jax.Array, start: jax.Array, radius: jax.Array) -> jax.Array:
    """Points `[m, d]` no further than `radius` from where they started, on the same ray."""
    move = x - start
    length = jnp.linalg.norm(move, axis=1, keepdims=True)
    return start + move * jnp.minimum(1, radius / jnp.maximum(length, 1e-12))


def hold(x: jax.Array, start: jax.Array, columns: tuple[int, ...]) -> jax.Array:
    """Points `[m, d]` with some columns as they started."""
    held = jnp.array(columns)
    return x.at[:, held].set(start[:, held])


def cycle(
    key: jax.Array, w: jax.Array, batch_size: int
) -> tuple[jax.Array, Callable[[jax.Array], tuple[Callable, jax.Array]]]:
    """Walk over the rows with weight in a random order, batch by batch, again and again.

    Returns the order `[n]` and a function from the batch number to (the function that slices an
    array in that order, the slice's start). The last batch of a round reaches back to be full.
    """
    size = min(batch_size, w.shape[0])
    count = (w > 0).sum()
    batches = jnp.maximum(-(-count // size), 1)

    def window(number):
        first = jnp.clip((number % batches) * size, 0, jnp.maximum(count - size, 0))
        return (lambda a: jax.lax.dynamic_slice_in_dim(a, first, size)), first

    return random_order(key, w), window
