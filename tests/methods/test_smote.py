"""SMOTE: imbalanced-learn's rows for its draws, its law for ours, classes, and the edges."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from imblearn.over_sampling import SMOTE
from samplers import added, compiled, same_distribution

from imbax.losses.by_class import class_counts
from imbax.methods import smote
from imbax.methods.sampling import Sizes, minority_of, own_neighbors, uniform_by_row
from imbax.types import rows

KEY = jax.random.key(0)
SIZES = Sizes(max_rows=14, max_synth=40)
DRAW = compiled(smote.sample)
COUNTS = (20, 9, 4, 1)
WANTED = (0, 30, 40, 3)
OF_CLASSES = Sizes(max_rows=9, max_synth=73)
MAKE = jax.jit(smote.smote, static_argnames=("sizes", "k_neighbors"))


def imbalanced_learns(x, y, n_synth, seed, k=5):
    """Its new rows and the draws it makes them of, from the same generator."""
    theirs = SMOTE(
        sampling_strategy={1: int(y.sum()) + n_synth}, k_neighbors=k, random_state=seed
    ).fit_resample(x, y)[0][len(x) :]
    rng = np.random.RandomState(seed)
    pair = rng.randint(0, int(y.sum()) * k, n_synth)
    return theirs, pair // k, pair % k, rng.uniform(size=n_synth)


def four_classes(padding=0):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(4), COUNTS))
    x = (rng.normal(size=(len(y), 3)) + 3 * y[:, None]).astype(np.float32)
    x = np.concatenate([np.full((padding, 3), np.nan, np.float32), x])
    w = np.concatenate([np.zeros(padding), np.ones(len(y))]).astype(np.float32)
    return x, np.concatenate([np.ones(padding, int), y]).astype(np.int32), w


@functools.cache
def made(padding=0, sizes=OF_CLASSES, k=5):
    train = rows(*four_classes(padding))
    return jax.device_get(MAKE(KEY, train, jnp.array(WANTED), sizes, k_neighbors=k))


def brute_force(x, y, number, k=5):
    """The equation, row after row, with the draws of `uniform_by_row`."""
    which, column, gap = np.asarray(uniform_by_row(KEY, sum(number), 3))
    new, parents = [], []
    for s, c in enumerate(np.repeat(np.arange(len(number)), number)):
        own = np.flatnonzero(y == c)
        i = own[int(which[s] * len(own))]
        distance = np.linalg.norm(x[own] - x[i], axis=1)
        distance[own == i] = np.inf
        near = own[np.argsort(distance)][: min(k, len(own) - 1)]
        j = near[int(column[s] * len(near))] if len(near) else i
        new.append(x[i] + gap[s] * (x[j] - x[i]))
        parents.append((i, j))
    return np.array(new), np.array(parents), gap


@pytest.mark.parametrize("k", [1, 5])
def test_given_its_draws_the_rows_are_imbalanced_learns(k):
    x, y = toys.table(300, 60)
    theirs, base, column, gap = imbalanced_learns(x, y, 100, seed=3, k=k)
    own = lambda train: own_neighbors(minority_of(train, 70), k)
    neighbor, count = jax.jit(own)(rows(x, y))
    assert count == k
    x = x[y == 1]
    ours = smote.interpolate(x, x, neighbor, base, column, gap)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_given_our_draws_the_rows_are_brute_forces():
    train = toys.problem(40, 10, garbage=np.nan).train
    real = np.asarray(train.w) > 0
    x, y = np.asarray(train.all().x)[real], np.asarray(train.y)[real]
    expected, parents, gap = brute_force(x, y, [0, 10])
    sampled = DRAW(KEY, train, "double", SIZES)
    np.testing.assert_allclose(added(sampled), expected, 1e-5)
    np.testing.assert_array_equal(sampled.parents[:10], np.flatnonzero(real)[parents])
    np.testing.assert_array_equal(sampled.gap[:10], gap)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_of_several_classes_they_are_brute_forces_too(k):
    x, y, _ = four_classes()
    expected, parents, gap = brute_force(x, y, WANTED, k)
    np.testing.assert_allclose(made(k=k).x, expected, 1e-5, 1e-5)
    np.testing.assert_array_equal(made(k=k).parents, parents)
    np.testing.assert_array_equal(made(k=k).gap, gap)


def test_the_law_is_imbalanced_learns():
    x, y = toys.table(200, 30)
    draw = lambda key: added(DRAW(key, rows(x, y), "double", Sizes(30, 30)))
    theirs = [imbalanced_learns(x, y, 30, seed)[0] for seed in range(40)]
    assert same_distribution([draw(key) for key in jax.random.split(KEY, 40)], theirs)


@pytest.mark.thorough
def test_padding_bounds_and_company_change_no_row():
    expected = added(DRAW(KEY, toys.problem(40).train, "balance", SIZES))
    assert len(expected) == 20
    for padding, sizes in ((10, SIZES), (0, Sizes(14, 20)), (0, Sizes(10, 40))):
        sampled = DRAW(KEY, toys.problem(40, padding, np.nan).train, "balance", sizes)
        np.testing.assert_array_equal(added(sampled), expected)
    keys = jax.random.split(KEY, 3)
    train, number = toys.problem(40).train, jnp.array([0, 20])
    draw = lambda key: smote.sample(key, train, number, SIZES)
    together, in_turn = jax.jit(jax.vmap(draw))(keys), jax.lax.map(draw, keys)
    np.testing.assert_allclose(together.x_synth, in_turn.x_synth, atol=1e-6)
    assert (in_turn.x_synth[0] != in_turn.x_synth[1]).any()


def test_the_view_gains_rows_and_keeps_its_own():
    before = toys.problem(40, 10, garbage=np.nan).train
    sampled = DRAW(KEY, before, "double", SIZES)
    assert not sampled.fallback
    train = sampled.applied(before)
    np.testing.assert_array_equal(train.index[:50], before.index)
    np.testing.assert_array_equal(train.w, np.append(before.w, np.arange(40) < 10))
    batch = train.take(jnp.arange(50, 60))
    np.testing.assert_array_equal(batch.x, added(sampled))
    np.testing.assert_array_equal(batch.y, 1)


@pytest.mark.thorough
def test_of_several_classes_too():
    before = rows(*four_classes(padding=6))
    sampled = DRAW(KEY, before, WANTED, Sizes(9, 80))
    assert sampled.fallback  # for the class of one row
    assert not DRAW(KEY, before, [0, 30, 40, 0], Sizes(9, 80)).fallback
    train = sampled.applied(before)
    np.testing.assert_array_equal(train.index[:40], before.index)
    np.testing.assert_array_equal(train.w, np.append(before.w, np.arange(80) < 73))
    batch = train.take(jnp.arange(40, 113))
    np.testing.assert_allclose(batch.x, made().x, 1e-5, 1e-5)
    np.testing.assert_array_equal(batch.y, made().y)


def test_two_minority_rows_give_the_line_between_them():
    x, y = toys.table(30, 2)
    sampled = DRAW(KEY, rows(x, y), "balance", SIZES)
    a, b = x[y == 1]
    way = (added(sampled) - a) @ (b - a) / ((b - a) @ (b - a))
    assert len(way) == 26 and not sampled.fallback
    assert ((way >= 0) & (way <= 1)).all() and np.ptp(way) > 0.5
    np.testing.assert_allclose(added(sampled), a + way[:, None] * (b - a), atol=1e-5)


def test_one_minority_row_is_repeated_and_said():
    x, y = toys.table(30, 1)
    sampled = DRAW(KEY, rows(x, y), "balance", SIZES)
    np.testing.assert_array_equal(added(sampled), np.repeat(x[y == 1], 28, 0))
    assert sampled.fallback


def test_copies_and_a_constant_column_are_no_trouble():
    x, y = toys.table(30, 8)
    x[:, 2] = 7
    x[y == 1] = x[y == 1][[0, 0, 0, 0, 0, 0, 0, 1]]
    new = added(DRAW(KEY, rows(x, y), "balance", SIZES))
    np.testing.assert_array_equal(new[:, 2], 7)
    distinct = x[y == 1][[0, 7]]
    # A copy is a neighbour at distance 0, so that most rows are copies; some lie on the line.
    same = (new[:, None] == distinct).all(2).any(1)
    assert 0.5 < same.mean() < 1


def test_every_class_gets_what_is_wanted():
    new = made(sizes=Sizes(9, 100))
    assert new.w.sum() == 73
    np.testing.assert_array_equal(new.y[:73], np.repeat([1, 2, 3], WANTED[1:]))
    np.testing.assert_array_equal(class_counts(new.y, new.w, 4), WANTED)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_rows_lie_between_a_row_and_a_near_one_of_its_class(k):
    (x, y, _), new = four_classes(), made(k=k)
    for row, c, (i, j), gap in zip(new.x, new.y, new.parents, new.gap, strict=True):
        assert y[i] == y[j] == c
        np.testing.assert_allclose(row, x[i] + gap * (x[j] - x[i]), 1e-5, 1e-5)
        others = np.flatnonzero((y == c) & (np.arange(len(y)) != i))
        near = others[np.argsort(((x[others] - x[i]) ** 2).sum(1))[:k]]
        assert j in near or (len(others) == 0 and j == i)
    used = {tuple(pair) for pair, c in zip(new.parents, new.y, strict=True) if c == 2}
    assert len(used) >= min(4 * k, 12) - 3  # of four rows and k, or three, neighbours of each


def test_draws_are_uniform():
    wanted = jnp.array([0, 0, 30_000, 0])
    new = jax.device_get(MAKE(KEY, rows(*four_classes()), wanted, Sizes(4, 30_000)))
    i, j = new.parents.T
    share = np.unique(i, return_counts=True)[1] / 30_000
    np.testing.assert_allclose(share, 0.25, atol=0.01)
    pairs = np.unique(100 * i + j, return_counts=True)[1] / 30_000
    np.testing.assert_allclose(pairs, 1 / 12, atol=0.01)
    np.testing.assert_allclose(
        np.quantile(new.gap, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.01
    )


def test_of_several_classes_padding_and_bounds_change_nothing():
    expected = made()
    padded = made(padding=6, sizes=Sizes(13, 90))
    np.testing.assert_allclose(padded.x[:73], expected.x, 1e-5, 1e-5)
    np.testing.assert_array_equal(padded.parents[:73] - 6, expected.parents)
    assert np.isfinite(padded.x[:73]).all()


def test_runs_are_an_axis():
    train, wanted, keys = rows(*four_classes()), jnp.array(WANTED), jax.random.split(KEY, 3)
    together = jax.jit(jax.vmap(lambda key: smote.smote(key, train, wanted, OF_CLASSES)))
    alone = MAKE(keys[1], train, wanted, OF_CLASSES)
    second = jax.tree.map(lambda leaf: leaf[1], together(keys))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), second, alone)
