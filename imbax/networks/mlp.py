"""Multilayer perceptron, and conversion of Flax modules to pure functions."""

import functools
from collections.abc import Callable, Sequence

import jax
from flax import nnx

from imbax.networks.layers import Cosine, Linear
from imbax.types import COSINE_SCALE, Functions, Network

__all__ = ["HEADS", "MLP", "functional", "mlp", "perceptron"]

HEADS = ("linear", "cosine")
"""Kinds of last layers: linear, or `COSINE_SCALE` times a cosine, which margin losses need."""


class MLP(nnx.Module):
    """Multilayer perceptron `x [n, d] -> logits [n]`, or `[n, K]` for K > 2 classes.

    With `cosine_scale` s, the logits are s times the cosines between the last hidden features h and
    the weights of each class, which margin losses need; for two classes, the logit is
    `s (cos(h, W_1) - cos(h, W_0))`. Columns of x that are not `live [d]` are zero in every row.
    """

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (128, 16),
        *,
        activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
        cosine_scale: float | None = None,
        classes: int = 2,
        live: jax.Array | None = None,
        rngs: nnx.Rngs,
    ):
        self.activation = activation
        layers, width = [], features
        for wider in hidden:
            layers.append(Linear(width, wider, live=live, rngs=rngs))
            width, live = wider, None
        if cosine_scale is None:
            layers.append(Linear(width, classes if classes > 2 else 1, live=live, rngs=rngs))
        else:
            layers.append(Cosine(width, classes, scale=cosine_scale, rngs=rngs))
        self.layers = nnx.List(layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        x = last(x)
        if x.shape[-1] > 2:
            return x
        return x[..., 0] if x.shape[-1] == 1 else x[..., 1] - x[..., 0]


def mlp(
    features: int,
    hidden: Sequence[int] = (128, 16),
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    cosine_scale: float | None = None,
    classes: int = 2,
) -> Network:
    """Makes pure functions of an `MLP`; the defaults are the classifier of the papers.

    Equal arguments return the same functions, so that compiled programs are shared.
    """
    return _mlp(features, tuple(hidden), activation, cosine_scale, classes)


def perceptron(features: int, classes: int = 2, head: str = "linear") -> Network:
    """MLP of the papers, 128-16 with ReLU, with the signature of the catalogue's networks.

    Parameters
    ----------
    features
        Number of columns d.
    classes
        Number of classes K.
    head
        Last layer, one of `HEADS`.
    """
    return mlp(features, cosine_scale=COSINE_SCALE if head == "cosine" else None, classes=classes)


@functools.lru_cache
def _mlp(features, hidden, activation, cosine_scale, classes):
    options = {"activation": activation, "cosine_scale": cosine_scale, "classes": classes}
    made = functional(lambda rngs, live: MLP(features, hidden, **options, live=live, rngs=rngs))

    def init(key, train=None):
        return made.init(key, None if train is None else train.live)

    return Network(init, made.apply)


def functional(make: Callable[[nnx.Rngs, jax.Array | None], nnx.Module]) -> Functions:
    """Converts a Flax NNX module without state other than parameters to pure functions.

    Parameters
    ----------
    make
        Builds the module from random streams and the mask of live columns or None, for example
        `lambda rngs, live: MLP(64, live=live, rngs=rngs)`.
    """
    graph, shapes = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0), None)))

    def init(key, live=None):
        return nnx.to_pure_dict(nnx.state(make(nnx.Rngs(key), live)))

    def apply(params, x):
        state = jax.tree.map(lambda leaf: leaf, shapes)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)(x)

    return Functions(init, apply)
