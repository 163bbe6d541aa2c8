"""Meta-Weight-Net, L2RW and MetaBalance against their equations and numerical gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import oracles
import pytest
import toys
from tiers import asked, assert_bits

from imbax.losses.per_example import binary_cross_entropy
from imbax.methods import l2rw, metabalance
from imbax.methods import meta_weight_net as mwn
from imbax.training import train
from imbax.types import Batch, Network

KEY = jax.random.key(0)
PROBLEM = toys.problem()
START = np.random.default_rng(3).normal(size=15)


def apply(params, x):
    """MLP 4-3-1 with tanh; its parameters are one vector."""
    return jnp.tanh(x @ params[:12].reshape(4, 3)) @ params[12:]


NETWORK = Network(lambda key, train=None: jnp.asarray(START, jnp.float32), apply)


def loss_fn(params, x, y):
    return binary_cross_entropy(apply(params, x), y)


@jax.jit
def losses_and_slopes(params, x, y):
    """Losses of all rows and their gradients `[n, 15]`."""
    return loss_fn(params, x, y), jax.jacobian(loss_fn)(params, x, y)


@jax.jit
def mean_loss(params, x, y):
    return loss_fn(params, x, y).mean()


# Steps by hand, in float64.


def batches(number):
    """Training rows, two of them padding, and meta rows; different ones for each step."""
    rng = np.random.default_rng(number)
    batch = Batch(*toys.table(14, 4, seed=number), rng.permutation(14) > 1)
    meta_batch = Batch(*toys.table(10, 5, seed=100 + number), np.ones(10))
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (batch, meta_batch))


def real(batch):
    kept = batch.w > 0
    return batch.x[kept], batch.y[kept]


class Follower:
    """Published optimizer with its state."""

    def __init__(self, optimizer, params):
        self.update = jax.jit(optimizer.update)
        self.params, self.state = params, optimizer.init(params)

    def follow(self, gradient):
        updates, self.state = self.update(gradient, self.state, self.params)
        self.params = optax.apply_updates(self.params, updates)


CLASSIFIER = {
    "adam": optax.adamw(1e-3, b1=0.5, weight_decay=0.01),
    "sgd": optax.chain(optax.add_decayed_weights(0.01), optax.sgd(1e-3, 0.9, nesterov=True)),
}


def after_steps(module, config, hparams, *extra):
    """State and last diagnostics after three steps."""
    params = jnp.asarray(START)
    state = module.State(params, CLASSIFIER[config.optimizer].init(params), *extra)
    step = jax.jit(functools.partial(module.step, loss_fn=loss_fn, config=config))
    for number in range(3):
        state, info = step(None, state, *batches(number), hparams=hparams)
    return state, info


def assert_close(result, expected, start):
    """Compares differences from the start."""
    assert oracles.relative_error(result - start, expected - start) < 1e-5
    assert np.linalg.norm(expected - start) > 1e-3


@pytest.mark.parametrize("optimizer", CLASSIFIER)
def test_l2rw_equals_its_equations(optimizer):
    with jax.enable_x64(True):
        hparams = l2rw.Hparams(weight_decay=0.01)
        state, info = after_steps(l2rw, l2rw.Config(optimizer=optimizer), hparams)
        by_hand = Follower(CLASSIFIER[optimizer], jnp.asarray(START))
        for number in range(3):
            batch, meta_batch = batches(number)
            _, slopes = losses_and_slopes(by_hand.params, *real(batch))

            def meta_loss(epsilon, theta=by_hand.params, slopes=slopes, rows=meta_batch):
                return mean_loss(theta - 0.3 * epsilon @ slopes, rows.x, rows.y)

            weights = np.maximum(-oracles.central_differences(meta_loss, np.zeros(12)), 0)
            weights = weights / weights.sum()
            by_hand.follow(weights @ slopes)
        assert_close(state.params, by_hand.params, START)
        np.testing.assert_allclose(info.weights[batch.w > 0], weights, 1e-6, 1e-9)
        np.testing.assert_array_equal(info.weights[batch.w == 0], 0)
        assert 0 < (weights > 0).sum() < len(weights)


def test_l2rw_does_not_move_without_positive_weights():
    start = jnp.zeros(4)
    state = l2rw.State(start, CLASSIFIER["sgd"].init(start))
    wrong, right = (Batch(jnp.eye(4), y * jnp.ones(4), jnp.ones(4)) for y in (0, 1))

    @jax.jit
    def step(batch):
        linear = lambda params, x, y: binary_cross_entropy(x @ params, y)
        result = {"config": l2rw.Config(optimizer="sgd"), "hparams": l2rw.Hparams()}
        return l2rw.step(None, state, batch, right, loss_fn=linear, **result)

    after, info = step(wrong)
    np.testing.assert_array_equal(after.params, start)
    np.testing.assert_array_equal(info.weights, 0)
    after, info = step(right)  # all rows have equal agreement
    assert (after.params > 0).all()
    np.testing.assert_allclose(info.weights, 0.25)


def weight_net(phi, losses):
    """MLP 1-3-1 as matrix products; its parameters are one vector."""
    h = jax.nn.relu(losses[:, None] * phi[3:6] + phi[:3])
    return jax.nn.sigmoid(h @ phi[7:] + phi[6])


@pytest.mark.parametrize("normalize", asked([False, True], [False]))
def test_meta_weight_net_equals_its_equations(normalize):
    with jax.enable_x64(True):
        hparams = mwn.Hparams(1e-3, 0.01, 0.5, 0.02, 0.3)
        config = mwn.Config(hidden=3, normalize=normalize)
        optimizer = optax.chain(optax.add_decayed_weights(0.3), optax.adam(0.02))
        fresh = mwn.init(KEY, config, hparams, (0, 0)).phi
        _, rebuild = jax.flatten_util.ravel_pytree(jax.tree.map(np.float64, fresh))
        # Losses are near 0.7, where these units are nonlinear.
        bend = np.array([-2.1, 2.2, 0.2, 3.0, -3.0, 1.0, 0.1, 0.5, -0.4, 0.3])
        tree = rebuild(bend)
        state, info = after_steps(mwn, config, hparams, tree, optimizer.init(tree))
        theta, phi = Follower(CLASSIFIER["adam"], jnp.asarray(START)), Follower(optimizer, bend)
        for number in range(3):
            batch, meta_batch = batches(number)
            losses, slopes = losses_and_slopes(theta.params, *real(batch))

            @jax.jit
            def gradient(phi, losses=losses, slopes=slopes):
                weights = weight_net(phi, losses)
                return weights / (weights.sum() if normalize else 12) @ slopes

            def meta_loss(phi, theta=theta.params, gradient=gradient, rows=meta_batch):
                return mean_loss(theta - 0.5 * gradient(phi), rows.x, rows.y)

            phi.follow(oracles.central_differences(meta_loss, phi.params))
            theta.follow(gradient(phi.params))
        assert_close(jax.flatten_util.ravel_pytree(state.phi)[0], phi.params, bend)
        assert_close(state.params, theta.params, START)
        weights = weight_net(phi.params, losses)
        np.testing.assert_allclose(info.weights[batch.w > 0], weights, 1e-5)
        assert np.ptp(weights) > 1e-2


@pytest.mark.parametrize("num_steps", [1, 2])
def test_metabalance_equals_its_equations(num_steps):
    with jax.enable_x64(True):
        hparams = metabalance.Hparams(1e-3, 0.01, 0.5)
        state, info = after_steps(metabalance, metabalance.Config(num_steps=num_steps), hparams)
        by_hand = Follower(CLASSIFIER["adam"], jnp.asarray(START))
        inner = jax.jit(jax.grad(mean_loss))
        for number in range(3):
            batch, meta_batch = batches(number)
            rows = real(batch)

            def meta_loss(params, rows=rows, meta_rows=meta_batch):
                for _ in range(num_steps):
                    params = params - 0.5 * inner(params, *rows)
                return mean_loss(params, meta_rows.x, meta_rows.y)

            loss = meta_loss(by_hand.params)
            by_hand.follow(oracles.central_differences(meta_loss, by_hand.params))
        assert_close(state.params, by_hand.params, START)
        np.testing.assert_allclose(info.meta_loss, loss, 1e-6)


# A problem with a known answer: rows with flipped labels should get small weights.


def weights_of_flipped_and_others(step, state, hparams, clean_meta):
    """Mean weights of rows with flipped labels and of others over the last of 400 steps."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = rng.normal(size=(200, 4)) + 1.5 * (2 * y[:, None] - 1) * np.array([1, 1, 0, 0])
    flipped = rng.random(200) < 0.3
    coins = rng.random(200) < 0.5
    result, meta_y = np.where(flipped, 1 - y, y), np.where(coins & ~clean_meta, 1 - y, y)
    batch, meta_batch = (
        Batch(*(jnp.asarray(a[rows], jnp.float32) for a in (x, labels, np.ones(200))))
        for rows, labels in ((slice(150), result), (slice(150, 200), meta_y))
    )

    def one(state, _):
        state, info = step(None, state, batch, meta_batch, hparams=hparams)
        return state, info.weights

    _, weights = jax.jit(lambda: jax.lax.scan(one, state, length=400))()
    weights = np.asarray(weights[-100:].mean(0))
    return weights[flipped[:150]].mean(), weights[~flipped[:150]].mean()


