"""MC-RBO (`mc_rbo`): rows of a class that walk to where it and the larger classes balance.

    Φ(x) = Σ_enemies φ(‖x - p‖₁) - Σ_own φ(‖x - p‖₁),    φ(r) = exp(-(r / γ)²)

A new row starts at a row of its class, drawn uniformly, and goes along the axes: of the 2d moves by
±step one is drawn that has not been tried since the last move that was taken, and is taken if |Φ|
falls. It stops when all have been tried, and after `steps` trials. Φ sums over the start and the
`neighbors` rows nearest to it, own and enemies alike, found once.

Classes are treated from the largest to the smallest, equal ones by number. That of rank i (the
largest has 0) takes for its enemies ⌊n_max / i⌋ rows, drawn with replacement, from each class
before it, the new rows of that class among them. The largest has no enemies: rows wanted of it
leave their start by Φ alone.

Source: Krawczyk, Koziarski and Woźniak 2020 (IEEE TNNLS 31(8)), MC-RBO, and its public code, whose
γ = 0.05 and step = 0.001 are for a few columns scaled to [0, 1]. Between images L1 distances are
a thousand times that: every φ but the row's own is 0, and a walk only leaves its start. "auto", our
default, takes both from ρ, the median L1 distance of the class's rows to the nearest other row of
it:

- γ = ρ. A row then feels its nearest neighbour with φ = 1/e, and, since distances differ less the
  more columns there are, all the others too: at 1.5 ρ it is 0.11, at 2 ρ 0.02;
- step = ρ / steps. A row whose every trial is taken goes as far as its neighbour is; of MNIST's
  digits a new row is 0.4 to 0.9 ρ from its start.

Copies do not count in ρ; a class all of whose rows are equal, or a single row, is copied. Nothing
keeps a walk within the range of a column.

A move changes one coordinate, so a distance changes by |x_j ± step - p_j| - |x_j - p_j|, and a
trial costs the neighbours, not the columns. Moves are drawn exactly uniformly from those untried:
they lie in an array, tried ones first, and each trial swaps one into its place, so that to make all
untried again is to count from 0.
"""

import jax
import jax.numpy as jnp

from imbax.methods.sampling import (
    Made,
    Sizes,
    by_class,
    classes_of,
    extended,
    pick,
    slots,
    uniform_by_row,
)
from imbax.types import Resampled, Rows

__all__ = ["enemies", "nearby", "sample", "walk"]

_BLOCK = 128


