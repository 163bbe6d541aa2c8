"""What samplers are made of: rows class by class, draws by row number, and the change they return.

A sampler is one function,

    sample(key, train, wanted, sizes, ...) -> Resampled,

of a view `train`, the new rows `wanted [K]` of each class, and static bounds `sizes`. Draws go by
the number of the new row, so that neither the bounds nor padding change a row.
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
    """Most rows of any class of which new ones are wanted."""
    max_synth: int
    """Most new rows in all; surplus rows have weight 0."""
    max_class: int = 0
    """Most rows of any class together with the new ones wanted of it; only some samplers ask."""


class Classes(NamedTuple):
    """The rows of a view, class after class."""

    order: jax.Array
    """`[n]`: row numbers, padding last."""
    first: jax.Array
    """`[K]`: where each class begins in `order`."""
    counts: jax.Array
    """`[K]`: rows of each class, without padding."""

    def row(self, c: jax.Array, place: jax.Array) -> jax.Array:
        """Numbers of the rows at `place` within class `c`; unspecified beyond the class."""
        return self.order[jnp.minimum(self.first[c] + place, len(self.order) - 1)]


class Made(NamedTuple):
    """New rows, class after class."""

    x: jax.Array
    """`[s, d]`."""
    y: jax.Array
    """`[s]`: classes, int32."""
    w: jax.Array
    """`[s]`, 0 = padding."""
    parents: jax.Array | None = None
    """`[s, 2]`: numbers of the training rows that a row was made of; None: of no row in
    particular."""
    gap: jax.Array | None = None
    """`[s]`: how far a row lies from the first parent to the second, in [0, 1)."""


class Minority(NamedTuple):
    """The minority rows of a view."""

    x: jax.Array
    """`[m, d]`, scaled; beyond `n` the first row repeats."""
    positions: jax.Array
    """`[m]`: positions in the view."""
    n: jax.Array
    """Number of minority rows, <= m."""
    real: jax.Array
    """`[m]`: False beyond `n`."""


def classes_of(train: Rows, wanted: jax.Array) -> Batch:
    """The rows `[n, d]` of a view, scaled, with their classes as int32 and their weights.

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
    """The rows of `y [n]` with weight `w [n]`, class after class."""
    counts = class_counts(y, w, classes)
    order = jnp.argsort(jnp.where(w > 0, y, classes), stable=True)
    return Classes(order, jnp.cumsum(counts) - counts, counts)


def smaller_classes(
    train: Rows, classes: int, wanted: jax.Array | None = None
) -> tuple[Classes, jax.Array]:
    """The rows of every class but the largest, which counts as empty; and the largest's size.

    Of two classes the second is the minority, whatever their sizes. With `wanted [K]`, the classes
    of which some rows are wanted are taken instead.
    """
    y = train.y.astype(jnp.int32)
    counts = class_counts(y, train.w, classes)
    largest = 0 if classes == 2 else counts.argmax()
    is_taken = y != largest if wanted is None else wanted[y] > 0
    return by_class(y, jnp.where(is_taken, train.w, 0), classes), counts[largest]


def slots(wanted: jax.Array, max_synth: int) -> tuple[jax.Array, jax.Array]:
    """The class of each new row `[max_synth]`, class after class, and whether it is wanted."""
    number = jnp.arange(max_synth)
    c = jnp.searchsorted(jnp.cumsum(wanted), number, side="right")
    return jnp.minimum(c, len(wanted) - 1), number < wanted.sum()


