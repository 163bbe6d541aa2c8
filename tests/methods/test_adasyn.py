"""ADASYN against imbalanced-learn and brute force, exact totals, and edge cases."""

import jax
import numpy as np
import pytest
import toys
from imblearn.over_sampling import ADASYN, SMOTE
from samplers import added, compiled, is_one_vs_rest, same_distribution, three_classes

from imbax import evaluate
from imbax.methods import adasyn, smote
from imbax.methods.sampling import Sizes, minority_of, own_neighbors, uniform_by_row
from imbax.types import rows

KEY = jax.random.key(0)
SIZES = Sizes(max_rows=40, max_synth=60)
DRAW = compiled(adasyn.sample, "k_neighbors")
PLAIN = compiled(smote.sample)


def ratios(x, y):
    """Numbers of majority rows among the five nearest rows of each minority row, and these rows."""
    order = np.argsort(np.linalg.norm(x[:, None] - x, axis=2) + np.diag([np.inf] * len(x)), 1)
    return (y[order[y == 1, :5]] == 0).sum(1)


def imblearn_rows(x, y, n_synth, seed):
    sampler = ADASYN(sampling_strategy={1: int(y.sum()) + n_synth}, random_state=seed)
    return sampler.fit_resample(x, y)[0][len(x) :]


def test_rows_equal_imbalanced_learn_with_its_draws():
    x, y = toys.table(300, 60)
    reference = imblearn_rows(x, y, 100, seed=3)
    hard = ratios(x, y)
    counts = np.rint(hard / hard.sum() * 100).astype(int)
    rng = np.random.RandomState(3)
    column, gap = rng.choice(5, len(reference)), rng.uniform(size=(len(reference), 1))[:, 0]
    members = lambda train: own_neighbors(minority_of(train, 60), 5)[0]
    neighbor, x = jax.jit(members)(rows(x, y)), x[y == 1]
    base = np.repeat(np.arange(60), counts)
    result_rows = smote.interpolate(x, x, neighbor, base, column, gap)
    np.testing.assert_allclose(result_rows, reference, atol=1e-6)


@pytest.mark.parametrize("n_synth", ["double", "balance"])
def test_rows_equal_brute_force_with_our_draws(n_synth):
    x, y = toys.table(80, 25)
    members, total = x[y == 1], 25 if n_synth == "double" else 30
    hard = ratios(x, y)
    quota, rest = np.divmod(hard * total, hard.sum())
    quota[np.argsort(-rest, kind="stable")[: total - quota.sum()]] += 1
    _, column, gap = np.asarray(uniform_by_row(KEY, total, 3), float)
    expected = []
    for j, i in enumerate(np.repeat(np.arange(25), quota)):
        near = [r for r in np.argsort(np.linalg.norm(members - members[i], axis=1)) if r != i]
        to = members[near[int(column[j] * 5)]]
        expected.append(members[i] + gap[j] * (to - members[i]))
    result = DRAW(KEY, rows(x, y), n_synth, SIZES)
    np.testing.assert_allclose(added(result), expected, atol=1e-5)
    assert not result.fallback


@pytest.mark.thorough
def test_distribution_equals_imbalanced_learn():
    """Compares distributions where imbalanced-learn needs no rounding."""
    x, y = toys.table(80, 25)
    total = int(ratios(x, y).sum())
    far = 1000 + np.zeros((total - 30, 4), np.float32)  # so that balancing adds `total` rows
    x, y = np.concatenate([x, far]), np.pad(y, (0, len(far)))
    reference = [imblearn_rows(x, y, total, seed) for seed in range(40)]
    draw = lambda key: DRAW(key, rows(x, y), "balance", Sizes(25, total))
    result_rows = [added(draw(key)) for key in jax.random.split(KEY, 40)]
    assert same_distribution(result_rows, reference)
    # The test has power: SMOTE's rows have another distribution.
    plain = SMOTE(sampling_strategy={1: 25 + 40 * total}, random_state=0)
    assert not same_distribution([plain.fit_resample(x, y)[0][len(x) :]], reference)


@pytest.mark.parametrize("case", ["no majority neighbour", "two", "one"])
def test_fallback_equals_smote(case):
    x, y = toys.table(80, 25)
    if case == "no majority neighbour":
        x = x + 50 * y[:, None]
        with pytest.raises(RuntimeError, match="Not any neigbours"):
            imblearn_rows(x, y, 25, seed=0)
    else:
        y[np.flatnonzero(y)[2 if case == "two" else 1 :]] = 0
    result = DRAW(KEY, rows(x, y), "double", SIZES)
    assert bool(result.fallback) == (case != "two")
    assert len(added(result)) == y.sum()
    if case != "two":
        expected = PLAIN(KEY, rows(x, y), "double", SIZES)
        np.testing.assert_array_equal(added(result), added(expected))


@pytest.mark.thorough
def test_padding_has_no_effect():
    expected = DRAW(KEY, toys.problem(80).train, "balance", SIZES)
    result = DRAW(KEY, toys.problem(80, 10, np.nan).train, "balance", SIZES)
    np.testing.assert_array_equal(added(result), added(expected))
    assert len(added(result)) == 40


def test_duplicates_and_constant_columns_are_handled():
    x, y = toys.table(80, 25)
    x[:, 1] = 3
    x[60:] = x[:20]
    new = added(DRAW(KEY, rows(x, y), "balance", SIZES))
    assert len(new) == 30 and np.isfinite(new).all()
    np.testing.assert_array_equal(new[:, 1], 3)


@pytest.mark.thorough
@pytest.mark.parametrize("number", [(16, 0, 24), (5, 0, 7)])
def test_three_classes_are_one_vs_rest(number):
    assert not is_one_vs_rest(DRAW, KEY, number, SIZES).fallback
    # Only the last class, which is far from the others, falls back.
    result = is_one_vs_rest(DRAW, KEY, number, SIZES, far=50)
    plain = PLAIN(jax.random.fold_in(KEY, 2), three_classes(far=50), [0, 0, number[2]], SIZES)
    assert result.fallback
    np.testing.assert_allclose(added(result)[number[0] :], added(plain), atol=1e-5)


@pytest.mark.thorough
def test_experiment_records_fallbacks():
    x, y = toys.table(80, 25)
    for gap, expected in ((50, True), (0, False)):
        table = evaluate(x + gap * y[:, None], y, ["adasyn"], seeds=1, folds=2, epochs=1)
        assert table["fallback"].tolist() == [expected, expected]
