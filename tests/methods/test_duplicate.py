"""Random over-sampling: how many rows, which, of which classes, and nothing else changed."""

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
    """Row numbers of the rows added."""
    given, before = DRAW(key, train, n_synth, sizes), len(train.w)
    return np.asarray(given.index[before:])[np.asarray(given.w[before:]) > 0]


def three_classes():
    """A row of class 2, two of class 1, three of class 0, and one of padding."""
    y, w = jnp.array([2, 0, 0, 1, 0, 1, 1]), jnp.array([1.0, 1, 1, 1, 1, 1, 0])
    return rows(jnp.zeros((7, 1)), y, w)


@pytest.mark.parametrize("padding", [0, 10])
@pytest.mark.parametrize(("n_synth", "count"), [("double", 10), ("balance", 20)])
def test_only_minority_rows_of_the_training_part_are_drawn(n_synth, count, padding):
    train = toys.problem(40, padding, garbage=np.nan).train
    y, real = np.asarray(train.y), np.asarray(train.w) > 0
    assert (y[real] == 1).sum() == 10
    numbers = drawn(train, n_synth)
    assert len(numbers) == count
    assert set(numbers) <= set(np.asarray(train.index)[real & (y == 1)])


@pytest.mark.parametrize("padding", [0, 10])
def test_the_rows_are_those_of_the_draws_of_their_numbers(padding):
    train = toys.problem(40, padding, garbage=np.nan).train
    own = np.flatnonzero((np.asarray(train.y) == 1) & (np.asarray(train.w) > 0))
    (which,) = np.asarray(uniform_by_row(KEY, 20, 1))
    expected = own[(which * len(own)).astype(int)]
    np.testing.assert_array_equal(drawn(train, "balance"), np.asarray(train.index)[expected])
    given = DRAW(KEY, train, "balance", SIZES)
    np.testing.assert_array_equal(given.parents[:20], np.stack([expected, expected], 1))


def test_of_several_classes_too():
    train, number = three_classes(), (9, 6, 3)
    own = [np.flatnonzero((train.y == c) & (train.w > 0)) for c in range(3)]
    (which,) = np.asarray(uniform_by_row(KEY, 18, 1))
    classes = np.repeat(np.arange(3), number)
    expected = [own[c][int(u * len(own[c]))] for u, c in zip(which, classes, strict=True)]
    np.testing.assert_array_equal(drawn(train, number), expected)
    assert len(set(expected[:9])) == 3 and len(set(expected[9:15])) == 2


def test_padding_and_bounds_change_no_draw():
    expected = drawn(toys.problem(40).train, "balance")
    for padding, sizes in ((10, SIZES), (0, Sizes(14, 20)), (0, Sizes(10, 40))):
        given = drawn(toys.problem(40, padding).train, "balance", sizes=sizes)
        np.testing.assert_array_equal(given, expected)
    assert (drawn(toys.problem(40).train, "balance", jax.random.key(1)) != expected).any()


def test_of_several_classes_neither():
    y, w = jnp.array([0, 0, 1, 1, 1]), jnp.ones(5)
    expected = drawn(rows(jnp.zeros((5, 1)), y, w), (3, 0), sizes=Sizes(5, 3))
    longer = jnp.concatenate([y, jnp.zeros(4, int)]), jnp.concatenate([w, jnp.zeros(4)])
    given = drawn(rows(jnp.zeros((9, 1)), *longer), (3, 0), sizes=Sizes(5, 8))
    np.testing.assert_array_equal(given, expected)
    assert len(given) == 3


def test_every_minority_row_is_drawn_as_often_as_another():
    train = toys.problem(40).train
    number = wanted(train, "double")
    draw = jax.jit(jax.vmap(lambda key: duplicate.sample(key, train, number, SIZES)))
    given = draw(jax.random.split(KEY, 1000))
    numbers = np.asarray(given.index[:, 40:])[np.asarray(given.w[:, 40:]) > 0]
    count = np.bincount(numbers, minlength=40)
    np.testing.assert_allclose(count[count > 0], 1000, rtol=0.12)
    assert (count > 0).sum() == 10


def test_copies_are_of_the_classes_wanted_each_row_as_likely():
    train, number = three_classes(), jnp.array([0, 4, 3])
    draw = jax.jit(jax.vmap(lambda key: duplicate.sample(key, train, number, Sizes(7, 9))))
    given = draw(jax.random.split(KEY, 2000))
    positions, weights = given.index[:, 7:], given.w[:, 7:]
    np.testing.assert_array_equal(weights[0], np.arange(9) < 7)
    expected = np.tile([1] * 4 + [2] * 3, (2000, 1))
    np.testing.assert_array_equal(train.y[positions[:, :7]], expected)
    share = np.bincount(positions[:, :4].ravel(), minlength=7) / 8000
    np.testing.assert_allclose(share[[3, 5]], 0.5, atol=0.02)


def test_the_rows_there_were_stay_and_nothing_is_copied():
    train = toys.problem(40, 10).train
    given = DRAW(KEY, train, "double", SIZES)
    np.testing.assert_array_equal(given.index[:50], train.index)
    np.testing.assert_array_equal(given.w[:50], train.w)
    assert given.x_synth is None
    assert not given.fallback


def test_rows_are_drawn_by_their_number_not_their_weights():
    train = toys.problem(40).train
    halved = train._replace(w=jnp.where(jnp.arange(40) % 2, 0.5, 2.0))
    np.testing.assert_array_equal(drawn(halved, "balance"), drawn(train, "balance"))
