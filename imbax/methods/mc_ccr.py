"""MC-CCR (`mc_ccr`): cleaning of the neighbourhood of small classes, then over-sampling in it.

Classes are processed from the largest to the smallest. Let ‖·‖ be the p-norm (p = 1), z_1..z_m rows
of larger classes ("enemies"), and d_1 <= d_2 <= ... their distances to a row x of the class:

    r + Σ_j max(0, r - d_j) = e   <=>   r = min_j (e + d_1 + ... + d_j) / (j + 1)     (sphere of x)
    z_j += (r / d_j - 1) (z_j - x)    summed over all spheres that hold z_j             (cleaning)
    g_x = G (1 / r_x) / Σ (1 / r)                                      (new rows around x, in all G)
    x_synth = x + u r v / ‖v‖,    u ~ U[0, 1),    v ~ U[-1, 1)^d

Expanding a sphere costs one unit of energy per distance, and one more for each enemy inside, until
the energy e is spent. The i-th largest class, counting from 0, uses ⌊n_max / i⌋ rows of every
larger class, or all if there are fewer. They are drawn without replacement from its current real
and synthetic rows. Classes of equal size are ordered by number. A class without wanted rows has no
spheres.

Source: Koziarski, Woźniak & Krawczyk 2020 (Combined Cleaning and Resampling for multi-class data),
with the rules of the authors' public code. Departures:

- `energy="auto"` is 1.5 times the median distance of the class's rows to their nearest enemy. The
  energy of .25 in the code, for columns in [0, 1], reaches no enemy in high dimensions: the nearest
  enemy of digits with 64 columns is at 7.5, that of MNIST at 50 to 80. By definition, half of the
  spheres reach an enemy at a factor of 1. At 1.5, at least nine in ten do on images and contain 4
  to 10 enemies, a few per cent at most. Beyond 2 they contain dozens, because distances hardly
  differ. The largest class has no enemies and no scale; its new rows are copies. The same holds for
  a class whose rows mostly coincide with enemies.
- The g_x are rounded by the largest remainder method, so that their sum is exactly G. Rounding each
  of them separately gives no rows at all if fewer than half the size of the class are wanted.
- An enemy within 1e-6 r of a row, whose direction is only rounding error, moves along the diagonal.
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

# Energy of "auto" relative to the median distance to the nearest enemy.
_AUTO = 1.5
# Random streams of a run.
_ENEMIES, _NEW = 0, 1
# Rows per block of spheres, and columns per pass over their distances.
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
    """Moves rows of larger classes and adds rows of each class; constant columns stay constant.

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
        Energy e: "auto", or a distance.
    p
        Order of the norm, 1 or 2.
    clean
        Whether enemies are moved out of the spheres.

    Returns
    -------
    Resampled
        Changed training rows. `x_synth` holds the final positions of all real rows, then those of
        the new rows, for which both `parents` are x and `gap` is u. New rows may have moved, too.
    """
    _check(energy, p)
    x, y, w = classes_of(train, wanted)
    max_class, n, total = sizes.max_class, len(x), len(x) + sizes.max_synth
    rows, first_new = by_class(y, w, len(wanted)), jnp.cumsum(wanted) - wanted
    totals, n_max = rows.counts + wanted, rows.counts.max()
    order = jnp.argsort(rows.counts, descending=True, stable=True)
    rank = jnp.argsort(order)

    def number(c, place):
        """Number, in the table of real and new rows, of the row at `place` within a class."""
        new = place - rows.counts[c]
        return jnp.where(new < 0, rows.row(c, place), n + first_new[c] + new)

    def draw_enemies(c, i):
        """Draws numbers `[max_class]` of the enemies of class c of rank i, and their mask."""
        draws = uniform_by_row(_stream(key, _ENEMIES, c), max_class, len(wanted))
        is_row = jnp.arange(max_class) < totals[:, None]
        shuffled = jnp.argsort(jnp.where(is_row, draws, jnp.inf), 1)
        take = jnp.where(rank < i, jnp.minimum(n_max // jnp.maximum(i, 1), totals), 0)
        enemy_class, is_enemy = slots(take, max_class)
        place = jnp.arange(max_class) - (jnp.cumsum(take) - take)[enemy_class]
        return jnp.where(
            is_enemy, number(enemy_class, shuffled[enemy_class, place]), total
        ), is_enemy

    def treat(table, i):
        c = order[i]
        enemy, is_enemy = draw_enemies(c, i)
        count = jnp.where(wanted[c] > 0, rows.counts[c], 0)
        real = jnp.arange(sizes.max_rows) < count
        members = jnp.where(real[:, None], x[rows.row(c, jnp.arange(sizes.max_rows))], 0)
        enemies = jnp.where(is_enemy[:, None], table[enemy], 0)
        radius, moves = spheres(members, count, enemies, is_enemy, energy, p, train.live)
        if clean:
            table = table.at[enemy].add(moves, mode="drop")

        # Either all radii are 0 or none.
        smallest = jnp.where(real, radius, jnp.inf).min()
        inverse = jnp.where(radius > 0, smallest / radius, 1)
        base = spread(apportion(jnp.where(real, inverse, 0), wanted[c]), max_class)
        base = jnp.minimum(base, jnp.maximum(count - 1, 0))
        draws = uniform_by_row(_stream(key, _NEW, c), max_class, 1 + x.shape[1])
        gap, direction = draws[0], _normalized((2 * draws[1:].T - 1) * train.live, p)
        made = members[base] + (gap * radius[base])[:, None] * direction
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
    """Computes the spheres of a class's rows and the translations of enemies inside them.

    Parameters
    ----------
    own
        Rows of the class `[m, d]`, finite.
    count
        Number of rows; the others are padding.
    enemies
        Enemies `[e, d]`, finite.
    here
        Mask `[e]` of enemies; the others are padding.
    energy
        Energy e: "auto", or a distance.
    p
        Order of the norm, 1 or 2.
    live
        Mask `[d]` of the columns in which coincident rows are separated; None: all.

    Returns
    -------
    tuple[jax.Array, jax.Array]
        Radii `[m]`, 0 beyond `count`, and the summed translations `[e, d]`.
    """
    m = len(own)
    rows = jnp.pad(own, ((0, -m % _BLOCK), (0, 0)))
    radius = jnp.zeros(len(rows), rows.dtype)
    real, blocks = jnp.arange(len(rows)) < count, -(-count // _BLOCK)
    part = lambda values, b: jax.lax.dynamic_slice_in_dim(values, b * _BLOCK, _BLOCK)
    columns = _by_columns(enemies)
    distance = lambda b: jnp.where(here, _distances(part(rows, b), columns, p), jnp.inf)

    if isinstance(energy, str):

        def look(b, nearest):
            closest = distance(b).min(1)
            return jax.lax.dynamic_update_slice_in_dim(nearest, closest, b * _BLOCK, 0)

        nearest = jax.lax.fori_loop(0, blocks, look, radius)
        median = jnp.nanmedian(jnp.where(real, nearest, jnp.nan))
        energy = jnp.where(jnp.isfinite(median), _AUTO * median, 0)

    # A translation is a difference of sums, which loses fewer digits relative to one of the rows.
    origin = rows[0]
    live = jnp.ones(rows.shape[1], bool) if live is None else live
    diagonal = _normalized(live[None].astype(rows.dtype), p)

    def grow(b, carry):
        radius, moves = carry
        d = distance(b)
        r = jnp.where(part(real, b), radii(d, energy), 0)[:, None]
        inside, coincident = d < r, d <= _COINCIDENT * r
        share = jnp.where(inside & ~coincident, r / d - 1, 0)
        pulled = jnp.dot(share.T, part(rows, b) - origin, precision=jax.lax.Precision.HIGHEST)
        aside = jnp.where(inside & coincident, r - d, 0).sum(0)[:, None] * diagonal
        moves = moves + share.sum(0)[:, None] * (enemies - origin) - pulled + aside
        return jax.lax.dynamic_update_slice_in_dim(radius, r[:, 0], b * _BLOCK, 0), moves

    radius, moves = jax.lax.fori_loop(0, blocks, grow, (radius, jnp.zeros_like(enemies)))
    return radius[:m], moves


def radii(distance: jax.Array, energy: jax.Array) -> jax.Array:
    """Radii `[m]` for distances to enemies `[m, e]`, which are infinite for padding."""
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
    """Reshapes `[n, d]` to `[d / c, c, n]`, padded with columns of 0."""
    rows = jnp.pad(rows, ((0, 0), (0, -rows.shape[1] % _COLUMNS)))
    return rows.T.reshape(-1, _COLUMNS, len(rows))


def _distances(rows, columns, p):
    """Distances `[m, e]` from rows `[m, d]` to rows from `_by_columns`, in arrays of that size."""
    power = jnp.abs if p == 1 else jnp.square

    def add(total, column):
        for a, b in zip(*column, strict=True):
            total = total + power(a[:, None] - b)
        return total, None

    total = jnp.zeros((len(rows), columns.shape[2]), rows.dtype)
    total, _ = jax.lax.scan(add, total, (_by_columns(rows), columns))
    return total if p == 1 else jnp.sqrt(total)


def _normalized(rows, p):
    norm = jnp.linalg.norm(rows, p, axis=1, keepdims=True)
    return rows / jnp.maximum(norm, jnp.finfo(rows.dtype).tiny)
