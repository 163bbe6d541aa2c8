"""DeepSMOTE's encoder and decoder for images of any size and for flat rows.

Encoder: up to four convolutions with 64, 128, 256 and 512 channels. Each halves the feature map
(4 x 4, stride 2, padding 1) or reduces a 4 x 4 map to a single cell (stride 1, no padding). They
are followed by leaky ReLU of slope 0.2 and, from the second on, batch normalisation. A linear layer
outputs the code.

Decoder "mirrored": a linear layer to the smallest map that is reached by halving even sizes in at
most four steps, but not below 2, with min(512, 64 · 2^steps) channels; then one transposed
convolution per step (4 x 4, stride 2, padding 1), which doubles the map and halves the channels;
the last outputs the image's channels. Batch normalisation and ReLU in between, tanh at the end.

Decoder "reference", the decoder of the public code for 28 x 28: a linear layer to 7 x 7 x 512, then
4 x 4 transposed convolutions without padding to 10 x 10 x 256, 13 x 13 x 128 and, with stride 2,
the image. The code has no decoder for other sizes; for these, "reference" is the decoder in common
use for 32 x 32: a quarter of each side with 512 channels, doubled to 256 and to 128 channels, then
a 3 x 3 convolution.

Flat rows of d columns use dense layers with two hidden layers of 256 and 128 features.

Images with sides that are not multiples of 4 are decoded at the next multiple and cropped. Source:
Dablain et al. 2021 (arXiv:2105.02340), section III, and the public code, which differ in the
decoder.
"""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from imbax.networks.batch_norm import BatchNorm, NormalizedNetwork, functional
from imbax.networks.convolution import Conv, ConvTranspose
from imbax.networks.layers import Linear

__all__ = ["DECODERS", "Decoder", "Dense", "Encoder", "decoder", "encoder"]

DECODERS = ("mirrored", "reference")


class Encoder(nnx.Module):
    """Convolutional encoder `x [n, h, w, c] -> codes [n, latent]`."""

    def __init__(self, shape: Sequence[int], latent: int, *, rngs: nnx.Rngs):
        height, width, channels = shape
        convolutions, norms, features = [], [], 64
        while len(convolutions) < 4 and min(height, width) > 1:
            stride, padding = (1, 0) if height == width == 4 else (2, 1)
            options = {"stride": stride, "padding": padding, "bias": False}
            convolutions.append(Conv(channels, features, 4, **options, rngs=rngs))
            if len(convolutions) > 1:
                norms.append(BatchNorm(features, rngs=rngs))
            height, width = ((side + 2 * padding - 4) // stride + 1 for side in (height, width))
            channels, features = features, 2 * features
        self.convolutions, self.norms = nnx.List(convolutions), nnx.List(norms)
        self.head = Linear(height * width * channels, latent, rngs=rngs)

    def __call__(self, x: jax.Array, w: jax.Array | None) -> jax.Array:
        for number, convolution in enumerate(self.convolutions):
            x = convolution(x)
            x = self.norms[number - 1](x, w) if number else x
            x = jax.nn.leaky_relu(x, 0.2)
        return self.head(x.reshape(len(x), -1))


class Decoder(nnx.Module):
    """Convolutional decoder `codes [n, latent] -> x [n, h, w, c]` in (-1, 1)."""

    def __init__(self, shape: Sequence[int], latent: int, kind: str, *, rngs: nnx.Rngs):
        self.shape = tuple(shape)
        plan = {"mirrored": _mirrored, "reference": _reference}[kind]
        self.first, layers = plan(self.shape)
        self.head = Linear(latent, self.first[0] * self.first[1] * self.first[2], rngs=rngs)
        made, norms, channels = [], [], self.first[2]
        for layer, features, k, stride, padding in layers:
            made.append(layer(channels, features, k, stride=stride, padding=padding, rngs=rngs))
            norms.append(BatchNorm(features, rngs=rngs))
            channels = features
        self.layers, self.norms = nnx.List(made), nnx.List(norms[:-1])

    def __call__(self, z: jax.Array, w: jax.Array | None) -> jax.Array:
        x = jax.nn.relu(self.head(z)).reshape(-1, *self.first)
        *between, last = self.layers
        for layer, norm in zip(between, self.norms, strict=True):
            x = jax.nn.relu(norm(layer(x), w))
        height, width, _ = self.shape
        return jnp.tanh(last(x))[:, :height, :width]


class Dense(nnx.Module):
    """MLP `x [n, widths[0]] -> [n, widths[-1]]` with batch normalisation and leaky ReLU."""

    def __init__(self, widths: Sequence[int], *, bounded: bool, rngs: nnx.Rngs):
        self.bounded = bounded
        pairs = itertools.pairwise(widths)
        self.layers = nnx.List(Linear(*pair, rngs=rngs) for pair in pairs)
        self.norms = nnx.List(BatchNorm(width, rngs=rngs) for width in widths[1:-1])

    def __call__(self, x: jax.Array, w: jax.Array | None) -> jax.Array:
        *between, last = self.layers
        for layer, norm in zip(between, self.norms, strict=True):
            x = jax.nn.leaky_relu(norm(layer(x), w), 0.2)
        x = last(x)
        return jnp.tanh(x) if self.bounded else x


def encoder(shape: Sequence[int], latent: int) -> NormalizedNetwork:
    """Encoder for images `shape` (height, width, channels), each side at least 4, or (d,)."""
    if len(shape) == 1:
        return functional(lambda rngs: Dense((*shape, 256, 128, latent), bounded=False, rngs=rngs))
    return functional(lambda rngs: Encoder(shape, latent, rngs=rngs))


def decoder(shape: Sequence[int], latent: int, kind: str = "mirrored") -> NormalizedNetwork:
    """Decoder for images `shape` (height, width, channels), each side at least 4, or (d,).

    `kind` has no effect on flat rows.

    Raises
    ------
    ValueError
        If `kind` is not one of `DECODERS`.
    """
    if kind not in DECODERS:
        raise ValueError(f"decoder is one of {', '.join(DECODERS)}; got {kind!r}")
    if len(shape) == 1:
        return functional(lambda rngs: Dense((latent, 128, 256, *shape), bounded=True, rngs=rngs))
    return functional(lambda rngs: Decoder(shape, latent, kind, rngs=rngs))


def _mirrored(shape):
    """Returns the shape of the first map and (layer, channels, k, stride, padding) of each step."""
    *sides, channels = shape
    sides = [-(-side // 4) * 4 for side in sides]
    steps = 0
    while steps < 4 and all(side % 2 == 0 and side > 2 for side in sides):
        sides, steps = [side // 2 for side in sides], steps + 1
    features = min(512, 64 * 2**steps)
    widths = [features // 2**step for step in range(1, steps)] + [channels]
    return (*sides, features), [(ConvTranspose, width, 4, 2, 1) for width in widths]


def _reference(shape):
    height, width, channels = shape
    if height == width == 28:
        one, two = (ConvTranspose, 256, 4, 1, 0), (ConvTranspose, 128, 4, 1, 0)
        return (7, 7, 512), [one, two, (ConvTranspose, channels, 4, 2, 0)]
    one, two = (ConvTranspose, 256, 4, 2, 1), (ConvTranspose, 128, 4, 2, 1)
    return (-(-height // 4), -(-width // 4), 512), [one, two, (Conv, channels, 3, 1, 1)]
