"""Building blocks of samplers: rows sorted by class, draws indexed by row, and changed rows.

A sampler is a function

    sample(key, train, wanted, sizes, ...) -> Resampled

of a view `train`, the number of new rows `wanted [K]` of each class, and static bounds `sizes`.
Draws are indexed by the number of the new row, so they depend neither on the bounds nor on padding.
"""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.losses.by_class import class_counts
from imbax.neighbors import nearest
from imbax.types import Batch, Resampled, Rows, check_rows

__all__ = [
    "Classes",
    "Made",
    "Minority",
    "Sizes",
    "apportion",
    "by_class",
    "check_sample",
    "classes_of",
    "extended",
    "minority_of",
    "minority_positions",
    "one_vs_rest",
    "own_neighbors",
    "pick",
    "repeated",
    "slots",
    "smaller_classes",
    "spread",
    "uniform_by_row",
]


class Sizes(NamedTuple):
    """Static bounds on numbers of rows; array shapes depend on them."""

    max_rows: int
    """Upper bound on the rows of any class with wanted rows."""
    max_synth: int
    """Upper bound on the total number of new rows; surplus rows have weight 0."""
    max_class: int = 0
    """Upper bound on the real and new rows of any class; only some samplers need it."""


class Classes(NamedTuple):
    """Rows of a view sorted by class."""

    order: jax.Array
    """Row numbers `[n]` sorted by class, padding last."""
    first: jax.Array
    """Position `[K]` of the first row of each class in `order`."""
    counts: jax.Array
    """Number of rows of each class `[K]`, without padding."""

    def row(self, c: jax.Array, place: jax.Array) -> jax.Array:
        """Numbers of the rows at `place` within class `c`; unspecified beyond the class."""
        return self.order[jnp.minimum(self.first[c] + place, len(self.order) - 1)]


class Made(NamedTuple):
    """New rows sorted by class."""

    x: jax.Array
    """Features `[s, d]`."""
    y: jax.Array
    """Classes `[s]`, int32."""
    w: jax.Array
    """Row weights `[s]`; 0 marks padding."""
    parents: jax.Array | None = None
    """Numbers `[s, 2]` of the two training rows that a row was made from; None: no parents."""
    gap: jax.Array | None = None
    """Position `[s]` of a row between its first and second parent, in [0, 1)."""


class Minority(NamedTuple):
    """Minority rows of a view."""

    x: jax.Array
    """Scaled features `[m, d]`; beyond `n`, the first row repeats."""
    positions: jax.Array
    """Positions `[m]` in the view."""
    n: jax.Array
    """Number of minority rows, <= m."""
    real: jax.Array
    """Mask `[m]`; False beyond `n`."""


def classes_of(train: Rows, wanted: jax.Array) -> Batch:
    """Returns the scaled rows `[n, d]` of a view with int32 classes and weights.

    Raises AssertionError unless `train` is a view and `wanted` is `[K]`.
    """
    check_sample(train, wanted)
    x, y, w = train.all()
    return Batch(x, y.astype(jnp.int32), w)


def check_sample(train: Rows, wanted: jax.Array) -> None:
    """Raises AssertionError unless `train` is a view and `wanted` is `[K]`."""
    check_rows(train, "sample: train")
    chex.assert_rank(wanted, 1, custom_message="sample: wanted must be [K]")


def by_class(y: jax.Array, w: jax.Array, classes: int) -> Classes:
    """Sorts rows by their classes `y [n]`; rows of weight 0 in `w [n]` come last."""
    counts = class_counts(y, w, classes)
    order = jnp.argsort(jnp.where(w > 0, y, classes), stable=True)
    return Classes(order, jnp.cumsum(counts) - counts, counts)


def smaller_classes(
    train: Rows, classes: int, wanted: jax.Array | None = None
) -> tuple[Classes, jax.Array]:
    """Returns the rows of every class except the largest, and the size of the largest.

    The largest class has a count of 0 in the result. For two classes, the second is the minority,
    whatever their sizes. With `wanted [K]`, the classes with wanted rows are returned instead.
    """
    y = train.y.astype(jnp.int32)
    counts = class_counts(y, train.w, classes)
    largest = 0 if classes == 2 else counts.argmax()
    is_taken = y != largest if wanted is None else wanted[y] > 0
    return by_class(y, jnp.where(is_taken, train.w, 0), classes), counts[largest]


def slots(wanted: jax.Array, max_synth: int) -> tuple[jax.Array, jax.Array]:
    """Returns the class of each new row `[max_synth]`, sorted, and a mask of wanted rows."""
    number = jnp.arange(max_synth)
    c = jnp.searchsorted(jnp.cumsum(wanted), number, side="right")
    return jnp.minimum(c, len(wanted) - 1), number < wanted.sum()


def extended(train: Rows, made: Made, moved: jax.Array | None = None, fallback=False) -> Resampled:
    """Appends new rows to the training rows.

    Parameters
    ----------
    train
        Training rows.
    made
        New rows.
    moved
        Moved training rows `[n, d]`; None: they are unchanged.
    fallback
        Value of `Resampled.fallback`.
    """
    n, x, y = len(train.data), made.x, made.y.astype(train.target.dtype)
    if moved is None:
        index = jnp.concatenate([train.index, n + jnp.arange(len(x))])
    else:
        x, y = jnp.concatenate([moved, x]), jnp.concatenate([train.y, y])
        index = n + jnp.arange(len(x))
    w = jnp.concatenate([train.w, made.w])
    return Resampled(index, w, x, y, fallback, made.parents, made.gap)