@pytest.mark.thorough
@pytest.mark.parametrize("module", [l2rw, mwn], ids=lambda module: module.__name__.split(".")[-1])
def test_flipped_labels_get_small_weights(module):
    config, hparams = module.Config(), module.Hparams()
    params = NETWORK.init(KEY)
    state = (params, CLASSIFIER["adam"].init(params))
    if module is mwn:
        hparams = hparams._replace(meta_learning_rate=1e-2)
        state = mwn.init(KEY, config, hparams, state)
    else:
        state = l2rw.State(*state)
    step = functools.partial(module.step, loss_fn=loss_fn, config=config)
    wrong, right = weights_of_flipped_and_others(step, state, hparams, True)
    assert wrong < 0.3 * right
    wrong, right = weights_of_flipped_and_others(step, state, hparams, False)
    assert wrong > 0.5 * right


# Options of a step.


@functools.cache
def two_steps(module, config):
    params, static = NETWORK.init(KEY), {"loss_fn": loss_fn, "config": config}

    @jax.jit
    def take(hparams, batch, meta_batch):
        state = (params, CLASSIFIER[config.optimizer].init(params))
        state = mwn.init(KEY, config, hparams, state) if module is mwn else module.State(*state)
        for _ in range(2):
            state, _ = module.step(None, state, batch, meta_batch, **static, hparams=hparams)
        return state.params

    return take


