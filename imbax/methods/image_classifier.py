"""Image classifier that evaluates every over-sampler: a ResNet-18 with one recipe for all.

The recipe is stochastic gradient descent with Nesterov momentum, weight decay and a cosine decay of
the learning rate to zero. An epoch draws as many images as the imbalanced training set has, without
replacement, from the rows of a method. All methods therefore take the same number of steps, also
with larger training sets. The result is that of the last epoch; there is no validation.

The paper specifies only ResNet-18; the recipe is the common one for 32 x 32 images.
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

__all__ = [
    "AUGMENTATIONS",
    "Config",
    "Hparams",
    "State",
    "augmented",
    "epoch",
    "init",
    "optimizer",
    "predict",
]

AUGMENTATIONS = ("none", "crop", "crop_flip")


@dataclass(frozen=True)
class Config:
    """Static options."""

    shape: tuple[int, int, int]
    """Height, width and channels of an image."""
    classes: int
    """Number of classes K."""
    images: int
    """Number of images per epoch."""
    stem: str = "cifar"
    """Stem of the network; see `networks.resnet`."""
    width: int = 64
    """Number of channels of the first block."""
    batch_size: int = 128
    epochs: int = 30
    augment: str = "none"
    """Augmentation: "none"; "crop", a random crop after black padding by an eighth of the height;
    "crop_flip", also a horizontal flip with probability 1/2."""

    def __post_init__(self):
        one_of(self, augment=AUGMENTATIONS)


class Hparams(NamedTuple):
    """Traced hyperparameters."""

    learning_rate: float = 0.1
    """Initial learning rate."""
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
    """Initial network and optimizer state."""
    params, stats = _network(config).init(jax.random.fold_in(key, _INIT))
    opt_state = optimizer(config, hparams).init(params)
    return State(params, stats, opt_state, jnp.zeros((), jnp.int32))


def epoch(
    key: jax.Array,
    config: Config,
    hparams: Hparams,
    state: State,
    train: Rows,
    class_weight: jax.Array,
) -> tuple[State, jax.Array]:
    """Runs one epoch; returns the state and the mean loss.

    Parameters
    ----------
    key
        Random key of the run, the same for every epoch.
    config
        Static options.
    hparams
        Traced hyperparameters.
    state
        State from `init` or the previous epoch.
    train
        Flat images, `h w c` values in [-1, 1] after scaling; targets are classes.
    class_weight
        Class weights `[K]` of the losses.
    """
    check_rows(train, "image_classifier")
    network, sgd = _network(config), optimizer(config, hparams)
    key = jax.random.fold_in(jax.random.fold_in(key, _EPOCHS), state.epoch)
    key_order, key_augment = jax.random.split(key)

    def step(state, number, drawn):
        x = train.features(drawn.row)
        batch = image_batch(x, drawn.y, drawn.w, config.shape)
        x = augmented(jax.random.fold_in(key_augment, number), batch.x, config.augment)

        def objective(params):
            logits, stats = network.apply(params, state.stats, x, batch.w)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y)
            return weighted_mean(losses, batch.w * class_weight[batch.y]), stats

        (loss, stats), gradient = jax.value_and_grad(objective, has_aux=True)(state.params)
        updates, opt_state = sgd.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return state._replace(params=params, stats=stats, opt_state=opt_state), loss

    batches = shuffled_minibatches(key_order, train, config.batch_size, config.images)
    state, loss = each_batch(step, state, batches)
    return state._replace(epoch=state.epoch + 1), loss


def predict(config: Config, state: State, rows: Rows, block: int = 256) -> jax.Array:
    """Predicts the most probable class `[n]` of every row of a view, `block` at a time."""
    network = _network(config)

    def one(position):
        x = image_batch(*rows.take(position[None]), config.shape).x
        return network.apply(state.params, state.stats, x)[0][0].argmax()

    with jax.default_matmul_precision("float32"):
        return jax.lax.map(one, jnp.arange(len(rows.index)), batch_size=block)


def augmented(key: jax.Array, x: jax.Array, how: str) -> jax.Array:
    """Augments images `[n, h, w, c]` in [-1, 1] at random; `how` is `Config.augment`."""
    if how == "none":
        return x
    n, height, width, channels = x.shape
    key_crop, key_flip = jax.random.split(key)
    frame = max(1, height // 8)
    framed = jnp.pad(x, ((0, 0), (frame, frame), (frame, frame), (0, 0)), constant_values=-1)
    corner = jax.random.randint(key_crop, (n, 2), 0, 2 * frame + 1, jnp.int32)
    cut = lambda image, at: jax.lax.dynamic_slice(
        image, (at[0], at[1], jnp.int32(0)), (height, width, channels)
    )
    x = jax.vmap(cut)(framed, corner)
    if how == "crop_flip":
        flip = jax.random.bernoulli(key_flip, shape=(n, 1, 1, 1))
        x = jnp.where(flip, x[:, :, ::-1], x)
    return x


def optimizer(config: Config, hparams: Hparams) -> optax.GradientTransformation:
    """Optimizer of the recipe."""
    steps = config.epochs * -(-config.images // config.batch_size)
    rate = optax.cosine_decay_schedule(hparams.learning_rate, steps)
    return optax.chain(
        optax.add_decayed_weights(hparams.weight_decay),
        optax.sgd(rate, momentum=hparams.momentum, nesterov=True),
    )


# Random streams of a run.
_INIT, _EPOCHS = 0, 1


def _network(config):
    return resnet18(config.shape[2], config.classes, stem=config.stem, width=config.width)
