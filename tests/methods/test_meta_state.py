"""Meta-learners with batch statistics and dropout against their equations."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import oracles
import pytest
import toys
from flax import linen

from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.methods import l2rw, metabalance
from imbax.methods import meta_weight_net as mwn
from imbax.methods.meta_training import meta_program
from imbax.networks.as_network import as_network
from imbax.training import train
from imbax.types import Variables

KEY = jax.random.key(0)
SIZES = {
    "batch_size": 14,
    "meta_batch_size": 8,
}  # 40 rows: two full mini-batches and one with padding


class Net(linen.Module):
    """MLP 4-3-1 with batch normalisation (momentum 1/2) and dropout."""

    @linen.compact
    def __call__(self, x, train: bool):
        h = linen.BatchNorm(use_running_average=not train, momentum=0.5)(linen.Dense(3)(x))
        return linen.Dense(1)(linen.Dropout(0.3, deterministic=not train)(jnp.tanh(h)))[:, 0]


NETWORK = as_network(Net(), toys.FEATURES, 2)


def in_float64(tree):
    floating = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.tree.map(lambda a: jnp.asarray(a, np.float64) if floating(a) else a, tree)


def steps_of(module, config, hparams):
    """Initial state, the batch and meta batch of each step of an epoch, and the final state."""
    seen = []

    def step(key, state, batch, meta_batch, **others):
        jax.debug.callback(lambda *result: seen.append(result), batch, meta_batch, ordered=True)
        return module.step(key, state, batch, meta_batch, **others)

    more = ()
    if module is mwn:
        more = (lambda key, hparams, state: mwn.init(key, config, hparams, state),)
    made = meta_program(NETWORK, config, step, *more)
    problem = in_float64(toys.problem())
    start = in_float64(made.init(KEY, problem, hparams, None))
    end, _ = jax.jit(made.epoch)(KEY, start, problem, hparams)
    jax.effects_barrier()
    return start, seen, end


def losses_of(learned, state, batch, number):
    """Losses `[n]` in training mode, and s'."""
    key = jax.random.fold_in(jax.random.fold_in(KEY, 2**31 - 1), number)
    logits, kept = NETWORK.train(learned, state, batch.x, batch.w, key)
    return cross_entropy(logits, batch.y), kept


def looked_through(weigh, step_size):
    """Returns the meta loss after a step, `(meta, params, batch, meta_batch, number) -> scalar`.

    `weigh(losses, meta, w)` combines the losses of the step.
    """

    def meta_loss(meta, params, batch, meta_batch, number):
        def inner(learned):
            return weigh(losses_of(learned, params.state, batch, number)[0], meta, batch.w)

        slope = jax.grad(inner)(params.learned)
        theta = jax.tree.map(lambda p, g: p - step_size * g, params.learned, slope)
        _, kept = losses_of(*params, batch, number)
        logits = NETWORK.apply(Variables(theta, kept), meta_batch.x)
        return weighted_mean(cross_entropy(logits, meta_batch.y), meta_batch.w)

    return jax.jit(meta_loss)


@partial(jax.jit, static_argnums=0)
def slope_and_state(weigh, meta, params, batch, number):
    """Gradient of the real step, and s'."""

    def loss(learned):
        losses, kept = losses_of(learned, params.state, batch, number)
        return weigh(losses, meta, batch.w), kept

    return jax.grad(loss, has_aux=True)(params.learned)


def assert_slope(meta_loss, at, gradient):
    """Compares a gradient with the numerical derivative along a random direction."""
    flat, back = jax.flatten_util.ravel_pytree(at)
    direction = np.random.default_rng(5).normal(size=len(flat))
    slope = oracles.central_differences(lambda t: meta_loss(back(flat + t * direction)), 0.0)
    result = jax.flatten_util.ravel_pytree(gradient)[0] @ direction
    np.testing.assert_allclose(result, slope, rtol=1e-5)
    assert abs(slope) > 1e-5


def follow(optimizer, params, state, gradient):
    updates, state = optimizer.update(gradient, state, params)
    return optax.apply_updates(params, updates), state


def assert_way(result, expected, start):
    flat = [jax.flatten_util.ravel_pytree(tree)[0] for tree in (result, expected, start)]
    assert oracles.relative_error(flat[0] - flat[2], flat[1] - flat[2]) < 1e-6
    assert np.linalg.norm(flat[1] - flat[2]) > 1e-3


SGD = optax.chain(optax.add_decayed_weights(0.0), optax.sgd(0.1, 0.9, nesterov=True))


@pytest.mark.thorough
def test_meta_weight_net_equals_its_equations():
    with jax.enable_x64(True):
        config, hparams = mwn.Config(hidden=3, optimizer="sgd", **SIZES), mwn.Hparams(0.1, eta1=0.5)
        start, seen, end = steps_of(mwn, config, hparams)
        adam = optax.chain(optax.add_decayed_weights(1e-4), optax.adam(1e-3))
        params, phi = start.params, start.phi
        theta_state, phi_state = SGD.init(params.learned), adam.init(phi)

        def weighted(losses, phi, w):
            return weighted_mean(mwn.weigh(config, phi, losses) * losses, w)

        meta_loss = looked_through(weighted, 0.5)
        meta_gradient = jax.jit(jax.grad(meta_loss))
        for number, (batch, meta_batch) in enumerate(seen):
            result = params, batch, meta_batch, number
            gradient = meta_gradient(phi, *result)
            if number == 0:
                assert_slope(lambda at, inputs=result: meta_loss(at, *inputs), phi, gradient)
            phi, phi_state = follow(adam, phi, phi_state, gradient)
            slope, kept = slope_and_state(weighted, phi, params, batch, number)
            learned, theta_state = follow(SGD, params.learned, theta_state, slope)
            params = Variables(learned, kept)
        assert_way(end.phi, phi, start.phi)
        assert_way(end.params, params, start.params)


@pytest.mark.thorough
def test_l2rw_equals_its_equations():
    with jax.enable_x64(True):
        start, seen, end = steps_of(l2rw, l2rw.Config(optimizer="sgd", **SIZES), l2rw.Hparams(0.1))
        params, state = start.params, SGD.init(start.params.learned)
        meta_loss = looked_through(lambda losses, epsilon, w: epsilon @ losses, 1.0)
        weighted = lambda losses, weights, w: weighted_mean(losses, weights)
        for number, (batch, meta_batch) in enumerate(seen):
            result = params, batch, meta_batch, number
            nothing = jnp.zeros(len(batch.w))
            gradient = jax.grad(meta_loss)(nothing, *result)
            if number == 0:
                assert_slope(lambda at, inputs=result: meta_loss(at, *inputs), nothing, gradient)
            weights = jnp.maximum(-gradient, 0) * batch.w
            slope, kept = slope_and_state(weighted, weights, params, batch, number)
            learned, state = follow(SGD, params.learned, state, slope)
            params = Variables(learned, kept)
        assert_way(end.params, params, start.params)


@pytest.mark.thorough
@pytest.mark.parametrize("module", [mwn, l2rw, metabalance])
def test_training_learns_and_updates_statistics(module):
    made = module.program(NETWORK, module.Config(**SIZES))
    hparams = module.Hparams(learning_rate=0.02)
    progress, _ = jax.jit(lambda: train(made, KEY, toys.problem(), hparams, 30))()
    assert not progress.diverged
    assert progress.best_score > 0.6  # chance is a quarter
    start = NETWORK.init(KEY)
    moved = jax.tree.map(lambda a, b: (a != b).any(), progress.best.params.state, start.state)
    assert all(jax.tree.leaves(moved))
