"""MC-CCR (`mc_ccr`): room is made around the rows of small classes, and filled with new ones.

Class by class, from the largest to the smallest, with ‖·‖ the p-norm (p = 1) and z_1..z_m rows of
larger classes, its enemies, of which d_1 <= d_2 <= ... are the distances to a row x of the class:

    r + Σ_j max(0, r - d_j) = e   <=>   r = min_j (e + d_1 + ... + d_j) / (j + 1)     (sphere of x)
    z_j += (r / d_j - 1) (z_j - x)    summed over all spheres that hold z_j             (cleaning)
    g_x = G (1 / r_x) / Σ (1 / r)                                      (new rows around x, in all G)
    x_synth = x + u r v / ‖v‖,    u ~ U[0, 1),    v ~ U[-1, 1)^d

A sphere grows at the price of one, and one more for each enemy inside, until the energy e is spent.
The i-th largest class, counting from 0, meets ⌊n_max / i⌋ rows of every larger one, or all if there
are fewer, drawn without replacement from its rows and new rows as they are by then. Classes of
equal size go by number. A class of which no rows are wanted grows no spheres.

Source: Koziarski, Woźniak & Krawczyk 2020 (Combined Cleaning and Resampling for multi-class data),
the rules as in the authors' public code. Where we differ:

- `energy="auto"` is 1.5 times the median distance of the class's rows to their nearest enemy. The
  code's .25, for columns in [0, 1], reaches no enemy where columns are many: the nearest of digits
  of 64 columns is at 7.5, of MNIST's at 50 to 80. By definition half the spheres reach an enemy at
  a factor of 1; at 1.5 nine in ten and more do on images, and hold 4 to 10 of them, a few in a
  hundred at most. Beyond 2, distances being alike, it is dozens. The largest class has no enemies,
  so no scale: what is wanted of it are copies, as of one whose rows mostly coincide with enemies.
- the g_x are rounded by largest remainders, so that G is exact; rounding each by itself gives no
  row at all once fewer are wanted than half the class has;
- an enemy within a millionth of r, whose direction is but rounding, goes along the diagonal.
"""

import jax
import jax.numpy as jnp

from imbax.methods.sampling import (
    Made,
    Sizes,
    apportion,
    by_class,
    classes_of,
    extended,
    slots,
    spread,
    uniform_by_row,
)
from imbax.types import Resampled, Rows

__all__ = ["radii", "sample", "spheres"]

# Energy by "auto", in median distances to the nearest enemy.
_AUTO = 1.5
# Random streams of a run.
_ENEMIES, _NEW = 0, 1
# Rows whose spheres grow at once, and columns that a pass over their distances takes.
_BLOCK, _COLUMNS = 64, 16
_COINCIDENT = 1e-6


