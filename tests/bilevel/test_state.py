"""Gradients through a step with batch statistics and dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from flax import linen

from imbax.bilevel.gradients import inner_update, outer_gradient
from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.networks.as_network import as_network
from imbax.networks.resnet import resnet18
from imbax.types import Batch, Variables

STEP, KEY = 0.5, jax.random.key(7)
W_SYNTH = np.array([1.0, 0.0, 0.5])


class Residual(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool):
        h = linen.BatchNorm(use_running_average=not train, momentum=0.5)(x)
        h = linen.Dropout(0.3, deterministic=not train)(linen.Dense(4)(h))
        return linen.Dense(1)(x + jnp.tanh(h))[:, 0]


def in_float64(tree):
    floating = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.tree.map(lambda a: jnp.asarray(a, np.float64) if floating(a) else a, tree)


def rows(seed, n, classes, shape):
    rng = np.random.default_rng(seed)
    x, y, w = rng.normal(size=(n, *shape)), rng.integers(0, classes, n), rng.integers(0, 3, n)
    return Batch(jnp.asarray(x), jnp.asarray(y, np.float64), jnp.asarray(w, np.float64))


def residual():
    network = as_network(Residual(), 4, 2)

    def loss_fn(learned, state, x, y, w):
        stats, key = state  # the key is split, so that each step has its own mask
        key, key_step = jax.random.split(key)
        logits, stats = network.train(learned, stats, x, w, key_step)
        return cross_entropy(logits, y), (stats, key)

    def outer_loss(params, valid):
        logits = network.apply(params._replace(state=params.state[0]), valid.x)
        return weighted_mean(cross_entropy(logits, valid.y), valid.w)

    learned, stats = in_float64(network.init(jax.random.key(0)))
    return loss_fn, outer_loss, Variables(learned, (stats, KEY)), 2, (4,)


def by_hand():
    """Batch normalisation with a running mean in the gradient."""

    def network(learned, mean, x):
        return jnp.tanh((x - mean) @ learned["w"]) @ learned["v"]

    def loss_fn(learned, mean, x, y, w):
        batch_mean = (w[:, None] * x).sum(0) / w.sum()
        return cross_entropy(network(learned, batch_mean, x), y), (mean + batch_mean) / 2

    def outer_loss(params, valid):
        return weighted_mean(cross_entropy(network(*params, valid.x), valid.y), valid.w)

    rng = np.random.default_rng(5)
    learned = {"w": jnp.asarray(rng.normal(size=(4, 3))), "v": jnp.asarray(rng.normal(size=3))}
    return loss_fn, outer_loss, Variables(learned, jnp.zeros(4)), 2, (4,)


def resnet():
    network = resnet18(1, 3, width=2)

    def loss_fn(learned, stats, x, y, w):
        logits, stats = network.apply(learned, stats, x, w)
        return cross_entropy(logits, y), stats

    def outer_loss(params, valid):
        logits, _ = network.apply(*params, valid.x)
        return weighted_mean(cross_entropy(logits, valid.y), valid.w)

    params = Variables(*in_float64(network.init(jax.random.key(0))))
    return loss_fn, outer_loss, params, 3, (8, 8, 1)


@pytest.mark.parametrize(
    ("make", "num_steps", "with_batch", "own_outer"),
    [
        (residual, 1, True, True),
        pytest.param(residual, 2, False, False, marks=pytest.mark.thorough),
        (by_hand, 2, True, True),
        (by_hand, 1, False, True),
        pytest.param(resnet, 1, False, True, marks=pytest.mark.thorough),
    ],
)
def test_gradient_includes_the_state(make, num_steps, with_batch, own_outer):
    with jax.enable_x64(True):
        loss_fn, outer_loss, params, classes, shape = make()
        x_synth = rows(0, 3, classes, shape).x
        batch, valid = rows(1, 6, classes, shape), rows(2, 5, classes, shape)
        arguments = {"step_size": STEP, "w_synth": W_SYNTH, "num_steps": num_steps}
        arguments["batch"] = batch if with_batch else None
        y = jnp.ones(3)

        @jax.jit
        def ours(x):
            outer = {"outer_loss_fn": outer_loss} if own_outer else {}
            return outer_gradient(loss_fn, params, x, y, valid, **outer, **arguments)

        out = ours(x_synth)

        @jax.jit
        def literal(x):
            after = inner_update(loss_fn, params, x, y, **arguments)
            if make is resnet:  # NNX stops gradients at its running statistics
                after = after._replace(state=out.params.state)
            if own_outer:
                return outer_loss(after, valid), after
            losses, _ = loss_fn(*after, *valid)
            return weighted_mean(losses, valid.w), after

        loss, after = literal(x_synth)
        direction = np.random.default_rng(3).normal(size=x_synth.shape)
        slope = oracles.central_differences(lambda t: literal(x_synth + t * direction)[0], 0.0)
        np.testing.assert_allclose((out.x_synth_grad * direction).sum(), slope, rtol=1e-5)
        np.testing.assert_allclose(out.loss, loss, rtol=1e-9)
        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8)
        jax.tree.map(close, out.params.learned, after.learned)
        moved, before = (jax.tree.leaves(v.state)[0] for v in (out.params, params))
        assert (np.asarray(moved) != np.asarray(before)).any()
    assert abs(slope) > 1e-6


def test_gradient_of_factors_passes_through_the_state():
    with jax.enable_x64(True):
        loss_fn, outer_loss, params, classes, shape = by_hand()
        x = rows(0, 3, classes, shape).x
        batch, valid = rows(1, 6, classes, shape), rows(2, 5, classes, shape)

        @jax.jit
        def ours(scale):
            return outer_gradient(
                loss_fn, params, x, jnp.ones(3), valid, outer_loss_fn=outer_loss, step_size=STEP,
                batch=batch, w_synth=W_SYNTH, scale=scale,
            )  # fmt: skip

        scale = jnp.array([0.5, 2.0, 1.0])
        expected = oracles.central_differences(lambda scale: ours(scale).loss, scale)
        assert oracles.relative_error(ours(scale).scale_grad, expected) < 1e-6
        assert np.linalg.norm(expected) > 1e-6
        synth = inner_update(
            loss_fn, params, x, jnp.ones(3), step_size=STEP, batch=batch, w_synth=W_SYNTH
        )
        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9)
        jax.tree.map(close, ours(jnp.ones(3)).params, synth)
