"""Samplers on tables of two classes: numbers of added rows, and agreement with the methods."""

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
    """Returns 30 majority and 12 minority rows with a constant and a zero column, and padding."""
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
    result = compiled(name, TOY._replace(n_synth=n_synth))(Problem(train, train))
    return int((result.w[len(train.w) :] > 0).sum())


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "n_synth", "n_added"),
    [("gamo", "double", 12), *((name, "balance", 18) for name in ("amdo", "mc_ccr", "mc_rbo"))],
)
def test_minority_rows_are_added(name, n_synth, n_added):
    train, result = resampled(name, n_synth=n_synth)
    after = result.applied(train).all()
    real = after.w > 0
    assert real.sum() == 42 + n_added
    assert (after.y[real] == 1).sum() == 12 + n_added
    assert np.isfinite(after.x).all()
    assert not after.x[:, jnp.array([1, 3])].any()  # both columns are constant on these rows
    assert len(np.unique(after.x[44:][real[44:]], axis=0)) > 2
    moved = (after.x[:42] != train.all().x[:42]).any(1)
    assert moved[:30].any() == (name == "mc_ccr")
    assert not moved[30:].any()


@pytest.mark.parametrize("name", asked(SAMPLERS, ("smote", "mc_ccr")))
def test_rows_match_the_sampler(name):
    train, result = resampled(name, n_synth="balance")
    sample = jax.jit(SAMPLERS[name].sample, static_argnames="sizes")
    direct = sample(KEY, train, jnp.array([0, 18]), SIZES)
    after, expected = result.applied(train).all(), direct.applied(train).all()
    np.testing.assert_array_equal(after.w, expected.w)
    np.testing.assert_array_equal(after.y, expected.y)
    real = after.w > 0
    np.testing.assert_allclose(after.x[real], expected.x[real], 1e-5, 1e-5)
    assert result.fallback == direct.fallback
    assert real[44:].sum() == 18


@pytest.mark.thorough
def test_gamo_is_trained_on_the_table_first():
    """Training takes 15 mini-batches per classifier epoch in whole passes, here 23."""
    train, result = resampled("gamo")
    fitting, drawing = jax.random.split(KEY)
    config = gamo.Config(4, 2, max_rows=16, epochs=30)
    model = gamo.generator(config, gamo.Hparams())
    passes = -(-15 * FACTS.epochs * config.batch_size // 42)
    assert passes == 23

    @jax.jit
    def trained_directly(train):
        epoch = lambda _, state: model.epoch(fitting, state, train)[0]
        state = jax.lax.fori_loop(0, passes, epoch, model.init(fitting, train))
        fitted = model.finish(state, train)
        return model.sample(drawing, fitted, train, jnp.array([0, 12]), SIZES), state.epoch

    expected, epochs = trained_directly(train)
    assert epochs == 23
    np.testing.assert_allclose(added(result), added(expected), 1e-4, 1e-5)
    np.testing.assert_array_equal(result.y_synth[:12], 1)
    # Every synthetic row is a convex combination of minority rows.
    x, minority = added(result), train.take(jnp.arange(30, 42)).x
    assert ((x >= minority.min(0) - 1e-6) & (x <= minority.max(0) + 1e-6)).all()
    assert len(np.unique(x, axis=0)) == 12


@pytest.mark.parametrize("padding", [0, 10])
def test_n_synth_doubles_or_balances(padding):
    train = toys.problem(40, padding, garbage=np.nan).train
    assert (number_added(train, "double"), number_added(train, "balance")) == (10, 20)


def test_balance_adds_nothing_to_a_larger_minority():
    train = toys.problem(40).train
    train = train._replace(w=jnp.where(train.y > 0.5, train.w, 0.0))
    assert number_added(train, "balance") == 0
    assert number_added(train, "double") == 10


def test_nothing_is_added_without_a_minority():
    train = toys.problem(40).train
    train = train._replace(w=jnp.where(train.y > 0.5, 0.0, train.w))
    for name in ("ros", "smote"):
        assert number_added(train, "balance", name) == 0


def test_unknown_n_synth_is_refused():
    with pytest.raises(InputError, match="n_synth='triple', expected 'double' or 'balance'"):
        Protocol(n_synth="triple")


def test_counts_ignore_row_weights():
    train = toys.problem(40).train
    halved = train._replace(w=0.5 * train.w)
    assert number_added(halved, "double") == 10
    assert number_added(halved, "balance") == 20


@pytest.mark.thorough
@pytest.mark.parametrize("padding", [0, 10])
def test_under_sampling_balances_classes(padding):
    train = toys.problem(40, padding).train
    result = compiled("random_under", TOY)(Problem(train, train))
    expected = random_under.sample(KEY, train, jnp.array([10, 10]), Sizes(14, 0, 14))
    np.testing.assert_array_equal(result.index, expected.index)
    np.testing.assert_array_equal(result.w, expected.w)
    kept = np.asarray(train.target)[np.asarray(result.index)[np.asarray(result.w) > 0]]
    np.testing.assert_array_equal(np.bincount(kept.astype(int)), [10, 10])


def test_withheld_rows_come_from_the_problem():
    problem = toys.problem(40)
    resample = get("potential").tables.resample
    result = resample(KEY, problem._replace(withheld=problem.valid), TOY)
    after = result.applied(problem.train)
    np.testing.assert_array_equal(after.index, np.append(problem.train.index, problem.valid.index))
    with pytest.raises(ValueError, match="potential needs withheld minority rows"):
        resample(KEY, problem, TOY)
