"""Starting points, steps and constraints of synthetic rows in Explicit Gradient."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from imbax.methods.sampling import Classes
from imbax.minibatches import random_order
from imbax.types import Rows

__all__ = ["Moments", "bounding_box", "cycle", "deviations", "direction", "hold", "jitter"]
__all__ += ["within"]


def deviations(train: Rows, few: Classes, max_rows: int) -> jax.Array:
    """Standard deviations `[K, d]` of the columns within each class.

    Parameters
    ----------
    train
        Training rows.
    few
        Rows by class.
    max_rows
        Static upper bound on the number of these rows.
    """
    rows, classes = train.take(few.order[:max_rows]), len(few.counts)
    y, counts = rows.y.astype(jnp.int32), jnp.maximum(few.counts, 1)[:, None]
    is_row = (jnp.arange(len(y)) < few.counts.sum())[:, None]
    mean_of = lambda x: jax.ops.segment_sum(jnp.where(is_row, x, 0), y, classes) / counts
    return jnp.sqrt(mean_of((rows.x - mean_of(rows.x)[y]) ** 2))


def jitter(key: jax.Array, x: jax.Array, deviation: jax.Array) -> jax.Array:
    """Gaussian noise `[m, d]` for rows `x [m, d]`, scaled by `deviation [m, d]`.

    Each row has its own random stream, so the draws do not depend on the bound on m.
    """
    draw = lambda i: jax.random.normal(jax.random.fold_in(key, i), x.shape[1:], x.dtype)
    return deviation * jax.vmap(draw)(jnp.arange(x.shape[0]))


class Moments(NamedTuple):
    """Moving averages of each row's gradient, for Adam's steps."""

    first: jax.Array
    """Average of the gradient `[m, d]`."""
    second: jax.Array
    """Average of its square `[m, d]`."""
    steps: jax.Array
    """Number of steps `[m]` of each row."""

    @classmethod
    def zero(cls, x: jax.Array) -> "Moments":
        """Moments of rows `x [m, d]` that have not moved."""
        return cls(jnp.zeros_like(x), jnp.zeros_like(x), jnp.zeros(len(x), x.dtype))


def direction(
    kind: str, gradient: jax.Array, moments: Moments | None
) -> tuple[jax.Array, Moments | None]:
    """Direction of a step against the gradient `[m, d]`, and the new moments.

    "gradient" is the gradient, "unit" the gradient of each row divided by its Euclidean norm, and
    "adam" the direction of Adam with β = (0.9, 0.999). A row with gradient 0 does not move.
    """
    if kind == "unit":
        length = jnp.linalg.norm(gradient, axis=1, keepdims=True)
        return gradient / jnp.where(length > 0, length, 1), moments
    if moments is None:
        return gradient, None
    steps = moments.steps + 1
    first = 0.9 * moments.first + 0.1 * gradient
    second = 0.999 * moments.second + 0.001 * gradient**2
    mean, square = (
        average / (1 - decay**steps)[:, None] for average, decay in ((first, 0.9), (second, 0.999))
    )
    return mean / (jnp.sqrt(square) + 1e-8), Moments(first, second, steps)


def bounding_box(train: Rows) -> tuple[jax.Array, jax.Array]:
    """Returns the lower and upper corner `[d]` of the bounding box of the training rows."""
    x, real = train.all().x, (train.w > 0)[:, None]
    return jnp.where(real, x, jnp.inf).min(0), jnp.where(real, x, -jnp.inf).max(0)


def within(x: jax.Array, start: jax.Array, radius: jax.Array) -> jax.Array:
    """Projects rows `[m, d]` onto balls of `radius` around their starting points."""
    move = x - start
    length = jnp.linalg.norm(move, axis=1, keepdims=True)
    return start + move * jnp.minimum(1, radius / jnp.maximum(length, 1e-12))


def hold(x: jax.Array, start: jax.Array, columns: tuple[int, ...]) -> jax.Array:
    """Resets fixed columns of rows `[m, d]` to their starting values."""
    held = jnp.array(columns)
    return x.at[:, held].set(start[:, held])


def cycle(
    key: jax.Array, w: jax.Array, batch_size: int
) -> tuple[jax.Array, Callable[[jax.Array], tuple[Callable, jax.Array]]]:
    """Cycles through the rows with weight in a random order, one mini-batch at a time.

    Returns the order `[n]` and a function from the batch number to a function that slices arrays in
    this order and the start of the slice. The last mini-batch of a cycle overlaps the previous one
    so that it is full.
    """
    size = min(batch_size, w.shape[0])
    count = (w > 0).sum()
    batches = jnp.maximum(-(-count // size), 1)

    def window(number):
        first = jnp.clip((number % batches) * size, 0, jnp.maximum(count - size, 0))
        return (lambda a: jax.lax.dynamic_slice_in_dim(a, first, size)), first

    return random_order(key, w), window
