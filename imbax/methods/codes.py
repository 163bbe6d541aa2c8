"""Encoding and decoding of images by trained autoencoders, and the variance that they keep."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from imbax.losses.by_class import class_counts
from imbax.minibatches import each_batch, shuffled_minibatches
from imbax.networks.batch_norm import NormalizedNetwork, Stats
from imbax.types import Batch, Params, Rows

__all__ = [
    "Autoencoder",
    "Fitted",
    "between",
    "decoded",
    "encoded",
    "image_batch",
    "recalibrated",
    "reconstructed",
    "there_and_back",
    "variance_kept",
]


class Autoencoder(NamedTuple):
    """Networks of an autoencoder."""

    encoder: NormalizedNetwork
    decoder: NormalizedNetwork


class Fitted(NamedTuple):
    """Parameters and statistics of encoder and decoder, as pairs."""

    params: tuple[Params, Params]
    stats: tuple[Stats, Stats]


def image_batch(x: jax.Array, y: jax.Array, w: jax.Array, shape: tuple[int, ...]) -> Batch:
    """Reshapes flat rows `x [n, h w c]` to images `[n, h, w, c]`; rows of weight 0 become 0."""
    x = jnp.where(w[:, None] > 0, x, 0).reshape(-1, *shape)
    return Batch(x, y.astype(jnp.int32), w)


def there_and_back(
    nets: Autoencoder, fitted: Fitted, batch: Batch, *, detached: bool = False
) -> tuple[jax.Array, tuple[Stats, Stats]]:
    """Reconstructs images `[n, h, w, c]` in training mode and updates the batch statistics.

    Parameters
    ----------
    nets
        Networks.
    fitted
        Parameters and statistics of the networks.
    batch
        Images; those of weight 0 do not affect the statistics.
    detached
        Stop the gradient through the codes.
    """
    params, stats = fitted
    z, encoder_stats = nets.encoder.apply(params[0], stats[0], batch.x, batch.w)
    z = jax.lax.stop_gradient(z) if detached else z
    x, decoder_stats = nets.decoder.apply(params[1], stats[1], z, batch.w)
    return x, (encoder_stats, decoder_stats)


def recalibrated(
    nets: Autoencoder, fitted: Fitted, train: Rows, shape: tuple[int, ...], batch_size: int
) -> tuple[Stats, Stats]:
    """Recomputes the running statistics as means over mini-batches of all images."""
    from_zero = fitted._replace(stats=jax.tree.map(jnp.zeros_like, fitted.stats))

    def look(carry, number, drawn):
        batch = image_batch(train.features(drawn.row), drawn.y, drawn.w, shape)
        return carry, there_and_back(nets, from_zero, batch)[1]

    batches = shuffled_minibatches(jax.random.key(0), train, batch_size)
    _, mean = each_batch(look, (), batches)
    # From zero, one update takes a tenth of the statistics of a mini-batch.
    return jax.tree.map(lambda leaf: 10 * leaf, mean)


def encoded(nets: Autoencoder, fitted: Fitted, x: jax.Array, block: int = 100) -> jax.Array:
    """Encodes images `[n, h, w, c]` in [-1, 1] to codes `[n, latent]`, `block` at a time."""
    apply = lambda x: nets.encoder.apply(fitted.params[0], fitted.stats[0], x)[0]
    return jax.lax.map(lambda one: apply(one[None])[0], x, batch_size=block)


def decoded(nets: Autoencoder, fitted: Fitted, z: jax.Array, block: int = 100) -> jax.Array:
    """Decodes codes `[n, latent]` to images `[n, h, w, c]` in [-1, 1], `block` at a time."""
    apply = lambda z: nets.decoder.apply(fitted.params[1], fitted.stats[1], z)[0]
    return jax.lax.map(lambda one: apply(one[None])[0], z, batch_size=block)


def reconstructed(
    nets: Autoencoder, fitted: Fitted, x: jax.Array, shape: tuple[int, ...], block: int
) -> jax.Array:
    """Encodes and decodes flat rows `[n, h w c]` in [-1, 1], `block` at a time."""
    again = decoded(nets, fitted, encoded(nets, fitted, x.reshape(-1, *shape), block), block)
    return again.reshape(len(x), -1)


def between(
    nets: Autoencoder,
    fitted: Fitted,
    a: jax.Array,
    b: jax.Array,
    steps: int,
    shape: tuple[int, ...],
    block: int,
) -> jax.Array:
    """Decodes `steps` equally spaced codes from `a [n, h w c]` to `b` as `[n, steps, h w c]`."""
    a, b = (encoded(nets, fitted, x.reshape(-1, *shape), block)[:, None] for x in (a, b))
    z = a + jnp.linspace(0, 1, steps, dtype=a.dtype)[:, None] * (b - a)
    return decoded(nets, fitted, z.reshape(-1, z.shape[2]), block).reshape(len(a), steps, -1)


def variance_kept(images: Batch, reconstructed: jax.Array, classes: int) -> jax.Array:
    """Variance of each class's reconstructions divided by the variance of its images, `[K]`.

    Values near 0 mean that a class has collapsed to a single image. The result is NaN for classes
    with constant images.
    """
    rows = class_counts(images.y, images.w, classes)
    real = (images.w > 0)[:, None]

    def variance(x):
        x = jnp.where(real, x.reshape(len(x), -1), 0)
        zeros = jnp.zeros((classes, x.shape[1]), x.dtype)
        mean = zeros.at[images.y].add(x) / jnp.maximum(rows, 1)[:, None]
        return zeros.at[images.y].add(jnp.where(real, (x - mean[images.y]) ** 2, 0)).sum(1)

    total = variance(images.x)
    return jnp.where(total > 0, variance(reconstructed) / total, jnp.nan)
