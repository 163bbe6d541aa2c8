"""Image kernels: a training step of DeepSMOTE's autoencoder and a training step of ResNet-18."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imbax.bench.operations import gradient, layers_of
from imbax.bench.sizes import Size
from imbax.engine.vectorize import Vectorized
from imbax.methods import deepsmote as ds
from imbax.methods import image_classifier as ic
from imbax.networks.batch_norm import NormalizedNetwork
from imbax.networks.resnet import resnet18
from imbax.types import Rows, Run, rows

__all__ = [
    "CLASSES",
    "deepsmote",
    "deepsmote_needs",
    "image_shape",
    "network_costs",
    "resnet",
    "resnet_needs",
    "training",
]

CLASSES = 10


def image_shape(size: Size) -> tuple[int, int, int]:
    """Height, width and number of channels, which is 1."""
    side = math.isqrt(size.features)
    return side, side, 1


def deepsmote(decoder: str, size: Size, strategy: str) -> tuple[Vectorized, tuple[Rows, Any]]:
    """Program and arguments of one epoch of DeepSMOTE; runs differ in their random key."""
    config, hparams = _config(decoder, size), ds.Hparams()
    return training(
        lambda images, key: ds.init(key, config, hparams),
        lambda key, state, images: ds.epoch(key, config, hparams, state, images),
        size,
        strategy,
    )


def resnet(size: Size, strategy: str) -> tuple[Vectorized, tuple[Rows, Any]]:
    """Program and arguments of one epoch of the image classifier; runs differ in their key."""
    shape, hparams = image_shape(size), ic.Hparams()
    config = ic.Config(shape, CLASSES, size.rows, width=size.width, batch_size=size.batch)
    weight = jnp.ones(CLASSES, jnp.float32)
    return training(
        lambda images, key: ic.init(key, config, hparams),
        lambda key, state, images: ic.epoch(key, config, hparams, state, images, weight),
        size,
        strategy,
    )


def deepsmote_needs(decoder: str, size: Size) -> tuple[int, int]:
    """Necessary floating-point operations of a step, and minimum bytes read and written.

    The operations are the gradient of a batch through both networks and, for a single-class batch,
    the forward pass of the encoder and the gradient of the decoder. Both batches are read; the
    parameters and Adam's two moments are read and written.
    """
    nets = ds.networks(_config(decoder, size))
    encoder, n_encoder = network_costs(
        nets.encoder, jnp.zeros((1, *image_shape(size)), jnp.float32)
    )
    layers, n_decoder = network_costs(nets.decoder, jnp.zeros((1, size.width), jnp.float32))
    batch_cost = gradient(encoder) + gradient(layers, of_input=True)
    class_batch_cost = sum(encoder) + gradient(layers)
    traffic = 2 * size.batch * size.features + 6 * (n_encoder + n_decoder)
    return 2 * size.batch * (batch_cost + class_batch_cost), 4 * traffic


def resnet_needs(size: Size) -> tuple[int, int]:
    """Necessary floating-point operations of a step, and minimum bytes read and written.

    The operations are the gradient of a batch. The batch is read; the parameters and their momentum
    are read and written.
    """
    network = resnet18(1, CLASSES, width=size.width)
    layers, n = network_costs(network, jnp.zeros((1, *image_shape(size)), jnp.float32))
    return 2 * size.batch * gradient(layers), 4 * (size.batch * size.features + 4 * n)


def training(
    init: Callable[[Rows, jax.Array], Any],
    epoch: Callable[[jax.Array, Any, Rows], Any],
    size: Size,
    strategy: str,
    y: np.ndarray | None = None,
) -> tuple[Vectorized, tuple[Rows, Any]]:
    """Program of one epoch on random images, and its arguments; runs differ in their key.

    Parameters
    ----------
    init
        Function `(images, key) -> state`.
    epoch
        Function `(key, state, images) -> result`.
    size
        Size of the training set.
    strategy
        Strategy of `Vectorized`.
    y
        Classes `[size.rows]`; None: as many images of every class, as far as possible.
    """
    x = np.random.default_rng(0).uniform(-1, 1, (size.rows, size.features)).astype(np.float32)
    y = np.arange(size.rows, dtype=np.int32) % CLASSES if y is None else y
    images = rows(jnp.asarray(x), jnp.asarray(y))
    vectorized = partial(Vectorized, strategy=strategy, devices=jax.devices()[: size.runs])
    keys = jax.random.split(jax.random.key(0), size.runs)
    # The state is already on the program's devices, so that a call copies nothing.
    state = vectorized(init)(images, keys)
    program = vectorized(lambda images, run: epoch(run.key, run.state, images))
    return program, (images, Run(key=keys, state=state))


def network_costs(network: NormalizedNetwork, row: jax.Array) -> tuple[list[int], int]:
    """Multiply-adds per row of each layer, and the number of parameters.

    `row` is a batch of one row. Products of parameters alone, which a batch computes once, do not
    count.
    """
    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    one, two = (
        layers_of(network.apply, params, stats, jnp.repeat(row, n, 0), None) for n in (1, 2)
    )
    layers = [b - a for a, b in zip(one, two, strict=True) if b > a]
    return layers, sum(p.size for p in jax.tree.leaves(params))


def _config(decoder, size):
    options = {"latent": size.width, "decoder": decoder, "batch_size": size.batch}
    return ds.Config(image_shape(size), CLASSES, **options)
