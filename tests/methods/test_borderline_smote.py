"""Both kinds of Borderline-SMOTE against imbalanced-learn, and edge cases."""

import jax
import numpy as np
import pytest
import toys
from imblearn.over_sampling import SMOTE, BorderlineSMOTE
from samplers import added, compiled, is_one_vs_rest, same_distribution, three_classes

from imbax.methods import borderline_smote, smote
from imbax.methods.borderline_smote import in_danger, shortened
from imbax.methods.sampling import Sizes, uniform_by_row
from imbax.neighbors import nearest
from imbax.types import rows

KEY = jax.random.key(0)
SIZES = Sizes(max_rows=40, max_synth=40)
DRAW = compiled(borderline_smote.sample, "kind", "shorten")
NEAREST = jax.jit(nearest, static_argnums=3)
PLAIN = compiled(smote.sample)


def imblearn_rows(x, y, n_synth, kind, seed):
    """Sampler of imbalanced-learn and its new rows."""
    sampler = BorderlineSMOTE(
        sampling_strategy={1: int(y.sum()) + n_synth}, kind=f"borderline-{kind}", random_state=seed
    )
    return sampler, sampler.fit_resample(x, y)[0][len(x) :]


def separable():
    x, y = toys.table(80, 25)
    return x + 50 * y[:, None], y


@pytest.mark.parametrize("kind", [1, 2])
def test_rows_equal_imbalanced_learn_with_its_draws(kind):
    x, y = toys.table(300, 60)
    sampler, reference = imblearn_rows(x, y, 100, kind, seed=3)
    minority = np.flatnonzero(y)
    around, _ = NEAREST(x[minority], x, np.ones(300), 10, own=minority)
    danger = in_danger(y[around] == 0, np.ones((60, 10), bool))
    seeds = minority[np.asarray(danger)]
    np.testing.assert_array_equal(seeds, sampler.in_danger_indices[1])
    assert 5 < len(seeds) < 55

    rng = np.random.RandomState(3)
    pair, gap = rng.randint(0, len(seeds) * 5, 100), rng.uniform(size=100)
    base, column = pair // 5, pair % 5
    among = minority if kind == 1 else np.arange(300)
    neighbor, _ = NEAREST(x[seeds], x[among], np.ones(len(among)), 5, own=among.searchsorted(seeds))
    neighbor = among[np.asarray(neighbor)]
    if kind == 2:
        to_majority = y[neighbor[base, column]] == 0
        v = np.random.RandomState(3).uniform(0, 0.5, to_majority.sum())  # it seeds again
        gap[to_majority] = shortened(gap[to_majority], v, "multiply")
        assert 20 < to_majority.sum() < 80
    result_rows = smote.interpolate(x[seeds], x, neighbor, base, column, gap)
    np.testing.assert_allclose(result_rows, reference, atol=1e-6)


@pytest.mark.parametrize("kind", [1, 2])
def test_rows_equal_brute_force(kind):
    x, y = toys.table(80, 25)
    members, count = np.flatnonzero(y), 25
    base_draw, column, gap, v = np.asarray(uniform_by_row(KEY, count, 4), float)
    order = np.argsort(np.linalg.norm(x[:, None] - x, axis=2) + np.diag([np.inf] * 80), 1)
    majority = (y[order[members, :10]] == 0).sum(1)
    seeds = members[(majority >= 5) & (majority < 10)]
    expected = []
    for j in range(count):
        i = seeds[int(base_draw[j] * len(seeds))]
        near = [r for r in order[i] if y[r] == 1 and r != i] if kind == 1 else order[i]
        to = near[int(column[j] * 5)]
        step = gap[j] * (v[j] / 2 if y[to] == 0 else 1)
        expected.append(x[i] + step * (x[to] - x[i]))
    result = DRAW(KEY, rows(x, y), "double", SIZES, kind=kind)
    np.testing.assert_allclose(added(result), expected, atol=1e-5)
    assert not result.fallback


