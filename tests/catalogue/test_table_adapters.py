"""Samplers on a table of two classes: how many rows they add, and that these are the samplers'."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from samplers import added
from tiers import asked

from imbax.catalogue import Facts, get
from imbax.errors import InputError
from imbax.experiments.tabular.plan import Protocol
from imbax.methods import (
    adasyn,
    amdo,
    borderline_smote,
    duplicate,
    gamo,
    mc_ccr,
    mc_rbo,
    random_under,
    smote,
    sugar,
)
from imbax.methods.sampling import Sizes
from imbax.types import Problem, Rows

KEY = jax.random.key(0)
FACTS = Facts(features=4, max_minority=16, max_synth=32, n_synth="double", epochs=2)
SIZES = Sizes(max_rows=16, max_synth=32, max_class=76)
SAMPLERS = {
    "ros": duplicate,
    "smote": smote,
    "borderline_smote": borderline_smote,
    "adasyn": adasyn,
    "sugar": sugar,
    "amdo": amdo,
    "mc_ccr": mc_ccr,
    "mc_rbo": mc_rbo,
}
TOY = Facts(toys.FEATURES, max_minority=14, max_synth=40, n_synth="double", epochs=2)


def view():
    """30 majority and 12 minority rows in three columns of which one is constant; one of zeros, and
    two rows of padding."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    x[:, 1] = 0.5
    x[:, 3] = 0
    y = (np.arange(60) % 5 < 2).astype(np.float32)
    index = np.concatenate([np.flatnonzero(y == 0)[:30], np.flatnonzero(y == 1)[:12], [0, 0]])
    w = np.repeat(np.float32([1, 0]), [42, 2])
    factor = np.array([0.5, 0, 0.5, 0], np.float32)
    return Rows(*map(jnp.array, (x, y, index, w, x.min(0), factor)))


@functools.cache
def compiled(name, facts):
    resample = get(name).tables.resample
    return jax.jit(lambda problem: resample(KEY, problem, facts))


def resampled(name, **facts):
    train = view()
    return train, compiled(name, FACTS._replace(**facts))(Problem(train, train))


def number_added(train, n_synth, name="ros"):
    given = compiled(name, TOY._replace(n_synth=n_synth))(Problem(train, train))
    return int((given.w[len(train.w) :] > 0).sum())


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "n_synth", "more"),
    [("gamo", "double", 12), *((name, "balance", 18) for name in ("amdo", "mc_ccr", "mc_rbo"))],
)
def test_minority_rows_are_added(name, n_synth, more):
    train, given = resampled(name, n_synth=n_synth)
    after = given.applied(train).all()
    real = after.w > 0
    assert real.sum() == 42 + more
    assert (after.y[real] == 1).sum() == 12 + more
    assert np.isfinite(after.x).all()
    assert not after.x[:, jnp.array([1, 3])].any()  # neither varies on these rows
    assert len(np.unique(after.x[44:][real[44:]], axis=0)) > 2
    moved = (after.x[:42] != train.all().x[:42]).any(1)
    assert moved[:30].any() == (name == "mc_ccr")
    assert not moved[30:].any()


@pytest.mark.parametrize("name", asked(SAMPLERS, ("smote", "mc_ccr")))
def test_the_rows_are_the_samplers(name):
    train, given = resampled(name, n_synth="balance")
    sample = jax.jit(SAMPLERS[name].sample, static_argnames="sizes")
    made = sample(KEY, train, jnp.array([0, 18]), SIZES)
    after, expected = given.applied(train).all(), made.applied(train).all()
    np.testing.assert_array_equal(after.w, expected.w)
    np.testing.assert_array_equal(after.y, expected.y)
    real = after.w > 0
    np.testing.assert_allclose(after.x[real], expected.x[real], 1e-5, 1e-5)
    assert given.fallback == made.fallback
    assert real[44:].sum() == 18


@pytest.mark.thorough
def test_gamo_is_trained_on_the_table_first():
    """For fifteen batches per epoch of the classifier, in whole passes: 23 of 2 batches here."""
    train, given = resampled("gamo")
    fitting, drawing = jax.random.split(KEY)
    config = gamo.Config(4, 2, max_rows=16, epochs=30)
    model = gamo.generator(config, gamo.Hparams())
    passes = -(-15 * FACTS.epochs * config.batch_size // 42)
    assert passes == 23

    @jax.jit
    def by_hand(train):
        more = lambda _, state: model.epoch(fitting, state, train)[0]
        state = jax.lax.fori_loop(0, passes, more, model.init(fitting, train))
        fitted = model.finish(state, train)
        return model.sample(drawing, fitted, train, jnp.array([0, 12]), SIZES), state.epoch

    expected, epochs = by_hand(train)
    assert epochs == 23
    np.testing.assert_allclose(added(given), added(expected), 1e-4, 1e-5)
    np.testing.assert_array_equal(given.y_synth[:12], 1)
    # Every new row is a mix of the minority's.
    x, own = added(given), train.take(jnp.arange(30, 42)).x
    assert ((x >= own.min(0) - 1e-6) & (x <= own.max(0) + 1e-6)).all()
    assert len(np.unique(x, axis=0)) == 12


@pytest.mark.parametrize("padding", [0, 10])
def test_the_minority_is_doubled_or_the_classes_are_balanced(padding):
    train = toys.problem(40, padding, garbage=np.nan).train
    assert (number_added(train, "double"), number_added(train, "balance")) == (10, 20)


def test_balance_adds_nothing_where_the_minority_is_not_one():
    train = toys.problem(40).train
    train = train._replace(w=jnp.where(train.y > 0.5, train.w, 0.0))
    assert number_added(train, "balance") == 0
    assert number_added(train, "double") == 10


def test_nothing_is_added_where_there_is_no_minority():
    train = toys.problem(40).train
    train = train._replace(w=jnp.where(train.y > 0.5, 0.0, train.w))
    for name in ("ros", "smote"):
        assert number_added(train, "balance", name) == 0


def test_an_unknown_rule_is_named():
    with pytest.raises(InputError, match="n_synth='triple', expected 'double' or 'balance'"):
        Protocol(n_synth="triple")


def test_rows_are_counted_not_their_weights():
    train = toys.problem(40).train
    halved = train._replace(w=0.5 * train.w)
    assert number_added(halved, "double") == 10
    assert number_added(halved, "balance") == 20


@pytest.mark.thorough
@pytest.mark.parametrize("padding", [0, 10])
def test_under_sampling_keeps_as_many_of_each_class(padding):
    train = toys.problem(40, padding).train
    given = compiled("random_under", TOY)(Problem(train, train))
    expected = random_under.sample(KEY, train, jnp.array([10, 10]), Sizes(14, 0, 14))
    np.testing.assert_array_equal(given.index, expected.index)
    np.testing.assert_array_equal(given.w, expected.w)
    kept = np.asarray(train.target)[np.asarray(given.index)[np.asarray(given.w) > 0]]
    np.testing.assert_array_equal(np.bincount(kept.astype(int)), [10, 10])


def test_withheld_rows_are_those_of_the_problem():
    problem = toys.problem(40)
    resample = get("potential").tables.resample
    given = resample(KEY, problem._replace(withheld=problem.valid), TOY)
    after = given.applied(problem.train)
    np.testing.assert_array_equal(after.index, np.append(problem.train.index, problem.valid.index))
    with pytest.raises(ValueError, match="here none are"):
        resample(KEY, problem, TOY)