def sample(
    key: jax.Array,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    energy: str | float | jax.Array = "auto",
    p: int = 1,
    clean: bool = True,
) -> Resampled:
    """Pushes rows of larger classes aside and adds rows of each class; constant columns stay.

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
    energy
        "auto", or a distance.
    p
        1 or 2, of the norm.
    clean
        Push enemies out; without, all rows stay where they are or were made.

    Returns
    -------
    Resampled
        The change to the view. Its `x_synth` holds all rows of the view, where they are in the end,
        and then the new rows, of which both `parents` are x and `gap` is u. New rows too may have
        been pushed.
    """
    _check(energy, p)
    x, y, w = classes_of(train, wanted)
    max_class, n, total = sizes.max_class, len(x), len(x) + sizes.max_synth
    rows, first_new = by_class(y, w, len(wanted)), jnp.cumsum(wanted) - wanted
    totals, n_max = rows.counts + wanted, rows.counts.max()
    order = jnp.argsort(rows.counts, descending=True, stable=True)
    rank = jnp.argsort(order)

    def number(c, place):
        """Of a class's rows, then its new ones, in the table of all rows and all new ones."""
        new = place - rows.counts[c]
        return jnp.where(new < 0, rows.row(c, place), n + first_new[c] + new)

    def meet(c, i):
        """Numbers `[max_class]` of the enemies of class c of rank i, and which of them exist."""
        draws = uniform_by_row(_stream(key, _ENEMIES, c), max_class, len(wanted))
        there = jnp.arange(max_class) < totals[:, None]
        shuffled = jnp.argsort(jnp.where(there, draws, jnp.inf), 1)
        take = jnp.where(rank < i, jnp.minimum(n_max // jnp.maximum(i, 1), totals), 0)
        of, here = slots(take, max_class)
        place = jnp.arange(max_class) - (jnp.cumsum(take) - take)[of]
        return jnp.where(here, number(of, shuffled[of, place]), total), here

    def treat(table, i):
        c = order[i]
        enemy, here = meet(c, i)
        count = jnp.where(wanted[c] > 0, rows.counts[c], 0)
        real = jnp.arange(sizes.max_rows) < count
        own = jnp.where(real[:, None], x[rows.row(c, jnp.arange(sizes.max_rows))], 0)
        enemies = jnp.where(here[:, None], table[enemy], 0)
        radius, moves = spheres(own, count, enemies, here, energy, p, train.live)
        if clean:
            table = table.at[enemy].add(moves, mode="drop")

        # All radii are 0, or none.
        smallest = jnp.where(real, radius, jnp.inf).min()
        inverse = jnp.where(radius > 0, smallest / radius, 1)
        base = spread(apportion(jnp.where(real, inverse, 0), wanted[c]), max_class)
        base = jnp.minimum(base, jnp.maximum(count - 1, 0))
        draws = uniform_by_row(_stream(key, _NEW, c), max_class, 1 + x.shape[1])
        gap, direction = draws[0], _normalized((2 * draws[1:].T - 1) * train.live, p)
        made = own[base] + (gap * radius[base])[:, None] * direction
        place = jnp.arange(max_class)
        at = jnp.where(place < wanted[c], n + first_new[c] + place, total)
        return table.at[at].set(made, mode="drop"), (rows.row(c, base), gap)

    table = jnp.concatenate([x, jnp.zeros((sizes.max_synth, x.shape[1]), x.dtype)])
    table, (base, gap) = jax.lax.scan(treat, table, jnp.arange(len(wanted)))
    c, is_wanted = slots(wanted, sizes.max_synth)
    at = rank[c], jnp.minimum(jnp.arange(sizes.max_synth) - first_new[c], max_class - 1)
    parents = jnp.stack([base[at]] * 2, 1)
    made = Made(table[n:], c, is_wanted.astype(x.dtype), parents, gap[at])
    return extended(train, made, moved=table[:n])


def spheres(
    own: jax.Array,
    count: jax.Array,
    enemies: jax.Array,
    here: jax.Array,
    energy: str | float | jax.Array,
    p: int,
    live: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The spheres of a class's rows, and where they push the enemies.

    Parameters
    ----------
    own
        `[m, d]`, finite.
    count
        How many of them are real, the first.
    enemies
        `[e, d]`, finite.
    here
        `[e]`: whether each exists.
    energy
        "auto", or a distance.
    p
        1 or 2.
    live
        `[d]`: columns along which two rows that coincide are parted; None: all.

    Returns
    -------
    tuple[jax.Array, jax.Array]
        Radii `[m]`, 0 beyond `count`, and the sums of translations `[e, d]`.
    """
    m = len(own)
    own = jnp.pad(own, ((0, -m % _BLOCK), (0, 0)))
    radius = jnp.zeros(len(own), own.dtype)
    real, blocks = jnp.arange(len(own)) < count, -(-count // _BLOCK)
    part = lambda values, b: jax.lax.dynamic_slice_in_dim(values, b * _BLOCK, _BLOCK)
    columns = _by_columns(enemies)
    distance = lambda b: jnp.where(here, _distances(part(own, b), columns, p), jnp.inf)

    if isinstance(energy, str):

        def look(b, nearest):
            closest = distance(b).min(1)
            return jax.lax.dynamic_update_slice_in_dim(nearest, closest, b * _BLOCK, 0)

        nearest = jax.lax.fori_loop(0, blocks, look, radius)
        median = jnp.nanmedian(jnp.where(real, nearest, jnp.nan))
        energy = jnp.where(jnp.isfinite(median), _AUTO * median, 0)

    # What is pushed is a difference of sums; about one of the rows they lose fewer digits.
    origin = own[0]
    live = jnp.ones(own.shape[1], bool) if live is None else live
    diagonal = _normalized(live[None].astype(own.dtype), p)

    def grow(b, carry):
        radius, moves = carry
        apart = distance(b)
        r = jnp.where(part(real, b), radii(apart, energy), 0)[:, None]
        inside, coincident = apart < r, apart <= _COINCIDENT * r
        share = jnp.where(inside & ~coincident, r / apart - 1, 0)
        pulled = jnp.dot(share.T, part(own, b) - origin, precision=jax.lax.Precision.HIGHEST)
        aside = jnp.where(inside & coincident, r - apart, 0).sum(0)[:, None] * diagonal
        moves = moves + share.sum(0)[:, None] * (enemies - origin) - pulled + aside
        return jax.lax.dynamic_update_slice_in_dim(radius, r[:, 0], b * _BLOCK, 0), moves

    radius, moves = jax.lax.fori_loop(0, blocks, grow, (radius, jnp.zeros_like(enemies)))
    return radius[:m], moves


def radii(distance: jax.Array, energy: jax.Array) -> jax.Array:
    """`r [m]` for distances to enemies `[m, e]`, infinite where there is none."""
    cost = jnp.pad(jnp.cumsum(jnp.sort(distance, 1), 1), ((0, 0), (1, 0)))
    return ((energy + cost) / (1 + jnp.arange(cost.shape[1]))).min(1)


def _check(energy, p):
    if p not in (1, 2):
        raise ValueError(f"p is 1 or 2; got {p!r}")
    named = isinstance(energy, str)
    if (named and energy != "auto") or (isinstance(energy, int | float) and not energy > 0):
        raise ValueError(f'energy is "auto" or a positive distance; got {energy!r}')


def _stream(key, name, c):
    return jax.random.fold_in(jax.random.fold_in(key, name), c)


def _by_columns(rows):
    """`[n, d]` as `[d / c, c, n]`, filled up with columns of 0."""
    rows = jnp.pad(rows, ((0, 0), (0, -rows.shape[1] % _COLUMNS)))
    return rows.T.reshape(-1, _COLUMNS, len(rows))


def _distances(rows, columns, p):
    """`[m, e]` from rows `[m, d]` to what is given by columns; no array is larger than that."""
    power = jnp.abs if p == 1 else jnp.square

    def add(total, column):
        for mine, other in zip(*column, strict=True):
            total = total + power(mine[:, None] - other)
        return total, None

    total = jnp.zeros((len(rows), columns.shape[2]), rows.dtype)
    total, _ = jax.lax.scan(add, total, (_by_columns(rows), columns))
    return total if p == 1 else jnp.sqrt(total)


def _normalized(rows, p):
    norm = jnp.linalg.norm(rows, p, axis=1, keepdims=True)
    return rows / jnp.maximum(norm, jnp.finfo(rows.dtype).tiny)
