"""A multilayer perceptron with one logit, and the bridge from Flax to pure functions."""

import itertools
from collections.abc import Callable, Sequence

import jax
from flax import nnx

from imbax.networks.layers import Linear
from imbax.types import Network

__all__ = ["MLP", "functional", "mlp"]


class MLP(nnx.Module):
    """Linear layers with an activation between them; `x [n, d] -> logits [n]`."""

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (128, 16),
        *,
        activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
        rngs: nnx.Rngs,
    ):
        widths = (features, *hidden, 1)
        self.activation = activation
        self.layers = nnx.List(
            Linear(fan_in, fan_out, rngs=rngs) for fan_in, fan_out in itertools.pairwise(widths)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)[..., 0]


def mlp(
    features: int,
    hidden: Sequence[int] = (128, 16),
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
) -> Network:
    """The papers' classifier as two pure functions; see `MLP`."""
    return functional(lambda rngs: MLP(features, hidden, activation=activation, rngs=rngs))


def functional(make: Callable[[nnx.Rngs], nnx.Module]) -> Network:
    """Turn a Flax NNX module without state beyond its parameters into a `Network`.

    Args:
      make: builds the module from random streams, as `lambda rngs: MLP(64, rngs=rngs)`.
    """
    graph, shapes = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))

    def init(key):
        return nnx.to_pure_dict(nnx.state(make(nnx.Rngs(key))))

    def apply(params, x):
        state = jax.tree.map(lambda leaf: leaf, shapes)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)(x)

    return Network(init, apply)
