"""Building blocks of samplers: exact shares, draws by row number, sorting, one-vs-rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from imbax.methods.sampling import (
    Made,
    Sizes,
    apportion,
    by_class,
    classes_of,
    extended,
    minority_positions,
    one_vs_rest,
    pick,
    slots,
    smaller_classes,
    spread,
    uniform_by_row,
)
from imbax.types import rows

KEY = jax.random.key(0)

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


def test_minority_positions_repeat_the_first_beyond_their_number():
    train = toys.problem(40, 10, garbage=7.0).train
    minority = np.flatnonzero((np.asarray(train.y) > 0.5) & (np.asarray(train.w) > 0))
    positions, number = minority_positions(train, 14)
    assert number == len(minority) < 14
    filler = np.full(14 - len(minority), minority[0])
    np.testing.assert_array_equal(positions, np.concatenate([minority, filler]))


def test_draws_are_indexed_by_row():
    short_draws, long_draws = (np.asarray(uniform_by_row(KEY, n, 3)) for n in (4, 9))
    assert long_draws.shape == (3, 9)
    np.testing.assert_array_equal(long_draws[:, :4], short_draws)
    assert len(np.unique(long_draws)) == long_draws.size
    assert ((long_draws >= 0) & (long_draws < 1)).all()


def test_rows_are_sorted_by_class():
    y, w = jnp.array([2, 0, 1, 0, 2, 1, 2]), jnp.array([1, 0.5, 0, 1, 1, 2, 0])
    classes = by_class(y, w, 4)
    np.testing.assert_array_equal(classes.order, [1, 3, 5, 0, 4, 2, 6])
    np.testing.assert_array_equal(classes.counts, [2, 1, 2, 0])
    np.testing.assert_array_equal(classes.first, [0, 2, 3, 5])
    np.testing.assert_array_equal(classes.row(2, jnp.arange(2)), [0, 4])


def test_largest_class_has_count_0():
    w = jnp.array([1, 1, 1, 1, 1, 0])
    several = rows(np.zeros((6, 1)), np.array([1, 1, 2, 0, 1, 0]), w)
    short_draws, largest = smaller_classes(several, 3)
    np.testing.assert_array_equal(short_draws.counts, [1, 0, 1])
    assert largest == 3
    # The second of two classes is the minority, whatever their sizes.
    short_draws, largest = smaller_classes(
        rows(np.zeros((6, 1)), np.array([1, 1, 1, 0, 1, 0]), w), 2
    )
    np.testing.assert_array_equal(short_draws.counts, [0, 4])
    assert largest == 1
    short_draws, largest = smaller_classes(several, 3, wanted=jnp.array([0, 2, 0]))
    np.testing.assert_array_equal(short_draws.counts, [0, 3, 0])
    assert largest == 3


def test_new_rows_are_sorted_by_class():
    c, is_wanted = slots(jnp.array([0, 2, 3]), 7)
    np.testing.assert_array_equal(c, [1, 1, 2, 2, 2, 2, 2])
    np.testing.assert_array_equal(is_wanted, np.arange(7) < 5)


def test_new_rows_follow_the_training_rows():
    train = toys.problem(40, 10).train
    made = Made(jnp.ones((3, 4)), jnp.array([1, 1, 0]), jnp.array([1.0, 1.0, 0.0]))
    before, after = train.all(), extended(train, made).applied(train).all()
    np.testing.assert_array_equal(after.x, np.concatenate([before.x, made.x]))
    np.testing.assert_array_equal(after.y, np.append(before.y, [1, 1, 0]))
    np.testing.assert_array_equal(after.w, np.append(before.w, [1, 1, 0]))
    moved = extended(train, made, moved=before.x + 1).applied(train).all()
    np.testing.assert_array_equal(moved.x, np.concatenate([before.x + 1, made.x]))
    np.testing.assert_array_equal(moved.y, after.y)
    np.testing.assert_array_equal(moved.w, after.w)


@pytest.mark.parametrize("number", [(0, 5, 4), (3, 0, 0), (2, 3, 4), (0, 0, 0)])
def test_one_vs_rest_uses_each_class_as_minority(number):
    """The rows hold the inputs of the sampler: key, rows of the class, wanted number."""
    y = np.array([0, 1, 1, 2, 2, 2, 1, 0], np.float32)
    train, sizes = rows(np.zeros((8, 4), np.float32), y), Sizes(3, 9)

    def make(key, view, n, sizes):
        new = jnp.stack([jax.random.uniform(key, (), jnp.float32), view.y.sum(), view.y.max(), n])
        return jnp.tile(new, (sizes.max_synth, 1)), n == 4

    result = one_vs_rest(make, KEY, train, jnp.array(number), sizes)
    expected = [
        [
            jax.random.uniform(jax.random.fold_in(KEY, c), (), jnp.float32),
            (y == c).sum(),
            1,
            number[c],
        ]
        for c in np.repeat(np.arange(3), number)
    ]
    np.testing.assert_array_equal(result.x_synth[: sum(number)], np.reshape(expected, (-1, 4)))
    np.testing.assert_array_equal(result.w[8:], np.arange(9) < sum(number))
    labels = result.y_synth[: sum(number)]
    np.testing.assert_array_equal(labels, np.repeat(np.arange(3), number))
    assert result.fallback == (4 in number)


def test_one_vs_rest_keeps_the_key_for_two_classes():
    train, sizes = toys.problem(40).train, Sizes(14, 9)

    def make(key, view, n, sizes):
        return jnp.full(
            (sizes.max_synth, 4), jax.random.uniform(key, (), jnp.float32)
        ), view.y.sum() != 10

    result = one_vs_rest(make, KEY, train, jnp.array([0, 7]), sizes)
    np.testing.assert_array_equal(
        result.x_synth, np.full((9, 4), jax.random.uniform(KEY, (), jnp.float32))
    )
    np.testing.assert_array_equal(result.w[40:], np.arange(9) < 7)
    assert not result.fallback


def test_wrong_shapes_raise_errors():
    train = toys.problem().train
    with pytest.raises(AssertionError, match="wanted must be"):
        classes_of(train, jnp.array(3))
    with pytest.raises(AssertionError, match="sample: train"):
        classes_of(train._replace(w=train.w[:3]), jnp.array([0, 3]))
    with pytest.raises(AssertionError, match="minority_positions"):
        minority_positions(train._replace(shift=train.shift[:3]), 14)
