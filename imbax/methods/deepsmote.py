"""DeepSMOTE (`deepsmote`): SMOTE between the codes of an autoencoder.

    min  mean ‖D(E(x)) - x‖² / d  +  λ mean ‖D(E(c_i)) - c_π(i)‖² / d
    x_synth = D(E(x_i) + u (E(x_j) - E(x_i))),    i, j of one class, u ~ U[0, 1)

In each step, c is a random mini-batch of one class. Source: Dablain et al. 2021 (arXiv:2105.02340),
section III and Algorithm 1, and the public code, which differ in the second term, the penalty:

- "class_recon" (default), as in the code: π is the identity, because the code shifts codes and
  images in the same way. The encoder gets no gradient, because codes pass through NumPy
  (`encoder_gradient`).
- "permuted", as in the paper: π is a cyclic shift. Algorithm 1 descends the sum of both terms in
  all parameters, so the printed algorithm also has `encoder_gradient=True`. Each image of class k
  must then resemble all images of its class, and the optimal D(E(x)) is (p_k x + μ_k / K) / (p_k +
  1 / K), with p_k the share of the class. For a rare class, this is little more than its mean μ_k.
- "none": no penalty.

Classes, including the majority, are drawn uniformly or with probability ∝ 1 / n_k ("inverse"). A
class batch has the size of a mini-batch and is drawn with replacement (the code draws without
replacement, fewer images for small classes). Training stops once the training loss has not
decreased by a thousandth within `patience` epochs, and the epoch with the lowest training loss is
kept, as in the code.

In each step, both networks see two mini-batches, one of a single class, which biases the running
statistics of batch normalisation. `recalibrate` recomputes them on the training images before
anything is encoded; otherwise they are those of the code.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.errors import one_of
from imbax.losses.by_class import class_counts
from imbax.losses.per_example import weighted_mean
from imbax.methods.codes import (
    Autoencoder,
    Fitted,
    between,
    decoded,
    encoded,
    image_batch,
    recalibrated,
    reconstructed,
    there_and_back,
)
from imbax.methods.generator import Generator
from imbax.methods.sampling import Sizes, extended
from imbax.methods.smote import smote
from imbax.minibatches import each_batch, shuffled_minibatches
from imbax.networks.autoencoder import decoder, encoder
from imbax.types import Batch, Resampled, Rows, check_rows, rows

__all__ = [
    "PENALTIES",
    "Config",
    "Hparams",
    "Info",
    "State",
    "class_batch",
    "epoch",
    "finish",
    "fit",
    "generator",
    "init",
    "networks",
    "sample",
    "step",
]

PENALTIES = ("class_recon", "permuted", "none")

# Random streams of a run.
_INIT, _EPOCHS = 0, 1


@dataclass(frozen=True)
class Config:
    """Static options; the first value in a note is the default."""

    shape: tuple[int, ...]
    """Height, width and channels of an image, or (d,) for flat rows."""
    classes: int
    """Number of classes K."""
    latent: int = 300
    """Length of a code."""
    decoder: str = "mirrored"
    """Decoder, "mirrored" or "reference"; see `networks.autoencoder`."""
    penalty: str = "class_recon"
    """Penalty, "class_recon", "permuted" or "none"."""
    encoder_gradient: bool = False
    """Whether the gradient of the penalty includes the encoder."""
    class_draw: str = "uniform"
    """Probability of a class in a class batch, "uniform" or "inverse" to its size."""
    batch_size: int = 100
    """Images per step, and per class batch."""
    epochs: int = 200
    """Maximum number of epochs."""
    patience: int = 10
    """Number of epochs without progress after which training stops."""
    recalibrate: bool = True
    """Whether batch statistics are recomputed on the training images."""

    def __post_init__(self):
        one_of(self, penalty=PENALTIES, class_draw=("uniform", "inverse"))


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    learning_rate: float = 2e-4
    """Adam's learning rate."""
    penalty_weight: float = 1.0
    """Weight λ of the penalty."""


