"""Random under-sampling: which rows stay, how many, and each as often as another."""

import jax
import numpy as np
import pytest
import toys
from imblearn.under_sampling import RandomUnderSampler

from imbax.methods.random_under import random_under

KEY = jax.random.key(0)


def kept(problem, key=KEY, **options):
    given = random_under(key, problem, max_minority=14, **options)
    return np.asarray(given.index)[np.asarray(given.w) > 0]


@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.5, 0.01])
@pytest.mark.parametrize("padding", [0, 10])
def test_counts_are_imbalanced_learns(ratio, padding):
    problem = toys.problem(40, padding, garbage=np.nan)
    rows = kept(problem, ratio=ratio)
    y = np.asarray(problem.train.target)
    assert len(set(rows)) == len(rows)
    x, own = np.arange(40)[:, None], y[:40]
    if ratio > 1 / 3:
        theirs = RandomUnderSampler(sampling_strategy=ratio, random_state=0).fit_resample(x, own)
        assert (y[rows] == 0).sum() == (theirs[1] == 0).sum()
    else:  # imbalanced-learn refuses; here every row stays
        assert (y[rows] == 0).sum() == 30
    assert set(rows[y[rows] == 1]) == set(np.flatnonzero(own == 1))
    assert set(rows) <= set(range(40))


def test_padding_and_bounds_change_no_draw():
    expected = kept(toys.problem(40))
    np.testing.assert_array_equal(kept(toys.problem(40, 10)), expected)
    wider = random_under(KEY, toys.problem(40), max_minority=20)
    np.testing.assert_array_equal(np.asarray(wider.index)[np.asarray(wider.w) > 0], expected)
    assert (kept(toys.problem(40), jax.random.key(1)) != expected).any()


def test_every_majority_row_stays_as_often_as_another():
    problem = toys.problem(40)
    draw = jax.jit(jax.vmap(lambda key: random_under(key, problem, max_minority=14)))
    given = draw(jax.random.split(KEY, 2000))
    rows = np.asarray(given.index)[np.asarray(given.w) > 0]
    count = np.bincount(rows, minlength=40)
    majority = np.asarray(problem.train.y) == 0
    assert (count[~majority] == 2000).all()
    np.testing.assert_allclose(count[majority], 2000 / 3, rtol=0.15)


def test_weights_stay_and_a_bad_ratio_is_named():
    problem = toys.problem(40)
    halved = problem._replace(train=problem.train._replace(w=0.5 * problem.train.w))
    given = random_under(KEY, halved, max_minority=14)
    assert set(np.unique(given.w)) == {0.0, 0.5}
    with pytest.raises(ValueError, match="ratio must be positive, got 0"):
        random_under(KEY, problem, max_minority=14, ratio=0)
