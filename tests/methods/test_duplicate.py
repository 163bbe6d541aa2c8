"""Random over-sampling: numbers and classes of the drawn rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from samplers import compiled, wanted

from imbax.methods import duplicate
from imbax.methods.sampling import Sizes, uniform_by_row
from imbax.types import Rows, rows

KEY = jax.random.key(0)
SIZES = Sizes(max_rows=14, max_synth=40)
DRAW = compiled(duplicate.sample)


def drawn(train: Rows, n_synth, key=KEY, sizes=SIZES):
    """Numbers of the added rows."""
    result, before = DRAW(key, train, n_synth, sizes), len(train.w)
    return np.asarray(result.index[before:])[np.asarray(result.w[before:]) > 0]


def three_classes():
    """One row of class 2, two of class 1, three of class 0, and one of padding."""
    y, w = jnp.array([2, 0, 0, 1, 0, 1, 1]), jnp.array([1.0, 1, 1, 1, 1, 1, 0])
    return rows(jnp.zeros((7, 1)), y, w)


@pytest.mark.parametrize("padding", [0, 10])
@pytest.mark.parametrize(("n_synth", "count"), [("double", 10), ("balance", 20)])
def test_only_minority_training_rows_are_drawn(n_synth, count, padding):
    train = toys.problem(40, padding, garbage=np.nan).train
    y, real = np.asarray(train.y), np.asarray(train.w) > 0
    assert (y[real] == 1).sum() == 10
    numbers = drawn(train, n_synth)
    assert len(numbers) == count
    assert set(numbers) <= set(np.asarray(train.index)[real & (y == 1)])


@pytest.mark.parametrize("padding", [0, 10])
def test_rows_follow_the_draws(padding):
    train = toys.problem(40, padding, garbage=np.nan).train
    members = np.flatnonzero((np.asarray(train.y) == 1) & (np.asarray(train.w) > 0))
    (uniform,) = np.asarray(uniform_by_row(KEY, 20, 1))
    expected = members[(uniform * len(members)).astype(int)]
    np.testing.assert_array_equal(drawn(train, "balance"), np.asarray(train.index)[expected])
    result = DRAW(KEY, train, "balance", SIZES)
    np.testing.assert_array_equal(result.parents[:20], np.stack([expected, expected], 1))


def test_rows_of_several_classes_follow_the_draws():
    train, number = three_classes(), (9, 6, 3)
    members = [np.flatnonzero((train.y == c) & (train.w > 0)) for c in range(3)]
    (uniform,) = np.asarray(uniform_by_row(KEY, 18, 1))
    classes = np.repeat(np.arange(3), number)
    expected = [members[c][int(u * len(members[c]))] for u, c in zip(uniform, classes, strict=True)]
    np.testing.assert_array_equal(drawn(train, number), expected)
    assert len(set(expected[:9])) == 3 and len(set(expected[9:15])) == 2


def test_padding_and_bounds_have_no_effect():
    expected = drawn(toys.problem(40).train, "balance")
    for padding, sizes in ((10, SIZES), (0, Sizes(14, 20)), (0, Sizes(10, 40))):
        result = drawn(toys.problem(40, padding).train, "balance", sizes=sizes)
        np.testing.assert_array_equal(result, expected)
    assert (drawn(toys.problem(40).train, "balance", jax.random.key(1)) != expected).any()


def test_padding_and_bounds_have_no_effect_on_several_classes():
    y, w = jnp.array([0, 0, 1, 1, 1]), jnp.ones(5)
    expected = drawn(rows(jnp.zeros((5, 1)), y, w), (3, 0), sizes=Sizes(5, 3))
    longer = jnp.concatenate([y, jnp.zeros(4, int)]), jnp.concatenate([w, jnp.zeros(4)])
    result = drawn(rows(jnp.zeros((9, 1)), *longer), (3, 0), sizes=Sizes(5, 8))
    np.testing.assert_array_equal(result, expected)
    assert len(result) == 3


def test_minority_rows_are_drawn_uniformly():
    train = toys.problem(40).train
    number = wanted(train, "double")
    draw = jax.jit(jax.vmap(lambda key: duplicate.sample(key, train, number, SIZES)))
    result = draw(jax.random.split(KEY, 1000))
    numbers = np.asarray(result.index[:, 40:])[np.asarray(result.w[:, 40:]) > 0]
    count = np.bincount(numbers, minlength=40)
    np.testing.assert_allclose(count[count > 0], 1000, rtol=0.12)
    assert (count > 0).sum() == 10


def test_rows_of_each_class_are_drawn_uniformly():
    train, number = three_classes(), jnp.array([0, 4, 3])
    draw = jax.jit(jax.vmap(lambda key: duplicate.sample(key, train, number, Sizes(7, 9))))
    result = draw(jax.random.split(KEY, 2000))
    positions, weights = result.index[:, 7:], result.w[:, 7:]
    np.testing.assert_array_equal(weights[0], np.arange(9) < 7)
    expected = np.tile([1] * 4 + [2] * 3, (2000, 1))
    np.testing.assert_array_equal(train.y[positions[:, :7]], expected)
    share = np.bincount(positions[:, :4].ravel(), minlength=7) / 8000
    np.testing.assert_allclose(share[[3, 5]], 0.5, atol=0.02)


def test_view_keeps_its_rows_without_copies():
    train = toys.problem(40, 10).train
    result = DRAW(KEY, train, "double", SIZES)
    np.testing.assert_array_equal(result.index[:50], train.index)
    np.testing.assert_array_equal(result.w[:50], train.w)
    assert result.x_synth is None
    assert not result.fallback


def test_draws_ignore_row_weights():
    train = toys.problem(40).train
    halved = train._replace(w=jnp.where(jnp.arange(40) % 2, 0.5, 2.0))
    np.testing.assert_array_equal(drawn(halved, "balance"), drawn(train, "balance"))