class State(NamedTuple):
    """Training state."""

    now: Fitted
    opt_state: Any
    best: Fitted
    best_loss: jax.Array
    """Lowest mean training loss of an epoch."""
    stale: jax.Array
    """Number of epochs since the loss last decreased by a thousandth."""
    epoch: jax.Array
    """Number of epochs done."""


class Info(NamedTuple):
    """Loss of a step and its two terms."""

    loss: jax.Array
    reconstruction: jax.Array
    penalty: jax.Array
    """Penalty without the factor λ."""


def networks(config: Config) -> Autoencoder:
    """Encoder and decoder of a configuration."""
    return Autoencoder(
        encoder(config.shape, config.latent),
        decoder(config.shape, config.latent, config.decoder),
    )


def fit(key: jax.Array, config: Config, hparams: Hparams, train: Rows) -> tuple[Fitted, jax.Array]:
    """Trains on the images of the view, flat rows of `h w c` values in [-1, 1] after scaling.

    Returns
    -------
    tuple[Fitted, jax.Array]
        The networks of the best epoch, see `finish`, and the mean training loss of each epoch
        `[epochs]`, NaN once training has stopped.
    """
    check_rows(train, "deepsmote")
    one_more = lambda state, _: epoch(key, config, hparams, state, train)
    state, losses = jax.lax.scan(one_more, init(key, config, hparams), length=config.epochs)
    return finish(config, state, train), losses


def generator(config: Config, hparams: Hparams) -> Generator:
    """Returns the method as a `Generator`, which the engine trains in pieces."""
    nets, shape = networks(config), (config.shape, config.batch_size)
    return Generator(
        epochs=config.epochs,
        init=lambda key, train: init(key, config, hparams),
        epoch=lambda key, state, train: epoch(key, config, hparams, state, train),
        finish=lambda state, train: finish(config, state, train),
        sample=partial(sample, config=config),
        reconstruct=lambda fitted, x: reconstructed(nets, fitted, x, *shape),
        strip=lambda fitted, a, b, steps: between(nets, fitted, a, b, steps, *shape),
    )


def init(key: jax.Array, config: Config, hparams: Hparams) -> State:
    """Initial networks and state of Adam."""
    keys = jax.random.split(jax.random.fold_in(key, _INIT))
    pairs = [net.init(key) for net, key in zip(networks(config), keys, strict=True)]
    now = Fitted(*zip(*pairs, strict=True))
    opt_state = _optimizer(hparams).init(now.params)
    zero = jnp.zeros((), jnp.int32)
    return State(now, opt_state, now, jnp.float32(jnp.inf), zero, zero)


def step(
    key: jax.Array | None,
    state: State,
    batch: Batch,
    of_class: Batch | None,
    *,
    nets: Autoencoder,
    config: Config,
    hparams: Hparams,
) -> tuple[State, Info]:
    """Takes one step of Adam on a mini-batch and a batch of one class (None: no penalty).

    `key` is not used, since the step draws nothing.
    """

    def objective(params):
        now = Fitted(params, state.now.stats)
        x, stats = there_and_back(nets, now, batch)
        reconstruction, penalty = _error(x, batch.x, batch.w), jnp.float32(0)
        if of_class is not None:
            now = Fitted(params, stats)
            x, stats = there_and_back(nets, now, of_class, detached=not config.encoder_gradient)
            shift = 1 if config.penalty == "permuted" else 0
            penalty = _error(x, jnp.roll(of_class.x, -shift, 0), of_class.w)
        loss = reconstruction + hparams.penalty_weight * penalty
        return loss, (stats, Info(loss, reconstruction, penalty))

    gradient, (stats, info) = jax.grad(objective, has_aux=True)(state.now.params)
    updates, opt_state = _optimizer(hparams).update(gradient, state.opt_state)
    params = optax.apply_updates(state.now.params, updates)
    return state._replace(now=Fitted(params, stats), opt_state=opt_state), info