def extended(train: Rows, made: Made, moved: jax.Array | None = None, fallback=False) -> Resampled:
    """The training rows, followed by the new ones.

    Parameters
    ----------
    train
        Training rows.
    made
        New rows.
    moved
        `[n, d]`: the view's own rows where a sampler has moved them; None: as they are.
    fallback
        See `Resampled`.
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
    """The training rows, then those at `positions [s]` again with weights `w [s]`."""
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
    """A sampler for one minority, applied to every class of which rows are wanted.

    Of two classes the second is the minority. Of more, each class in turn is the minority against
    all others, with the key `fold_in(key, class)`.

    Parameters
    ----------
    make
        `(key, view whose targets are 1 for the minority and 0 for others, number of new rows,
        sizes) -> (new rows [max_synth, d], whether the fallback was taken)`.
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
        # What a class leaves beyond its own rows is overwritten by the next class.
        return jax.lax.dynamic_update_slice_in_dim(x, new, first[c], 0), fallback | failed

    width = train.live.shape[0]
    x = jnp.zeros((2 * sizes.max_synth, width), train.factor.dtype)
    start = x, jnp.zeros((), bool)
    x, fallback = jax.lax.fori_loop(0, (wanted > 0).sum(), treat, start)
    return extended(train, _without_parents(x[: sizes.max_synth], wanted, sizes), fallback=fallback)


def minority_of(train: Rows, max_minority: int) -> Minority:
    """The minority rows of a view of two classes, at most `max_minority`."""
    positions, n = minority_positions(train, max_minority)
    return Minority(train.take(positions).x, positions, n, jnp.arange(max_minority) < n)


def minority_positions(rows: Rows, size: int) -> tuple[jax.Array, jax.Array]:
    """Positions `[size]` of the minority rows, and their number; beyond it the first one repeats.

    Parameters
    ----------
    rows
        A view.
    size
        Static upper bound on the number of minority rows.
    """
    check_rows(rows, "minority_positions")
    is_minority = (rows.y > 0.5) & (rows.w > 0)
    (first,) = jnp.nonzero(is_minority, size=1, fill_value=0)
    (positions,) = jnp.nonzero(is_minority, size=size, fill_value=first[0])
    return positions, is_minority.sum()


def own_neighbors(minority: Minority, k: int) -> tuple[jax.Array, jax.Array]:
    """Each minority row's nearest others `[m, k]`, and how many each has: k, or n - 1 if less.

    Places beyond that number hold the row itself.
    """
    own = jnp.arange(len(minority.x))
    index, square = nearest(minority.x, minority.x, minority.real, k, own=own)
    return jnp.where(jnp.isfinite(square), index, own[:, None]), jnp.minimum(k, minority.n - 1)


def uniform_by_row(key: jax.Array, n: int, streams: int) -> jax.Array:
    """Uniform draws `[streams, n]` in [0, 1); a row's draws depend on its number, not on n."""

    def draw(number):
        return jax.random.uniform(jax.random.fold_in(key, number), (streams,), jnp.float32)

    return jax.vmap(draw)(jnp.arange(n)).T


def pick(uniform: jax.Array, count: jax.Array) -> jax.Array:
    """A uniform draw from [0, 1) as one from 0..count-1; 0 where count is 0."""
    return jnp.maximum(jnp.minimum((uniform * count).astype(jnp.int32), count - 1), 0)


def apportion(weight: jax.Array, total: jax.Array) -> jax.Array:
    """Whole numbers `[m]` proportional to `weight [m]` that add up to `total`: largest remainders.

    Of equal remainders the first is served first. Exact for integer weights with
    `weight * total < 2**31`. Weights that are all 0 give 0 everywhere.
    """
    of_all = weight.sum()
    product = weight * total
    share = jnp.floor_divide(product, jnp.where(of_all > 0, of_all, 1))
    remainder = product - share * of_all
    rank = jnp.argsort(jnp.argsort(remainder, descending=True, stable=True))
    share = share.astype(jnp.int32)
    return share + ((rank < total - share.sum()) & (of_all > 0))


def spread(counts: jax.Array, size: int) -> jax.Array:
    """Each row's number as often as `counts [m]` says, in order, `[size]`; then the last one."""
    bases = jnp.searchsorted(jnp.cumsum(counts), jnp.arange(size), side="right")
    return jnp.minimum(bases, len(counts) - 1)


def _without_parents(x, wanted, sizes):
    c, is_wanted = slots(wanted, sizes.max_synth)
    return Made(x, c, is_wanted.astype(x.dtype))
