"""SMOTE against imbalanced-learn and brute force, several classes, and edge cases."""

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
CLASS_SIZES = Sizes(max_rows=9, max_synth=73)
MAKE = jax.jit(smote.smote, static_argnames=("sizes", "k_neighbors"))


def imblearn_rows(x, y, n_synth, seed, k=5):
    """Synthetic rows of imbalanced-learn and the draws that they come from."""
    reference = SMOTE(
        sampling_strategy={1: int(y.sum()) + n_synth}, k_neighbors=k, random_state=seed
    ).fit_resample(x, y)[0][len(x) :]
    rng = np.random.RandomState(seed)
    pair = rng.randint(0, int(y.sum()) * k, n_synth)
    return reference, pair // k, pair % k, rng.uniform(size=n_synth)


def four_classes(padding=0):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(4), COUNTS))
    x = (rng.normal(size=(len(y), 3)) + 3 * y[:, None]).astype(np.float32)
    x = np.concatenate([np.full((padding, 3), np.nan, np.float32), x])
    w = np.concatenate([np.zeros(padding), np.ones(len(y))]).astype(np.float32)
    return x, np.concatenate([np.ones(padding, int), y]).astype(np.int32), w


@functools.cache
def made(padding=0, sizes=CLASS_SIZES, k=5):
    train = rows(*four_classes(padding))
    return jax.device_get(MAKE(KEY, train, jnp.array(WANTED), sizes, k_neighbors=k))


def brute_force(x, y, number, k=5):
    """The equation, row by row, with the draws of `uniform_by_row`."""
    base_draw, column, gap = np.asarray(uniform_by_row(KEY, sum(number), 3))
    new, parents = [], []
    for s, c in enumerate(np.repeat(np.arange(len(number)), number)):
        members = np.flatnonzero(y == c)
        i = members[int(base_draw[s] * len(members))]
        distance = np.linalg.norm(x[members] - x[i], axis=1)
        distance[members == i] = np.inf
        near = members[np.argsort(distance)][: min(k, len(members) - 1)]
        j = near[int(column[s] * len(near))] if len(near) else i
        new.append(x[i] + gap[s] * (x[j] - x[i]))
        parents.append((i, j))
    return np.array(new), np.array(parents), gap


@pytest.mark.parametrize("k", [1, 5])
def test_rows_equal_imbalanced_learn_with_its_draws(k):
    x, y = toys.table(300, 60)
    reference, base, column, gap = imblearn_rows(x, y, 100, seed=3, k=k)
    members = lambda train: own_neighbors(minority_of(train, 70), k)
    neighbor, count = jax.jit(members)(rows(x, y))
    assert count == k
    x = x[y == 1]
    result_rows = smote.interpolate(x, x, neighbor, base, column, gap)
    np.testing.assert_allclose(result_rows, reference, atol=1e-6)


def test_rows_equal_brute_force():
    train = toys.problem(40, 10, garbage=np.nan).train
    real = np.asarray(train.w) > 0
    x, y = np.asarray(train.all().x)[real], np.asarray(train.y)[real]
    expected, parents, gap = brute_force(x, y, [0, 10])
    sampled = DRAW(KEY, train, "double", SIZES)
    np.testing.assert_allclose(added(sampled), expected, 1e-5)
    np.testing.assert_array_equal(sampled.parents[:10], np.flatnonzero(real)[parents])
    np.testing.assert_array_equal(sampled.gap[:10], gap)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_rows_of_several_classes_equal_brute_force(k):
    x, y, _ = four_classes()
    expected, parents, gap = brute_force(x, y, WANTED, k)
    np.testing.assert_allclose(made(k=k).x, expected, 1e-5, 1e-5)
    np.testing.assert_array_equal(made(k=k).parents, parents)
    np.testing.assert_array_equal(made(k=k).gap, gap)


def test_distribution_equals_imbalanced_learn():
    x, y = toys.table(200, 30)
    draw = lambda key: added(DRAW(key, rows(x, y), "double", Sizes(30, 30)))
    reference = [imblearn_rows(x, y, 30, seed)[0] for seed in range(40)]
    assert same_distribution([draw(key) for key in jax.random.split(KEY, 40)], reference)


@pytest.mark.thorough
def test_padding_bounds_and_other_runs_have_no_effect():
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


def test_view_keeps_its_rows():
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
def test_view_keeps_its_rows_of_several_classes():
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


def test_two_minority_rows_give_rows_between_them():
    x, y = toys.table(30, 2)
    sampled = DRAW(KEY, rows(x, y), "balance", SIZES)
    a, b = x[y == 1]
    way = (added(sampled) - a) @ (b - a) / ((b - a) @ (b - a))
    assert len(way) == 26 and not sampled.fallback
    assert ((way >= 0) & (way <= 1)).all() and np.ptp(way) > 0.5
    np.testing.assert_allclose(added(sampled), a + way[:, None] * (b - a), atol=1e-5)


def test_single_minority_row_is_repeated():
    x, y = toys.table(30, 1)
    sampled = DRAW(KEY, rows(x, y), "balance", SIZES)
    np.testing.assert_array_equal(added(sampled), np.repeat(x[y == 1], 28, 0))
    assert sampled.fallback


def test_duplicates_and_constant_columns_are_handled():
    x, y = toys.table(30, 8)
    x[:, 2] = 7
    x[y == 1] = x[y == 1][[0, 0, 0, 0, 0, 0, 0, 1]]
    new = added(DRAW(KEY, rows(x, y), "balance", SIZES))
    np.testing.assert_array_equal(new[:, 2], 7)
    distinct = x[y == 1][[0, 7]]
    # Duplicates are neighbours at distance 0, so most new rows are duplicates; some lie between.
    same = (new[:, None] == distinct).all(2).any(1)
    assert 0.5 < same.mean() < 1


def test_every_class_gets_the_wanted_rows():
    new = made(sizes=Sizes(9, 100))
    assert new.w.sum() == 73
    np.testing.assert_array_equal(new.y[:73], np.repeat([1, 2, 3], WANTED[1:]))
    np.testing.assert_array_equal(class_counts(new.y, new.w, 4), WANTED)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_rows_lie_between_neighbours_of_a_class(k):
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


def test_padding_has_no_effect_on_several_classes():
    expected = made()
    padded = made(padding=6, sizes=Sizes(13, 90))
    np.testing.assert_allclose(padded.x[:73], expected.x, 1e-5, 1e-5)
    np.testing.assert_array_equal(padded.parents[:73] - 6, expected.parents)
    assert np.isfinite(padded.x[:73]).all()


def test_runs_may_be_vmapped():
    train, wanted, keys = rows(*four_classes()), jnp.array(WANTED), jax.random.split(KEY, 3)
    together = jax.jit(jax.vmap(lambda key: smote.smote(key, train, wanted, CLASS_SIZES)))
    single = MAKE(keys[1], train, wanted, CLASS_SIZES)
    second = jax.tree.map(lambda leaf: leaf[1], together(keys))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), second, single)
