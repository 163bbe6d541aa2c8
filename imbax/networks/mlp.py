"""A multilayer perceptron with one logit, and the bridge from Flax to pure functions."""

import itertools
from collections.abc import Callable, Sequence

import jax
from flax import nnx

from imbax.networks.layers import Cosine, Linear
from imbax.types import Network

__all__ = ["MLP", "functional", "mlp"]


class MLP(nnx.Module):
    """Linear layers with an activation between them; `x [n, d] -> logits [n]`.

    With `cosine_scale` s the last layer is `s (cos(h, W_1) - cos(h, W_0))`, the logit of a softmax
    over the two classes' cosines with the last hidden features h, which margin losses need.
    """

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (128, 16),
        *,
        activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
        cosine_scale: float | None = None,
        rngs: nnx.Rngs,
    ):
        widths = (features, *hidden)
        self.activation = activation
        layers = [Linear(*pair, rngs=rngs) for pair in itertools.pairwise(widths)]
        if cosine_scale is None:
            layers.append(Linear(widths[-1], 1, rngs=rngs))
        else:
            layers.append(Cosine(widths[-1], 2, scale=cosine_scale, rngs=rngs))
        self.layers = nnx.List(layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        x = last(x)
        return x[..., 0] if x.shape[-1] == 1 else x[..., 1] - x[..., 0]


def mlp(
    features: int,
    hidden: Sequence[int] = (128, 16),
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    cosine_scale: float | None = None,
) -> Network:
    """The papers' classifier as two pure functions; see `MLP`."""
    options = {"activation": activation, "cosine_scale": cosine_scale}
    return functional(lambda rngs: MLP(features, hidden, **options, rngs=rngs))


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
