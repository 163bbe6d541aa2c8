"""ResNet-18 for small images (He et al. 2016, arXiv:1512.03385, table 1).

There are two blocks of two 3 x 3 convolutions at each of four widths w, 2w, 4w and 8w. The first
block of each width except w halves the feature map. The shortcut is a 1 x 1 convolution where
shapes differ. The "cifar" stem is one 3 x 3 convolution; the "imagenet" stem is a 7 x 7 convolution
of stride 2 and 3 x 3 max pooling of stride 2, which reduces the cost to a tenth. The paper has
w = 64.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from imbax.networks.batch_norm import BatchNorm, NormalizedNetwork, functional
from imbax.networks.convolution import Conv
from imbax.networks.layers import Linear

__all__ = ["STEMS", "Block", "ResNet18", "Trunk", "resnet18", "trunk"]

STEMS = ("cifar", "imagenet")


class Block(nnx.Module):
    """Residual block `relu(x + f(x))`; f is two 3 x 3 convolutions with batch normalisation."""

    def __init__(self, channels: int, features: int, stride: int, *, rngs: nnx.Rngs):
        self.first = Conv(channels, features, 3, stride=stride, padding=1, bias=False, rngs=rngs)
        self.second = Conv(features, features, 3, padding=1, bias=False, rngs=rngs)
        self.norms = nnx.List(BatchNorm(features, rngs=rngs) for _ in range(2))
        same = stride == 1 and channels == features
        self.past = (
            None if same else Conv(channels, features, 1, stride=stride, bias=False, rngs=rngs)
        )
        self.past_norm = None if same else BatchNorm(features, rngs=rngs)

    def __call__(self, x: jax.Array, w: jax.Array | None) -> jax.Array:
        y = jax.nn.relu(self.norms[0](self.first(x), w))
        y = self.norms[1](self.second(y), w)
        return jax.nn.relu(y + (x if self.past is None else self.past_norm(self.past(x), w)))


class ResNet18(nnx.Module):
    """ResNet-18 `x [n, h, w, c] -> logits [n, classes]`."""

    def __init__(self, channels: int, classes: int, *, stem: str, width: int, rngs: nnx.Rngs):
        k, stride = (3, 1) if stem == "cifar" else (7, 2)
        self.pooled = stem != "cifar"
        self.stem = Conv(channels, width, k, stride=stride, padding=k // 2, bias=False, rngs=rngs)
        self.norm = BatchNorm(width, rngs=rngs)
        blocks, channels = [], width
        for level in range(4):
            features = width * 2**level
            blocks.append(Block(channels, features, 1 if level == 0 else 2, rngs=rngs))
            blocks.append(Block(features, features, 1, rngs=rngs))
            channels = features
        self.blocks = nnx.List(blocks)
        self.head = Linear(channels, classes, rngs=rngs)

    def __call__(self, x: jax.Array, w: jax.Array | None) -> jax.Array:
        x = jax.nn.relu(self.norm(self.stem(x), w))
        x = _largest(x) if self.pooled else x
        for block in self.blocks:
            x = block(x, w)
        return self.head(x.mean((1, 2)))


class Trunk(ResNet18):
    """ResNet-18 without its last layer: `x [n, h, w, c] -> features [n, 8 width]`."""

    def __init__(self, channels: int, *, stem: str, width: int, rngs: nnx.Rngs):
        super().__init__(channels, 1, stem=stem, width=width, rngs=rngs)
        del self.head

    def head(self, x: jax.Array) -> jax.Array:
        return x


def resnet18(
    channels: int, classes: int, *, stem: str = "cifar", width: int = 64
) -> NormalizedNetwork:
    """ResNet-18 for images with `channels` channels.

    Raises
    ------
    ValueError
        If `stem` is not one of `STEMS`.
    """
    if stem not in STEMS:
        raise ValueError(f"stem is one of {', '.join(STEMS)}; got {stem!r}")
    return functional(lambda rngs: ResNet18(channels, classes, stem=stem, width=width, rngs=rngs))


def trunk(channels: int, *, stem: str = "cifar", width: int = 64) -> NormalizedNetwork:
    """Layers of `resnet18` below the last one; its parameters are the same without "head"."""
    return functional(lambda rngs: Trunk(channels, stem=stem, width=width, rngs=rngs))


def _largest(x):
    """Max pooling with 3 x 3 windows and stride 2, as the maximum of nine shifted slices.

    Inputs are not negative, so padding with zeros does not change the maximum.
    """
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = ((size - 3) // 2 * 2 + 1 for size in x.shape[1:3])
    slices = [x[:, i : i + rows : 2, j : j + columns : 2] for i in range(3) for j in range(3)]
    return jnp.stack(slices).max(0)
