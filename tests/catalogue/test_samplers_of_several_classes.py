"""Samplers on tables of several classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiers import asked

from imbax.catalogue import Facts, get
from imbax.methods import adasyn, borderline_smote, duplicate, random_under, smote, sugar
from imbax.methods.sampling import Sizes
from imbax.types import Problem, Rows

KEY = jax.random.key(0)
COUNTS = (9, 20, 4)  # the largest class is in the middle
FACTS = Facts(4, max_minority=16, max_synth=64, n_synth="double", epochs=2, classes=3)
SIZES = Sizes(max_rows=16, max_synth=64, max_class=99)
SAMPLERS = {
    "ros": duplicate,
    "smote": smote,
    "borderline_smote": borderline_smote,
    "adasyn": adasyn,
    "sugar": sugar,
}
OTHERS = ("amdo", "mc_ccr", "mc_rbo", "gamo", "cwgan")
FIRST_TIER = ("ros", "smote")
ADDED = {"double": [9, 0, 4], "balance": [11, 0, 16]}


def view():
    """Returns 33 rows of three classes with three columns, one column of zeros, and padding."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.float32([0, 1, 2]), COUNTS))
    x = (rng.normal(size=(40, 4)) * [1, 1, 1, 0]).astype(np.float32)
    index, w = np.append(np.arange(33), [0, 0]), np.repeat(np.float32([1, 0]), [33, 2])
    ones = np.float32([1, 1, 1, 0])
    return Rows(*map(jnp.array, (x, np.pad(y, (0, 7)), index, w, 0 * ones, ones)))


def resampled(name, n_synth="double"):
    train, resample = view(), get(name).tables.resample
    facts = FACTS._replace(n_synth=n_synth)
    return train, jax.jit(lambda train: resample(KEY, Problem(train, train), facts))(train)


# All samplers share the rule for counts, so few are tested with both values.
FIRST_TIER_CASES = [(name, n_synth) for name in FIRST_TIER for n_synth in ADDED]
OTHER_CASES = [
    pytest.param(name, "balance", marks=pytest.mark.thorough)
    for name in (*SAMPLERS, *OTHERS)
    if name not in (*FIRST_TIER, "gamo")  # the estimator's test trains it on several classes
]


@pytest.mark.parametrize(("name", "n_synth"), FIRST_TIER_CASES + OTHER_CASES)
def test_every_class_except_the_largest_gets_rows(name, n_synth):
    train, result = resampled(name, n_synth)
    after = result.applied(train).all()
    real = np.asarray(after.w) > 0
    y = np.asarray(after.y).astype(int)
    np.testing.assert_array_equal(y[:33], train.y[:33])
    np.testing.assert_array_equal(np.bincount(y[35:][real[35:]], minlength=3), ADDED[n_synth])
    assert real[:33].all() and not real[33:35].any()
    assert np.isfinite(after.x).all() and not after.x[:, 3].any()
    assert get(name).tables.several_classes


@pytest.mark.parametrize("name", asked(SAMPLERS, FIRST_TIER))
def test_rows_match_the_sampler(name):
    train, result = resampled(name, "balance")
    sample = jax.jit(SAMPLERS[name].sample, static_argnames="sizes")
    direct = sample(KEY, train, jnp.array(ADDED["balance"]), SIZES)
    np.testing.assert_array_equal(result.w, direct.w)
    np.testing.assert_array_equal(result.index, direct.index)
    after, expected = result.applied(train).all(), direct.applied(train).all()
    np.testing.assert_allclose(after.x[35:62], expected.x[35:62], 1e-5, 1e-6)
    np.testing.assert_array_equal(after.y, expected.y)


@pytest.mark.thorough
def test_under_sampling_keeps_smallest_class_size():
    train, result = resampled("random_under")
    kept = np.asarray(result.w) > 0
    y = np.asarray(train.target)[np.asarray(result.index)]
    np.testing.assert_array_equal(np.bincount(y[kept].astype(int)), [4, 4, 4])
    assert len(set(np.asarray(result.index)[kept])) == 12
    expected = random_under.sample(KEY, train, jnp.array([4, 4, 4]), Sizes(16, 0, 16))
    np.testing.assert_array_equal(result.index, expected.index)
    np.testing.assert_array_equal(result.w, expected.w)


@pytest.mark.thorough
@pytest.mark.parametrize("n_synth", ADDED)
def test_empty_class_gets_no_rows(n_synth):
    train = view()
    train = train._replace(w=jnp.where(train.y == 2, 0, train.w))
    facts = FACTS._replace(n_synth=n_synth)
    for name in SAMPLERS:
        result = get(name).tables.resample(KEY, Problem(train, train), facts)
        after = result.applied(train)
        added = np.asarray(after.y)[35:][np.asarray(after.w)[35:] > 0]
        np.testing.assert_array_equal(added, np.zeros(ADDED[n_synth][0]))
