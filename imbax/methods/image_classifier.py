"""The classifier of images that judges every over-sampler: a ResNet-18 and one recipe for all.

Stochastic gradient descent with Nesterov's momentum, weight decay and a learning rate that falls to
zero along half a cosine. An epoch takes as many images as the imbalanced training set has, without
replacement, from whatever rows a method gives: all methods take the same number of steps, and a
larger training set is not a longer training. The last epoch is the result; there is no validation.

The paper names ResNet-18 and no more; the recipe is the common one for images of 32 x 32.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.errors import one_of
from imbax.losses.per_example import weighted_mean
from imbax.methods.codes import image_batch
from imbax.minibatches import each_batch, shuffled_minibatches
from imbax.networks.batch_norm import Stats
from imbax.networks.resnet import resnet18
from imbax.types import Params, Rows, check_rows

__all__ = ["AUGMENTATIONS", "Config", "Hparams", "State", "augmented", "epoch", "init", "predict"]

AUGMENTATIONS = ("none", "crop", "crop_flip")


@dataclass(frozen=True)
class Config:
    """Static options."""

    shape: tuple[int, int, int]
    """Height, width and channels of an image."""
    classes: int
    """Number of classes K."""
    images: int
    """Per epoch."""
    stem: str = "cifar"
    """See `networks.resnet`."""
    width: int = 64
    """Channels of the first block."""
    batch_size: int = 128
    epochs: int = 30
    augment: str = "none"
    """"none"; "crop": a random part of the image with a black frame of an eighth of its height;
    "crop_flip": also mirrored half of the time."""

    def __post_init__(self):
        one_of(self, augment=AUGMENTATIONS)


class Hparams(NamedTuple):
    """Traced numbers."""

    learning_rate: float = 0.1
    """At first."""
    momentum: float = 0.9
    weight_decay: float = 5e-4


class State(NamedTuple):
    """Training state."""

    params: Params
    stats: Stats
    opt_state: Any
    epoch: jax.Array
    """Number of epochs done."""


def init(key: jax.Array, config: Config, hparams: Hparams) -> State:
    """A fresh network."""
    params, stats = _network(config).init(jax.random.fold_in(key, _INIT))
    opt_state = _optimizer(config, hparams).init(params)
    return State(params, stats, opt_state, jnp.zeros((), jnp.int32))


def epoch(
    key: jax.Array,
    config: Config,
    hparams: Hparams,
    state: State,
    train: Rows,
    class_weight: jax.Array,
) -> tuple[State, jax.Array]:
    """One more epoch, and its mean loss.

    Parameters
    ----------
    key
        The run's, the same for every epoch.
    config
        Static options.
    hparams
        Traced hyperparameters.
    state
        From `init` or the epoch before.
    train
        Flat images, `h w c` values in [-1, 1] once scaled; targets are classes.
    class_weight
        `[K]`: by which an image's loss counts.
    """
    check_rows(train, "image_classifier")
    network, optimizer = _network(config), _optimizer(config, hparams)
    key = jax.random.fold_in(jax.random.fold_in(key, _EPOCHS), state.epoch)
    ordering, augmenting = jax.random.split(key)

    def step(state, number, drawn):
        x = train.features(drawn.row)
        batch = image_batch(x, drawn.y, drawn.w, config.shape)
        x = augmented(jax.random.fold_in(augmenting, number), batch.x, config.augment)

        def objective(params):
            logits, stats = network.apply(params, state.stats, x, batch.w)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y)
            return weighted_mean(losses, batch.w * class_weight[batch.y]), stats

        (loss, stats), gradient = jax.value_and_grad(objective, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return state._replace(params=params, stats=stats, opt_state=opt_state), loss

    batches = shuffled_minibatches(ordering, train, config.batch_size, config.images)
    state, loss = each_batch(step, state, batches)
    return state._replace(epoch=state.epoch + 1), loss


def predict(config: Config, state: State, rows: Rows, block: int = 256) -> jax.Array:
    """The most probable class of every row of a view, `[n]`, so many at a time."""
    network = _network(config)

    def one(position):
        x = image_batch(*rows.take(position[None]), config.shape).x
        return network.apply(state.params, state.stats, x)[0][0].argmax()

    with jax.default_matmul_precision("float32"):
        return jax.lax.map(one, jnp.arange(len(rows.index)), batch_size=block)


def augmented(key: jax.Array, x: jax.Array, how: str) -> jax.Array:
    """Images `[n, h, w, c]` in [-1, 1], each changed at random as `Config.augment` says."""
    if how == "none":
        return x
    n, height, width, channels = x.shape
    cutting, flipping = jax.random.split(key)
    frame = max(1, height // 8)
    framed = jnp.pad(x, ((0, 0), (frame, frame), (frame, frame), (0, 0)), constant_values=-1)
    corner = jax.random.randint(cutting, (n, 2), 0, 2 * frame + 1, jnp.int32)
    cut = lambda image, at: jax.lax.dynamic_slice(
        image, (at[0], at[1], jnp.int32(0)), (height, width, channels)
    )
    x = jax.vmap(cut)(framed, corner)
    if how == "crop_flip":
        flip = jax.random.bernoulli(flipping, shape=(n, 1, 1, 1))
        x = jnp.where(flip, x[:, :, ::-1], x)
    return x


# Random streams of a run.
_INIT, _EPOCHS = 0, 1


def _network(config):
    return resnet18(config.shape[2], config.classes, stem=config.stem, width=config.width)


def _optimizer(config, hparams):
    steps = config.epochs * -(-config.images // config.batch_size)
    rate = optax.cosine_decay_schedule(hparams.learning_rate, steps)
    return optax.chain(
        optax.add_decayed_weights(hparams.weight_decay),
        optax.sgd(rate, momentum=hparams.momentum, nesterov=True),
    )
