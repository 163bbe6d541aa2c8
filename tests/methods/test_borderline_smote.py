"""Borderline-SMOTE, both kinds: imbalanced-learn's rows for its draws, and the edges."""

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


def imbalanced_learns(x, y, n_synth, kind, seed):
    """Its sampler and its new rows."""
    sampler = BorderlineSMOTE(
        sampling_strategy={1: int(y.sum()) + n_synth}, kind=f"borderline-{kind}", random_state=seed
    )
    return sampler, sampler.fit_resample(x, y)[0][len(x) :]


def separable():
    x, y = toys.table(80, 25)
    return x + 50 * y[:, None], y


@pytest.mark.parametrize("kind", [1, 2])
def test_given_its_draws_the_rows_are_imbalanced_learns(kind):
    x, y = toys.table(300, 60)
    sampler, theirs = imbalanced_learns(x, y, 100, kind, seed=3)
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
        v = np.random.RandomState(3).uniform(0, 0.5, to_majority.sum())  # it seeds anew
        gap[to_majority] = shortened(gap[to_majority], v, "multiply")
        assert 20 < to_majority.sum() < 80
    ours = smote.interpolate(x[seeds], x, neighbor, base, column, gap)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("kind", [1, 2])
def test_given_our_draws_the_rows_are_brute_forces(kind):
    x, y = toys.table(80, 25)
    own, count = np.flatnonzero(y), 25
    which, column, gap, v = np.asarray(uniform_by_row(KEY, count, 4), float)
    order = np.argsort(np.linalg.norm(x[:, None] - x, axis=2) + np.diag([np.inf] * 80), 1)
    majority = (y[order[own, :10]] == 0).sum(1)
    seeds = own[(majority >= 5) & (majority < 10)]
    expected = []
    for j in range(count):
        i = seeds[int(which[j] * len(seeds))]
        near = [r for r in order[i] if y[r] == 1 and r != i] if kind == 1 else order[i]
        to = near[int(column[j] * 5)]
        step = gap[j] * (v[j] / 2 if y[to] == 0 else 1)
        expected.append(x[i] + step * (x[to] - x[i]))
    given = DRAW(KEY, rows(x, y), "double", SIZES, kind=kind)
    np.testing.assert_allclose(added(given), expected, atol=1e-5)
    assert not given.fallback


@pytest.mark.parametrize("kind", [1, 2])
def test_the_law_is_imbalanced_learns(kind):
    x, y = toys.table(80, 25)
    ours = [
        added(DRAW(key, rows(x, y), "double", SIZES, kind=kind))
        for key in jax.random.split(KEY, 40)
    ]
    theirs = [imbalanced_learns(x, y, 25, kind, seed)[1] for seed in range(40)]
    assert same_distribution(ours, theirs)
    # The test can tell: rows started anywhere have another law.
    plain = SMOTE(sampling_strategy={1: 1025}, random_state=0).fit_resample(x, y)[0]
    assert not same_distribution([plain[80:]], theirs)


@pytest.mark.thorough
def test_the_papers_step_to_a_majority_row_differs():
    x, y = toys.table(80, 25)
    draw = lambda **options: added(DRAW(KEY, rows(x, y), "double", SIZES, **options))
    multiplied, replaced = draw(kind=2), draw(kind=2, shorten="replace")
    differ = (multiplied != replaced).any(1)
    assert 0 < differ.sum() < 25
    np.testing.assert_array_equal(draw(kind=1), draw(kind=1, shorten="replace"))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("case", ["safe", "noise", "one"])
def test_without_a_row_in_danger_the_rows_are_smotes(kind, case):
    x, y = separable()
    if case != "safe":  # minority rows all of whose ten neighbours are majority rows
        kept = np.flatnonzero(y)[: 2 if case == "noise" else 1]
        x, y = toys.table(80, 25)
        y = np.isin(np.arange(80), kept).astype(np.float32)
        x[kept[-1]] = -x[kept[0]]
    given = DRAW(KEY, rows(x, y), "double", SIZES, kind=kind)
    expected = PLAIN(KEY, rows(x, y), "double", SIZES)
    assert given.fallback and len(added(given)) == y.sum()
    np.testing.assert_allclose(added(given), added(expected), atol=1e-5)
    _, theirs = imbalanced_learns(x, y, 9, kind, seed=0) if case == "safe" else (None, ())
    assert len(theirs) == 0


def test_padding_changes_no_row():
    expected = DRAW(KEY, toys.problem(80).train, "balance", SIZES, kind=2)
    given = DRAW(KEY, toys.problem(80, 10, np.nan).train, "balance", SIZES, kind=2)
    np.testing.assert_array_equal(added(given), added(expected))
    assert len(added(given)) == 40


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("number", [(16, 0, 24), (5, 0, 7)])
def test_of_three_classes_each_is_the_minority_in_turn(number, kind):
    assert not is_one_vs_rest(DRAW, KEY, number, SIZES, kind=kind).fallback
    # The last class alone, far from the others, falls back.
    given = is_one_vs_rest(DRAW, KEY, number, SIZES, far=50, kind=kind)
    plain = PLAIN(jax.random.fold_in(KEY, 2), three_classes(far=50), [0, 0, number[2]], SIZES)
    assert given.fallback
    np.testing.assert_allclose(added(given)[number[0] :], added(plain), atol=1e-5)


def test_danger_is_half_or_more_but_not_all():
    majority = np.arange(4)[None, :] < np.arange(5)[:, None]
    everywhere = np.ones((5, 4), bool)
    np.testing.assert_array_equal(
        in_danger(majority, everywhere), [False, False, True, True, False]
    )
    # Of two neighbours that exist, one is half.
    np.testing.assert_array_equal(
        in_danger(majority, everywhere & (np.arange(4) < 2)), [False, True, False, False, False]
    )


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match="kind is 1 or 2"):
        DRAW(KEY, toys.problem().train, "double", SIZES, kind=3)
    with pytest.raises(ValueError, match='"multiply" or "replace"'):
        DRAW(KEY, toys.problem().train, "double", SIZES, shorten="halve")
