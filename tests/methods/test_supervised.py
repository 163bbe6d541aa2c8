"""Supervised training against NumPy, and its invariances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

from imbax.engine.vectorize import Vectorized
from imbax.losses.per_example import focal
from imbax.methods.supervised import Config, Hparams, program
from imbax.minibatches import balanced_minibatches
from imbax.training import train
from imbax.types import Network

KEY = jax.random.key(0)
LINEAR = Network(lambda key, train=None: jnp.zeros(toys.FEATURES), lambda params, x: x @ params)


def adam(gradients, params, rate, decay, b1=0.5, b2=0.999):
    """Adam with decoupled weight decay, as in the papers."""
    m = v = np.zeros_like(params)
    for t in range(1, 1 + len(gradients)):
        g = gradients[t - 1](params)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        step = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
        params = params - rate * (step + decay * params)
    return params


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_epoch_equals_steps_of_adam(decay):
    problem = toys.problem(30, padding=10)
    made = program(LINEAR, batch_size=64)
    hparams = Hparams(0.05, decay)
    progress, curves = jax.jit(lambda: train(made, KEY, problem, hparams, 5))()
    batch = jax.tree.map(lambda a: np.asarray(a, np.float64), problem.train.all())
    kept = batch.w > 0
    x, y = batch.x[kept], batch.y[kept]

    def gradient(params):
        return x.T @ (1 / (1 + np.exp(-x @ params)) - y) / len(y)

    expected = adam([gradient] * 5, np.zeros(toys.FEATURES), 0.05, decay)
    np.testing.assert_allclose(progress.state.params, expected, 1e-4)
    assert curves.train_loss[0] == pytest.approx(np.log(2), rel=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("minibatches", [None, balanced_minibatches], ids=["shuffled", "balanced"])
def test_padding_batches_change_no_bit(minibatches):
    """Padding does not affect the state of Adam either."""
    options = {"minibatches": minibatches} if minibatches else {}
    made = program(toys.network(), batch_size=16, **options)

    @jax.jit
    def run(problem):
        progress, curves = train(made, KEY, problem, Hparams(0.01, 0.1), 2)
        return progress.state, curves.train_loss

    plain, padded = run(toys.problem(40)), run(toys.problem(40, padding=60, garbage=1e3))
    jax.tree.map(np.testing.assert_array_equal, padded, plain)
    clock = [leaf for leaf in jax.tree.leaves(plain[0].opt_state) if leaf.ndim == 0]
    assert clock == [6]  # two epochs of three batches with rows


@pytest.mark.thorough
@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_diverged_run_is_flagged_and_isolated(strategy):
    made = program(toys.network(), batch_size=16)

    def fit(problem, run):
        return train(made, KEY, problem, Hparams(run["rate"]), 3)[0]

    mapped = Vectorized(fit, strategy=strategy, devices=jax.devices()[:1])
    calm, stormy = (
        mapped(toys.problem(), {"rate": np.array([1e-2, rate, 1e-3, 1e-2], np.float32)})
        for rate in (1e-2, 1e30)
    )
    np.testing.assert_array_equal(calm.diverged, False)
    np.testing.assert_array_equal(stormy.diverged, [False, True, False, False])
    mates = np.array([0, 2, 3])
    for a, b in zip(jax.tree.leaves(stormy), jax.tree.leaves(calm), strict=True):
        np.testing.assert_array_equal(a[mates], b[mates])


def after_two_epochs(**options):
    made = program(toys.network(), **({"batch_size": 16} | options))
    progress, _ = jax.jit(lambda: train(made, KEY, toys.problem(), Hparams(0.01), 2))()
    return progress.state.params


@pytest.fixture(scope="module")
def plain():
    return after_two_epochs()


@pytest.mark.thorough
@pytest.mark.parametrize(
    "options",
    [
        {"loss_for": lambda context: focal},
        {"minibatches": balanced_minibatches},
        {"batch_size": 8},
        {"b1": 0.9},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_have_effects(options, plain):
    for a, b in zip(*map(jax.tree.leaves, (after_two_epochs(**options), plain)), strict=True):
        assert (a != b).any()


def test_loss_gets_its_context():
    def recorded(context):
        (a, b), number = context.counts, context.hparams["number"]
        value = 100 * a + b + 10_000 * context.epoch + number
        return lambda logits, y: value + 0 * logits

    made = program(toys.network(), batch_size=16, loss_for=recorded)
    problem = toys.problem(40, padding=60)
    hparams = Hparams(loss={"number": 0.5})
    _, curves = jax.jit(lambda: train(made, KEY, problem, hparams, 3))()
    np.testing.assert_array_equal(curves.train_loss, 3010.5 + 10_000 * np.arange(3))


@pytest.mark.thorough
def test_options_override_the_config(plain):
    config = Config(batch_size=8, b1=0.9)
    network, problem = toys.network(), toys.problem()
    fits = [
        jax.jit(lambda made=made: train(made, KEY, problem, Hparams(0.01), 2)[0].state.params)()
        for made in (
            program(network, config),
            program(network, batch_size=8, b1=0.9),
            program(network, config, batch_size=16, b1=0.5),
        )
    ]
    jax.tree.map(np.testing.assert_array_equal, fits[0], fits[1])
    jax.tree.map(np.testing.assert_array_equal, fits[2], plain)
    assert (jax.tree.leaves(fits[0])[0] != jax.tree.leaves(plain)[0]).any()


def test_training_continues_from_a_start():
    network = toys.network()
    made = program(network, batch_size=16)
    start = network.init(jax.random.key(9))
    state = made.init(KEY, toys.problem(), Hparams(), start)
    jax.tree.map(np.testing.assert_array_equal, state.params, start)
    fresh = made.init(KEY, toys.problem(), Hparams(), None)
    jax.tree.map(np.testing.assert_array_equal, fresh.params, network.init(KEY))


def test_training_learns_separable_data():
    made = program(toys.network(), batch_size=16)
    problem = toys.problem()
    x, y = problem.train.data, problem.train.target
    separable = jnp.where(y[:, None] > 0.5, x + 4, x - 4)
    problem = jax.tree.map(lambda leaf: separable if leaf is x else leaf, problem)
    progress, curves = jax.jit(lambda: train(made, KEY, problem, Hparams(0.02), 20))()
    assert progress.best_score == 1
    assert curves.train_loss[-1] < 0.1 * curves.train_loss[0]
