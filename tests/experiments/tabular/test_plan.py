"""Tests of splitting a data set into runs: shapes depend only on data and protocol; no leakage."""

import dataclasses

import jax
import numpy as np
import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from imbax.data.preprocess import condition
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments.tabular.plan import Protocol, plan


def dataset(n=110, minority=30, groups=None):
    return make_dataset(*toys.table(n, minority), name="toy", groups=groups)


@pytest.fixture(scope="module")
def three_seeds():
    return plan(dataset(), [0, 1, 5], Protocol(folds=3))


def test_every_run_is_a_fold_of_a_seed(three_seeds):
    np.testing.assert_array_equal(three_seeds.seed, np.repeat([0, 1, 5], 3))
    np.testing.assert_array_equal(three_seeds.fold, np.tile([0, 1, 2], 3))
    keys = jax.random.key_data(three_seeds.runs.key)
    assert len(np.unique(keys, axis=0)) == 9
    assert three_seeds.facts.features == 8
    assert three_seeds.facts.epochs == 200


def test_padded_indices_equal_the_splits(three_seeds):
    runs, y = three_seeds.runs, three_seeds.dataset.y
    for r, split in enumerate(three_seeds.splits):
        for name, part in split._asdict().items():
            index, w = (leaf[r] for leaf in getattr(runs, name))
            np.testing.assert_array_equal(index[: len(part)], part)
            np.testing.assert_array_equal(w, np.arange(len(w)) < len(part))
            assert len(index) == len(w)
            assert index.dtype == np.int32
        assert y[split.train].sum() <= three_seeds.facts.max_minority
    assert runs.train.index.shape[1] % 128 == 0


def test_scaling_is_fitted_on_training_rows(three_seeds):
    x = three_seeds.x
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, condition(three_seeds.dataset.x))
    for r, split in enumerate(three_seeds.splits):
        shift, factor = three_seeds.runs.shift[r], three_seeds.runs.factor[r]
        scaled = (x[split.train] - shift[:4]) * factor[:4]
        np.testing.assert_allclose(scaled.min(0), 0, atol=1e-6)
        np.testing.assert_allclose(scaled.max(0), 1, atol=1e-6)
    assert len(np.unique(three_seeds.runs.shift, axis=0)) > 1


def selected(runs, at):
    return jax.tree.map(lambda leaf: leaf[at], runs)


def test_run_does_not_depend_on_other_runs(three_seeds):
    """Arrays of a seed are bit-equal whether it is planned alone or with others, in any order."""
    for seeds in ([1], [5, 1]):
        other = plan(dataset(), seeds, Protocol(folds=3))
        at, at_other = three_seeds.seed == 1, other.seed == 1
        found, expected = (
            run._replace(key=jax.random.key_data(run.key))
            for run in (selected(other.runs, at_other), selected(three_seeds.runs, at))
        )
        assert len(jax.tree.leaves(expected)) == 9
        jax.tree.map(np.testing.assert_array_equal, found, expected)
        assert other.facts == three_seeds.facts


@pytest.mark.thorough
@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(2, 5),
    st.integers(12, 40),
    st.integers(40, 100),
    st.sampled_from([0.2, 0.25, 0.4]),
    st.sampled_from(["double", "balance"]),
)
def test_padded_sizes_suffice_for_every_seed(folds, minority, majority, part, n_synth):
    y = np.arange(minority + majority) < minority
    x = np.arange(len(y), dtype=float)[:, None]
    data = make_dataset(x, y.astype(int), minority=1)
    protocol = Protocol(folds=folds, valid_fraction=part, n_synth=n_synth)
    facts = set()
    for seed in range(4):
        cut = plan(data, [seed], protocol)
        facts.add((cut.facts, *(leaf.shape[1:] for leaf in jax.tree.leaves(cut.runs))))
        for split in cut.splits:
            in_train = int(y[split.train].sum())
            assert in_train <= cut.facts.max_minority
            surplus = len(split.train) - 2 * in_train
            assert cut.facts.max_synth >= (in_train if n_synth == "double" else surplus)
    assert len(facts) == 1


@pytest.mark.parametrize("seeds", [[0], [1], [0, 1], [1, 0]])
def test_padded_sizes_suffice_for_uneven_validation_parts(seeds):
    """48 rows, 12 of the minority: a fifth of either class is not a whole number."""
    data = make_dataset(*toys.table(48, 12), name="toy")
    cut = plan(data, seeds, Protocol(folds=4))
    most = max(int(data.y[split.train].sum()) for split in cut.splits)
    assert most <= cut.facts.max_minority
    assert cut.facts == plan(data, [0], Protocol(folds=4)).facts


