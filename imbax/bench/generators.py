"""Kernels of the rival generators: a step of BAGAN's GAN and a step of GAMO."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imbax.bench.images import CLASSES, image_shape, network_costs, training
from imbax.bench.operations import gradient, layers_of
from imbax.bench.sizes import Size
from imbax.engine.vectorize import Vectorized
from imbax.methods import bagan as bg
from imbax.methods import gamo as gm
from imbax.types import Rows

__all__ = ["bagan", "bagan_needs", "gamo", "gamo_needs", "generated"]


def bagan(size: Size, strategy: str) -> tuple[Vectorized, tuple[Rows, Any]]:
    """Program and arguments of one epoch of BAGAN's second stage; runs differ in their key.

    The networks are untrained, and every class has standard normal codes.
    """
    config, hparams = _bagan_config(size), bg.Hparams()

    def init(_, key):
        state = bg.init(key, config, hparams)
        root = jnp.broadcast_to(jnp.eye(size.width), state.now.root.shape)
        return state._replace(now=state.now._replace(root=root), epoch=jnp.int32(1))

    epoch = lambda key, state, images: bg.epoch(key, config, hparams, state, images)
    return training(init, epoch, size, strategy)


def bagan_needs(size: Size) -> tuple[int, int]:
    """Necessary floating-point operations of a step, and minimum bytes read and written.

    Let b be the size of a batch and f the number of its synthetic images. The operations are f
    images of the generator and the gradient of the discriminator on b + f images; then, on b + f
    new images, the generator, the discriminator, its gradient with respect to the images, and the
    generator's gradient. Doubling and the convolution after it count as the one 3 x 3 convolution
    to which they are equal. The batch is read; the parameters of both networks and Adam's two
    moments are read and written.
    """
    config = _bagan_config(size)
    nets = bg.networks(config)
    judge, n_judge = network_costs(nets.discriminator, _zeros(*config.shape))
    layers, n_layers = network_costs(nets.generator, _zeros(size.width))
    seen = size.batch + config.fakes
    first = config.fakes * sum(layers) + seen * gradient(judge)
    second = seen * (2 * sum(judge) + gradient(layers))
    traffic = size.batch * size.features + 6 * (n_judge + n_layers)
    return 2 * (first + second), 4 * traffic


def gamo(size: Size, strategy: str) -> tuple[Vectorized, tuple[Rows, Any]]:
    """Program and arguments of one epoch of GAMO on flat images; runs differ in their key.

    The largest class has 100 times as many rows as the smallest.
    """
    config, hparams = _gamo_config(size), gm.Hparams()
    return training(
        lambda images, key: gm.init(key, config, hparams, images),
        lambda key, state, images: gm.epoch(key, config, hparams, state, images),
        size,
        strategy,
        np.repeat(np.arange(CLASSES, dtype=np.int32), _class_counts(size.rows)),
    )


def gamo_needs(size: Size) -> tuple[int, int]:
    """Necessary floating-point operations of a step, and minimum bytes read and written.

    The operations are the gradient of the generator, with a linear layer to the rows of each class
    that is generated and the convex combination of these rows; the gradients of classifier and
    discriminator on the batch and the synthetic rows; and both with their gradient with respect to
    the synthetic rows. The batch and the combined rows are read; the parameters and Adam's two
    moments are read and written.
    """
    config, counts = _gamo_config(size), generated(size)
    nets, each = gm.networks(config), -(-size.batch // CLASSES)
    n_synth, n_combined = each * len(counts), sum(counts.values())
    trunk, n_params = network_costs(nets.trunk, _zeros(CLASSES + config.noise))
    n_features = jax.eval_shape(nets.heads.init, jax.random.key(0))["kernel"].shape[1]
    n_params += n_combined * (n_features + 1)
    operations = n_synth * gradient(trunk)
    operations += each * n_combined * (3 * n_features + 2 * size.features)
    for network, columns in (nets.classifier, 0), (nets.discriminator, CLASSES):
        params = jax.eval_shape(network.init, jax.random.key(0))
        layers = layers_of(network.apply, params, _zeros(columns + size.features))
        operations += (size.batch + n_synth) * gradient(layers) + n_synth * 2 * sum(layers)
        n_params += sum(leaf.size for leaf in jax.tree.leaves(params))
    traffic = (size.batch + n_combined) * size.features + 6 * n_params
    return 2 * operations, 4 * traffic


def generated(size: Size) -> dict[int, int]:
    """Classes that GAMO generates, all but the largest, with their numbers of rows."""
    counts = _class_counts(size.rows)
    return {c: int(n) for c, n in enumerate(counts) if 0 < n < max(counts)}


def _class_counts(n):
    """Geometrically decreasing numbers of rows `[CLASSES]`, 100:1, with sum n."""
    share = np.geomspace(100, 1, CLASSES)
    return np.diff(np.round(n * np.cumsum(share) / share.sum()).astype(int), prepend=0)


def _gamo_config(size):
    most = max(generated(size).values())
    return gm.Config(size.features, CLASSES, max_rows=most, batch_size=size.batch)


def _bagan_config(size):
    options = {"latent": size.width, "autoencoder_epochs": 1, "batch_size": size.batch}
    return bg.Config(image_shape(size), CLASSES, **options)


def _zeros(*shape):
    return jnp.zeros((1, *shape), jnp.float32)
