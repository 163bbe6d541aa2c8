"""BAGAN's networks: one encoder with two kinds of head, and a generator that is also the decoder.

Encoder: 3 x 3 convolutions of w, 2w, 4w and 8w channels, the first and the third halving the map,
then pairs of 8w that halve it once more, until it has been halved as often as the generator doubles
it (at least twice); leaky ReLU of slope 0.3 and dropout of 0.3 after each; a linear head, to a code
or to the classes.

Generator: linear layers to 32w features and to the smallest map with 4w channels; then the map is
doubled by repeating each cell and passes through a 5 x 5 convolution, to 8w channels where another
doubling follows and to 4w where none does; ReLU after each; a 2 x 2 convolution and tanh at the
end. No biases. The smallest map is the image halved until neither side is above 8; sizes that do
not halve are rounded up, and the image is cut from the result.

Source: Mariani et al. 2018 (arXiv:1803.09655) and the sizes of its public code, where w = 32. As
there, weights start by Glorot's law and biases at 0. Halving pads all sides alike.

There is nothing to normalise, so the networks are `NormalizedNetwork`s without statistics, and what
makes them train is not the weights of rows but a key, from which dropout is drawn:
`apply(params, {}, x, key or None) -> (y, {})`.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from imbax.networks.batch_norm import NormalizedNetwork, functional
from imbax.networks.convolution import conv, conv_transpose

__all__ = [
    "Convolution",
    "DoublingConvolution",
    "Encoder",
    "Generator",
    "LastConvolution",
    "Networks",
    "dropout",
    "networks",
]

_SLOPE, _DROPPED = 0.3, 0.3


class Networks(NamedTuple):
    """As pure functions."""

    encoder: NormalizedNetwork
    """`[n, h, w, c] -> [n, latent]`."""
    generator: NormalizedNetwork
    """`[n, latent] -> [n, h, w, c]`; it drops nothing."""
    discriminator: NormalizedNetwork
    """`[n, h, w, c] -> logits [n, K + 1]`: the encoder with another `head`."""


class Convolution(nnx.Module):
    """`[n, h, w, channels] -> [n, h', w', features]`: k // 2 rows of zeros on every side.

    With k = 1 a linear layer, of rows `[n, channels]` too.
    """

    def __init__(
        self,
        channels: int,
        features: int,
        k: int,
        *,
        stride: int = 1,
        bias: bool = False,
        rngs: nnx.Rngs,
    ):
        self.stride, self.padding = stride, k // 2
        glorot = jax.nn.initializers.glorot_normal()
        self.kernel = nnx.Param(glorot(rngs.params(), (k, k, channels, features), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(features, jnp.float32)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        if x.ndim == 2:
            y = x @ self.kernel[0, 0]
        else:
            y = conv(x, self.kernel[...], stride=self.stride, padding=self.padding)
        return y if self.bias is None else y + self.bias[...]


class DoublingConvolution(Convolution):
    """`[n, h, w, channels] -> [n, 2 h, 2 w, features]`: each cell four times, then a 5 x 5 one.

    Of the five cells in a row that the weights reach, some are the same cell; with the sums of
    their weights this is one 3 x 3 convolution to a block of 2 x 2 outputs a cell: a third of the
    products, a tenth of the memory.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        n, height, width, c = x.shape
        # Which of five weights belong to which of three cells, for the first and the second output.
        first = [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]
        second = [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]]
        cells = jnp.array([first, second], x.dtype)
        kernel = jnp.einsum("aik,bjl,klcf->ijcabf", cells, cells, self.kernel[...])
        y = conv(x, kernel.reshape(3, 3, c, -1), padding=1)
        y = y.reshape(n, height, width, 2, 2, -1).transpose(0, 1, 3, 2, 4, 5)
        return y.reshape(n, 2 * height, 2 * width, -1)


