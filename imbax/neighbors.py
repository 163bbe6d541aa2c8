"""Nearest neighbours and kernel sums over all pairs of rows, in blocks, under `jit` and `vmap`.

No array is larger than a block: `[128, block]` distances, whatever the number of rows. A block's
distances are one matrix product, ‖p‖² - 2⟨q, p⟩. Those of the few rows that it puts first are
then taken again as sums of squared differences, which do not cancel, and these decide the order.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

__all__ = ["kernel_sum", "nearest"]

_QUERIES = 128
_GROUP = 32
# Candidates beyond k whose exact distances are taken: rounding seldom puts a neighbour further off.
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
    """The k nearest points of each query by Euclidean distance, nearest first.

    Of points equally far the one with the lower index comes first.

    Parameters
    ----------
    queries
        `[q, d]`.
    points
        `[n, d]`.
    w
        `[n]`; points of weight 0 are padding, and may hold anything.
    k
        How many, >= 1.
    own
        `[q]`: the index of each query among the points, which is left out; other points may equal
        the query, and are its neighbours at distance 0. Default: nothing is left out.
    block
        Points per block.

    Returns
    -------
    tuple[jax.Array, jax.Array]
        Indices `[q, k]` in 0..n-1 and squared distances `[q, k]`. Where fewer than k points are
        there, the distance is infinite and the index means nothing.
    """
    _check(queries, points)
    chex.assert_shape(w, points.shape[:1], custom_message="nearest: w must be [n]")
    n, wanted = len(points), k + _SPARE
    own = jnp.full(len(queries), -1) if own is None else own
    centre, points = _centred(points, w > 0)
    block = max(_even(n, block), _round_up(wanted, _GROUP))
    tiles = _blocks(points, block)
    # An infinite norm keeps a point out.
    norms = jnp.where(w > 0, (points**2).sum(1), jnp.inf)
    norms = _blocks(norms, block, jnp.inf)
    firsts = jnp.arange(len(tiles)) * block

    def search(part):
        query, own = part

        def look(best, tile):
            tile, norm, first = tile
            index = first + jnp.arange(block)
            score = norm - 2 * _product(query, tile.T)
            score, at = _smallest(jnp.where(index == own[:, None], jnp.inf, score), wanted)
            score, at_both = _smallest(jnp.concatenate([best[0], score], 1), wanted)
            index = jnp.concatenate([best[1], index[at]], 1)
            return (score, jnp.take_along_axis(index, at_both, 1)), None

        shape = (_QUERIES, wanted)
        none = jnp.full(shape, jnp.inf, points.dtype), jnp.zeros(shape, firsts.dtype)
        (score, index), _ = jax.lax.scan(look, none, (tiles, norms, firsts))
        index = jnp.minimum(index, n - 1)
        exact = ((query[:, None] - points[index]) ** 2).sum(-1)
        exact = jnp.where(score < jnp.inf, exact, jnp.inf)
        exact, index = jax.lax.sort((exact, index), num_keys=2)
        return index[:, :k], exact[:, :k]

    parts = _blocks(queries - centre, _QUERIES), _blocks(own, _QUERIES)
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
    """`Σ_j kernel(‖q_i - p_j‖², scale_j) values_j` for each query i, `[q, c]`.

    Parameters
    ----------
    kernel
        `(squared distance [q', n'], scale [n']) -> [q', n']`, of blocks.
    queries
        `[q, d]`.
    points
        `[n, d]`, finite; padding is marked by values 0.
    scale
        `[n]`: what the kernel needs to know of each point, positive.
    values
        `[n, c]`.
    block
        Points per block.
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
    """The middle of the range `[d]`, and the points about it, which lose fewer digits.

    The middle, and not the mean, because its last bit does not depend on the order of the rows or
    on padding. Padding becomes 0.
    """
    real = real[:, None]
    low = jnp.where(real, points, jnp.inf).min(0)
    high = jnp.where(real, points, -jnp.inf).max(0)
    centre = jnp.where(low <= high, low + (high - low) / 2, 0)
    return centre, jnp.where(real, points - centre, 0)


def _blocks(rows, size, filler=0):
    """`[n, ...]` as `[blocks, size, ...]`, filled up."""
    more = -len(rows) % size
    rows = jnp.pad(rows, ((0, more),) + ((0, 0),) * (rows.ndim - 1), constant_values=filler)
    return rows.reshape(-1, size, *rows.shape[1:])


def _round_up(n, size):
    return -(-n // size) * size


def _even(n, most):
    """The size of blocks of at most `most` rows, a multiple of the group, that fill alike."""
    return _round_up(-(-n // -(-n // most)), _GROUP)


def _product(a, b):
    return jnp.dot(a, b, precision=jax.lax.Precision.HIGHEST)


def _smallest(values, k):
    """The k smallest of each row `[q, n]`, ascending, and their positions; the first of equals.

    They lie in the k groups of neighbouring entries with the smallest minima (again the first of
    equals), so that only the minima and k groups are searched: one fast pass over the rest.
    """
    q, n = values.shape
    if n % _GROUP or n // _GROUP <= 2 * k:
        negative, at = jax.lax.top_k(-values, k)
        return -negative, at
    groups = values.reshape(q, -1, _GROUP)
    _, chosen = jax.lax.top_k(-groups.min(2), k)
    chosen = jnp.sort(chosen, 1)  # so that positions ascend, and ties go to the first
    candidates = jnp.take_along_axis(groups, chosen[:, :, None], 1).reshape(q, -1)
    positions = (chosen[:, :, None] * _GROUP + jnp.arange(_GROUP)).reshape(q, -1)
    negative, at = jax.lax.top_k(-candidates, k)
    return -negative, jnp.take_along_axis(positions, at, 1)