OPTIONS = {
    mwn: [{"optimizer": "sgd"}, {"hidden": 7}, {"normalize": True}],
    l2rw: [{"optimizer": "sgd"}],
    metabalance: [{"optimizer": "sgd"}, {"num_steps": 2}],
}


@pytest.mark.thorough
@pytest.mark.parametrize("module", OPTIONS, ids=lambda module: module.__name__.split(".")[-1])
def test_options_of_a_step_have_effects(module):
    result = PROBLEM.train.all(), PROBLEM.valid.all()
    usual = two_steps(module, module.Config())(module.Hparams(), *result)
    for options in OPTIONS[module]:
        other = two_steps(module, module.Config(**options))(module.Hparams(), *result)
        assert (other != usual).any(), options
    for field, value in module.Hparams()._asdict().items():
        hparams = module.Hparams()._replace(**{field: (value or 0) + 0.1})
        other = two_steps(module, module.Config())(hparams, *result)
        assert (other != usual).any(), field
    # The option `method` is the exception.
    other = two_steps(module, module.Config(method="unrolled"))(module.Hparams(), *result)
    np.testing.assert_allclose(other, usual, 1e-4)


def test_metabalance_without_inner_step():
    batch, meta_batch = PROBLEM.train.all(), PROBLEM.valid.all()
    result = two_steps(metabalance, metabalance.Config())
    params = result(metabalance.Hparams(eta1=0.0), batch, meta_batch)
    by_hand = Follower(optax.adamw(1e-3, b1=0.5, weight_decay=0.0), NETWORK.init(KEY))
    for _ in range(2):
        by_hand.follow(jax.grad(mean_loss)(by_hand.params, meta_batch.x, meta_batch.y))
    np.testing.assert_allclose(params, by_hand.params, 1e-5)


# Whole epochs.

SMALL = {"batch_size": 16, "meta_batch_size": 8}


@functools.cache
def two_epochs(module, config):
    made, hparams = module.program(NETWORK, config), module.Hparams()
    return jax.jit(lambda problem: train(made, KEY, problem, hparams, 2)[0])


def run(module, config, problem=PROBLEM):
    return two_epochs(module, config)(problem)


@pytest.mark.thorough
def test_padding_batches_change_no_bit():
    """Padding affects neither optimizer states nor the drawn meta rows."""
    config = mwn.Config(hidden=3, **SMALL)
    plain = run(mwn, config)
    padded = run(mwn, config, toys.problem(padding=60, garbage=1e3))
    jax.tree.map(assert_bits, padded, plain)
    clocks = [leaf for leaf in jax.tree.leaves(plain.state) if leaf.dtype == jnp.int32]
    np.testing.assert_array_equal(clocks, [6, 6])  # two epochs of three batches with rows


@pytest.mark.thorough
def test_meta_rows_and_batch_sizes_are_used():
    assert mwn.Config().meta_rows == l2rw.Config().meta_rows == "valid"
    assert metabalance.Config().meta_rows == "train"
    other = PROBLEM._replace(valid=PROBLEM.valid._replace(shift=PROBLEM.valid.shift + 0.5))
    for meta_rows in ("valid", "train"):
        config = l2rw.Config(meta_rows=meta_rows, checkpoint="last", **SMALL)
        result, moved = (run(l2rw, config, problem) for problem in (PROBLEM, other))
        assert (result.best_epoch, moved.best_epoch) == (2, 2)
        assert (result.best.params == moved.best.params).all() == (meta_rows == "train")
    for size in SMALL:
        config = l2rw.Config(meta_rows="train", checkpoint="last", **(SMALL | {size: 10}))
        assert (run(l2rw, config).best.params != result.best.params).any()


@pytest.mark.parametrize("module", [mwn, l2rw, metabalance])
@pytest.mark.parametrize("field", ["meta_rows", "optimizer", "checkpoint", "method"])
def test_unknown_option_raises_an_error(module, field):
    with pytest.raises(ValueError, match=f"^{field}='tset', expected '[a-z]+' or '[a-z]+'$"):
        module.program(NETWORK, module.Config(**{field: "tset"}))
