"""SUGAR against brute force with the same draws, and edge cases."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from samplers import added, compiled, is_one_vs_rest
from scipy.spatial.distance import cdist
from tiers import asked, assert_bits

from imbax.methods import sugar
from imbax.methods.sampling import Sizes
from imbax.methods.sugar import degrees, diffused, local_noise
from imbax.types import rows

KEY = jax.random.key(0)
SIZES = Sizes(max_rows=30, max_synth=40)
DRAW = compiled(sugar.sample, "steps", "rescale", "k_neighbors")


def normals(n, k=5):
    return np.stack(
        [jax.random.normal(jax.random.fold_in(KEY, i), (k,), jnp.float32) for i in range(n)]
    )


def brute(x, total, k=5, steps=1):
    """The equations with full matrices."""
    distance = cdist(x, x)
    sigma = distance.mean(0).std(ddof=1)
    degree = np.exp(-(distance**2) / (2 * sigma**2)).sum(0)
    quota = total * (degree.max() - degree) / (degree.max() - degree).sum()
    counts = np.floor(quota).astype(int)
    counts[np.argsort(counts - quota)[: total - counts.sum()]] += 1
    y = []
    for g, i in zip(normals(total, k), np.repeat(np.arange(len(x)), counts), strict=True):
        cloud = x[np.argsort(distance[i])[:k]]
        y.append(x[i] + (cloud - cloud.mean(0)).T @ g / np.sqrt(len(cloud) - 1))
    y = np.array(y)
    across = cdist(y, x)
    x_reach, y_reach = np.sort(across, 0)[k], np.sort(across, 1)[:, k]
    a = np.exp(-((across / x_reach) ** 2))
    b = np.exp(-((across.T / y_reach) ** 2))
    kernel = a @ np.diag(1 / degree) @ b
    step = kernel / kernel.sum(1, keepdims=True)
    return np.linalg.matrix_power(step, steps) @ y


@pytest.mark.parametrize("steps", asked([0, 1, 3], [0, 3]))
@pytest.mark.parametrize(
    ("n_synth", "total"), [pytest.param("double", 25, marks=pytest.mark.thorough), ("balance", 30)]
)
def test_rows_equal_brute_force(n_synth, total, steps):
    x, y = toys.table(80, 25)
    result = DRAW(KEY, rows(x, y), n_synth, SIZES, steps=steps)
    expected = brute(x[y == 1].astype(float), total, steps=steps)
    np.testing.assert_allclose(added(result), expected, atol=2e-5)
    assert not result.fallback


def test_noise_has_the_local_covariance():
    x, y = toys.table(80, 25)
    x = x[y == 1]
    neighbor = np.argsort(cdist(x, x), 1)[:, 1:5]
    normal = np.random.default_rng(0).normal(size=(200_000, 5)).astype(np.float32)
    drawn = np.asarray(local_noise(x, neighbor, 4, np.full(len(normal), 7), normal))
    cloud = x[np.append(7, neighbor[7])]
    np.testing.assert_allclose(drawn.mean(0), x[7], atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(cloud.T), atol=0.02)


@pytest.mark.thorough
def test_sparse_regions_get_more_rows():
    """Almost all rows start in the sparser of two clusters."""
    rng = np.random.default_rng(0)
    clumps = rng.normal(0, 0.05, (15, 4)), rng.normal(10, 1, (10, 4))
    x = np.concatenate([*clumps, rng.normal(-30, 1, (55, 4))]).astype(np.float32)
    y = (np.arange(80) < 25).astype(np.float32)
    new = added(DRAW(KEY, rows(x, y), "double", SIZES))
    assert (new.mean(1) > 5).sum() >= 24
    degree = degrees(x[:25], np.ones(25, bool))
    assert min(degree[:15]) > max(degree[15:])


@pytest.mark.thorough
def test_diffusion_moves_rows_to_the_manifold():
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    x = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    y = x * rng.uniform(0.8, 1.2, (60, 1)).astype(np.float32)
    ones = np.ones(60, bool)
    after = np.asarray(diffused(x, ones, degrees(x, ones), y, ones, 5, 1))
    off = lambda points: np.std(np.linalg.norm(points, axis=1))
    assert off(after) < 0.3 * off(y)


@pytest.mark.thorough
def test_rescaling_equals_the_public_code():
    x, y = toys.table(80, 25)
    plain = added(DRAW(KEY, rows(x, y), "double", SIZES))
    stretched = added(DRAW(KEY, rows(x, y), "double", SIZES, rescale=True))
    factor = 0.99 * x[y == 1].max() / plain.max()
    assert abs(factor - 1) > 0.01
    np.testing.assert_allclose(stretched, plain * factor, rtol=1e-5)


@pytest.mark.thorough
def test_padding_and_bounds_have_no_effect():
    expected = added(DRAW(KEY, toys.problem(80).train, "double", SIZES))
    assert len(expected) == 20
    padded = DRAW(KEY, toys.problem(80, 10, np.nan).train, "double", SIZES)
    assert_bits(added(padded), expected)
    result = DRAW(KEY, toys.problem(80).train, "double", Sizes(50, 70))
    np.testing.assert_allclose(added(result), expected, atol=1e-5)


@pytest.mark.parametrize("minority", [1, 2, 4])
def test_few_rows(minority):
    x, y = toys.table(30, minority)
    result = DRAW(KEY, rows(x, y), "balance", SIZES)
    new = added(result)
    assert len(new) == 30 - 2 * minority and np.isfinite(new).all()
    assert bool(result.fallback) == (minority == 1)
    members = x[y == 1]
    if minority == 1:
        np.testing.assert_allclose(new, np.repeat(members, 28, 0), atol=1e-6)
    if minority == 2:  # both degrees are 1, so half of the rows start at each, on one line
        away = (new - members[0]) - np.outer(
            (new - members[0]) @ (members[1] - members[0]) / ((members[1] - members[0]) ** 2).sum(),
            members[1] - members[0],
        )
        np.testing.assert_allclose(away, 0, atol=1e-4)


def test_duplicates_and_constant_columns_are_handled():
    x, y = toys.table(80, 25)
    x[:, 1] = 3
    members = np.flatnonzero(y)
    x[members[5:]] = x[members[0]]
    new = added(DRAW(KEY, rows(x, y), "double", SIZES))
    assert len(new) == 25 and np.isfinite(new).all()
    np.testing.assert_allclose(new[:, 1], 3, atol=1e-5)
    x[members] = x[members[0]]
    new = added(DRAW(KEY, rows(x, y), "double", SIZES))
    np.testing.assert_allclose(new, x[members], atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("number", [(16, 0, 24), (5, 0, 7)])
def test_three_classes_are_one_vs_rest(number):
    result = is_one_vs_rest(DRAW, KEY, number, SIZES)
    assert not result.fallback
