"""Losses by name and their dependence on counts, epochs and hyperparameters."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from as_programs import as_program, as_programs

from imbax.catalogue import Facts, get
from imbax.data.tabular import make_dataset
from imbax.engine.vectorize import Engine, Vectorized
from imbax.errors import InputError
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.losses import by_class, named, per_example
from imbax.losses.by_class import Context
from imbax.losses.named import NAMED, deferred
from imbax.methods import supervised
from imbax.methods.supervised import Hparams
from imbax.training import train
from imbax.types import Run

KEY = jax.random.key(3)
losses, class_losses = as_programs(per_example), as_programs(by_class)
LOGITS = jnp.linspace(-3, 3, 8)
Y = jnp.array([0.0, 1] * 4)
COUNTS = jnp.array([300, 20])
# Losses with the registered hyperparameters, written out.
BY_HAND = {
    "focal": lambda z: losses.focal(z, Y, 2.0),
    "asymmetric": lambda z: losses.asymmetric(z, Y, 1.0, 4.0, 0.05),
    "class_balanced": lambda z: (
        class_losses.effective_number_weights(COUNTS, 0.999)[Y.astype(int)]
        * losses.binary_cross_entropy(z, Y)
    ),
    "ldam": lambda z: class_losses.ldam(z, Y, COUNTS, 0.5, 30.0),
    "logit_adjustment": lambda z: class_losses.logit_adjustment(z, Y, COUNTS, 1.0),
    "vs_loss": lambda z: class_losses.vs_loss(z, Y, COUNTS, 0.3, 1.0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_registered_hyperparameters_reach_the_loss(name):
    (hparams,) = get(name).tables.settings
    loss = NAMED[name].loss_for(Context(COUNTS, jnp.int32(7), hparams.loss))
    expected = BY_HAND[name](LOGITS)
    np.testing.assert_allclose(as_program(loss)(LOGITS, Y), expected, 1e-6)
    assert jnp.abs(expected - losses.binary_cross_entropy(LOGITS, Y)).max() > 0.05


@pytest.mark.parametrize("name", NAMED)
def test_named_losses_accept_their_defaults(name):
    loss = NAMED[name]
    assert loss.title and loss.head in ("linear", "cosine")
    context = Context(COUNTS, jnp.int32(0), loss.defaults, num_epochs=10)
    result = as_program(loss.loss_for(context))(LOGITS, Y)
    assert result.shape == (8,) and np.isfinite(result).all()
    assert get(name).title == loss.title
    assert get(name).tables.settings[0].loss == loss.defaults


SHIFTED = [name for name in NAMED if NAMED[name].prior and "gamma" not in NAMED[name].defaults]


@pytest.mark.parametrize("name", SHIFTED)
@pytest.mark.parametrize("counts", [(300, 20), (300, 20, 60)])
def test_prior_minimises_the_loss(name, counts):
    """The minimiser among constant outputs is the class prior times the factors."""
    loss, counts = NAMED[name], np.array(counts)
    share = np.log(counts * np.asarray(loss.prior(counts, **loss.defaults)))
    logits = jnp.asarray(share[1] - share[0] if len(counts) == 2 else share, jnp.float32)
    y = jnp.arange(len(counts))
    context = Context(jnp.asarray(counts), jnp.int32(9), loss.defaults, num_epochs=10)

    def total(logits):
        same = jnp.broadcast_to(logits, (len(y), *logits.shape))
        return loss.loss_for(context)(same, y) @ (counts / counts.sum())

    gradient, other = jax.jit(jax.grad(total)), np.arange(logits.size).reshape(logits.shape) - 1
    np.testing.assert_allclose(gradient(logits), 0, atol=1e-4)
    assert np.abs(gradient(logits + other)).max() > 0.01


@pytest.mark.parametrize(("gamma", "classes"), [(0.0, 3), (0.5, 2), (2.0, 3), (5.0, 2)])
def test_focal_posterior_is_the_probability_at_the_minimum(gamma, classes):
    """The gradient of the expected loss under the posterior vanishes."""

    def risk(z, posterior):
        one = jnp.broadcast_to(z, (classes, classes))
        return posterior @ per_example.focal(one, jnp.arange(classes), gamma)

    @jax.jit
    def at(logits):
        posterior = jax.nn.softmax(named.focal_posterior(logits[None], gamma=gamma))[0]
        return posterior, jax.grad(risk)(logits, posterior), jax.hessian(risk)(logits, posterior)

    for seed in range(2):
        logits = 2 * jax.random.normal(jax.random.key(seed), (classes,))
        posterior, slope, curvature = at(logits)
        assert np.abs(slope).max() < 1e-4 * max(np.abs(curvature).max(), 0.1)
        if gamma == 0:
            np.testing.assert_allclose(posterior, jax.nn.softmax(logits), rtol=1e-5)


def test_posterior_of_extreme_logits_is_finite_and_monotone():
    z = jnp.linspace(-60, 60, 41)
    logits = jnp.stack([jnp.zeros_like(z), z], 1)
    found = named.focal_posterior(logits, gamma=2.0)
    assert jnp.isfinite(found).all()
    assert (jnp.diff(found[:, 1] - found[:, 0]) > 0).all()


def test_defaults_are_within_their_ranges():
    for loss in NAMED.values():
        assert set(loss.defaults) <= set(named.NUMBERS)
        named.check_numbers(loss.defaults)
    assert set(named.NUMBERS) == {name for loss in NAMED.values() for name in loss.defaults}
    with pytest.raises(InputError, match="here: gamma=-1, expected at least 0"):
        named.check_numbers({"own": "any", "gamma": -1}, "here: ")


def test_deferred_reweighting_needs_the_number_of_epochs():
    program = supervised.program(toys.network(), loss_for=NAMED["ldam_drw"].loss_for)
    hparams = Hparams(loss=NAMED["ldam_drw"].defaults)
    with pytest.raises(InputError, match=r"give supervised\.program\(\.\.\., epochs=N\)"):
        jax.eval_shape(lambda: train(program, KEY, toys.problem(), hparams, 2))


@pytest.mark.parametrize("beta", [0.9999, 1.0])
def test_deferred_reweighting_starts_late(beta):
    plain = losses.focal(LOGITS, Y, 1.0)
    weights = class_losses.effective_number_weights(COUNTS, beta)
    for epoch, expected in ((0, plain), (7, plain), (8, weights[Y.astype(int)] * plain)):
        hparams = {"gamma": 1.0, "drw_start": jnp.float32(0.8), "drw_beta": beta}
        context = Context(COUNTS, jnp.int32(epoch), hparams, num_epochs=10)
        result = as_program(deferred(named.focal, context))(LOGITS, Y)
        np.testing.assert_allclose(result, expected, 1e-6)


def test_epochs_are_compared_by_the_final_loss():
    loss_for = partial(deferred, named.focal)
    program = supervised.program(toys.network(), loss_for=loss_for, epochs=10)
    problem = toys.problem()
    hparams = Hparams(loss={"gamma": 1.0, "drw_start": 0.8, "drw_beta": 1.0})
    params = jax.jit(toys.network().init)(KEY)
    result = jax.jit(lambda: program.loss_for(params, problem, hparams)(LOGITS, Y))()
    weights = 1 / np.bincount(problem.train.y.astype(int))
    weights = 2 * weights / weights.sum()
    np.testing.assert_allclose(result, weights[Y.astype(int)] * losses.focal(LOGITS, Y, 1.0), 1e-5)


@pytest.fixture(scope="module")
def cut():
    return plan(make_dataset(*toys.table(110, 30), name="toy"), [0], Protocol(2, epochs=10))


def trained(cut, method):
    return train_cell(cut, method, engine=Engine(devices=(jax.devices()[0],)))


@pytest.mark.thorough
def test_ldam_drw_equals_ldam_before_reweighting(cut):
    plain, deferred = (trained(cut, get(n)).curves.train_loss for n in ("ldam", "ldam_drw"))
    np.testing.assert_allclose(deferred[:, :8], plain[:, :8], 1e-5)
    assert (np.abs(deferred[:, 8:] - plain[:, 8:]) > 1e-2).all()


@pytest.mark.thorough
def test_ldam_runs_are_equal_under_vmap_and_map():
    """Float64, since rounding in float32 grows with the scale of the head."""
    wide = lambda tree: jax.tree.map(
        lambda leaf: leaf.astype(float) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree
    )
    tables = get("ldam_drw").tables
    program = tables.program(Facts(toys.FEATURES, 10, 10, "double", 30))
    (hparams,) = tables.settings

    def fit(problem, run):
        start = wide(program.init(run.key, problem, hparams, None).params)
        progress, curves = train(program, run.key, problem, hparams, 30, start)
        return progress.state.params, curves.train_loss

    with jax.enable_x64(True):
        problem, runs = wide(toys.problem()), Run(jax.random.split(jax.random.key(0), 4))
        result, expected = (
            jax.device_get(Vectorized(fit, strategy=s, devices=jax.devices()[:1])(problem, runs))
            for s in ("vmap", "map")
        )
    assert expected[1].dtype == np.float64
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-8, 1e-8), result, expected)


@pytest.mark.thorough
def test_hyperparameter_sweep_is_one_program(cut):
    """Each run keeps the τ with the best validation score without further compilation."""
    method = get("logit_adjustment")
    settings = lambda taus: tuple(Hparams(loss={"tau": tau}) for tau in taus)
    of = lambda *taus: replace(method, tables=replace(method.tables, settings=settings(taus)))
    taus = (0.0, 1.0, 2.0)
    swept = trained(cut, of(*taus))
    single = [trained(cut, of(tau)) for tau in taus]
    best = np.argmax([one.best_score for one in single], 0)
    for r, chosen in enumerate(best):
        np.testing.assert_allclose(swept.test_score[r], single[chosen].test_score[r], 1e-4, 1e-5)
        np.testing.assert_allclose(swept.curves.train_loss[r], single[chosen].curves.train_loss[r])
    assert single[1].compile_seconds == 0
    # τ = 0 is cross-entropy.
    plain = trained(cut, get("ce")).curves.train_loss
    np.testing.assert_allclose(single[0].curves.train_loss, plain, 1e-5)
    assert (np.abs(single[1].curves.train_loss - plain) > 1e-3).any()