def repeated(train: Rows, positions: jax.Array, w: jax.Array) -> Resampled:
    """Appends copies of the rows at `positions [s]` with weights `w [s]`."""
    index = jnp.concatenate([train.index, train.index[positions]])
    parents = jnp.stack([positions, positions], 1)
    return Resampled(index, jnp.concatenate([train.w, w]), parents=parents)


def one_vs_rest(
    make: Callable[[jax.Array, Rows, jax.Array, Sizes], tuple[jax.Array, jax.Array]],
    key: jax.Array,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
) -> Resampled:
    """Applies a sampler for one minority to every class with wanted rows.

    For two classes, the second is the minority. For more, each class is the minority against all
    other classes, with the key `fold_in(key, class)`.

    Parameters
    ----------
    make
        `(key, view with targets 1 for the minority and 0 for others, number of new rows, sizes) ->
        (new rows [max_synth, d], whether the fallback was used)`.
    key
        Random key.
    train
        Training rows.
    wanted
        Number of new rows of each class `[K]`; 0 for the first of two classes.
    sizes
        Static bounds on numbers of rows.
    """
    check_sample(train, wanted)
    if len(wanted) == 2:
        x, fallback = make(key, train, wanted[1], sizes)
        return extended(train, _without_parents(x, wanted, sizes), fallback=fallback)
    order = jnp.argsort(wanted == 0, stable=True)  # classes with wanted rows first
    first = jnp.cumsum(wanted) - wanted

    def treat(i, state):
        x, fallback = state
        c = order[i]
        view = train._replace(
            target=(train.target == c).astype(train.target.dtype),
            y_synth=None if train.y_synth is None else train.y_synth == c,
        )
        new, failed = make(jax.random.fold_in(key, c), view, wanted[c], sizes)
        # Surplus rows of a class are overwritten by the next class.
        return jax.lax.dynamic_update_slice_in_dim(x, new, first[c], 0), fallback | failed

    width = train.live.shape[0]
    x = jnp.zeros((2 * sizes.max_synth, width), train.factor.dtype)
    start = x, jnp.zeros((), bool)
    x, fallback = jax.lax.fori_loop(0, (wanted > 0).sum(), treat, start)
    return extended(train, _without_parents(x[: sizes.max_synth], wanted, sizes), fallback=fallback)


def minority_of(train: Rows, max_minority: int) -> Minority:
    """Returns the minority rows, at most `max_minority`, of a view with two classes."""
    positions, n = minority_positions(train, max_minority)
    return Minority(train.take(positions).x, positions, n, jnp.arange(max_minority) < n)


def minority_positions(rows: Rows, size: int) -> tuple[jax.Array, jax.Array]:
    """Positions `[size]` of the minority rows, and their number; the first repeats beyond it.

    Parameters
    ----------
    rows
        View with two classes.
    size
        Static upper bound on the number of minority rows.
    """
    check_rows(rows, "minority_positions")
    is_minority = (rows.y > 0.5) & (rows.w > 0)
    (first,) = jnp.nonzero(is_minority, size=1, fill_value=0)
    (positions,) = jnp.nonzero(is_minority, size=size, fill_value=first[0])
    return positions, is_minority.sum()


def own_neighbors(minority: Minority, k: int) -> tuple[jax.Array, jax.Array]:
    """Nearest other minority rows `[m, k]` of each minority row, and their number min(k, n - 1).

    Places beyond that number hold the row itself.
    """
    numbers = jnp.arange(len(minority.x))
    index, square = nearest(minority.x, minority.x, minority.real, k, own=numbers)
    return jnp.where(jnp.isfinite(square), index, numbers[:, None]), jnp.minimum(k, minority.n - 1)


def uniform_by_row(key: jax.Array, n: int, streams: int) -> jax.Array:
    """Uniform draws `[streams, n]` in [0, 1), indexed by row number and independent of n."""

    def draw(number):
        return jax.random.uniform(jax.random.fold_in(key, number), (streams,), jnp.float32)

    return jax.vmap(draw)(jnp.arange(n)).T


def pick(uniform: jax.Array, count: jax.Array) -> jax.Array:
    """Maps a uniform draw in [0, 1) to 0..count-1; 0 if count is 0."""
    return jnp.maximum(jnp.minimum((uniform * count).astype(jnp.int32), count - 1), 0)


def apportion(weight: jax.Array, total: jax.Array) -> jax.Array:
    """Integers `[m]` proportional to `weight [m]` with sum `total`, by largest remainders.

    Ties between remainders are broken by the lower index. The result is exact for integer weights
    with `weight * total < 2**31`. Weights that are all 0 give 0 everywhere.
    """
    weight_sum = weight.sum()
    product = weight * total
    share = jnp.floor_divide(product, jnp.where(weight_sum > 0, weight_sum, 1))
    remainder = product - share * weight_sum
    rank = jnp.argsort(jnp.argsort(remainder, descending=True, stable=True))
    share = share.astype(jnp.int32)
    return share + ((rank < total - share.sum()) & (weight_sum > 0))


def spread(counts: jax.Array, size: int) -> jax.Array:
    """Repeats each row number `counts [m]` times in order, `[size]`; the last number fills up."""
    bases = jnp.searchsorted(jnp.cumsum(counts), jnp.arange(size), side="right")
    return jnp.minimum(bases, len(counts) - 1)


def _without_parents(x, wanted, sizes):
    c, is_wanted = slots(wanted, sizes.max_synth)
    return Made(x, c, is_wanted.astype(x.dtype))
