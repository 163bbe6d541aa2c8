"""Nearest neighbours and kernel sums over all pairs of rows, in blocks, under `jit` and `vmap`.

No array is larger than a block of `[128, block]` distances, whatever the number of rows. The
distances of a block are one matrix product, ‖p‖² - 2⟨q, p⟩. The distances of the best candidates
are then computed again as sums of squared differences, which do not suffer from cancellation, and
these decide the order.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

__all__ = ["kernel_sum", "nearest"]

_QUERIES = 128
_GROUP = 32
# Candidates beyond k with an exact distance: rounding seldom ranks a neighbour lower than that.
_SPARE = 3


def nearest(
    queries: jax.Array,
    points: jax.Array,
    w: jax.Array,
    k: int,
    *,
    own: jax.Array | None = None,
    block: int = 8192,
) -> tuple[jax.Array, jax.Array]:
    """Returns the k nearest points of each query by Euclidean distance, nearest first.

    Ties are broken by the lower index.

    Parameters
    ----------
    queries
        Queries `[q, d]`.
    points
        Points `[n, d]`.
    w
        Point weights `[n]`; points of weight 0 are padding and may hold any values.
    k
        Number of neighbours, >= 1.
    own
        Index `[q]` of each query among the points; this point is excluded. Other points equal to
        the query are neighbours at distance 0. Default: no point is excluded.
    block
        Number of points per block.

    Returns
    -------
    tuple[jax.Array, jax.Array]
        Indices `[q, k]` in 0..n-1 and squared distances `[q, k]`. If there are fewer than k points,
        the remaining distances are infinite and their indices are meaningless.
    """
    _check(queries, points)
    chex.assert_shape(w, points.shape[:1], custom_message="nearest: w must be [n]")
    n, wanted = len(points), k + _SPARE
    excluded = jnp.full(len(queries), -1) if own is None else own
    centre, points = _centred(points, w > 0)
    block = max(_even(n, block), _round_up(wanted, _GROUP))
    tiles = _blocks(points, block)
    # An infinite norm excludes a point.
    norms = jnp.where(w > 0, (points**2).sum(1), jnp.inf)
    norms = _blocks(norms, block, jnp.inf)
    firsts = jnp.arange(len(tiles)) * block

    def search(part):
        query, excluded = part

        def look(best, tile):
            tile, norm, first = tile
            index = first + jnp.arange(block)
            score = norm - 2 * _product(query, tile.T)
            score, at = _smallest(jnp.where(index == excluded[:, None], jnp.inf, score), wanted)
            score, at_both = _smallest(jnp.concatenate([best[0], score], 1), wanted)
            index = jnp.concatenate([best[1], index[at]], 1)
            return (score, jnp.take_along_axis(index, at_both, 1)), None

        shape = (_QUERIES, wanted)
        start = jnp.full(shape, jnp.inf, points.dtype), jnp.zeros(shape, firsts.dtype)
        (score, index), _ = jax.lax.scan(look, start, (tiles, norms, firsts))
        index = jnp.minimum(index, n - 1)
        exact = ((query[:, None] - points[index]) ** 2).sum(-1)
        exact = jnp.where(score < jnp.inf, exact, jnp.inf)
        exact, index = jax.lax.sort((exact, index), num_keys=2)
        return index[:, :k], exact[:, :k]

    parts = _blocks(queries - centre, _QUERIES), _blocks(excluded, _QUERIES)
    found = jax.lax.map(search, parts)
    return tuple(leaf.reshape(-1, k)[: len(queries)] for leaf in found)


def kernel_sum(
    kernel: Callable[[jax.Array, jax.Array], jax.Array],
    queries: jax.Array,
    points: jax.Array,
    scale: jax.Array,
    values: jax.Array,
    *,
    block: int = 8192,
) -> jax.Array:
    """Returns `Σ_j kernel(‖q_i - p_j‖², scale_j) values_j` for each query i, `[q, c]`.

    Parameters
    ----------
    kernel
        `(squared distance [q', n'], scale [n']) -> [q', n']` for one block.
    queries
        Queries `[q, d]`.
    points
        Points `[n, d]`, finite; padding has `values` 0.
    scale
        Positive parameter of the kernel for each point, `[n]`.
    values
        Values `[n, c]` that are summed.
    block
        Number of points per block.
    """
    _check(queries, points)
    chex.assert_equal_shape_prefix(
        [points, scale, values], 1, custom_message="kernel_sum: points, scale and values differ"
    )
    centre, points = _centred(points, jnp.ones(len(points), bool))
    block = _even(len(points), block)
    tiles = _blocks(points, block), _blocks(scale, block, 1), _blocks(values, block)

    def add(query):
        def one(total, tile):
            point, scale, value = tile
            square = (query**2).sum(1)[:, None] + (point**2).sum(1)
            square = jnp.maximum(square - 2 * _product(query, point.T), 0)
            return total + _product(kernel(square, scale), value), None

        zero = jnp.zeros((_QUERIES, values.shape[1]), values.dtype)
        return jax.lax.scan(one, zero, tiles)[0]

    sums = jax.lax.map(add, _blocks(queries - centre, _QUERIES))
    return sums.reshape(-1, values.shape[1])[: len(queries)]


def _check(queries, points):
    chex.assert_rank([queries, points], 2, custom_message="queries [q, d] and points [n, d]")
    chex.assert_equal_shape_suffix(
        [queries, points], 1, custom_message="queries and points differ in columns"
    )


def _centred(points, real):
    """Returns the midrange `[d]` and the centred points, whose distances lose fewer digits.

    The midrange is used rather than the mean because its last bit does not depend on the order of
    the rows or on padding. Padding becomes 0.
    """
    real = real[:, None]
    low = jnp.where(real, points, jnp.inf).min(0)
    high = jnp.where(real, points, -jnp.inf).max(0)
    centre = jnp.where(low <= high, low + (high - low) / 2, 0)
    return centre, jnp.where(real, points - centre, 0)


def _blocks(rows, size, filler=0):
    """Reshapes `[n, ...]` to `[blocks, size, ...]`, padded with `filler`."""
    more = -len(rows) % size
    rows = jnp.pad(rows, ((0, more),) + ((0, 0),) * (rows.ndim - 1), constant_values=filler)
    return rows.reshape(-1, size, *rows.shape[1:])


def _round_up(n, size):
    return -(-n // size) * size


def _even(n, most):
    """Returns the size of equally full blocks of about `most` rows, a multiple of the group."""
    return _round_up(-(-n // -(-n // most)), _GROUP)


def _product(a, b):
    return jnp.dot(a, b, precision=jax.lax.Precision.HIGHEST)


def _smallest(values, k):
    """Returns the k smallest values of each row `[q, n]`, ascending, and their positions.

    The first of equal values wins. The smallest values lie in the k groups of adjacent entries with
    the smallest minima, so only the minima and k groups are sorted after one fast pass.
    """
    q, n = values.shape
    if n % _GROUP or n // _GROUP <= 2 * k:
        negative, at = jax.lax.top_k(-values, k)
        return -negative, at
    groups = values.reshape(q, -1, _GROUP)
    _, chosen = jax.lax.top_k(-groups.min(2), k)
    chosen = jnp.sort(chosen, 1)  # positions ascend, so that ties go to the first
    candidates = jnp.take_along_axis(groups, chosen[:, :, None], 1).reshape(q, -1)
    positions = (chosen[:, :, None] * _GROUP + jnp.arange(_GROUP)).reshape(q, -1)
    negative, at = jax.lax.top_k(-candidates, k)
    return -negative, jnp.take_along_axis(positions, at, 1)
