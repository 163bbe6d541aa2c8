"""SMOTE: imbalanced-learn's rows for its draws, its law for ours, and what happens at the edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE
from samplers import added, same_law, view

from imbax.methods.smote import (
    apportion,
    interpolate,
    minority_of,
    own_neighbors,
    pick,
    smote,
    spread,
    uniform_by_row,
)

KEY = jax.random.key(0)
SIZES = {"max_synth": 40, "max_minority": 14}
DRAW = jax.jit(smote, static_argnames=("n_synth", *SIZES))


def imbalanced_learns(x, y, n_synth, seed, k=5):
    """Its new rows and the draws it makes them of, from the same generator."""
    theirs = SMOTE(
        sampling_strategy={1: int(y.sum()) + n_synth}, k_neighbors=k, random_state=seed
    ).fit_resample(x, y)[0][len(x) :]
    rng = np.random.RandomState(seed)
    pair = rng.randint(0, int(y.sum()) * k, n_synth)
    return theirs, pair // k, pair % k, rng.uniform(size=n_synth)


@pytest.mark.parametrize("k", [1, 5])
def test_given_its_draws_the_rows_are_imbalanced_learns(k):
    x, y = toys.table(300, 60)
    theirs, base, column, gap = imbalanced_learns(x, y, 100, seed=3, k=k)
    own = lambda train: own_neighbors(minority_of(train, 70), k)  # noqa: E731
    neighbor, count = jax.jit(own)(view(x, y).train)
    assert count == k
    x = x[y == 1]
    ours = interpolate(x, x, neighbor, base, column, gap)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_given_our_draws_the_rows_are_brute_forces():
    problem = toys.problem(40, 10, garbage=np.nan)
    x, y = (np.asarray(leaf) for leaf in (problem.train.all().x, problem.train.y))
    x = x[(np.asarray(problem.train.w) > 0) & (y == 1)]
    which, column, gap = np.asarray(uniform_by_row(KEY, 10, 3))
    expected = []
    for j in range(10):
        i = int(which[j] * len(x))
        distance = np.linalg.norm(x - x[i], axis=1)
        distance[i] = np.inf
        to = x[np.argsort(distance)[int(column[j] * 5)]]
        expected.append(x[i] + gap[j] * (to - x[i]))
    np.testing.assert_allclose(added(DRAW(KEY, problem, n_synth="double", **SIZES)), expected, 1e-5)


def test_the_law_is_imbalanced_learns():
    x, y = toys.table(200, 30)
    ours = jax.jit(
        lambda key: smote(key, view(x, y), n_synth="double", max_synth=30, max_minority=30)
    )
    theirs = [imbalanced_learns(x, y, 30, seed)[0] for seed in range(40)]
    assert same_law([added(ours(key)) for key in jax.random.split(KEY, 40)], theirs)


def test_padding_bounds_and_company_change_no_row():
    expected = added(DRAW(KEY, toys.problem(40), n_synth="balance", **SIZES))
    assert len(expected) == 20
    for padding, sizes in ((10, {}), (0, {"max_synth": 20}), (0, {"max_minority": 10})):
        given = DRAW(KEY, toys.problem(40, padding, np.nan), n_synth="balance", **(SIZES | sizes))
        np.testing.assert_array_equal(added(given), expected)
    keys = jax.random.split(KEY, 3)
    draw = lambda key: smote(key, toys.problem(40), n_synth="balance", **SIZES)  # noqa: E731
    together, in_turn = jax.jit(jax.vmap(draw))(keys), jax.lax.map(draw, keys)
    np.testing.assert_allclose(together.x_synth, in_turn.x_synth, atol=1e-6)
    assert (in_turn.x_synth[0] != in_turn.x_synth[1]).any()


def test_the_view_gains_rows_and_keeps_its_own():
    problem = toys.problem(40, 10, garbage=np.nan)
    resampled = DRAW(KEY, problem, n_synth="double", **SIZES)
    assert not resampled.fallback
    train = resampled.applied(problem.train)
    np.testing.assert_array_equal(train.index[:50], problem.train.index)
    np.testing.assert_array_equal(train.w, np.append(problem.train.w, np.arange(40) < 10))
    batch = train.take(jnp.arange(50, 60))
    np.testing.assert_array_equal(batch.x, added(resampled))
    np.testing.assert_array_equal(batch.y, 1)


def test_two_minority_rows_give_the_line_between_them():
    x, y = toys.table(30, 2)
    given = DRAW(KEY, view(x, y), n_synth="balance", **SIZES)
    a, b = x[y == 1]
    way = (added(given) - a) @ (b - a) / ((b - a) @ (b - a))
    assert len(way) == 26 and not given.fallback
    assert ((way >= 0) & (way <= 1)).all() and np.ptp(way) > 0.5
    np.testing.assert_allclose(added(given), a + way[:, None] * (b - a), atol=1e-5)


def test_one_minority_row_is_repeated_and_said():
    x, y = toys.table(30, 1)
    given = DRAW(KEY, view(x, y), n_synth="balance", **SIZES)
    np.testing.assert_array_equal(added(given), np.repeat(x[y == 1], 28, 0))
    assert given.fallback


def test_copies_and_a_constant_column_are_no_trouble():
    x, y = toys.table(30, 8)
    x[:, 2] = 7
    x[y == 1] = x[y == 1][[0, 0, 0, 0, 0, 0, 0, 1]]
    given = DRAW(KEY, view(x, y), n_synth="balance", **SIZES)
    rows = added(given)
    np.testing.assert_array_equal(rows[:, 2], 7)
    distinct = x[y == 1][[0, 7]]
    # A copy is a neighbour at distance 0, so that most rows are copies; some lie on the line.
    same = (rows[:, None] == distinct).all(2).any(1)
    assert 0.5 < same.mean() < 1


APPORTION, SPREAD = jax.jit(apportion), jax.jit(lambda counts: spread(counts, 105))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 10), min_size=30, max_size=30), st.integers(0, 100))
def test_largest_remainders_are_exact(weights, total):
    weights = np.array(weights)
    counts = np.asarray(APPORTION(weights, total))
    if not weights.sum():
        assert not counts.any()
        return
    quota, rest = np.divmod(weights * total, weights.sum())
    for i in np.argsort(-rest, kind="stable")[: total - quota.sum()]:
        quota[i] += 1
    np.testing.assert_array_equal(counts, quota)
    bases = np.asarray(SPREAD(counts))
    np.testing.assert_array_equal(bases[:total], np.repeat(np.arange(len(weights)), counts))
    assert (bases < len(weights)).all()


def test_picks_stay_in_range():
    uniform = jnp.array([0.0, 0.5, 1 - 2**-24])
    np.testing.assert_array_equal(pick(uniform, 4), [0, 2, 3])
    np.testing.assert_array_equal(pick(uniform, 10**7 + 1)[-1], 10**7)
    np.testing.assert_array_equal(pick(uniform, 0), 0)