@pytest.mark.parametrize("kind", [1, 2])
def test_distribution_equals_imbalanced_learn(kind):
    x, y = toys.table(80, 25)
    result_rows = [
        added(DRAW(key, rows(x, y), "double", SIZES, kind=kind))
        for key in jax.random.split(KEY, 40)
    ]
    reference = [imblearn_rows(x, y, 25, kind, seed)[1] for seed in range(40)]
    assert same_distribution(result_rows, reference)
    # The test has power: rows started anywhere have another distribution.
    plain = SMOTE(sampling_strategy={1: 1025}, random_state=0).fit_resample(x, y)[0]
    assert not same_distribution([plain[80:]], reference)


@pytest.mark.thorough
def test_replace_differs_from_multiply():
    x, y = toys.table(80, 25)
    draw = lambda **options: added(DRAW(KEY, rows(x, y), "double", SIZES, **options))
    multiplied, replaced = draw(kind=2), draw(kind=2, shorten="replace")
    differ = (multiplied != replaced).any(1)
    assert 0 < differ.sum() < 25
    np.testing.assert_array_equal(draw(kind=1), draw(kind=1, shorten="replace"))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("case", ["safe", "noise", "one"])
def test_fallback_equals_smote(kind, case):
    x, y = separable()
    if case != "safe":  # minority rows with ten majority neighbours
        kept = np.flatnonzero(y)[: 2 if case == "noise" else 1]
        x, y = toys.table(80, 25)
        y = np.isin(np.arange(80), kept).astype(np.float32)
        x[kept[-1]] = -x[kept[0]]
    result = DRAW(KEY, rows(x, y), "double", SIZES, kind=kind)
    expected = PLAIN(KEY, rows(x, y), "double", SIZES)
    assert result.fallback and len(added(result)) == y.sum()
    np.testing.assert_allclose(added(result), added(expected), atol=1e-5)
    _, reference = imblearn_rows(x, y, 9, kind, seed=0) if case == "safe" else (None, ())
    assert len(reference) == 0


def test_padding_has_no_effect():
    expected = DRAW(KEY, toys.problem(80).train, "balance", SIZES, kind=2)
    result = DRAW(KEY, toys.problem(80, 10, np.nan).train, "balance", SIZES, kind=2)
    np.testing.assert_array_equal(added(result), added(expected))
    assert len(added(result)) == 40


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("number", [(16, 0, 24), (5, 0, 7)])
def test_three_classes_are_one_vs_rest(number, kind):
    assert not is_one_vs_rest(DRAW, KEY, number, SIZES, kind=kind).fallback
    # Only the last class, which is far from the others, falls back.
    result = is_one_vs_rest(DRAW, KEY, number, SIZES, far=50, kind=kind)
    plain = PLAIN(jax.random.fold_in(KEY, 2), three_classes(far=50), [0, 0, number[2]], SIZES)
    assert result.fallback
    np.testing.assert_allclose(added(result)[number[0] :], added(plain), atol=1e-5)


def test_danger_is_at_least_half_but_not_all():
    majority = np.arange(4)[None, :] < np.arange(5)[:, None]
    everywhere = np.ones((5, 4), bool)
    np.testing.assert_array_equal(
        in_danger(majority, everywhere), [False, False, True, True, False]
    )
    # One of two existing neighbours is half.
    np.testing.assert_array_equal(
        in_danger(majority, everywhere & (np.arange(4) < 2)), [False, True, False, False, False]
    )


def test_unknown_options_raise_errors():
    with pytest.raises(ValueError, match="kind is 1 or 2"):
        DRAW(KEY, toys.problem().train, "double", SIZES, kind=3)
    with pytest.raises(ValueError, match='"multiply" or "replace"'):
        DRAW(KEY, toys.problem().train, "double", SIZES, shorten="halve")