def sample(
    key: jax.Array,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    gamma: float | str = "auto",
    step: float | str = "auto",
    steps: int = 500,
    neighbors: int = 25,
) -> Resampled:
    """Adds rows that walk away from larger classes to the training view; constant columns stay.

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
    gamma
        γ, or "auto".
    step
        Length of a move, or "auto".
    steps
        Trials of a row.
    neighbors
        Rows beside the start that Φ sums over, >= 1.

    Returns
    -------
    Resampled
        The change to the view; both `parents` of a new row are the one it started at, `gap` is 0.
    """
    x, y, w = classes_of(train, wanted)
    max_class, max_synth = sizes.max_class, sizes.max_synth
    _check(gamma=gamma, step=step)
    if steps < 1 or neighbors < 1:
        raise ValueError(f"steps and neighbors are at least 1; got {steps} and {neighbors}")
    classes = len(wanted)
    rows = by_class(y, w, classes)
    total, n_max = rows.counts + wanted, rows.counts.max()
    by_size = jnp.argsort(rows.counts, descending=True, stable=True)

    def treat(rank, state):
        pool, starts = state
        c = by_size[rank]
        n = rows.counts[c]
        taking, walking = jax.random.split(jax.random.fold_in(key, c))
        drawn = uniform_by_row(taking, max_class, 1)[0]
        larger, place, there = enemies(drawn, total[by_size], n_max, rank)
        own = pool[c, : sizes.max_rows]
        points = jnp.concatenate([own, pool[by_size[larger], place]])
        sign = jnp.concatenate([jnp.where(jnp.arange(len(own)) < n, -1, 0), there])
        near, reach = nearby(own, jnp.where(wanted[c] > 0, n, 0), points, sign, neighbors + 1)
        rho = jnp.nan_to_num(jnp.nanmedian(jnp.where(reach > 0, reach, jnp.nan)))
        scale = jnp.where(rho > 0, rho, 1) if isinstance(gamma, str) else gamma
        length = rho / steps if isinstance(step, str) else step

        def drawn_for(place):
            return jax.random.uniform(jax.random.fold_in(walking, place), (1 + steps,), jnp.float32)

        def block(b, of_class):
            uniform = jax.vmap(drawn_for)(b * _BLOCK + jnp.arange(_BLOCK))
            start = pick(uniform[:, 0], n)
            at = points[near[start]], sign[near[start]]
            made, _ = walk(uniform[:, 1:], own[start], *at, scale, length, train.live)
            # What the last block makes beyond what is wanted lies beyond the class: never read.
            put = jax.lax.dynamic_update_slice_in_dim
            return tuple(map(put, of_class, (made, start), 2 * (n + b * _BLOCK,), (0, 0)))

        blocks = -(-wanted[c] // _BLOCK)
        of_class = jax.lax.fori_loop(0, blocks, block, (pool[c], starts[c]))
        return pool.at[c].set(of_class[0]), starts.at[c].set(of_class[1])

    def gathered(c):
        place = jnp.arange(max_class + _BLOCK)
        return jnp.where((place < rows.counts[c])[:, None], x[rows.row(c, place)], 0), jnp.zeros(
            len(place), jnp.int32
        )

    state = jax.lax.map(gathered, jnp.arange(classes))
    pool, starts = jax.lax.fori_loop(0, classes, treat, state)
    c, is_wanted = slots(wanted, max_synth)
    place = rows.counts[c] + jnp.arange(max_synth) - (jnp.cumsum(wanted) - wanted)[c]
    i = rows.row(c, starts[c, place])
    parents, gap = jnp.stack([i, i], 1), jnp.zeros(max_synth, x.dtype)
    return extended(train, Made(pool[c, place], c, is_wanted.astype(x.dtype), parents, gap))


def enemies(
    uniform: jax.Array, total: jax.Array, n_max: jax.Array, rank: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The rows of larger classes that the class of that rank takes, given the draws.

    Parameters
    ----------
    uniform
        `[e]`.
    total
        `[K]`: rows of each class by rank, new ones included.
    n_max
        Rows of the largest class without its new ones, <= e.
    rank
        i.

    Returns
    -------
    tuple[jax.Array, jax.Array, jax.Array]
        The rank of the class of each, its place within the class, and 1, or 0 for padding, all
        `[e]`.
    """
    each = n_max // jnp.maximum(rank, 1)
    number = jnp.arange(len(uniform))
    larger = jnp.minimum(number // jnp.maximum(each, 1), jnp.maximum(rank - 1, 0))
    return larger, pick(uniform, total[larger]), (number < each * rank).astype(jnp.int32)


def nearby(
    own: jax.Array, n: jax.Array, points: jax.Array, sign: jax.Array, k: int
) -> tuple[jax.Array, jax.Array]:
    """The k points nearest by L1 to each of the first n rows of `own [m, d]`, the row among them.

    One row at a time, so that no array is larger than the points.

    Parameters
    ----------
    own
        `[m, d]`.
    n
        How many of them; the others' results mean nothing.
    points
        `[p, d]`, the first m of them `own`.
    sign
        `[p]`: 1 for an enemy, -1 for a row of `own`, 0 for padding.
    k
        How many. Where there are fewer, points with sign 0 stand for the others.

    Returns
    -------
    tuple[jax.Array, jax.Array]
        Indices `[m, min(k, p)]`, nearest first, of equally near ones the first; and the distance
        `[m]` to the nearest other row of `own` that is not a copy, or 0.
    """
    shape = len(own), min(k, len(points))

    def one(i, found):
        index, reach = found
        distance = jnp.abs(points - own[i]).sum(1)
        _, near = jax.lax.top_k(jnp.where(sign != 0, -distance, -jnp.inf), shape[1])
        other = jnp.where((sign < 0) & (distance > 0), distance, jnp.inf).min()
        return index.at[i].set(near), reach.at[i].set(jnp.where(other < jnp.inf, other, 0))

    none = jnp.zeros(shape, jnp.int32), jnp.zeros(len(own), own.dtype)
    return jax.lax.fori_loop(0, n, one, none)


def walk(
    uniform: jax.Array,
    start: jax.Array,
    points: jax.Array,
    sign: jax.Array,
    gamma: jax.Array,
    step: jax.Array,
    live: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Rows `[s, d]` after their walk, given the draws, and Φ there `[s]`.

    Move m < d is +step in column m, move d + m is -step in it.

    Parameters
    ----------
    uniform
        `[s, steps]`: which of the moves not yet tried each trial takes.
    start
        `[s, d]`.
    points
        `[s, k, d]`: what Φ sums over.
    sign
        `[s, k]`: 1 for an enemy, -1 for a row of the class, 0 for padding.
    gamma
        γ.
    step
        Length of a move.
    live
        `[d]`: the columns to move in; None: all.
    """
    (count, d), steps = start.shape, uniform.shape[1]
    each, columns = jnp.arange(count), points.swapaxes(1, 2)
    live = jnp.ones(d, bool) if live is None else live
    every = 2 * live.sum(dtype=jnp.int32)
    summed = lambda distance: (sign * jnp.exp(-((distance / gamma) ** 2))).sum(1)

    def more(now):
        trial, *_, tried = now
        return (trial < steps) & (tried < every).any()

    def one(now):
        trial, x, distance, phi, moves, tried = now
        place = jnp.minimum(tried, jnp.maximum(every - 1, 0))
        other = place + pick(uniform[:, trial], every - place)
        first, move = moves[each, place], moves[each, other]
        moves = moves.at[each, place].set(move).at[each, other].set(first)
        j, go = move % d, jnp.where(move < d, step, -step)
        there = columns[each, j]
        from_j = x[each, j]
        to_j = from_j + go
        moved = distance + jnp.abs(to_j[:, None] - there) - jnp.abs(from_j[:, None] - there)
        after = summed(moved)
        better = (jnp.abs(after) < jnp.abs(phi)) & (tried < every)
        x = x.at[each, j].set(jnp.where(better, to_j, from_j))
        distance = jnp.where(better[:, None], moved, distance)
        phi, tried = jnp.where(better, after, phi), jnp.where(better, 0, place + 1)
        return trial + 1, x, distance, phi, moves, tried

    distance = jnp.abs(points - start[:, None]).sum(2)
    moves = jnp.argsort(~jnp.tile(live, 2), stable=True)  # those of live columns first
    moves = jnp.broadcast_to(moves, (count, 2 * d))
    now = 0, start, distance, summed(distance), moves, jnp.zeros(count, jnp.int32)
    _, x, _, phi, _, _ = jax.lax.while_loop(more, one, now)
    return x, phi


def _check(**given):
    for name, value in given.items():
        number = isinstance(value, int | float)
        if (isinstance(value, str) and value != "auto") or (number and not value > 0):
            raise ValueError(f'{name} is "auto" or a number above 0; got {value!r}')
