"""Random over-sampling: how many rows, which, and nothing else changed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

from imbax.methods.duplicate import duplicate, synthetic_count

KEY = jax.random.key(0)
SIZES = {"max_synth": 40, "max_minority": 14}


def added(problem, key=KEY, **options):
    """Row numbers of the rows added."""
    before = len(problem.train.w)
    train = duplicate(key, problem, **(SIZES | options))
    return np.asarray(train.index[before:])[np.asarray(train.w[before:]) > 0]


@pytest.mark.parametrize("padding", [0, 10])
@pytest.mark.parametrize(("n_synth", "count"), [("double", 10), ("balance", 20)])
def test_only_minority_rows_of_the_training_part_are_drawn(n_synth, count, padding):
    problem = toys.problem(40, padding, garbage=np.nan)
    y = np.asarray(problem.train.y)
    real = np.asarray(problem.train.w) > 0
    assert (y[real] == 1).sum() == 10
    rows = added(problem, n_synth=n_synth)
    assert len(rows) == count
    assert set(rows) <= set(np.asarray(problem.train.index)[real & (y == 1)])
    assert synthetic_count(problem.train, n_synth) == count


def test_padding_and_bounds_change_no_draw():
    expected = added(toys.problem(40), n_synth="balance")
    for padding, sizes in ((10, {}), (0, {"max_synth": 20}), (0, {"max_minority": 10})):
        given = added(toys.problem(40, padding), n_synth="balance", **sizes)
        np.testing.assert_array_equal(given, expected)
    assert (added(toys.problem(40), jax.random.key(1), n_synth="balance") != expected).any()


def test_every_minority_row_is_drawn_as_often_as_another():
    problem = toys.problem(40)
    draw = jax.jit(jax.vmap(lambda key: duplicate(key, problem, n_synth="double", **SIZES)))
    train = draw(jax.random.split(KEY, 1000))
    drawn = np.asarray(train.index[:, 40:])[np.asarray(train.w[:, 40:]) > 0]
    count = np.bincount(drawn, minlength=40)
    np.testing.assert_allclose(count[count > 0], 1000, rtol=0.12)
    assert (count > 0).sum() == 10


def test_the_rows_there_were_stay_and_nothing_is_copied():
    problem = toys.problem(40, 10)
    given = duplicate(KEY, problem, n_synth="double", **SIZES)
    np.testing.assert_array_equal(given.index[:50], problem.train.index)
    np.testing.assert_array_equal(given.w[:50], problem.train.w)
    assert given.x_synth is None
    assert not given.fallback


def test_balance_adds_nothing_where_the_minority_is_not_one():
    problem = toys.problem(40)
    train = problem.train._replace(w=jnp.where(problem.train.y > 0.5, problem.train.w, 0.0))
    assert len(added(problem._replace(train=train), n_synth="balance")) == 0


def test_rows_are_counted_not_their_weights():
    problem = toys.problem(40)
    train = problem.train._replace(w=0.5 * problem.train.w)
    assert len(added(problem._replace(train=train), n_synth="double")) == 10
    assert len(added(problem._replace(train=train), n_synth="balance")) == 20


def test_an_unknown_rule_is_named():
    with pytest.raises(ValueError, match='"double" or "balance", got \'triple\''):
        added(toys.problem(40), n_synth="triple")
