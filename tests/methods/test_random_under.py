"""Random under-sampling: numbers and distribution of the rows that stay."""

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
    result = DRAW(key, train, jnp.array(wanted), Sizes(0, 0, max_class))
    return np.asarray(result.index)[np.asarray(result.w) > 0]


@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.5, 0.01])
@pytest.mark.parametrize("padding", [0, 10])
def test_counts_equal_imbalanced_learn(ratio, padding):
    train = toys.problem(40, padding, garbage=np.nan).train
    numbers = kept(train, [int(10 / ratio), 10])
    y = np.asarray(train.target)
    assert len(set(numbers)) == len(numbers)
    x, labels = np.arange(40)[:, None], y[:40]
    if ratio > 1 / 3:
        reference = RandomUnderSampler(sampling_strategy=ratio, random_state=0).fit_resample(
            x, labels
        )
        assert (y[numbers] == 0).sum() == (reference[1] == 0).sum()
    else:  # imbalanced-learn raises an error; here every row stays
        assert (y[numbers] == 0).sum() == 30
    assert set(numbers[y[numbers] == 1]) == set(np.flatnonzero(labels == 1))
    assert set(numbers) <= set(range(40))


@pytest.mark.parametrize("wanted", [(16, 16, 16), (5, 40, 7), (99, 16, 0)])
def test_each_class_keeps_the_wanted_number(wanted):
    train = three_classes(padding=9)
    numbers, y = kept(train, wanted), np.asarray(train.target)
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(9, 89))
    np.testing.assert_array_equal(
        np.bincount(y[numbers].astype(int), minlength=3), np.minimum(wanted, THREE)
    )


def test_unchanged_class_keeps_its_order():
    train = toys.problem(40, 10).train
    minority = np.flatnonzero(np.asarray(train.target)[:40] == 1)
    np.testing.assert_array_equal(kept(train, [10, 10])[:10], minority)
    np.testing.assert_array_equal(kept(train, [10, 99])[:10], minority)


def test_rows_are_the_first_of_a_random_order():
    """The first class uses the key itself, other classes their own keys."""
    train, wanted = three_classes(), (7, 9, 5)
    expected = []
    for c in (2, 1, 0):
        order = random_order(jax.random.fold_in(KEY, c) if c else KEY, train.target == c)
        expected.extend(np.asarray(order)[: wanted[c]])
    np.testing.assert_array_equal(kept(train, wanted), expected)


def test_padding_and_bounds_have_no_effect():
    expected = kept(toys.problem(40).train, [10, 10], max_class=14)
    for padding, bound in ((10, 14), (0, 20)):
        result = kept(toys.problem(40, padding).train, [10, 10], max_class=bound)
        np.testing.assert_array_equal(result, expected)
    assert (kept(toys.problem(40).train, [10, 10], jax.random.key(1)) != expected).any()


@pytest.mark.thorough
def test_padding_and_bounds_have_no_effect_on_several_classes():
    expected = kept(three_classes(), [7, 9, 5], max_class=10)
    np.testing.assert_array_equal(kept(three_classes(9), [7, 9, 5], max_class=10) - 9, expected)
    np.testing.assert_array_equal(kept(three_classes(), [7, 9, 5], max_class=30), expected)


@pytest.mark.parametrize("several", [False, True])
def test_rows_of_a_class_stay_uniformly(several):
    train = three_classes() if several else toys.problem(40).train
    wanted = jnp.array([12, 8, 16] if several else [10, 10])
    draw = lambda key: random_under.sample(key, train, wanted, Sizes(0, 0, 16))
    result = jax.jit(jax.vmap(draw))(jax.random.split(KEY, 2000))
    numbers = np.asarray(result.index)[np.asarray(result.w) > 0]
    y = np.asarray(train.y)
    count = np.bincount(numbers, minlength=len(y))
    for c, n in enumerate(wanted):
        class_counts = count[y == c]
        if n == len(class_counts):
            assert (class_counts == 2000).all()
        np.testing.assert_allclose(class_counts, 2000 * n / len(class_counts), rtol=0.15)


def test_row_weights_are_kept():
    train = toys.problem(40).train
    result = DRAW(KEY, train._replace(w=0.5 * train.w), jnp.array([10, 10]), Sizes(0, 0, 14))
    assert set(np.unique(result.w)) == {0.0, 0.5}
    assert (result.w > 0).sum() == 20
