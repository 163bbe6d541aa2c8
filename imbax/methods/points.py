"""Where synthetic points start, and where they may go."""

import jax
import jax.numpy as jnp

from imbax.types import Rows

__all__ = ["bounding_box", "hold", "jitter", "within"]


def jitter(
    key: jax.Array, x: jax.Array, train: Rows, positions: jax.Array, n_minority: jax.Array
) -> jax.Array:
    """Gaussian noise `[m, d]` in standard deviations of the minority per column.

    One stream per point, so that the bound on m changes no draw.

    Args:
      key: random key.
      x: the points `[m, d]`.
      train: training view.
      positions: of its minority rows, the first `n_minority` of them real.
      n_minority: how many.
    """
    draw = lambda i: jax.random.normal(jax.random.fold_in(key, i), x.shape[1:], x.dtype)  # noqa: E731
    return _deviation(train, positions, n_minority) * jax.vmap(draw)(jnp.arange(x.shape[0]))


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
    columns = jnp.array(columns)
    return x.at[:, columns].set(start[:, columns])


def _deviation(train, positions, n_minority):
    """Standard deviation `[d]` of the minority's training rows."""
    x = train.take(positions).x
    real = (jnp.arange(x.shape[0]) < n_minority)[:, None]
    mean = jnp.where(real, x, 0).sum(0) / n_minority
    return jnp.sqrt(jnp.where(real, (x - mean) ** 2, 0).sum(0) / n_minority)
