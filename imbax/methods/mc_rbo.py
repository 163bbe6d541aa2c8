"""MC-RBO (`mc_rbo`): synthetic rows that walk to where their class and larger classes balance.

    Φ(x) = Σ_enemies φ(‖x - p‖₁) - Σ_class φ(‖x - p‖₁),    φ(r) = exp(-(r / γ)²)

A synthetic row starts at a row of its class, drawn uniformly, and moves along the axes. Each trial
draws one of the 2d moves by ±step that have not been tried since the last accepted move, and
accepts it if |Φ| decreases. The walk stops when all moves have been tried, and after `steps`
trials. Φ sums over the starting row and its `neighbors` nearest rows, enemies and rows of its
class, found once.

Classes are processed from the largest to the smallest, equal ones by number. The class of rank i
(0 for the largest) draws ⌊n_max / i⌋ enemies with replacement from each class before it, including
its synthetic rows. The largest class has no enemies, so its synthetic rows move away from the other
rows of the class.

Source: Krawczyk, Koziarski and Woźniak 2020 (IEEE TNNLS 31(8)), MC-RBO, and its public code, whose
γ = 0.05 and step = 0.001 are for a few columns scaled to [0, 1]. L1 distances between images are a
thousand times as large: φ is 0 except for the starting row, from which the walk only moves away.
The default "auto" derives both from ρ, the median L1 distance of the class's rows to the nearest
other row of the class:

- γ = ρ. The nearest neighbour then has φ = 1/e. Because distances differ less in high dimensions,
  the other neighbours also contribute: φ is 0.11 at 1.5 ρ and 0.02 at 2 ρ.
- step = ρ / steps. If all trials are accepted, a row moves as far as its neighbour; on the digits
  of MNIST, a synthetic row ends 0.4 to 0.9 ρ from its start.

Duplicates do not count in ρ. A class whose rows are all equal, or that has a single row, is copied.
A walk may leave the range of a column.

A move changes one coordinate, so a distance changes by |x_j ± step - p_j| - |x_j - p_j|, and the
cost of a trial is proportional to the neighbours rather than the columns. Moves are drawn exactly
uniformly from the untried ones: an array holds the tried moves first, each trial swaps a move into
this part, and an accepted move resets its length to 0.
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
    """Adds synthetic rows after their walk to the training view; constant columns stay constant.

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
        Scale γ of φ, or "auto".
    step
        Length of a move, or "auto".
    steps
        Number of trials of a row.
    neighbors
        Number of rows in Φ in addition to the starting row, >= 1.

    Returns
    -------
    Resampled
        Changed training rows; both `parents` of a synthetic row are its start, and its `gap` is 0.
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
        key_enemies, key_walk = jax.random.split(jax.random.fold_in(key, c))
        drawn = uniform_by_row(key_enemies, max_class, 1)[0]
        larger, place, is_enemy = enemies(drawn, total[by_size], n_max, rank)
        members = pool[c, : sizes.max_rows]
        points = jnp.concatenate([members, pool[by_size[larger], place]])
        sign = jnp.concatenate([jnp.where(jnp.arange(len(members)) < n, -1, 0), is_enemy])
        near, reach = nearby(members, jnp.where(wanted[c] > 0, n, 0), points, sign, neighbors + 1)
        rho = jnp.nan_to_num(jnp.nanmedian(jnp.where(reach > 0, reach, jnp.nan)))
        scale = jnp.where(rho > 0, rho, 1) if isinstance(gamma, str) else gamma
        length = rho / steps if isinstance(step, str) else step

        def draws(place):
            return jax.random.uniform(
                jax.random.fold_in(key_walk, place), (1 + steps,), jnp.float32
            )

        def block(b, results):
            uniform = jax.vmap(draws)(b * _BLOCK + jnp.arange(_BLOCK))
            start = pick(uniform[:, 0], n)
            at = points[near[start]], sign[near[start]]
            made, _ = walk(uniform[:, 1:], members[start], *at, scale, length, train.live)
            # Surplus rows of the last block lie beyond the class and are never read.
            put = jax.lax.dynamic_update_slice_in_dim
            return tuple(map(put, results, (made, start), 2 * (n + b * _BLOCK,), (0, 0)))

        blocks = -(-wanted[c] // _BLOCK)
        results = jax.lax.fori_loop(0, blocks, block, (pool[c], starts[c]))
        return pool.at[c].set(results[0]), starts.at[c].set(results[1])

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
    """Selects the enemies of the class of a given rank from random draws.

    Parameters
    ----------
    uniform
        Uniform draws `[e]`.
    total
        Number of rows of each class by rank `[K]`, including synthetic rows.
    n_max
        Number of real rows of the largest class, <= e.
    rank
        Rank i.

    Returns
    -------
    tuple[jax.Array, jax.Array, jax.Array]
        Rank of each enemy's class, its place within the class, and 1, or 0 for padding; all `[e]`.
    """
    each = n_max // jnp.maximum(rank, 1)
    number = jnp.arange(len(uniform))
    larger = jnp.minimum(number // jnp.maximum(each, 1), jnp.maximum(rank - 1, 0))
    return larger, pick(uniform, total[larger]), (number < each * rank).astype(jnp.int32)


def nearby(
    own: jax.Array, n: jax.Array, points: jax.Array, sign: jax.Array, k: int
) -> tuple[jax.Array, jax.Array]:
    """Returns the k points nearest in L1 to each of the first n rows, including the row itself.

    Rows are processed one at a time, so that no array is larger than the points.

    Parameters
    ----------
    own
        Rows of the class `[m, d]`.
    n
        Number of rows; the results of further rows are meaningless.
    points
        Points `[p, d]`; the first m are `own`.
    sign
        Signs `[p]`: 1 for an enemy, -1 for a row of the class, 0 for padding.
    k
        Number of neighbours. If there are fewer, points with sign 0 fill the remaining places.

    Returns
    -------
    tuple[jax.Array, jax.Array]
        Indices `[m, min(k, p)]`, nearest first and ties by index; and the distance `[m]` to the
        nearest other row of the class that is not a duplicate, or 0.
    """
    shape = len(own), min(k, len(points))

    def one(i, found):
        index, reach = found
        distance = jnp.abs(points - own[i]).sum(1)
        _, near = jax.lax.top_k(jnp.where(sign != 0, -distance, -jnp.inf), shape[1])
        other = jnp.where((sign < 0) & (distance > 0), distance, jnp.inf).min()
        return index.at[i].set(near), reach.at[i].set(jnp.where(other < jnp.inf, other, 0))

    start = jnp.zeros(shape, jnp.int32), jnp.zeros(len(own), own.dtype)
    return jax.lax.fori_loop(0, n, one, start)


def walk(
    uniform: jax.Array,
    start: jax.Array,
    points: jax.Array,
    sign: jax.Array,
    gamma: jax.Array,
    step: jax.Array,
    live: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Walks from the starting rows; returns the final rows `[s, d]` and Φ `[s]`.

    Move m < d is +step in column m, and move d + m is -step in column m.

    Parameters
    ----------
    uniform
        Uniform draws `[s, steps]` that select the untried move of each trial.
    start
        Starting rows `[s, d]`.
    points
        Points `[s, k, d]` in Φ.
    sign
        Signs `[s, k]`: 1 for an enemy, -1 for a row of the class, 0 for padding.
    gamma
        Scale γ of φ.
    step
        Length of a move.
    live
        Mask `[d]` of the columns in which rows move; None: all.
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
        j, change = move % d, jnp.where(move < d, step, -step)
        p_j = columns[each, j]
        from_j = x[each, j]
        to_j = from_j + change
        moved = distance + jnp.abs(to_j[:, None] - p_j) - jnp.abs(from_j[:, None] - p_j)
        after = summed(moved)
        better = (jnp.abs(after) < jnp.abs(phi)) & (tried < every)
        x = x.at[each, j].set(jnp.where(better, to_j, from_j))
        distance = jnp.where(better[:, None], moved, distance)
        phi, tried = jnp.where(better, after, phi), jnp.where(better, 0, place + 1)
        return trial + 1, x, distance, phi, moves, tried

    distance = jnp.abs(points - start[:, None]).sum(2)
    moves = jnp.argsort(~jnp.tile(live, 2), stable=True)  # live columns first
    moves = jnp.broadcast_to(moves, (count, 2 * d))
    now = 0, start, distance, summed(distance), moves, jnp.zeros(count, jnp.int32)
    _, x, _, phi, _, _ = jax.lax.while_loop(more, one, now)
    return x, phi


def _check(**options):
    for name, value in options.items():
        number = isinstance(value, int | float)
        if (isinstance(value, str) and value != "auto") or (number and not value > 0):
            raise ValueError(f'{name} is "auto" or a number above 0; got {value!r}')
