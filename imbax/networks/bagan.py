"""BAGAN's networks: an encoder with two kinds of head, and a generator that is also the decoder.

Encoder: 3 x 3 convolutions with w, 2w, 4w and 8w channels, of which the first and the third halve
the feature map, then pairs with 8w channels that halve it once more, until it has been halved as
often as the generator doubles it (at least twice). Each is followed by leaky ReLU of slope 0.3 and
dropout of 0.3. A linear head outputs a code or class logits.

Generator: linear layers to 32w features and to the smallest map with 4w channels. Each step then
doubles the map by repeating each cell and applies a 5 x 5 convolution, to 4w channels in the last
step and 8w channels before; ReLU after each. A 2 x 2 convolution and tanh output the image. There
are no biases. The smallest map is the image halved until neither side exceeds 8; odd sizes are
rounded up and the result is cropped to the image.

Source: Mariani et al. 2018 (arXiv:1803.09655) and the sizes of its public code, where w = 32. As in
that code, weights have Glorot initialisation and biases start at 0. Padding is symmetric.

The networks have no normalisation. They are `NormalizedNetwork`s without statistics, and a random
key for dropout instead of row weights switches them to training mode:
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
    """Networks of BAGAN as pure functions."""

    encoder: NormalizedNetwork
    """Encoder `[n, h, w, c] -> [n, latent]`."""
    generator: NormalizedNetwork
    """Generator `[n, latent] -> [n, h, w, c]`, without dropout."""
    discriminator: NormalizedNetwork
    """Discriminator `[n, h, w, c] -> logits [n, K + 1]`: the encoder with another `head`."""


class Convolution(nnx.Module):
    """Convolution `[n, h, w, channels] -> [n, h', w', features]`, padded with k // 2 zeros.

    For k = 1 it is a linear layer and also accepts rows `[n, channels]`.
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
    """Nearest-neighbour doubling, then a 5 x 5 convolution.

    Maps `[n, h, w, channels]` to `[n, 2 h, 2 w, features]`.

    Because neighbouring cells of the doubled map are equal, both steps are computed as one 3 x 3
    convolution with summed weights from each cell to a block of 2 x 2 outputs. This takes a third
    of the multiplications and a tenth of the memory.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        n, height, width, c = x.shape
        # Which of five weights belong to which of three cells, for the first and second output.
        first = [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]
        second = [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]]
        cells = jnp.array([first, second], x.dtype)
        kernel = jnp.einsum("aik,bjl,klcf->ijcabf", cells, cells, self.kernel[...])
        y = conv(x, kernel.reshape(3, 3, c, -1), padding=1)
        y = y.reshape(n, height, width, 2, 2, -1).transpose(0, 1, 3, 2, 4, 5)
        return y.reshape(n, 2 * height, 2 * width, -1)


class LastConvolution(Convolution):
    """k x k convolution `[n, h, w, channels] -> [n, h, w, features]`, padded only at the end.

    Each output depends on its cell and the k - 1 cells after it. Products are computed before
    shifted maps are summed, which needs little memory for few features.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        y = conv_transpose(x, self.kernel[::-1, ::-1])
        return y[:, -x.shape[1] :, -x.shape[2] :]


class Encoder(nnx.Module):
    """Encoder or discriminator `x [n, h, w, c] -> [n, outputs]`."""

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
    """Generator `codes [n, latent] -> x [n, h, w, c]` in (-1, 1)."""

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
    """Networks for images `shape` (height, width, channels) of K classes."""

    def encoder(outputs):
        return functional(lambda rngs: Encoder(shape, outputs, width, rngs=rngs))

    generator = functional(lambda rngs: Generator(shape, latent, width, rngs=rngs))
    return Networks(encoder(latent), generator, encoder(classes + 1))


def dropout(key: jax.Array, n: int, maps: Sequence[tuple[int, ...]]) -> list[jax.Array]:
    """Dropout factors `[n, *shape]` for n rows of each of the `maps`.

    All factors come from one draw, because every draw takes long to compile.
    """
    sizes = [math.prod(shape) for shape in maps]
    share = jnp.float32(1 - _DROPPED)
    kept = jax.random.bernoulli(key, share, (n, sum(sizes))) / share
    parts = jnp.split(kept, list(itertools.accumulate(sizes))[:-1], 1)
    return [part.reshape(n, *shape) for part, shape in zip(parts, maps, strict=True)]


def _smallest(shape):
    """Returns the sides of the smallest map and the number of doublings."""
    doublings = 0
    while -(-max(shape[:2]) // 2**doublings) > 8:
        doublings += 1
    return [-(-side // 2**doublings) for side in shape[:2]], doublings
