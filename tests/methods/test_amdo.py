"""MDO against brute force with the same draws: kept rows, the ellipsoid, `reference`."""

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
# Class 2 has fewer rows than columns; class 3 is too small to keep any row by the rule.
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
    # Some rows of class 1 lie within class 0 and are not kept.
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
    """Computes m_i by a full sort."""
    distance = cdist(x, x)
    np.fill_diagonal(distance, np.inf)
    same = (y[np.argsort(distance, 1)[:, :k]] == y[:, None]).sum(1)
    kept = np.where(same >= share * k, same, 0)
    return np.where([(kept[y == c] > 0).sum() > 1 for c in y], kept, 1)


def draws(number, reference=False):
    """Draws for one new row: a uniform number for i, and e."""
    choosing, pointing = jax.random.split(jax.random.fold_in(KEY, number))
    kind = functools.partial(jax.random.uniform, minval=-1) if reference else jax.random.normal
    return float(jax.random.uniform(choosing, (), jnp.float32)), np.array(
        kind(pointing, (D,), jnp.float32), float
    )


def root(s, power):
    """Power of a covariance within its span."""
    values, vectors = np.linalg.eigh(s)
    is_positive = values > 1e-8 * values.max(initial=0)
    return vectors[:, is_positive] * values[is_positive] ** power @ vectors[:, is_positive].T


@pytest.mark.parametrize(
    ("k", "share"),
    [
        (5, 0.4),
        pytest.param(3, 1.0, marks=pytest.mark.thorough),
        pytest.param(8, 0.25, marks=pytest.mark.thorough),
    ],
)
def test_rows_with_same_class_neighbours_are_kept(k, share):
    x, y, _ = data()
    count = jax.jit(company, static_argnums=(5, 6))
    expected = brute_company(x.astype(float), y, k, share)
    for c in range(5):
        members = np.flatnonzero(y == c)
        i = np.pad(4 + members, (0, 3))  # the last three are padding
        result = count(*data(padding=4), i, np.arange(len(i)) < len(members), k, share)
        np.testing.assert_array_equal(result, np.pad(expected[members], (0, 3)))
    assert (expected[y == 1] == 0).any() and (expected[y == 1] > 0).any()
    assert (expected[y >= 3] == 1).all()


@pytest.mark.thorough
def test_every_class_gets_the_wanted_rows():
    result = made(sizes=Sizes(15, 350))
    assert result.w.sum() == TOTAL
    np.testing.assert_array_equal(class_counts(result.y, result.w, 5), WANTED)
    np.testing.assert_array_equal(result.y[:TOTAL], np.repeat(np.arange(5), WANTED))
    assert np.isfinite(result.x).all() and (result.gap == 0).all()


def test_rows_equal_brute_force():
    """Brute force uses the square root of the covariance instead of components."""
    (x, y, _), result = data(), made()
    x = x.astype(float)
    weight = brute_company(x, y, 5, 0.4)
    for number, c in enumerate(np.repeat(np.arange(5), WANTED)):
        uniform, e = draws(number)
        members = np.flatnonzero(y == c)
        bounds = np.cumsum(weight[members])
        i = members[np.searchsorted(bounds, np.floor(uniform * bounds[-1]), side="right")]
        assert tuple(result.parents[number]) == (i, i)
        kept = x[members[weight[members] > 0]]
        mean, rest = kept.mean(0), kept - kept.mean(0)
        s = rest.T @ rest
        radius = np.linalg.norm(root(s, -0.5) @ (x[i] - mean))
        length = np.linalg.norm(root(s, 0) @ e)
        expected = mean + radius * root(s, 0.5) @ e / (length if len(kept) > 1 else 1)
        np.testing.assert_allclose(result.x[number], expected, 1e-5, 1e-4)


@pytest.mark.parametrize(
    ("n", "d"),
    [
        (60, 20),
        (20, 60),
        pytest.param(2, 9, marks=pytest.mark.thorough),
        pytest.param(9, 1, marks=pytest.mark.thorough),
    ],
)
def test_mahalanobis_radius_is_that_of_the_parent(n, d):
    rng = np.random.default_rng(n)
    x = (rng.normal(size=(n, d)) * np.geomspace(1, 0.03, d) + 5).astype(np.float32)
    y, w = np.zeros(n, np.int32), np.ones(n, np.float32)
    result = jax.device_get(make(x, y, w, [50], Sizes(n, 50)))
    x = x.astype(float)
    rest = x - x.mean(0)
    inverse = root(rest.T @ rest, -1)
    away, row_offset = result.x - x.mean(0), rest[result.parents[:, 0]]
    radius = lambda z: np.sqrt(((z @ inverse) * z).sum(1))
    np.testing.assert_allclose(radius(away), radius(row_offset), 1e-4)
    _, s, v = np.linalg.svd(rest)
    outside = v[(s > 1e-5 * s[0]).sum() :]
    np.testing.assert_allclose(away @ outside.T, 0, atol=1e-5)
    # Rows of a class of full rank lie on one ellipsoid.
    if n <= d:
        np.testing.assert_allclose(radius(away), np.sqrt(1 - 1 / n), 1e-4)