def test_groups_stay_whole():
    groups = np.random.default_rng(0).integers(0, 25, 110)
    cut = plan(dataset(groups=groups), [0, 1], Protocol(folds=3))
    for split in cut.splits:
        parts = [set(groups[part]) for part in split]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    for name in ("train", "valid", "test"):
        sizes = [len(getattr(split, name)) for split in cut.splits]
        assert max(sizes) <= getattr(cut.runs, name).index.shape[1]


def test_user_splits_are_used_for_every_seed():
    thirds = np.array_split(np.random.default_rng(0).permutation(110), 3)
    custom = [(thirds[0], thirds[1], thirds[2]), (thirds[2].tolist(), thirds[1], thirds[0])]
    cut = plan(dataset(), [3, 4], Protocol(), custom)
    np.testing.assert_array_equal(cut.seed, [3, 3, 4, 4])
    np.testing.assert_array_equal(cut.fold, [0, 1, 0, 1])
    for r in range(4):
        for part, expected in zip(cut.splits[r], custom[r % 2], strict=True):
            np.testing.assert_array_equal(part, expected)


def test_test_rows_in_training_are_counted():
    x, y = toys.table(110, 30)
    cut = plan(
        make_dataset(np.repeat(x, 2, axis=0), np.repeat(y, 2), name="twice"), [0], Protocol()
    )
    assert (cut.test_rows_in_train > 0).all()
    for r, split in enumerate(cut.splits):
        assert cut.test_rows_in_train[r] == np.isin(split.test // 2, split.train // 2).sum()
    assert not plan(dataset(), [0], Protocol()).test_rows_in_train.any()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "epochs=0, expected at least 1"),
        ({"n_synth": "all"}, "n_synth='all', expected 'double' or 'balance'"),
    ],
)
def test_invalid_protocol_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Protocol(**given)


@pytest.fixture(scope="module")
def thinned():
    """Repeats with 15 of 30 minority rows kept, on two principal axes of z-scores."""
    whole = dataclasses.replace(dataset(), keep=15)
    return plan(whole, [0, 1], Protocol(2, scheme="repeats", scaling="z_score", components=2))


def test_repeats_with_withheld_rows_and_projection(thinned):
    assert thinned.facts.features == 2
    assert thinned.runs.project.shape == (4, 8, 2)
    for r, split in enumerate(thinned.splits):
        index, w = (leaf[r] for leaf in thinned.runs.withheld)
        withheld = index[w > 0]
        assert thinned.dataset.y[withheld].all()
        assert not set(withheld) & set(np.concatenate(split))
        assert len(withheld) == thinned.dataset.y[split.train].sum()
        z = thinned.features(r, split.train)
        np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)
        covariance = np.cov(z, rowvar=False)
        assert abs(covariance[0, 1]) < 1e-4 * covariance[0, 0]


def test_shapes_of_repeats_do_not_depend_on_seeds(thinned):
    other = plan(thinned.dataset, [7], thinned.protocol)
    shapes = lambda runs: jax.tree.map(lambda leaf: leaf.shape[1:], runs)
    assert shapes(other.runs) == shapes(thinned.runs)
    assert other.facts == thinned.facts


def test_scaling_can_be_fitted_on_all_rows(thinned):
    protocol = dataclasses.replace(thinned.protocol, fit_on="all", components=None)
    leaky = plan(thinned.dataset, [0], protocol)
    rows = np.concatenate(leaky.splits[0])
    np.testing.assert_allclose(leaky.features(0, rows).mean(0), 0, atol=1e-5)
    assert abs(leaky.features(0, leaky.splits[0].train).mean(0)).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "loo"}, "scheme='loo', expected 'folds' or 'repeats'"),
        ({"scaling": "robust"}, "scaling='robust', expected"),
        ({"fit_on": "test"}, "fit_on='test', expected"),
        ({"precision": "half"}, "precision='half', expected 'float32' or 'bfloat16'"),
        ({"components": 5}, "components=5, expected 1 to 4"),
        ({"components": 0}, "components=0, expected at least 1"),
    ],
)
def test_invalid_options_of_a_plan_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        plan(dataset(), [0], Protocol(**({"folds": 2} | options)))


def test_scheme_must_suit_withheld_rows_and_groups():
    with pytest.raises(InputError, match="use scheme 'repeats'"):
        plan(dataclasses.replace(dataset(), keep=15), [0], Protocol())
    with pytest.raises(InputError, match="use 'folds'"):
        plan(dataset(groups=np.arange(110)), [0], Protocol(scheme="repeats"))
