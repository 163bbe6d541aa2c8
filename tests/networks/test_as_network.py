"""Networks from Flax modules and functions: shapes, state, padding, mistakes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from imbax.errors import InputError
from imbax.networks.as_network import as_network
from imbax.types import Network, Variables

X = jax.random.normal(jax.random.key(1), (6, 4), jnp.float32)
ALL = jnp.ones(6)


class Noisy(nnx.Module):
    """Network with batch normalisation and dropout."""

    def __init__(self, features, classes, *, rngs):
        self.norm = nnx.BatchNorm(features, momentum=0.5, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.linear = nnx.Linear(features, classes, rngs=rngs)

    def __call__(self, x):
        return self.linear(self.dropout(self.norm(x)))


class NoisyLinen(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool):
        x = linen.BatchNorm(use_running_average=not train, momentum=0.5)(x)
        return linen.Dense(3)(linen.Dropout(0.5, deterministic=not train)(x))


class Switched(nnx.Module):
    """Network with an argument for training mode."""

    def __init__(self, features, classes, *, rngs):
        self.norm = nnx.BatchNorm(features, momentum=0.5, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.linear = nnx.Linear(features, classes, rngs=rngs)

    def __call__(self, x, train=False):
        return self.linear(self.dropout(self.norm(x), deterministic=not train))


class TwoSwitches(linen.Module):
    @linen.compact
    def __call__(self, x, train=False, deterministic=True):
        x = linen.BatchNorm(use_running_average=not train, momentum=0.5)(x)
        return linen.Dense(3)(linen.Dropout(0.5, deterministic=deterministic)(x))


class Sower(linen.Module):
    @linen.compact
    def __call__(self, x, train=False):
        self.sow("losses", "norm", jnp.abs(x).mean())
        return linen.Dense(2)(x)


STATEFUL = pytest.mark.parametrize(
    "source",
    [Noisy, partial(Noisy), NoisyLinen(), Switched, TwoSwitches()],
    ids=["nnx", "partial", "linen", "told", "two switches"],
)


@STATEFUL
def test_network_with_state(source):
    network = as_network(source, 4, 3)
    params = jax.jit(network.init)(jax.random.key(0))
    assert isinstance(params, Variables)
    means = lambda state: jax.tree.leaves(state)[0]
    forward, apply = jax.jit(network.forward), jax.jit(network.apply)
    one = forward(params, X, ALL, jax.random.key(2))
    again = forward(params, X, ALL, jax.random.key(2))
    other = forward(params, X, ALL, jax.random.key(3))
    np.testing.assert_array_equal(one[0], again[0])
    assert (one[0] != other[0]).any()  # another mask
    np.testing.assert_allclose(means(one[1]), X.mean(0) / 2, atol=1e-6)
    # Predictions use running statistics, so rows are independent.
    trained = params._replace(state=one[1])
    every, first = apply(trained, X), apply(trained, X[:1])
    np.testing.assert_allclose(every[:1], first, rtol=1e-5)
    assert (every != apply(params, X)).any()


@STATEFUL
def test_padding_does_not_enter_statistics(source):
    network, w = as_network(source, 4, 3), ALL.at[jnp.array([1, 4])].set(0)
    params = network.init(jax.random.key(0))
    moved = [network.forward(params, x, w, jax.random.key(2))[1] for x in (X, X.at[1].set(1e6))]
    jax.tree.map(np.testing.assert_array_equal, *moved)
    live_rows = X[jnp.array([0, 2, 3, 5])]
    copied = jnp.concatenate([live_rows, live_rows[:2]]).mean(0) / 2
    np.testing.assert_allclose(jax.tree.leaves(moved[0])[0], copied, atol=1e-6)


@pytest.mark.parametrize(
    "source",
    [
        linen.Dense(2),
        lambda features, classes, rngs: nnx.Linear(features, classes, rngs=rngs),
        lambda features, classes: linen.Dense(1),
        (lambda key: jax.random.normal(key, (4, 2)), lambda params, x: x @ params),
        lambda features, classes: Network(
            lambda key, live=None: jax.random.normal(key, (features,)), lambda params, x: x @ params
        ),
    ],
    ids=["linen", "nnx", "one logit", "functions", "network"],
)
def test_network_without_state(source):
    network = as_network(source, 4, 2)
    params = network.init(jax.random.key(0))
    assert network.train is None
    assert network.apply(params, X).shape == (6,)
    source = network.forward(network.variables(params), X, ALL, jax.random.key(0))
    np.testing.assert_array_equal(source[0], network.apply(params, X))


def test_two_logits_become_one():
    network = as_network(linen.Dense(2), 4, 2)
    params = network.init(jax.random.key(0))
    logits = linen.Dense(2).apply({"params": params}, X)
    both = jax.nn.softmax(logits)[:, 1]
    np.testing.assert_allclose(jax.nn.sigmoid(network.apply(params, X)), both, rtol=1e-5)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (linen.Dense(3), r"returns logits of shape \(3, 3\) for 3 rows, expected \(3, 2\)"),
        (3, "expected a Flax module, a pair of functions"),
        ((lambda key: 0.0, lambda params: 0.0), "cannot be built or called: TypeError: .*argument"),
        (lambda features, classes: {}[features], "cannot be built or called: KeyError: 4"),
        (Noisy(4, 2, rngs=nnx.Rngs(0)), "is a Noisy that has its parameters; give its class"),
        (Sower(), "has state that changes shape in training"),
    ],
)
def test_mistakes(source, message):
    with pytest.raises(InputError, match=message):
        as_network(source, 4, 2)