def test_directions_are_uniform():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0] * np.array([5, 3, 2, 1, 0, 0])[:, None]
    r = np.asarray(directions(rng.normal(size=(20_000, 6)).astype(np.float32), axes))
    np.testing.assert_allclose(np.linalg.norm(r, axis=1), 1, 1e-5)
    assert (r[:, 4:] == 0).all()
    np.testing.assert_allclose(r.T @ r / len(r), np.diag([0.25] * 4 + [0] * 2), atol=0.01)
    # The fourth moment of a coordinate on a sphere in four dimensions is 3 / (4 * 6).
    np.testing.assert_allclose((r[:, :4] ** 4).mean(0), 1 / 8, atol=0.01)


@pytest.mark.parametrize("p", asked([2, 4, 39, 200], [4]))
def test_reference_directions_have_the_derived_length(p):
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
def test_reference_directions_equal_brute_force():
    (x, y, _), result = data(), made(reference=True)
    x = x.astype(float)
    weight = brute_company(x, y, 5, 0.4)
    ratios = []
    for number in range(WANTED[1]):
        kept = x[(y == 1) & (weight > 0)]
        rest = kept - kept.mean(0)
        _, s, v = np.linalg.svd(rest, full_matrices=False)
        sign = np.sign(v[np.arange(len(v)), np.abs(v).argmax(1)])
        coordinates = (x[result.parents[number, 0]] - kept.mean(0)) @ v.T / s
        r = draws(number, reference=True)[1][: len(s)]
        missing = 1 - (r[:-1] ** 2).sum()
        r[-1] = np.sign(r[-1]) * np.sqrt(max(missing, 0))
        expected = kept.mean(0) + np.linalg.norm(coordinates) * (r * sign * s) @ v
        np.testing.assert_allclose(result.x[number], expected, 1e-4, 1e-4)
        ratios.append((r**2).sum())
    assert np.mean(ratios) > 1.5  # for eight components; 1 by default


def test_rows_are_drawn_in_proportion_to_m():
    x, y, w = data()
    i = np.asarray(make(x, y, w, [0, 20_000, 0, 0, 0], Sizes(15, 20_000)).parents[:, 0])
    weight = brute_company(x.astype(float), y, 5, 0.4) * (y == 1)
    np.testing.assert_allclose(
        np.bincount(i, minlength=len(y)) / 20_000, weight / weight.sum(), atol=0.01
    )


@pytest.mark.thorough
@pytest.mark.parametrize("reference", [False, True])
def test_padding_and_bounds_have_no_effect(reference):
    expected = made(reference=reference)
    result = made(padding=6, sizes=Sizes(21, 600), reference=reference)
    np.testing.assert_allclose(result.x[:TOTAL], expected.x, 1e-4, 1e-4)
    np.testing.assert_array_equal(result.parents[:TOTAL] - 6, expected.parents)
    assert result.w.sum() == TOTAL and np.isfinite(result.x[:TOTAL]).all()


@pytest.mark.thorough
@pytest.mark.parametrize("reference", [False, True])
def test_degenerate_classes_are_handled(reference):
    x, y, w = data()
    x[:, 3] = 0.1
    x[y == 1] = x[y == 1][0]
    x[np.flatnonzero(y == 2)[1:]] = x[y == 2][0]
    x[np.flatnonzero(y == 2)[0], 0] += 1
    result = make(x, y, w, reference=reference)
    assert np.isfinite(result.x).all()
    np.testing.assert_array_equal(class_counts(result.y, result.w, 5), WANTED)
    np.testing.assert_allclose(result.x[:, 3], 0.1, atol=1e-5)
    for c in (1, 4):  # duplicates, and a single row
        copies = np.asarray(result.x[result.y == c])
        np.testing.assert_allclose(copies, np.tile(x[y == c][0], (WANTED[c], 1)), atol=1e-5)
    # The ellipsoid of two rows consists of these rows.
    two, coordinates = np.asarray(result.x[result.y == 3]), x[y == 3]
    assert (np.sort(cdist(two, coordinates), 1)[:, 0] < 1e-4).all()


def test_empty_class_and_no_wanted_rows():
    x, y, w = data()
    result = make(x, np.where(y == 4, 0, y), w, [0] * 5, Sizes(15, 10))
    assert result.w.sum() == 0 and np.isfinite(result.x).all()


def test_ellipsoid_of_kept_rows():
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
def test_view_keeps_its_rows():
    train = rows(*data(padding=6))
    result = DRAW(KEY, train, jnp.array(WANTED), SIZES)
    assert not result.fallback
    after = result.applied(train)
    np.testing.assert_array_equal(after.index[:70], train.index)
    np.testing.assert_array_equal(after.w, np.append(train.w, np.ones(TOTAL)))
    new = after.take(70 + jnp.arange(TOTAL))
    np.testing.assert_allclose(new.x, made().x, 1e-4, 1e-4)
    np.testing.assert_array_equal(new.y, made().y)


@pytest.mark.thorough
def test_runs_may_be_vmapped():
    train = rows(*data())
    keys, wanted = jax.random.split(KEY, 2), jnp.array([WANTED, (0, 2, 8, 1, 0)])
    run = lambda key, wanted: amdo.sample(key, train, wanted, SIZES)
    together = jax.jit(jax.vmap(run))(keys, wanted)
    result = new_rows(jax.tree.map(lambda leaf: leaf[1], together))
    single = make(*data(), wanted[1], key=keys[1])
    assert result.w.sum() == 11
    is_positive = single.w > 0
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[is_positive], b[is_positive], 1e-4, 1e-4),
        result,
        single,
    )


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.5}, {"k_neighbors": 0}])
def test_options_out_of_range_raise_errors(wrong):
    with pytest.raises(ValueError, match=r"k_neighbors is at least 1.*got"):
        make(*data(), **wrong)
