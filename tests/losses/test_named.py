"""The loss methods: what they make of counts, epochs and numbers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

from imbax.catalogue import Facts, get
from imbax.data.tabular import make_dataset
from imbax.engine.vectorize import Vectorized
from imbax.experiments.tabular.cells import Engine, train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.losses import by_class as class_losses
from imbax.losses import named as lm
from imbax.losses import per_example as losses
from imbax.methods.supervised import Context, Hparams, supervised
from imbax.training import train

KEY = jax.random.key(3)
LOGITS = jnp.linspace(-3, 3, 8)
Y = jnp.array([0.0, 1] * 4)
COUNTS = jnp.array([300, 20])
# What the registry's numbers must amount to, written out.
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
def test_registered_numbers_reach_the_loss(name):
    (hparams,) = get(name).settings
    loss = getattr(lm, name)(Context(COUNTS, jnp.int32(7), hparams.loss))
    expected = BY_HAND[name](LOGITS)
    np.testing.assert_allclose(loss(LOGITS, Y), expected, 1e-6)
    assert jnp.abs(expected - losses.binary_cross_entropy(LOGITS, Y)).max() > 0.05


@pytest.mark.parametrize("beta", [0.9999, 1.0])
def test_reweighting_is_deferred(beta):
    loss_for = lm.deferred(lm.focal, num_epochs=10)
    plain = losses.focal(LOGITS, Y, 1.0)
    weights = class_losses.effective_number_weights(COUNTS, beta)
    for epoch, expected in ((0, plain), (7, plain), (8, weights[Y.astype(int)] * plain)):
        hparams = {"gamma": 1.0, "drw_start": jnp.float32(0.8), "drw_beta": beta}
        given = loss_for(Context(COUNTS, jnp.int32(epoch), hparams))(LOGITS, Y)
        np.testing.assert_allclose(given, expected, 1e-6)


def test_epochs_are_compared_by_the_loss_of_the_last():
    loss_for = lm.deferred(lm.focal, num_epochs=10)
    program, problem = supervised(toys.network(), loss_for=loss_for), toys.problem()
    hparams = Hparams(loss={"gamma": 1.0, "drw_start": 0.8, "drw_beta": 1.0})
    params = toys.network().init(KEY)
    given = program.loss_for(params, problem, hparams)(LOGITS, Y)
    weights = 1 / np.bincount(problem.train.y.astype(int))
    weights = 2 * weights / weights.sum()
    np.testing.assert_allclose(given, weights[Y.astype(int)] * losses.focal(LOGITS, Y, 1.0), 1e-5)


@pytest.fixture(scope="module")
def cut():
    return plan(make_dataset(*toys.table(110, 30), name="toy"), [0], Protocol(2, epochs=10))


def trained(cut, method):
    return train_cell(cut, method, engine=Engine(devices=(jax.devices()[0],)))


def test_ldam_drw_is_ldam_until_its_weights_begin(cut):
    plain, deferred = (trained(cut, get(n)).curves.train_loss for n in ("ldam", "ldam_drw"))
    np.testing.assert_allclose(deferred[:, :8], plain[:, :8], 1e-5)
    assert (np.abs(deferred[:, 8:] - plain[:, 8:]) > 1e-2).all()


def test_batched_runs_of_ldam_equal_runs_in_turn_in_float64():
    """In float32 they agree for some epochs only, as rounding grows with the scale of the head."""
    wide = lambda tree: jax.tree.map(  # noqa: E731
        lambda leaf: leaf.astype(float) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree
    )
    program = get("ldam_drw").build(Facts(toys.FEATURES, 10, 10, "double", 30))
    (hparams,) = get("ldam_drw").settings

    def fit(problem, run):
        start = wide(program.init(run["key"], problem, hparams, None).params)
        progress, curves = train(program, run["key"], problem, hparams, 30, start)
        return progress.state.params, curves.train_loss

    with jax.enable_x64(True):
        problem, runs = wide(toys.problem()), {"key": jax.random.split(jax.random.key(0), 4)}
        given, expected = (
            jax.device_get(Vectorized(fit, strategy=s, devices=jax.devices()[:1])(problem, runs))
            for s in ("vmap", "map")
        )
    assert expected[1].dtype == np.float64
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-8, 1e-8), given, expected)


def test_a_sweep_is_an_axis_of_one_program(cut):
    """Each run keeps the τ that validation likes best, and compiles nothing for it."""
    method = get("logit_adjustment")
    of = lambda *taus: replace(method, settings=tuple(Hparams(loss={"tau": t}) for t in taus))  # noqa: E731
    taus = (0.0, 1.0, 2.0)
    swept = trained(cut, of(*taus))
    alone = [trained(cut, of(tau)) for tau in taus]
    best = np.argmax([one.best_score for one in alone], 0)
    for r, chosen in enumerate(best):
        np.testing.assert_allclose(swept.test_score[r], alone[chosen].test_score[r], 1e-4, 1e-5)
        np.testing.assert_allclose(swept.curves.train_loss[r], alone[chosen].curves.train_loss[r])
    assert alone[1].compile_seconds == 0
    # τ = 0 is cross-entropy.
    plain = trained(cut, get("ce")).curves.train_loss
    np.testing.assert_allclose(alone[0].curves.train_loss, plain, 1e-5)
    assert (np.abs(alone[1].curves.train_loss - plain) > 1e-3).any()
