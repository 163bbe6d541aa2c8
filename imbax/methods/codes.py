"""Images to codes and back, by a trained pair of networks, and what is lost on the way."""

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
    """Two networks."""

    encoder: NormalizedNetwork
    decoder: NormalizedNetwork


class Fitted(NamedTuple):
    """What encodes and decodes; each is a pair, the encoder's and the decoder's."""

    params: tuple[Params, Params]
    stats: tuple[Stats, Stats]


def image_batch(x: jax.Array, y: jax.Array, w: jax.Array, shape: tuple[int, ...]) -> Batch:
    """Flat rows `x [n, h w c]` as images `[n, h, w, c]`; those of weight 0 are black."""
    x = jnp.where(w[:, None] > 0, x, 0).reshape(-1, *shape)
    return Batch(x, y.astype(jnp.int32), w)


def there_and_back(
    nets: Autoencoder, fitted: Fitted, batch: Batch, *, detached: bool = False
) -> tuple[jax.Array, tuple[Stats, Stats]]:
    """Reconstructions in training `[n, h, w, c]`, and the statistics moved by both networks.

    Parameters
    ----------
    nets
        The networks.
    fitted
        Their parameters and statistics.
    batch
        Images; those of weight 0 move no statistics.
    detached
        Take no gradient through the codes.
    """
    params, stats = fitted
    z, of_encoder = nets.encoder.apply(params[0], stats[0], batch.x, batch.w)
    z = jax.lax.stop_gradient(z) if detached else z
    x, of_decoder = nets.decoder.apply(params[1], stats[1], z, batch.w)
    return x, (of_encoder, of_decoder)


def recalibrated(
    nets: Autoencoder, fitted: Fitted, train: Rows, shape: tuple[int, ...], batch_size: int
) -> tuple[Stats, Stats]:
    """Means over batches of all images of the statistics by which each batch is normalised."""
    from_zero = fitted._replace(stats=jax.tree.map(jnp.zeros_like, fitted.stats))

    def look(carry, number, drawn):
        batch = image_batch(train.features(drawn.row), drawn.y, drawn.w, shape)
        return carry, there_and_back(nets, from_zero, batch)[1]

    batches = shuffled_minibatches(jax.random.key(0), train, batch_size)
    _, mean = each_batch(look, (), batches)
    # From zero a tenth of a batch's own statistics is taken.
    return jax.tree.map(lambda leaf: 10 * leaf, mean)


def encoded(nets: Autoencoder, fitted: Fitted, x: jax.Array, block: int = 100) -> jax.Array:
    """Codes `[n, latent]` of images `[n, h, w, c]` in [-1, 1], so many at a time."""
    apply = lambda x: nets.encoder.apply(fitted.params[0], fitted.stats[0], x)[0]
    return jax.lax.map(lambda one: apply(one[None])[0], x, batch_size=block)


def decoded(nets: Autoencoder, fitted: Fitted, z: jax.Array, block: int = 100) -> jax.Array:
    """Images `[n, h, w, c]` in [-1, 1] of codes `[n, latent]`, so many at a time."""
    apply = lambda z: nets.decoder.apply(fitted.params[1], fitted.stats[1], z)[0]
    return jax.lax.map(lambda one: apply(one[None])[0], z, batch_size=block)


def reconstructed(
    nets: Autoencoder, fitted: Fitted, x: jax.Array, shape: tuple[int, ...], block: int
) -> jax.Array:
    """Flat rows `[n, h w c]` in [-1, 1] to codes and back, so many at a time."""
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
    """Flat rows `[n, steps, h w c]` on the way from `a [n, h w c]` to b in codes."""
    a, b = (encoded(nets, fitted, x.reshape(-1, *shape), block)[:, None] for x in (a, b))
    z = a + jnp.linspace(0, 1, steps, dtype=a.dtype)[:, None] * (b - a)
    return decoded(nets, fitted, z.reshape(-1, z.shape[2]), block).reshape(len(a), steps, -1)


def variance_kept(images: Batch, reconstructed: jax.Array, classes: int) -> jax.Array:
    """Of each class, the variance of its reconstructions over that of its images, `[K]`.

    Near 0 a class has collapsed to one picture. NaN where its images do not vary.
    """
    rows = class_counts(images.y, images.w, classes)
    real = (images.w > 0)[:, None]

    def variance(x):
        x = jnp.where(real, x.reshape(len(x), -1), 0)
        zeros = jnp.zeros((classes, x.shape[1]), x.dtype)
        mean = zeros.at[images.y].add(x) / jnp.maximum(rows, 1)[:, None]
        return zeros.at[images.y].add(jnp.where(real, (x - mean[images.y]) ** 2, 0)).sum(1)

    of_images = variance(images.x)
    return jnp.where(of_images > 0, variance(reconstructed) / of_images, jnp.nan)