class LastConvolution(Convolution):
    """`[n, h, w, channels] -> [n, h, w, features]`: k x k, each cell and those after it.

    Each cell is multiplied first and then added up, which is light where features are few.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        y = conv_transpose(x, self.kernel[::-1, ::-1])
        return y[:, -x.shape[1] :, -x.shape[2] :]


class Encoder(nnx.Module):
    """`x [n, h, w, c] -> [n, outputs]`."""

    def __init__(self, shape: Sequence[int], outputs: int, width: int, *, rngs: nnx.Rngs):
        height, breadth, channels = shape
        _, doublings = _smallest(shape)
        widths = [width, 2 * width, 4 * width, 8 * width] + [8 * width] * 2 * (doublings - 2)
        made, maps = [], []
        for number, features in enumerate(widths):
            stride = 1 + (number + 1) % 2
            height, breadth = -(-height // stride), -(-breadth // stride)
            made.append(Convolution(channels, features, 3, stride=stride, bias=True, rngs=rngs))
            maps.append((height, breadth, features))
            channels = features
        self.layers, self.maps = nnx.List(made), tuple(maps)
        self.head = Convolution(height * breadth * channels, outputs, 1, bias=True, rngs=rngs)

    def __call__(self, x: jax.Array, key: jax.Array | None) -> jax.Array:
        factors = [1] * len(self.maps) if key is None else dropout(key, len(x), self.maps)
        for layer, factor in zip(self.layers, factors, strict=True):
            x = jax.nn.leaky_relu(layer(x), _SLOPE) * factor
        return self.head(x.reshape(len(x), -1))


class Generator(nnx.Module):
    """`codes [n, latent] -> x [n, h, w, c]` in (-1, 1)."""

    def __init__(self, shape: Sequence[int], latent: int, width: int, *, rngs: nnx.Rngs):
        self.shape = tuple(shape)
        sides, doublings = _smallest(shape)
        self.first = (*sides, 4 * width)
        cells = sides[0] * sides[1]
        self.linear = nnx.List(
            [
                Convolution(latent, 32 * width, 1, rngs=rngs),
                Convolution(32 * width, cells * 4 * width, 1, rngs=rngs),
            ]
        )
        made, channels = [], 4 * width
        for number in range(doublings):
            features = (4 if number == doublings - 1 else 8) * width
            made.append(DoublingConvolution(channels, features, 5, rngs=rngs))
            channels = features
        self.layers = nnx.List(made)
        self.last = LastConvolution(channels, shape[2], 2, rngs=rngs)

    def __call__(self, z: jax.Array, key: jax.Array | None) -> jax.Array:
        for layer in self.linear:
            z = jax.nn.relu(layer(z))
        x = z.reshape(-1, *self.first)
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        height, width, _ = self.shape
        return jnp.tanh(self.last(x)[:, :height, :width])


def networks(shape: Sequence[int], latent: int, classes: int, width: int = 32) -> Networks:
    """The networks for images `shape` (height, width, channels) of K classes."""

    def encoder(outputs):
        return functional(lambda rngs: Encoder(shape, outputs, width, rngs=rngs))

    generator = functional(lambda rngs: Generator(shape, latent, width, rngs=rngs))
    return Networks(encoder(latent), generator, encoder(classes + 1))


def dropout(key: jax.Array, n: int, maps: Sequence[tuple[int, ...]]) -> list[jax.Array]:
    """What n rows of each of the `maps` are multiplied by, `[n, *shape]`.

    All from one draw, since every draw takes long to compile.
    """
    sizes = [math.prod(shape) for shape in maps]
    share = jnp.float32(1 - _DROPPED)
    kept = jax.random.bernoulli(key, share, (n, sum(sizes))) / share
    parts = jnp.split(kept, list(itertools.accumulate(sizes))[:-1], 1)
    return [part.reshape(n, *shape) for part, shape in zip(parts, maps, strict=True)]


def _smallest(shape):
    """Sides of the smallest map, and how often it is doubled."""
    doublings = 0
    while -(-max(shape[:2]) // 2**doublings) > 8:
        doublings += 1
    return [-(-side // 2**doublings) for side in shape[:2]], doublings