def class_batch(key: jax.Array, config: Config, train: Rows) -> Batch:
    """Draws `batch_size` images of one random class with replacement."""
    y = train.y.astype(jnp.int32)
    counts = class_counts(y, train.w, config.classes)
    chance = jnp.where(counts > 0, 1.0 if config.class_draw == "uniform" else 1 / counts, 0)
    key_class, key_rows = jax.random.split(key)
    c = jax.random.categorical(key_class, jnp.log(chance.astype(jnp.float32)))
    chosen = (y == c) & (train.w > 0)
    place = jax.random.randint(key_rows, (config.batch_size,), 1, chosen.sum() + 1, jnp.int32)
    drawn = train.take(jnp.searchsorted(jnp.cumsum(chosen), place))
    return image_batch(*drawn, config.shape)


def sample(
    key: jax.Array,
    fitted: Fitted,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    config: Config,
    k_neighbors: int = 5,
) -> Resampled:
    """Adds synthetic images, flat rows in [-1, 1], to the view: SMOTE of codes, decoded.

    Parameters
    ----------
    key
        Random key.
    fitted
        Result of `fit`.
    train
        Training rows to start from, as in `fit`.
    wanted
        Number of new images of each class `[K]`; 0 for a class without images.
    sizes
        Static bounds on numbers of rows.
    config
        Configuration of the fit.
    k_neighbors
        Number of neighbours to draw from, >= 1.
    """
    nets, images = networks(config), image_batch(*train.all(), config.shape)
    with jax.default_matmul_precision("float32"):
        codes = rows(encoded(nets, fitted, images.x, config.batch_size), images.y, images.w)
        made = smote(key, codes, wanted, sizes, k_neighbors=k_neighbors)
        x = decoded(nets, fitted, made.x, config.batch_size).reshape(sizes.max_synth, -1)
    return extended(train, made._replace(x=x))


def epoch(
    key: jax.Array, config: Config, hparams: Hparams, state: State, train: Rows
) -> tuple[State, jax.Array]:
    """Runs one epoch unless training has stopped; returns its mean loss or NaN.

    `key` is the key of the run, the same for every epoch.
    """
    nets = networks(config)
    key = jax.random.fold_in(jax.random.fold_in(key, _EPOCHS), state.epoch)
    more = lambda state: _pass(key, nets, config, hparams, state, train)
    running = (state.epoch < config.epochs) & (state.stale < config.patience)
    with jax.default_matmul_precision("float32"):
        return jax.lax.cond(running, more, lambda state: (state, jnp.float32(jnp.nan)), state)


def finish(config: Config, state: State, train: Rows) -> Fitted:
    """Returns the networks of the best epoch, with recomputed statistics if so configured."""
    if not config.recalibrate:
        return state.best
    with jax.default_matmul_precision("float32"):
        stats = recalibrated(networks(config), state.best, train, config.shape, config.batch_size)
    return state.best._replace(stats=stats)


def _pass(key, nets, config, hparams, state, train):
    key_order, key_classes = jax.random.split(key)

    def one_batch(state, number, drawn):
        batch = image_batch(train.features(drawn.row), drawn.y, drawn.w, config.shape)
        same_class = None
        if config.penalty != "none":
            same_class = class_batch(jax.random.fold_in(key_classes, number), config, train)
        return step(None, state, batch, same_class, nets=nets, config=config, hparams=hparams)

    batches = shuffled_minibatches(key_order, train, config.batch_size)
    state, info = each_batch(one_batch, state, batches)
    better = info.loss < state.best_loss
    stale = jnp.where(info.loss < 0.999 * state.best_loss, 0, state.stale + 1)
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.now, state.best)
    lowest = jnp.minimum(info.loss, state.best_loss)
    state = state._replace(best=best, best_loss=lowest, stale=stale, epoch=state.epoch + 1)
    return state, info.loss


def _error(x, target, w):
    """Mean squared error over pixels and rows."""
    return weighted_mean(((x - target) ** 2).reshape(len(x), -1).mean(1), w)


def _optimizer(hparams):
    return optax.adam(hparams.learning_rate)
