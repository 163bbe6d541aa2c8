"""Column statistics that networks fit on training rows as preprocessing.

Statistics use the rows with weight above 0 and ignore the size of the weight, so class weights of a
loss do not move a median. Padding has no effect. A column that is constant on those rows, or not
`live`, is 0 after any of these transformations and has no effect on a network.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imbax.types import Rows

__all__ = [
    "FittedRows",
    "Kinds",
    "by_number",
    "inputs_by_column",
    "kinds_of",
    "quantiles",
    "robust_scale",
    "smooth_clip",
]


class FittedRows(NamedTuple):
    """Training rows on which statistics are fitted."""

    x: jax.Array
    """Features `[n, d]`; rows without weight are 0."""
    is_row: jax.Array
    """Mask `[n]` of the rows with weight."""
    live: jax.Array
    """Mask `[d]` of the columns that may vary."""

    @classmethod
    def of(cls, train: Rows) -> "FittedRows":
        """Takes the rows of a view."""
        batch = train.all()
        is_row = batch.w > 0
        x = jnp.where(is_row[:, None], batch.x, 0).astype(jnp.float32)
        return cls(x, is_row, train.live)

    def sorted(self) -> jax.Array:
        """Sorts each column in ascending order, rows without weight last."""
        return jnp.sort(jnp.where(self.is_row[:, None], self.x, jnp.inf), axis=0)

    def lowest(self) -> jax.Array:
        """Minimum of each column `[d]`."""
        return jnp.where(self.is_row[:, None], self.x, jnp.inf).min(0)

    def highest(self) -> jax.Array:
        """Maximum of each column `[d]`."""
        return jnp.where(self.is_row[:, None], self.x, -jnp.inf).max(0)

    def sample(self, key: jax.Array, most: int) -> "FittedRows":
        """Draws at most `most` rows: those with weight in random order, then padding.

        The order depends on the numbers of the rows among those with weight, not on padding.
        """
        number = jnp.maximum(jnp.cumsum(self.is_row) - 1, 0)
        bits = jax.random.bits(key, self.is_row.shape, jnp.uint32)[number] >> 1
        order = jnp.argsort(jnp.where(self.is_row, bits, jnp.uint32(1 << 31)))[:most]
        return FittedRows(self.x[order], self.is_row[order], self.live)


class Kinds(NamedTuple):
    """Kinds of columns that networks distinguish."""

    varies: jax.Array
    """Mask `[d]` of columns with at least two values."""
    is_numeric: jax.Array
    """Mask `[d]` of columns with at least three values; columns of two values are categories
    without an embedding."""


def kinds_of(rows: FittedRows) -> Kinds:
    """Determines the kinds of the columns from training rows."""
    low, high = rows.lowest(), rows.highest()
    varies = rows.live & (high > low)
    between = (rows.x > low) & (rows.x < high) & rows.is_row[:, None]
    return Kinds(varies, varies & between.any(0))


def quantiles(rows: FittedRows, q: jax.Array) -> jax.Array:
    """Quantiles `[m, d]` for q `[m]` in [0, 1] with linear interpolation, as in NumPy."""
    x, last = rows.sorted(), jnp.maximum(rows.is_row.sum() - 1, 0)
    place = q * last
    before = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, last)
    share = (place - before)[:, None]
    low, high = x[before], x[jnp.minimum(before + 1, last)]
    low, high = (jnp.where(jnp.isfinite(v), v, 0) for v in (low, high))  # if there are no rows
    return low + share * (high - low)


def robust_scale(rows: FittedRows) -> tuple[jax.Array, jax.Array]:
    """Returns `(shift [d], factor [d])`: the median and 1 / interquartile range.

    If the interquartile range is 0, the factor is 2 / range of all rows (Holzmüller et al. 2024,
    section 3). The factor of a constant column is 0.
    """
    low, median, high = quantiles(rows, jnp.array([0.25, 0.5, 0.75], jnp.float32))
    whole, half = rows.highest() - rows.lowest(), high - low
    varies = kinds_of(rows).varies
    whole, middle = jnp.where(varies, whole, 1), jnp.where(half > 0, half, 1)
    factor = jnp.where(half > 0, 1 / middle, 2 / whole)
    return jnp.where(varies, median, 0), jnp.where(varies, factor, 0)


def smooth_clip(x: jax.Array, most: float = 3.0) -> jax.Array:
    """Returns `x / sqrt(1 + (x / most)²)` in (-most, most), close to the identity near 0."""
    x = jnp.clip(x, -1e18, 1e18)  # keeps the square finite
    return x * jax.lax.rsqrt(1 + jnp.square(x / most))


def by_number(key: jax.Array, numbers: int | jax.Array, draw: Callable[[jax.Array], Any]) -> Any:
    """Draws `draw(key_i)` for each number i; draws do not depend on the other numbers.

    An integer n stands for the numbers 0..n-1.
    """
    numbers = jnp.arange(numbers) if isinstance(numbers, int) else numbers
    return jax.vmap(lambda i: draw(jax.random.fold_in(key, i)))(numbers)


def inputs_by_column(features: int, outputs: int) -> jax.Array:
    """Numbers `[(outputs + 1) features]` of inputs: embedding outputs by column, then columns.

    The numbers of a column do not depend on the number of columns.
    """
    first = (outputs + 1) * jnp.arange(features)
    return jnp.concatenate([(first[:, None] + jnp.arange(outputs)).reshape(-1), first + outputs])
