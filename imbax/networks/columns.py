"""What networks fit on the columns of their training rows before they learn anything.

Statistics are those of the rows with weight above 0, whatever the weight: classes that count more
in a loss do not move a median. Padding, wherever it stands, changes nothing. A column that is
constant on those rows, or not `live`, is 0 after every one of these and has no part in a network.
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
    """Training rows for statistics."""

    x: jax.Array
    """`[n, d]`; rows without weight are 0."""
    is_row: jax.Array
    """`[n]`: rows with weight."""
    live: jax.Array
    """`[d]`: columns that may vary."""

    @classmethod
    def of(cls, train: Rows) -> "FittedRows":
        """Rows of a view."""
        batch = train.all()
        is_row = batch.w > 0
        x = jnp.where(is_row[:, None], batch.x, 0).astype(jnp.float32)
        return cls(x, is_row, train.live)

    def sorted(self) -> jax.Array:
        """Each column in ascending order, rows without weight last."""
        return jnp.sort(jnp.where(self.is_row[:, None], self.x, jnp.inf), axis=0)

    def lowest(self) -> jax.Array:
        """`[d]`."""
        return jnp.where(self.is_row[:, None], self.x, jnp.inf).min(0)

    def highest(self) -> jax.Array:
        """`[d]`."""
        return jnp.where(self.is_row[:, None], self.x, -jnp.inf).max(0)

    def sample(self, key: jax.Array, most: int) -> "FittedRows":
        """At most so many, those with weight first and in a random order that goes by their number
        among themselves."""
        number = jnp.maximum(jnp.cumsum(self.is_row) - 1, 0)
        bits = jax.random.bits(key, self.is_row.shape, jnp.uint32)[number] >> 1
        order = jnp.argsort(jnp.where(self.is_row, bits, jnp.uint32(1 << 31)))[:most]
        return FittedRows(self.x[order], self.is_row[order], self.live)


class Kinds(NamedTuple):
    """Kind of each column, as networks need it."""

    varies: jax.Array
    """`[d]`: at least two values."""
    is_numeric: jax.Array
    """`[d]`: at least three values; columns of two are categories, and get no embedding."""


def kinds_of(rows: FittedRows) -> Kinds:
    """The kinds of the columns on training rows."""
    low, high = rows.lowest(), rows.highest()
    varies = rows.live & (high > low)
    between = (rows.x > low) & (rows.x < high) & rows.is_row[:, None]
    return Kinds(varies, varies & between.any(0))


def quantiles(rows: FittedRows, q: jax.Array) -> jax.Array:
    """Quantiles `[m, d]` for q `[m]` in [0, 1], linear between order statistics as NumPy's."""
    x, last = rows.sorted(), jnp.maximum(rows.is_row.sum() - 1, 0)
    place = q * last
    before = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, last)
    share = (place - before)[:, None]
    low, high = x[before], x[jnp.minimum(before + 1, last)]
    low, high = (jnp.where(jnp.isfinite(v), v, 0) for v in (low, high))  # of no rows at all
    return low + share * (high - low)


def robust_scale(rows: FittedRows) -> tuple[jax.Array, jax.Array]:
    """`(shift [d], factor [d])`: the median, and 1 over the range of the middle half of the rows.

    Where that range is 0, the factor is 2 over the range of all rows (Holzmüller et al. 2024,
    section 3); 0 of a column that does not vary.
    """
    low, median, high = quantiles(rows, jnp.array([0.25, 0.5, 0.75], jnp.float32))
    whole, half = rows.highest() - rows.lowest(), high - low
    varies = kinds_of(rows).varies
    whole, middle = jnp.where(varies, whole, 1), jnp.where(half > 0, half, 1)
    factor = jnp.where(half > 0, 1 / middle, 2 / whole)
    return jnp.where(varies, median, 0), jnp.where(varies, factor, 0)


def smooth_clip(x: jax.Array, most: float = 3.0) -> jax.Array:
    """`x / sqrt(1 + (x / most)²)`: in (-most, most), and near 0 the identity."""
    x = jnp.clip(x, -1e18, 1e18)  # whose square is finite
    return x * jax.lax.rsqrt(1 + jnp.square(x / most))


def by_number(key: jax.Array, numbers: int | jax.Array, draw: Callable[[jax.Array], Any]) -> Any:
    """`draw(key_i)` for each number i, or each below an integer, so that none changes another."""
    numbers = jnp.arange(numbers) if isinstance(numbers, int) else numbers
    return jax.vmap(lambda i: draw(jax.random.fold_in(key, i)))(numbers)


def inputs_by_column(features: int, outputs: int) -> jax.Array:
    """`[(outputs + 1) features]`: numbers of inputs, first each column's outputs of an embedding,
    then the columns; a column's are the same whatever the number of columns."""
    first = (outputs + 1) * jnp.arange(features)
    return jnp.concatenate([(first[:, None] + jnp.arange(outputs)).reshape(-1), first + outputs])
