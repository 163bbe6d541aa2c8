"""MDO against brute force given the same draws: who is kept, the ellipsoid, the packages' law."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplers import new_rows
from scipy.spatial.distance import cdist
from tiers import asked

from imbax.losses.by_class import class_counts
from imbax.methods import amdo
from imbax.methods.amdo import company, directions, ellipsoid
from imbax.methods.sampling import Sizes
from imbax.types import rows

KEY = jax.random.key(0)
# Class 2 has fewer rows than columns; class 3 is too small for any of its rows to be kept.
COUNTS = (40, 15, 6, 2, 1)
WANTED = (0, 300, 9, 5, 3)
TOTAL = sum(WANTED)
SIZES = Sizes(max_rows=15, max_synth=TOTAL)
DRAW = jax.jit(amdo.sample, static_argnames=("sizes", "k_neighbors", "share", "reference"))
D = 8


def data(padding=0):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(5), COUNTS))
    x = rng.normal(size=(len(y), D)) * np.arange(1, D + 1) / 2 + 4 * y[:, None]
    # Some of class 1 stand within class 0, and are not kept.
    x[np.flatnonzero(y == 1)[:5]] -= 4
    x = np.concatenate([np.full((padding, D), np.nan), x]).astype(np.float32)
    w = np.concatenate([np.zeros(padding), np.ones(len(y))]).astype(np.float32)
    return x, np.concatenate([np.ones(padding, int), y]).astype(np.int32), w


def make(x, y, w, wanted=WANTED, sizes=SIZES, key=KEY, **options):
    return new_rows(DRAW(key, rows(x, y, w), jnp.array(wanted), sizes, **options))


@functools.cache
def made(padding=0, sizes=SIZES, **options):
    return jax.device_get(make(*data(padding), sizes=sizes, **options))


def brute_company(x, y, k, share):
    """m_i by a full sort."""
    distance = cdist(x, x)
    np.fill_diagonal(distance, np.inf)
    same = (y[np.argsort(distance, 1)[:, :k]] == y[:, None]).sum(1)
    kept = np.where(same >= share * k, same, 0)
    return np.where([(kept[y == c] > 0).sum() > 1 for c in y], kept, 1)


def draws(number, reference=False):
    """What one new row is drawn from: a number for i, and e."""
    choosing, pointing = jax.random.split(jax.random.fold_in(KEY, number))
    kind = functools.partial(jax.random.uniform, minval=-1) if reference else jax.random.normal
    return float(jax.random.uniform(choosing, (), jnp.float32)), np.array(
        kind(pointing, (D,), jnp.float32), float
    )


def root(s, power):
    """A power of a covariance, within its span."""
    values, vectors = np.linalg.eigh(s)
    there = values > 1e-8 * values.max(initial=0)
    return vectors[:, there] * values[there] ** power @ vectors[:, there].T


@pytest.mark.parametrize(
    ("k", "share"),
    [
        (5, 0.4),
        pytest.param(3, 1.0, marks=pytest.mark.thorough),
        pytest.param(8, 0.25, marks=pytest.mark.thorough),
    ],
)
def test_rows_are_kept_among_their_own(k, share):
    x, y, _ = data()
    count = jax.jit(company, static_argnums=(5, 6))
    expected = brute_company(x.astype(float), y, k, share)
    for c in range(5):
        mine = np.flatnonzero(y == c)
        i = np.pad(4 + mine, (0, 3))  # the last three are padding
        given = count(*data(padding=4), i, np.arange(len(i)) < len(mine), k, share)
        np.testing.assert_array_equal(given, np.pad(expected[mine], (0, 3)))
    assert (expected[y == 1] == 0).any() and (expected[y == 1] > 0).any()
    assert (expected[y >= 3] == 1).all()


@pytest.mark.thorough
def test_every_class_gets_what_is_wanted():
    given = made(sizes=Sizes(15, 350))
    assert given.w.sum() == TOTAL
    np.testing.assert_array_equal(class_counts(given.y, given.w, 5), WANTED)
    np.testing.assert_array_equal(given.y[:TOTAL], np.repeat(np.arange(5), WANTED))
    assert np.isfinite(given.x).all() and (given.gap == 0).all()


def test_given_the_draws_the_rows_are_brute_forces():
    """By the square root of the covariance, without a component."""
    (x, y, _), given = data(), made()
    x = x.astype(float)
    weight = brute_company(x, y, 5, 0.4)
    for number, c in enumerate(np.repeat(np.arange(5), WANTED)):
        uniform, e = draws(number)
        mine = np.flatnonzero(y == c)
        bounds = np.cumsum(weight[mine])
        i = mine[np.searchsorted(bounds, np.floor(uniform * bounds[-1]), side="right")]
        assert tuple(given.parents[number]) == (i, i)
        kept = x[mine[weight[mine] > 0]]
        mean, rest = kept.mean(0), kept - kept.mean(0)
        s = rest.T @ rest
        radius = np.linalg.norm(root(s, -0.5) @ (x[i] - mean))
        length = np.linalg.norm(root(s, 0) @ e)
        expected = mean + radius * root(s, 0.5) @ e / (length if len(kept) > 1 else 1)
        np.testing.assert_allclose(given.x[number], expected, 1e-5, 1e-4)


@pytest.mark.parametrize(
    ("n", "d"),
    [
        (60, 20),
        (20, 60),
        pytest.param(2, 9, marks=pytest.mark.thorough),
        pytest.param(9, 1, marks=pytest.mark.thorough),
    ],
)
def test_the_radius_by_mahalanobis_is_the_rows_own(n, d):
    rng = np.random.default_rng(n)
    x = (rng.normal(size=(n, d)) * np.geomspace(1, 0.03, d) + 5).astype(np.float32)
    y, w = np.zeros(n, np.int32), np.ones(n, np.float32)
    given = jax.device_get(make(x, y, w, [50], Sizes(n, 50)))
    x = x.astype(float)
    rest = x - x.mean(0)
    inverse = root(rest.T @ rest, -1)
    away, of_row = given.x - x.mean(0), rest[given.parents[:, 0]]
    radius = lambda z: np.sqrt(((z @ inverse) * z).sum(1))
    np.testing.assert_allclose(radius(away), radius(of_row), 1e-4)
    _, s, v = np.linalg.svd(rest)
    outside = v[(s > 1e-5 * s[0]).sum() :]
    np.testing.assert_allclose(away @ outside.T, 0, atol=1e-5)
    # Rows of a class that spans all it can lie on one ellipsoid.
    if n <= d:
        np.testing.assert_allclose(radius(away), np.sqrt(1 - 1 / n), 1e-4)


def test_directions_are_uniform():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0] * np.array([5, 3, 2, 1, 0, 0])[:, None]
    r = np.asarray(directions(rng.normal(size=(20_000, 6)).astype(np.float32), axes))
    np.testing.assert_allclose(np.linalg.norm(r, axis=1), 1, 1e-5)
    assert (r[:, 4:] == 0).all()
    np.testing.assert_allclose(r.T @ r / len(r), np.diag([0.25] * 4 + [0] * 2), atol=0.01)
    # Of a coordinate on a sphere in four dimensions the fourth moment is 3 / (4 * 6).
    np.testing.assert_allclose((r[:, :4] ** 4).mean(0), 1 / 8, atol=0.01)


@pytest.mark.parametrize("p", asked([2, 4, 39, 200], [4]))
def test_the_public_law_is_too_long_by_what_was_derived(p):
    rng = np.random.default_rng(0)
    e = rng.uniform(-1, 1, (4000, p + 3)).astype(np.float32)
    axes = np.eye(p + 2, p + 3) * (np.arange(p + 2) < p)[:, None]
    r = np.asarray(directions(e, axes, reference=True))
    square = (r.astype(float) ** 2).sum(1)
    first = (e[:, : p - 1] ** 2).sum(1)
    np.testing.assert_allclose(square, np.maximum(first, 1), 1e-5)
    np.testing.assert_array_equal(r[:, : p - 1], e[:, : p - 1])
    assert (r[:, p:] == 0).all()
    closes = first < 1
    np.testing.assert_array_equal(np.sign(r[closes, p - 1]), np.sign(e[closes, p - 1]))
    if p >= 39:
        assert not closes.any()
        np.testing.assert_allclose(square.mean(), (p - 1) / 3, 0.01)
    ours = np.linalg.norm(directions(e, axes), axis=1)
    np.testing.assert_allclose(ours, 1, 1e-5)


@pytest.mark.thorough
def test_the_public_law_given_the_draws():
    (x, y, _), given = data(), made(reference=True)
    x = x.astype(float)
    weight = brute_company(x, y, 5, 0.4)
    ratios = []
    for number in range(WANTED[1]):
        kept = x[(y == 1) & (weight > 0)]
        rest = kept - kept.mean(0)
        _, s, v = np.linalg.svd(rest, full_matrices=False)
        sign = np.sign(v[np.arange(len(v)), np.abs(v).argmax(1)])
        own = (x[given.parents[number, 0]] - kept.mean(0)) @ v.T / s
        r = draws(number, reference=True)[1][: len(s)]
        missing = 1 - (r[:-1] ** 2).sum()
        r[-1] = np.sign(r[-1]) * np.sqrt(max(missing, 0))
        expected = kept.mean(0) + np.linalg.norm(own) * (r * sign * s) @ v
        np.testing.assert_allclose(given.x[number], expected, 1e-4, 1e-4)
        ratios.append((r**2).sum())
    assert np.mean(ratios) > 1.5  # of eight components; by default it is 1


def test_rows_are_drawn_by_their_company():
    x, y, w = data()
    i = np.asarray(make(x, y, w, [0, 20_000, 0, 0, 0], Sizes(15, 20_000)).parents[:, 0])
    weight = brute_company(x.astype(float), y, 5, 0.4) * (y == 1)
    np.testing.assert_allclose(
        np.bincount(i, minlength=len(y)) / 20_000, weight / weight.sum(), atol=0.01
    )


@pytest.mark.thorough
@pytest.mark.parametrize("reference", [False, True])
def test_neither_padding_nor_bounds_change_anything(reference):
    expected = made(reference=reference)
    given = made(padding=6, sizes=Sizes(21, 600), reference=reference)
    np.testing.assert_allclose(given.x[:TOTAL], expected.x, 1e-4, 1e-4)
    np.testing.assert_array_equal(given.parents[:TOTAL] - 6, expected.parents)
    assert given.w.sum() == TOTAL and np.isfinite(given.x[:TOTAL]).all()


@pytest.mark.thorough
@pytest.mark.parametrize("reference", [False, True])
def test_copies_few_rows_and_constant_columns_are_no_trouble(reference):
    x, y, w = data()
    x[:, 3] = 0.1
    x[y == 1] = x[y == 1][0]
    x[np.flatnonzero(y == 2)[1:]] = x[y == 2][0]
    x[np.flatnonzero(y == 2)[0], 0] += 1
    given = make(x, y, w, reference=reference)
    assert np.isfinite(given.x).all()
    np.testing.assert_array_equal(class_counts(given.y, given.w, 5), WANTED)
    np.testing.assert_allclose(given.x[:, 3], 0.1, atol=1e-5)
    for c in (1, 4):  # copies, and a single row
        copies = np.asarray(given.x[given.y == c])
        np.testing.assert_allclose(copies, np.tile(x[y == c][0], (WANTED[c], 1)), atol=1e-5)
    # Of two rows the ellipsoid is the two.
    two, own = np.asarray(given.x[given.y == 3]), x[y == 3]
    assert (np.sort(cdist(two, own), 1)[:, 0] < 1e-4).all()


def test_no_rows_and_nothing_wanted():
    x, y, w = data()
    given = make(x, np.where(y == 4, 0, y), w, [0] * 5, Sizes(15, 10))
    assert given.w.sum() == 0 and np.isfinite(given.x).all()


def test_the_shape_of_kept_rows():
    x = np.random.default_rng(1).normal(size=(12, 3)).astype(np.float32)
    kept = np.arange(12) % 3 > 0
    mean, axes, square = ellipsoid(jnp.array(np.where(kept[:, None], x, np.nan)), jnp.array(kept))
    rest = x[kept].astype(float) - x[kept].mean(0)
    np.testing.assert_allclose(mean, x[kept].mean(0), atol=1e-6)
    np.testing.assert_allclose(axes.T @ axes, rest.T @ rest, 1e-5, 1e-5)
    hat = rest @ np.linalg.inv(rest.T @ rest) @ rest.T
    np.testing.assert_allclose(square[kept], np.diag(hat), 1e-4)
    assert (np.abs(square[~kept]) < 1e-6).all()


@pytest.mark.thorough
def test_the_view_keeps_its_rows():
    train = rows(*data(padding=6))
    given = DRAW(KEY, train, jnp.array(WANTED), SIZES)
    assert not given.fallback
    after = given.applied(train)
    np.testing.assert_array_equal(after.index[:70], train.index)
    np.testing.assert_array_equal(after.w, np.append(train.w, np.ones(TOTAL)))
    new = after.take(70 + jnp.arange(TOTAL))
    np.testing.assert_allclose(new.x, made().x, 1e-4, 1e-4)
    np.testing.assert_array_equal(new.y, made().y)


@pytest.mark.thorough
def test_runs_are_an_axis():
    train = rows(*data())
    keys, wanted = jax.random.split(KEY, 2), jnp.array([WANTED, (0, 2, 8, 1, 0)])
    run = lambda key, wanted: amdo.sample(key, train, wanted, SIZES)
    together = jax.jit(jax.vmap(run))(keys, wanted)
    given = new_rows(jax.tree.map(lambda leaf: leaf[1], together))
    alone = make(*data(), wanted[1], key=keys[1])
    assert given.w.sum() == 11
    there = alone.w > 0
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[there], b[there], 1e-4, 1e-4), given, alone
    )


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.5}, {"k_neighbors": 0}])
def test_options_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=r"k_neighbors is at least 1.*got"):
        make(*data(), **wrong)
