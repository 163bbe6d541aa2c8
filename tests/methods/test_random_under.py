"""Random under-sampling: which rows stay, how many, and each as often as another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from imblearn.under_sampling import RandomUnderSampler
from samplers import THREE, three_classes

from imbax.methods import random_under
from imbax.methods.sampling import Sizes
from imbax.minibatches import random_order
from imbax.types import Rows

KEY = jax.random.key(0)
DRAW = jax.jit(random_under.sample, static_argnames="sizes")


def kept(train: Rows, wanted, key=KEY, max_class=40):
    """Numbers of the rows that stay."""
    given = DRAW(key, train, jnp.array(wanted), Sizes(0, 0, max_class))
    return np.asarray(given.index)[np.asarray(given.w) > 0]


@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.5, 0.01])
@pytest.mark.parametrize("padding", [0, 10])
def test_counts_are_imbalanced_learns(ratio, padding):
    train = toys.problem(40, padding, garbage=np.nan).train
    numbers = kept(train, [int(10 / ratio), 10])
    y = np.asarray(train.target)
    assert len(set(numbers)) == len(numbers)
    x, own = np.arange(40)[:, None], y[:40]
    if ratio > 1 / 3:
        theirs = RandomUnderSampler(sampling_strategy=ratio, random_state=0).fit_resample(x, own)
        assert (y[numbers] == 0).sum() == (theirs[1] == 0).sum()
    else:  # imbalanced-learn refuses; here every row stays
        assert (y[numbers] == 0).sum() == 30
    assert set(numbers[y[numbers] == 1]) == set(np.flatnonzero(own == 1))
    assert set(numbers) <= set(range(40))


@pytest.mark.parametrize("wanted", [(16, 16, 16), (5, 40, 7), (99, 16, 0)])
def test_of_several_classes_each_keeps_as_many_as_wanted(wanted):
    train = three_classes(padding=9)
    numbers, y = kept(train, wanted), np.asarray(train.target)
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(9, 89))
    np.testing.assert_array_equal(
        np.bincount(y[numbers].astype(int), minlength=3), np.minimum(wanted, THREE)
    )


def test_a_class_that_stays_whole_keeps_its_order():
    train = toys.problem(40, 10).train
    minority = np.flatnonzero(np.asarray(train.target)[:40] == 1)
    np.testing.assert_array_equal(kept(train, [10, 10])[:10], minority)
    np.testing.assert_array_equal(kept(train, [10, 99])[:10], minority)


def test_the_rows_are_the_first_of_a_random_order():
    """Of the first class by the key itself, of others by their own."""
    train, wanted = three_classes(), (7, 9, 5)
    expected = []
    for c in (2, 1, 0):
        order = random_order(jax.random.fold_in(KEY, c) if c else KEY, train.target == c)
        expected.extend(np.asarray(order)[: wanted[c]])
    np.testing.assert_array_equal(kept(train, wanted), expected)


def test_padding_and_bounds_change_no_draw():
    expected = kept(toys.problem(40).train, [10, 10], max_class=14)
    for padding, bound in ((10, 14), (0, 20)):
        given = kept(toys.problem(40, padding).train, [10, 10], max_class=bound)
        np.testing.assert_array_equal(given, expected)
    assert (kept(toys.problem(40).train, [10, 10], jax.random.key(1)) != expected).any()


@pytest.mark.thorough
def test_of_several_classes_neither():
    expected = kept(three_classes(), [7, 9, 5], max_class=10)
    np.testing.assert_array_equal(kept(three_classes(9), [7, 9, 5], max_class=10) - 9, expected)
    np.testing.assert_array_equal(kept(three_classes(), [7, 9, 5], max_class=30), expected)


@pytest.mark.parametrize("several", [False, True])
def test_every_row_stays_as_often_as_another_of_its_class(several):
    train = three_classes() if several else toys.problem(40).train
    wanted = jnp.array([12, 8, 16] if several else [10, 10])
    draw = lambda key: random_under.sample(key, train, wanted, Sizes(0, 0, 16))
    given = jax.jit(jax.vmap(draw))(jax.random.split(KEY, 2000))
    numbers = np.asarray(given.index)[np.asarray(given.w) > 0]
    y = np.asarray(train.y)
    count = np.bincount(numbers, minlength=len(y))
    for c, n in enumerate(wanted):
        of_class = count[y == c]
        if n == len(of_class):
            assert (of_class == 2000).all()
        np.testing.assert_allclose(of_class, 2000 * n / len(of_class), rtol=0.15)


def test_weights_stay():
    train = toys.problem(40).train
    given = DRAW(KEY, train._replace(w=0.5 * train.w), jnp.array([10, 10]), Sizes(0, 0, 14))
    assert set(np.unique(given.w)) == {0.0, 0.5}
    assert (given.w > 0).sum() == 20
