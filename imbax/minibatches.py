"""Mini-batches of an epoch as steps of a loop: shuffled, or balanced over classes.

A mini-batch holds row numbers, targets and weights; padding has weight 0. Random draws are indexed
by a row's number among the rows with weight, so padding does not change any run.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.losses.by_class import class_counts
from imbax.types import Rows, check_rows

__all__ = [
    "Minibatches",
    "balanced_draws",
    "balanced_minibatches",
    "each_batch",
    "full_batches",
    "random_order",
    "shuffled_minibatches",
]


class Minibatches(NamedTuple):
    """Mini-batches of an epoch; padding has weight 0, and a mini-batch may be all padding."""

    row: jax.Array
    """Row numbers `[steps, batch]` of the shared matrix."""
    y: jax.Array
    """Targets `[steps, batch]`."""
    w: jax.Array
    """Row weights `[steps, batch]`."""


def random_order(key: jax.Array, w: jax.Array) -> jax.Array:
    """Random permutation `[n]` of positions in which rows of weight 0 come last.

    A row's random bits are indexed by its number among the rows with weight, so the place and the
    amount of padding do not change the order. Up to 65,536 rows, 15 random bits and the position
    share one integer, because sorting plain integers is many times faster on CPU than a sort that
    carries the positions as a payload. Rows with equal bits stay in order of position.
    """
    chex.assert_rank(w, 1, custom_message="random_order: w must be [n]")
    n = w.shape[0]
    number = jnp.maximum(jnp.cumsum(w > 0) - 1, 0)
    bits = jax.random.bits(key, (n,), jnp.uint32)[number] >> 1
    last = jnp.uint32(1 << 31)
    if n <= 1 << 16:
        bits = (bits & jnp.uint32(0x7FFF0000)) | jnp.arange(n, dtype=jnp.uint32)
        ordered = jnp.sort(jnp.where(w > 0, bits, bits | last))
        return (ordered & jnp.uint32(0xFFFF)).astype(jnp.int32)
    return jnp.argsort(jnp.where(w > 0, bits, last))


def shuffled_minibatches(
    key: jax.Array, rows: Rows, batch_size: int, most: int | None = None
) -> Minibatches:
    """Mini-batches of all rows in random order, or of the first `most` rows of that order.

    The number of steps is `ceil(n / batch_size)` for n rows with padding, or for `most` rows.
    """
    check_rows(rows, "shuffled_minibatches")
    n = min(rows.w.shape[0], most or rows.w.shape[0])
    steps = -(-n // batch_size)
    filler = steps * batch_size - n
    order = random_order(key, rows.w)[:n]
    w = jnp.pad(rows.w[order], (0, filler))
    row = rows.index[jnp.pad(order, (0, filler))]
    return Minibatches(*(leaf.reshape(steps, batch_size) for leaf in (row, rows.targets(row), w)))


def full_batches(batches: Minibatches) -> Minibatches:
    """Drops the last mini-batch of an epoch if it is not full, unless it is the only one."""
    count = (batches.w > 0).sum(1)
    used = (count == batches.w.shape[1]) | (jnp.arange(len(count)) == 0)
    return batches._replace(w=jnp.where(used[:, None], batches.w, 0))


def each_batch(
    step: Callable[[Any, jax.Array, Minibatches], tuple[Any, Any]], carry: Any, batches: Minibatches
) -> tuple[Any, Any]:
    """Runs a step for each mini-batch that has rows; mini-batches of padding must come last.

    Mini-batches of padding cost nothing unless runs are batched by `vmap`, so shapes may be
    rounded up freely.

    Parameters
    ----------
    step
        `(carry, number, batch) -> (carry, values)` for one mini-batch with leaves `[batch]`.
    carry
        Carry of the first step.
    batches
        Mini-batches of the epoch.

    Returns
    -------
    tuple[Any, Any]
        The last step's carry, and the mean of each value over steps, weighted by their row weights.
    """
    step = jax.jit(step, inline=True)  # traced once for both its shapes and the loop
    weight = batches.w.sum(1)
    at = partial(jax.lax.dynamic_index_in_dim, keepdims=False, allow_negative_indices=False)
    pick = lambda number: jax.tree.map(lambda leaf: at(leaf, number), batches)

    def body(number, state):
        carry, sums = state
        carry, values = step(carry, number, pick(number))
        add = lambda total, value: total + at(weight, number) * value
        return carry, jax.tree.map(add, sums, values)

    _, values = jax.eval_shape(step, carry, 0, pick(0))
    zeros = jax.tree.map(lambda value: jnp.zeros(value.shape, value.dtype), values)
    carry, sums = jax.lax.fori_loop(0, (weight > 0).sum(), body, (carry, zeros))
    return carry, jax.tree.map(lambda total: total / weight.sum(), sums)


def balanced_draws(
    rows: Rows, batch_size: int, classes: int = 2
) -> Callable[[jax.Array], jax.Array]:
    """Returns `key -> positions [batch_size]`: equally many rows of each class, last class first.

    Rows are drawn with replacement within their class. A class without rows draws from all rows.
    """
    check_rows(rows, "balanced_draws")
    # Positions sorted by class, the minority first, then padding.
    y = rows.y.astype(jnp.int32)
    group = jnp.argsort(jnp.where(rows.w > 0, classes - 1 - y, classes), stable=True)
    counts = class_counts(classes - 1 - y, rows.w, classes)
    end, has_rows = jnp.cumsum(counts), counts > 0
    first, end = jnp.where(has_rows, end - counts, 0), jnp.where(has_rows, end, counts.sum())
    cuts = [batch_size * c // classes for c in range(classes + 1)]

    def draw(key):
        keys = jax.random.split(key, classes)
        drawn = [
            jax.random.randint(keys[c], (cuts[c + 1] - cuts[c],), first[c], end[c], jnp.int32)
            for c in range(classes)
        ]
        return group[jnp.concatenate(drawn)]

    return draw


def balanced_minibatches(
    key: jax.Array, rows: Rows, batch_size: int, classes: int = 2
) -> Minibatches:
    """Class-balanced mini-batches from `balanced_draws`, as many as `shuffled_minibatches` has.

    Steps beyond the number that the run's rows would fill have weight 0.
    """
    draw = balanced_draws(rows, batch_size, classes)
    steps = jnp.arange(-(-rows.w.shape[0] // batch_size))
    row = rows.index[jax.vmap(lambda step: draw(jax.random.fold_in(key, step)))(steps)]
    used = steps * batch_size < (rows.w > 0).sum()
    w = jnp.broadcast_to(used[:, None], row.shape).astype(rows.w.dtype)
    return Minibatches(row, rows.targets(row), w)
