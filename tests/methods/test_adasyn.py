"""ADASYN: imbalanced-learn's rows for its draws, exact totals, and the edges."""

import jax
import numpy as np
import pytest
import toys
from imblearn.over_sampling import ADASYN, SMOTE
from samplers import added, same_law, view

from imbax import evaluate
from imbax.methods.adasyn import adasyn
from imbax.methods.smote import interpolate, minority_of, own_neighbors, smote, uniform_by_row

KEY = jax.random.key(0)
SIZES = {"max_synth": 60, "max_minority": 40}
DRAW = jax.jit(adasyn, static_argnames=("n_synth", *SIZES))
PLAIN = jax.jit(smote, static_argnames=("n_synth", *SIZES))


def ratios(x, y):
    """Majority rows among the five nearest of each minority row, and those."""
    order = np.argsort(np.linalg.norm(x[:, None] - x, axis=2) + np.diag([np.inf] * len(x)), 1)
    return (y[order[y == 1, :5]] == 0).sum(1)


def imbalanced_learns(x, y, n_synth, seed):
    sampler = ADASYN(sampling_strategy={1: int(y.sum()) + n_synth}, random_state=seed)
    return sampler.fit_resample(x, y)[0][len(x) :]


def test_given_its_draws_the_rows_are_imbalanced_learns():
    x, y = toys.table(300, 60)
    theirs = imbalanced_learns(x, y, 100, seed=3)
    hard = ratios(x, y)
    counts = np.rint(hard / hard.sum() * 100).astype(int)
    rng = np.random.RandomState(3)
    column, gap = rng.choice(5, len(theirs)), rng.uniform(size=(len(theirs), 1))[:, 0]
    own = lambda train: own_neighbors(minority_of(train, 60), 5)[0]  # noqa: E731
    neighbor, x = jax.jit(own)(view(x, y).train), x[y == 1]
    base = np.repeat(np.arange(60), counts)
    ours = interpolate(x, x, neighbor, base, column, gap)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("n_synth", ["double", "balance"])
def test_given_our_draws_the_rows_are_brute_forces_and_the_total_exact(n_synth):
    x, y = toys.table(80, 25)
    own, total = x[y == 1], 25 if n_synth == "double" else 30
    hard = ratios(x, y)
    quota, rest = np.divmod(hard * total, hard.sum())
    quota[np.argsort(-rest, kind="stable")[: total - quota.sum()]] += 1
    _, column, gap = np.asarray(uniform_by_row(KEY, total, 3), float)
    expected = []
    for j, i in enumerate(np.repeat(np.arange(25), quota)):
        near = [r for r in np.argsort(np.linalg.norm(own - own[i], axis=1)) if r != i]
        to = own[near[int(column[j] * 5)]]
        expected.append(own[i] + gap[j] * (to - own[i]))
    given = DRAW(KEY, view(x, y), n_synth=n_synth, **SIZES)
    np.testing.assert_allclose(added(given), expected, atol=1e-5)
    assert not given.fallback


def test_the_law_is_imbalanced_learns():
    """Where its counts are whole without rounding."""
    x, y = toys.table(80, 25)
    total = int(ratios(x, y).sum())
    far = 1000 + np.zeros((total - 30, 4), np.float32)  # so that balancing adds `total` rows
    x, y = np.concatenate([x, far]), np.pad(y, (0, len(far)))
    theirs = [imbalanced_learns(x, y, total, seed) for seed in range(40)]
    sizes = {"max_synth": total, "max_minority": 25}
    draw = lambda key: DRAW(key, view(x, y), n_synth="balance", **sizes)  # noqa: E731
    ours = [added(draw(key)) for key in jax.random.split(KEY, 40)]
    assert same_law(ours, theirs)
    # The test can tell: SMOTE's rows have another law.
    plain = SMOTE(sampling_strategy={1: 25 + 40 * total}, random_state=0)
    assert not same_law([plain.fit_resample(x, y)[0][len(x) :]], theirs)


@pytest.mark.parametrize("case", ["no majority neighbour", "two", "one"])
def test_where_the_rule_fails_the_rows_are_smotes(case):
    x, y = toys.table(80, 25)
    if case == "no majority neighbour":
        x = x + 50 * y[:, None]
        with pytest.raises(RuntimeError, match="Not any neigbours"):
            imbalanced_learns(x, y, 25, seed=0)
    else:
        y[np.flatnonzero(y)[2 if case == "two" else 1 :]] = 0
    given = DRAW(KEY, view(x, y), n_synth="double", **SIZES)
    assert bool(given.fallback) == (case != "two")
    assert len(added(given)) == y.sum()
    if case != "two":
        expected = PLAIN(KEY, view(x, y), n_synth="double", **SIZES)
        np.testing.assert_array_equal(added(given), added(expected))


def test_padding_changes_no_row():
    expected = DRAW(KEY, toys.problem(80), n_synth="balance", **SIZES)
    given = DRAW(KEY, toys.problem(80, 10, np.nan), n_synth="balance", **SIZES)
    np.testing.assert_array_equal(added(given), added(expected))
    assert len(added(given)) == 40


def test_copies_and_a_constant_column_are_no_trouble():
    x, y = toys.table(80, 25)
    x[:, 1] = 3
    x[60:] = x[:20]
    rows = added(DRAW(KEY, view(x, y), n_synth="balance", **SIZES))
    assert len(rows) == 30 and np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[:, 1], 3)


def test_an_experiment_keeps_which_runs_fell_back():
    x, y = toys.table(80, 25)
    for gap, expected in ((50, True), (0, False)):
        table = evaluate(x + gap * y[:, None], y, ["adasyn"], seeds=1, folds=2, epochs=1)
        assert table["fallback"].tolist() == [expected, expected]
