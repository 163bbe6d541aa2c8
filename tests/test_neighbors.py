"""Neighbours and kernel sums against scikit-learn and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors
from tiers import asked

from imbax.neighbors import kernel_sum, nearest

SEARCH = jax.jit(nearest, static_argnames=("k", "block"))


def draw(seed, n=300, d=5, q=200):
    rng = np.random.default_rng(seed)
    queries, points = rng.random((q, d)), rng.random((n, d))
    w = (rng.random(n) < 0.7).astype(np.float32)
    return queries.astype(np.float32), points.astype(np.float32), w


def brute(queries, points, w, k, self_index=None):
    """Neighbours in lexicographic order of (distance, index); missing ones at infinity."""
    square = cdist(queries.astype(float), points.astype(float), "sqeuclidean")
    square[:, w == 0] = np.inf
    if self_index is not None:
        square[np.arange(len(queries)), self_index] = np.inf
    order = np.argsort(square, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(square, order, 1)


@pytest.mark.parametrize("block", asked([32, 96, 4096], [96]))
@pytest.mark.parametrize(("n", "k"), [(300, 1), (300, 5), (2000, 10), (40, 10)])
def test_neighbours_equal_brute_force(n, k, block):
    queries, points, w = draw(n + k, n)
    index, square = SEARCH(queries, points, w, k=k, block=block)
    expected, distance = brute(queries, points, w, k)
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_allclose(square, distance, rtol=1e-5)


def test_neighbours_equal_scikit_learn():
    _, x, _ = draw(0, 1000, 20)
    index, square = SEARCH(x, x, np.ones(len(x)), k=5, own=jnp.arange(len(x)))
    distance, expected = NearestNeighbors(n_neighbors=5).fit(x).kneighbors()  # without themselves
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_allclose(np.sqrt(square), distance, rtol=1e-5)


@pytest.mark.parametrize("block", [64, 4096])
def test_ties_go_to_the_lower_index(block):
    """Uses few distinct values, so that most rows have copies and many distances are equal."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (500, 3)).astype(np.float32) / 2
    self_index, w = np.arange(500), (rng.random(500) < 0.8).astype(np.float32)
    index, square = SEARCH(x, x, w, k=7, own=self_index, block=block)
    expected, distance = brute(x, x, w, 7, self_index)
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_array_equal(square, distance)
    assert (distance[:, 0] == 0).mean() > 0.9
    assert (np.asarray(index) != self_index[:, None]).all()


def test_padding_has_no_effect():
    queries, points, w = draw(1)
    points[w == 0] = np.nan
    kept = np.flatnonzero(w)
    expected = SEARCH(queries, points[kept], w[kept], k=5)
    for more in (5, 200):
        padded = np.pad(points, ((0, more), (0, 0)), constant_values=np.inf)
        result = SEARCH(queries, padded, np.pad(w, (0, more)), k=5)
        np.testing.assert_array_equal(result[0], kept[expected[0]])
        np.testing.assert_array_equal(result[1], expected[1])


def test_missing_neighbours_have_infinite_distance():
    queries, points, w = draw(2, 10)
    w[:] = np.arange(10) < 3
    index, square = SEARCH(queries, points, w, k=5, own=np.zeros(len(queries), int))
    assert np.isinf(square[:, 2:]).all()
    assert np.isfinite(square[:, :2]).all()
    assert set(np.unique(index[:, :2])) == {1, 2}
    assert ((index >= 0) & (index < 10)).all()
    assert np.isinf(SEARCH(queries, points, 0 * w, k=5, own=np.zeros(len(queries), int))[1]).all()


def test_distances_are_accurate_with_a_large_offset():
    queries, points, w = draw(3)
    index, square = SEARCH(queries + 1000, points + 1000, w, k=5)
    shifted = (queries + np.float32(1000), points + np.float32(1000))
    expected, distance = brute(*shifted, w, 5)
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_allclose(square, distance, rtol=1e-4)


def test_vmap_and_map_are_equal():
    batch = [np.stack(leaves) for leaves in zip(*(draw(seed) for seed in range(3)), strict=True)]
    search = lambda queries, points, w: nearest(queries, points, w, 5)
    together, in_turn = (
        jax.jit(jax.vmap(search))(*batch),
        jax.lax.map(lambda one: search(*one), batch),
    )
    for one in (together, in_turn):
        for r in range(3):
            expected, distance = brute(*(leaf[r] for leaf in batch), 5)
            np.testing.assert_array_equal(one[0][r], expected)
            np.testing.assert_allclose(one[1][r], distance, rtol=1e-5)


def temporary_bytes(f, *shapes):
    shaped = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(f).lower(*shaped).compile().memory_analysis().temp_size_in_bytes


def test_memory_is_linear_in_rows():
    n, d, k = 145_000, 74, 5
    x, row_shape = (n, d), (n,)
    self_index = lambda x, w: nearest(x, x, w, k, own=jnp.arange(n))
    # Two copies of the rows, and blocks; [n, k, d] would be five more copies, [n, n] 84 GB.
    assert temporary_bytes(self_index, x, row_shape) < 4 * 4 * n * d
    total = lambda x, w: kernel_sum(gaussian, x, x, w, x)
    assert temporary_bytes(total, x, row_shape) < 5 * 4 * n * d


def gaussian(square, scale):
    return jnp.exp(-square / scale)


@pytest.mark.parametrize("block", [64, 4096])
def test_kernel_sums_equal_the_full_matrix(block):
    queries, points, w = draw(4)
    rng = np.random.default_rng(0)
    scale = rng.random(len(points)).astype(np.float32) + 0.1
    values = rng.random((len(points), 3)).astype(np.float32) * w[:, None]
    result = kernel_sum(gaussian, queries, points, scale, values, block=block)
    square = cdist(queries.astype(float), points.astype(float), "sqeuclidean")
    np.testing.assert_allclose(result, np.exp(-square / scale) @ values, rtol=1e-5)


def test_wrong_shapes_raise_errors():
    queries, points, w = draw(5)
    with pytest.raises(AssertionError, match="differ in columns"):
        nearest(queries[:, :4], points, w, 5)
    with pytest.raises(AssertionError, match=r"w must be \[n\]"):
        nearest(queries, points, w[:-1], 5)
    with pytest.raises(AssertionError, match="points, scale and values differ"):
        kernel_sum(gaussian, queries, points, w[:-1], points)
