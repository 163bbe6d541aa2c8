"""Training of the image classifier's last layer on frozen features (decoupled training).

    z = W h(x) + b,    h(x) fixed

The features h are the inputs of the last layer of a trained network in evaluation mode, that is,
with running batch statistics and without augmentation. A new last layer is trained with the
classifier's recipe: same optimizer, learning rate, decay, and numbers of epochs and steps.
The other layers and the batch statistics do not change.

Source: Kang et al. 2020 (arXiv:1910.09217), section 4. The paper trains the last layer for fewer
epochs than the network, on features of augmented images.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.losses.per_example import weighted_mean
from imbax.methods import image_classifier
from imbax.methods.codes import image_batch
from imbax.methods.image_classifier import Config, Hparams, State
from imbax.minibatches import Minibatches, each_batch
from imbax.networks.resnet import trunk
from imbax.types import Params, Rows, check_rows, rows

__all__ = ["Head", "features", "fit", "head_of", "with_head"]


class Head(NamedTuple):
    """Last layer of a network."""

    weight: jax.Array
    """Weights W `[K, f]`."""
    bias: jax.Array
    """Biases b `[K]`."""


def features(state: State, train: Rows, config: Config, block: int = 256) -> Rows:
    """Returns a view of the features `[n, f]` of images, computed `block` images at a time."""
    check_rows(train, "frozen_features")
    network = trunk(config.shape[2], stem=config.stem, width=config.width)
    params = {name: leaf for name, leaf in state.params.items() if name != "head"}

    def one(position):
        x = image_batch(*train.take(position[None]), config.shape).x
        return network.apply(params, state.stats, x)[0][0]

    with jax.default_matmul_precision("float32"):
        h = jax.lax.map(one, jnp.arange(len(train.index)), batch_size=block)
    return rows(h, train.y.astype(jnp.int32), train.w)


def fit(
    key: jax.Array,
    state: State,
    frozen: Rows,
    minibatches: Callable[[jax.Array, Rows], Minibatches],
    *,
    config: Config,
    hparams: Hparams,
) -> State:
    """Trains a new last layer on frozen features; returns the classifier with this layer.

    Parameters
    ----------
    key
        Random key.
    state
        Trained classifier.
    frozen
        Features `[n, f]` and classes to train on.
    minibatches
        Draws the mini-batches of an epoch: `(key, rows) -> Minibatches`.
    config, hparams
        Options of the classifier.
    """
    key_start, key_order = jax.random.split(key)
    head = head_of(image_classifier.init(key_start, config, hparams).params)
    optimizer = image_classifier.optimizer(config, hparams)

    def step(carry, number, drawn):
        head, opt_state = carry
        h = frozen.features(drawn.row)

        def objective(head):
            logits = h @ head.weight.T + head.bias
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, drawn.y)
            return weighted_mean(losses, drawn.w)

        loss, gradient = jax.value_and_grad(objective)(head)
        updates, opt_state = optimizer.update(gradient, opt_state, head)
        return (optax.apply_updates(head, updates), opt_state), loss

    def epoch(carry, number):
        batches = minibatches(jax.random.fold_in(key_order, number), frozen)
        return each_batch(step, carry, batches)

    start = head, optimizer.init(head)
    (head, _), _ = jax.lax.scan(epoch, start, jnp.arange(config.epochs))
    return with_head(state, head)


def head_of(params: Params) -> Head:
    """Last layer of a network's parameters; see `networks.layers.Linear` for their layout."""
    kernel, bias = params["head"]["kernel"], params["head"]["bias"]
    return Head(kernel if _is_transposed(kernel, bias) else kernel.T, bias)


def with_head(state: State, head: Head) -> State:
    """Returns the classifier with another last layer."""
    layer = state.params["head"]
    is_transposed = _is_transposed(layer["kernel"], layer["bias"])
    kernel = head.weight if is_transposed else head.weight.T
    params = state.params | {"head": layer | {"kernel": kernel, "bias": head.bias}}
    return state._replace(params=params)


def _is_transposed(kernel, bias):
    """Whether a kernel is stored as `[K, f]`, which `Linear` does if K < f."""
    return kernel.size > len(bias) ** 2
