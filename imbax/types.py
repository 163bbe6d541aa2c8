"""The words the core speaks: batches, views of a shared matrix, and what a method may see."""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

__all__ = [
    "ApplyFn",
    "Batch",
    "LossFn",
    "Network",
    "Params",
    "Problem",
    "Rows",
    "check_rows",
    "rows",
]

Params = Any
"""Any pytree of arrays."""

ApplyFn = Callable[[Params, jax.Array], jax.Array]
"""`(params, x [n, ...]) -> logits [n]` (or `[n, classes]`)."""

LossFn = Callable[[Params, jax.Array, jax.Array], jax.Array]
"""`(params, x [n, ...], y [n, ...]) -> per-example losses [n]`."""


class Batch(NamedTuple):
    """Rows with their targets and weights."""

    x: jax.Array
    """Features `[n, ...]`."""
    y: jax.Array
    """Targets `[n, ...]`."""
    w: jax.Array
    """Row weights `[n]`, not negative; 0 marks padding."""


class Rows(NamedTuple):
    """A view: some rows of one matrix that all runs share, scaled on the way out.

    A run holds indices and its own scaling, never a copy of the matrix, so a thousand runs cost
    little more memory than one.
    """

    data: jax.Array
    """Features `[N, d]`, shared."""
    target: jax.Array
    """Targets `[N]`, shared."""
    index: jax.Array
    """Row numbers `[n]` into `data`."""
    w: jax.Array
    """Row weights `[n]`; 0 marks padding."""
    shift: jax.Array
    """`[d]`: subtracted first."""
    factor: jax.Array
    """`[d]`: multiplied next; 0 for a column that is constant on the training rows."""

    def take(self, positions: jax.Array) -> Batch:
        """The rows at `positions [m]` of this view as a `Batch` of m scaled rows."""
        row = self.index[positions]
        return Batch(self.features(row), self.target[row], self.w[positions])

    def features(self, row: jax.Array) -> jax.Array:
        """Scaled features `[m, d]` of the rows `row [m]` of the shared matrix."""
        return (self.data[row] - self.shift) * self.factor

    def all(self) -> Batch:
        """Every row of the view, padding included."""
        return self.take(jnp.arange(self.index.shape[0]))

    @property
    def y(self) -> jax.Array:
        """Targets `[n]` of the view."""
        return self.target[self.index]


class Problem(NamedTuple):
    """What a method may see: no index of a test row is in it, so test rows cannot leak."""

    train: Rows
    valid: Rows


class Network(NamedTuple):
    """A network as two pure functions."""

    init: Callable[[jax.Array], Params]
    """`key -> params`."""
    apply: ApplyFn


def check_rows(rows: Rows, name: str) -> None:
    """Raise AssertionError, naming the part, unless the shapes of a view fit each other."""
    expected = f"{name}: data [N, d], target [N], index [n], w [n], shift [d], factor [d]"
    chex.assert_rank(rows, [2, 1, 1, 1, 1, 1], custom_message=expected)
    chex.assert_equal_shape_prefix([rows.data, rows.target], 1, custom_message=expected)
    chex.assert_equal_shape([rows.index, rows.w], custom_message=expected)
    chex.assert_equal_shape([rows.data[0], rows.shift, rows.factor], custom_message=expected)


def rows(x: jax.Array, y: jax.Array, w: jax.Array | None = None) -> Rows:
    """A view of all rows of `x [n, d]` with targets `y [n]` and weights `w [n]` (default 1)."""
    x, y = jnp.asarray(x), jnp.asarray(y)
    chex.assert_rank([x, y], [2, 1], custom_message="rows(x, y): x must be [n, d] and y [n]")
    chex.assert_equal_shape_prefix([x, y], 1, custom_message="rows(x, y): x and y differ in rows")
    w = jnp.ones(x.shape[0], x.dtype) if w is None else jnp.asarray(w, x.dtype)
    chex.assert_shape(w, (x.shape[0],), custom_message="rows: w must be [n]")
    width = x.shape[1]
    return Rows(
        x, y, jnp.arange(x.shape[0]), w, jnp.zeros(width, x.dtype), jnp.ones(width, x.dtype)
    )
