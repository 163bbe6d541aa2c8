"""Multilayer perceptron, and conversion of Flax modules."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from imbax.networks.mlp import functional, mlp

X = jnp.asarray(np.random.default_rng(0).normal(size=(7, 5)), jnp.float32)


def layers(params, widths):
    """Returns `(W [fan_in, fan_out], b)` of each layer, undoing transposed storage."""
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        kernel = params["layers"][i]["kernel"]
        yield kernel.T if fan_in > fan_out else kernel, params["layers"][i]["bias"]


@pytest.mark.parametrize(
    ("network", "widths", "activation"),
    [
        (mlp(5, (6, 3), jnp.tanh), (5, 6, 3, 1), np.tanh),
        (mlp(5), (5, 128, 16, 1), lambda h: np.maximum(h, 0)),
        (mlp(5, (6,), classes=4), (5, 6, 4), lambda h: np.maximum(h, 0)),
    ],
    ids=["tanh", "default", "four classes"],
)
def test_logits_equal_numpy(network, widths, activation):
    params = jax.jit(network.init)(jax.random.key(0))
    h = np.asarray(X, np.float64)
    for number, (kernel, bias) in enumerate(layers(params, widths), 1):
        assert kernel.shape == widths[number - 1 : number + 1]
        h = h @ np.asarray(kernel, np.float64) + np.asarray(bias)
        h = activation(h) if number < len(widths) - 1 else h
    assert len(params["layers"]) == number
    logits = jax.jit(network.apply)(params, X)
    assert logits.shape == ((7, 4) if widths[-1] == 4 else (7,))
    np.testing.assert_allclose(logits, h if widths[-1] == 4 else h[:, 0], 1e-4, 1e-6)


def test_initial_weights_are_uniform_in_fan_in():
    widths = (100, 400, 30, 1)
    params = jax.device_get(jax.jit(mlp(100, (400, 30)).init)(jax.random.key(1)))
    for fan_in, (kernel, bias) in zip(widths, layers(params, widths), strict=False):
        bound = fan_in**-0.5
        assert max(np.abs(kernel).max(), np.abs(bias).max()) <= bound
        if kernel.size > 1000:
            assert np.abs(kernel).max() > 0.99 * bound
            assert float(kernel.std()) == pytest.approx(bound / 3**0.5, rel=0.03)


def test_init_depends_only_on_the_key():
    network = mlp(5, (6,))
    a, b, c = (jax.tree.leaves(network.init(jax.random.key(seed))) for seed in (0, 0, 1))
    for one, same, other in zip(a, b, c, strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != other).all()
    jitted = jax.tree.leaves(jax.jit(network.init)(jax.random.key(0)))
    for one, same in zip(a, jitted, strict=True):
        np.testing.assert_allclose(one, same, 1e-6)


def test_functions_are_pure_under_transformations():
    network = mlp(5, (6,))
    keys = jax.random.split(jax.random.key(0), 3)
    params = jax.jit(jax.vmap(network.init))(keys)
    together = jax.jit(jax.vmap(network.apply, in_axes=(0, None)))(params, X)
    one = jax.tree.map(lambda leaf: leaf[1], params)
    np.testing.assert_allclose(together[1], network.apply(one, X), 1e-5, 1e-6)
    gradient = jax.jit(jax.grad(lambda params: network.apply(params, X).sum()))(one)
    assert jax.tree.structure(gradient) == jax.tree.structure(one)
    # The calls above leave no tracers behind.
    np.testing.assert_allclose(together[1], network.apply(one, X), 1e-5, 1e-6)
    assert network.apply(one, X[:0]).shape == (0,)


def test_flax_modules_become_pure_functions():
    network = functional(lambda rngs, live: nnx.Linear(5, 2, rngs=rngs))
    params = network.init(jax.random.key(0))
    np.testing.assert_allclose(
        network.apply(params, X), X @ params["kernel"] + params["bias"], 1e-5, 1e-6
    )
    doubled = jax.tree.map(lambda leaf: 2 * leaf, params)
    np.testing.assert_allclose(network.apply(doubled, X), 2 * network.apply(params, X), 1e-5, 1e-6)
