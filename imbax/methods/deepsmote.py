"""DeepSMOTE (`deepsmote`): SMOTE between the codes of an autoencoder that is trained to be decoded.

    min  mean ‖D(E(x)) - x‖² / d  +  λ mean ‖D(E(c_i)) - c_π(i)‖² / d
    x_synth = D(E(x_i) + u (E(x_j) - E(x_i))),    i, j of one class, u ~ U[0, 1)

In each step c is a batch of one class, drawn anew. Source: Dablain et al. 2021 (arXiv:2105.02340),
section III and Algorithm 1, and the public code, which differ in the second term, the penalty:

- "class_recon" (default), what the code computes: π is the identity, since it shifts codes and
  images alike; no gradient goes to the encoder, since codes pass through NumPy
  (`encoder_gradient`);
- "permuted", what the paper says: π is a cyclic shift. Each image of class k is then asked to look
  like all of its class, and the best D(E(x)) is (p_k x + μ_k / K) / (p_k + 1 / K), with p_k the
  class's share of the images: of a rare class little more than its mean μ_k remains;
- "none".

Classes are drawn uniformly, the majority included, or with probability ∝ 1 / n_k ("inverse"). A
class batch has the size of a batch, drawn with replacement (the code: without, and shorter for
small classes). Training stops once the training loss has not fallen by a thousandth within
`patience` epochs, and the best epoch by it is kept, as the code does.

Both networks see two batches a step, one of them of a single class, and so do the running
statistics of their normalisation. They are taken anew, over the training images, before anything
is encoded (`recalibrate`); without that they stay as the code leaves them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from imbax.losses import weighted_mean
from imbax.methods.class_smote import Synthetic, class_counts, class_smote
from imbax.networks.autoencoder import decoder, encoder
from imbax.networks.normalized import NormalizedNetwork, Stats
from imbax.training import random_order
from imbax.types import Batch, Params

__all__ = [
    "PENALTIES",
    "Autoencoder",
    "Config",
    "Fitted",
    "Hparams",
    "Info",
    "State",
    "class_batch",
    "decoded",
    "encoded",
    "fit",
    "init",
    "networks",
    "recalibrated",
    "sample",
    "step",
    "variance_kept",
]

PENALTIES = ("class_recon", "permuted", "none")


@dataclass(frozen=True)
class Config:
    """Choices fixed at compile time; the first value named is the default."""

    shape: Sequence[int]
    """Height, width and channels of an image."""
    classes: int
    """K."""
    latent: int = 300
    """Length of a code."""
    decoder: str = "mirrored"
    """"mirrored" or "reference", see `networks.autoencoder`."""
    penalty: str = "class_recon"
    """"class_recon", "permuted" or "none"."""
    encoder_gradient: bool = False
    """Whether the penalty moves the encoder too."""
    class_draw: str = "uniform"
    """How the class of a class batch is drawn: "uniform" or "inverse" to its size."""
    batch_size: int = 100
    """Images per step, and per class batch."""
    epochs: int = 200
    """At most."""
    patience: int = 10
    """Epochs without progress after which training stops."""
    recalibrate: bool = True
    """Take the statistics of the normalisation anew over the training images."""

    def __post_init__(self):
        choices = {"penalty": PENALTIES, "class_draw": ("uniform", "inverse")}
        for field, allowed in choices.items():
            if (given := getattr(self, field)) not in allowed:
                raise ValueError(f"{field} is one of {', '.join(allowed)}; got {given!r}")


class Hparams(NamedTuple):
    """Traced numbers; each may differ from run to run."""

    learning_rate: float = 2e-4
    """Adam's."""
    penalty_weight: float = 1.0
    """λ."""


class Autoencoder(NamedTuple):
    """Two networks."""

    encoder: NormalizedNetwork
    decoder: NormalizedNetwork


class Fitted(NamedTuple):
    """What encodes and decodes; each is a pair, the encoder's and the decoder's."""

    params: tuple[Params, Params]
    stats: tuple[Stats, Stats]


class State(NamedTuple):
    """What the next epoch needs."""

    now: Fitted
    opt_state: Any
    best: Fitted
    best_loss: jax.Array
    """Lowest mean training loss of an epoch."""
    stale: jax.Array
    """Epochs since it last fell by a thousandth."""
    epoch: jax.Array
    """Epochs done."""


class Info(NamedTuple):
    """The two terms of a step's loss."""

    reconstruction: jax.Array
    penalty: jax.Array
    """Not yet times λ."""


def networks(config: Config) -> Autoencoder:
    """Encoder and decoder of the configuration."""
    return Autoencoder(
        encoder(config.shape, config.latent),
        decoder(config.shape, config.latent, config.decoder),
    )


def fit(
    key: jax.Array, config: Config, hparams: Hparams, images: Batch
) -> tuple[Fitted, jax.Array]:
    """Train on images `x [n, h, w, c]` in [-1, 1] of classes `y [n]`; w 0 marks padding.

    Returns:
      The best epoch, its statistics taken anew if so configured, and each epoch's mean training
      loss `[epochs]`, NaN once training has stopped.
    """
    chex.assert_shape(images.x, (None, *config.shape), custom_message="images: x is not `shape`")
    chex.assert_equal_shape_prefix(list(images), 1, custom_message="images: x, y, w differ in rows")
    nets = networks(config)
    starting, training = jax.random.split(key)

    def running(carry):
        state, _ = carry
        return (state.epoch < config.epochs) & (state.stale < config.patience)

    def one_more(carry):
        state, losses = carry
        at = state.epoch
        state, loss = _epoch(jax.random.fold_in(training, at), nets, config, hparams, state, images)
        return state, losses.at[at].set(loss)

    with jax.default_matmul_precision("float32"):
        carry = init(starting, nets, hparams), jnp.full(config.epochs, jnp.nan)
        state, losses = jax.lax.while_loop(running, one_more, carry)
        best = state.best
        if config.recalibrate:
            best = best._replace(stats=recalibrated(nets, config, best, images))
    return best, losses


def init(key: jax.Array, nets: Autoencoder, hparams: Hparams) -> State:
    """Fresh networks and Adam's state."""
    pairs = [net.init(key) for net, key in zip(nets, jax.random.split(key), strict=True)]
    now = Fitted(*zip(*pairs, strict=True))
    opt_state = _optimizer(hparams).init(now.params)
    zero = jnp.zeros((), jnp.int32)
    return State(now, opt_state, now, jnp.array(jnp.inf), zero, zero)


def step(
    nets: Autoencoder,
    config: Config,
    hparams: Hparams,
    state: State,
    batch: Batch,
    of_class: Batch | None,
) -> tuple[State, Info]:
    """One step of Adam on a batch of images and one of a single class (None: no penalty)."""

    def objective(params):
        stats = state.now.stats
        x, stats = _there_and_back(nets, params, stats, batch)
        reconstruction, penalty = _error(x, batch.x, batch.w), jnp.zeros(())
        if of_class is not None:
            x, stats = _there_and_back(nets, params, stats, of_class, config.encoder_gradient)
            shift = 1 if config.penalty == "permuted" else 0
            penalty = _error(x, jnp.roll(of_class.x, -shift, 0), of_class.w)
        loss = reconstruction + hparams.penalty_weight * penalty
        return loss, (stats, Info(reconstruction, penalty))

    (_, (stats, info)), gradient = jax.value_and_grad(objective, has_aux=True)(state.now.params)
    updates, opt_state = _optimizer(hparams).update(gradient, state.opt_state)
    params = optax.apply_updates(state.now.params, updates)
    return state._replace(now=Fitted(params, stats), opt_state=opt_state), info


def class_batch(key: jax.Array, config: Config, images: Batch) -> Batch:
    """Images of one class, drawn with replacement, `batch_size` of them."""
    counts = class_counts(images.y, images.w, config.classes)
    chance = jnp.where(counts > 0, 1.0 if config.class_draw == "uniform" else 1 / counts, 0)
    choosing, drawing = jax.random.split(key)
    c = jax.random.categorical(choosing, jnp.log(chance))
    chosen = (images.y == c) & (images.w > 0)
    place = jax.random.randint(drawing, (config.batch_size,), 1, chosen.sum() + 1)
    return _take(images, jnp.searchsorted(jnp.cumsum(chosen), place))


def recalibrated(
    nets: Autoencoder, config: Config, fitted: Fitted, images: Batch
) -> tuple[Stats, Stats]:
    """Means over all batches of the images of the statistics by which each is normalised."""
    zeros = jax.tree.map(jnp.zeros_like, fitted.stats)

    def add(total, index):
        batch = _take(images, index)
        _, moved = _there_and_back(nets, fitted.params, zeros, batch)
        # From zero a tenth of the batch's own statistics is taken.
        rows = batch.w.sum()
        add = lambda t, m: t + jnp.where(rows > 0, 10 * rows * m, 0)  # noqa: E731
        return jax.tree.map(add, total, moved), rows

    order = random_order(jax.random.key(0), images.w)
    total, rows = jax.lax.scan(add, zeros, _in_batches(order, config.batch_size))
    return jax.tree.map(lambda leaf: leaf / rows.sum(), total)


def encoded(nets: Autoencoder, config: Config, fitted: Fitted, x: jax.Array) -> jax.Array:
    """Codes `[n, latent]` of images `[n, h, w, c]` in [-1, 1], block by block."""
    apply = lambda x: nets.encoder.apply(fitted.params[0], fitted.stats[0], x)[0]  # noqa: E731
    return jax.lax.map(lambda one: apply(one[None])[0], x, batch_size=config.batch_size)


def decoded(nets: Autoencoder, config: Config, fitted: Fitted, z: jax.Array) -> jax.Array:
    """Images `[n, h, w, c]` in [-1, 1] of codes `[n, latent]`, block by block."""
    apply = lambda z: nets.decoder.apply(fitted.params[1], fitted.stats[1], z)[0]  # noqa: E731
    return jax.lax.map(lambda one: apply(one[None])[0], z, batch_size=config.batch_size)


def sample(
    key: jax.Array,
    config: Config,
    fitted: Fitted,
    images: Batch,
    wanted: jax.Array,
    *,
    max_rows: int,
    max_synth: int,
    k_neighbors: int = 5,
) -> Synthetic:
    """New images: `class_smote` of codes, decoded.

    Args:
      key: random key.
      config: of the fit.
      fitted: what `fit` gave.
      images: those to start from, in [-1, 1].
      wanted: `[K]`: new images of each class.
      max_rows: static upper bound on the images of a class of which new ones are wanted.
      max_synth: static upper bound on the new images.
      k_neighbors: neighbours to draw from, >= 1.
    """
    nets = networks(config)
    sizes = {"max_rows": max_rows, "max_synth": max_synth, "k_neighbors": k_neighbors}
    with jax.default_matmul_precision("float32"):
        codes = encoded(nets, config, fitted, images.x)
        made = class_smote(key, codes, images.y, images.w, wanted, **sizes)
        return made._replace(x=decoded(nets, config, fitted, made.x))


def variance_kept(images: Batch, reconstructed: jax.Array, classes: int) -> jax.Array:
    """Of each class, the variance of its reconstructions over that of its images, `[K]`.

    Near 0 a class has collapsed to one picture. NaN where its images do not vary.
    """
    rows = class_counts(images.y, images.w, classes)
    real = (images.w > 0)[:, None]

    def variance(x):
        x = jnp.where(real, x.reshape(len(x), -1), 0)
        zeros = jnp.zeros((classes, x.shape[1]))
        mean = zeros.at[images.y].add(x) / jnp.maximum(rows, 1)[:, None]
        return zeros.at[images.y].add(jnp.where(real, (x - mean[images.y]) ** 2, 0)).sum(1)

    of_images = variance(images.x)
    return jnp.where(of_images > 0, variance(reconstructed) / of_images, jnp.nan)


def _epoch(key, nets, config, hparams, state, images):
    shuffling, drawing = jax.random.split(key)
    order = random_order(shuffling, images.w)

    def one_batch(carry, item):
        state, total = carry
        number, index = item
        batch = _take(images, index)
        of_class = None
        if config.penalty != "none":
            of_class = class_batch(jax.random.fold_in(drawing, number), config, images)
        after, info = step(nets, config, hparams, state, batch, of_class)
        loss, rows = info.reconstruction + hparams.penalty_weight * info.penalty, batch.w.sum()
        # A batch that is all padding must not even advance Adam's clock.
        after = jax.tree.map(lambda new, old: jnp.where(rows > 0, new, old), after, state)
        return (after, total + jnp.where(rows > 0, loss * rows, 0)), None

    batches = _in_batches(order, config.batch_size)
    numbered = jnp.arange(len(batches)), batches
    (state, total), _ = jax.lax.scan(one_batch, (state, jnp.zeros(())), numbered)
    loss = total / (images.w > 0).sum()
    better = loss < state.best_loss
    stale = jnp.where(loss < 0.999 * state.best_loss, 0, state.stale + 1)
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.now, state.best)
    lowest = jnp.minimum(loss, state.best_loss)
    return state._replace(best=best, best_loss=lowest, stale=stale, epoch=state.epoch + 1), loss


def _there_and_back(nets, params, stats, batch, encoder_gradient=True):
    """Reconstructions in training, and the statistics moved by both networks."""
    z, of_encoder = nets.encoder.apply(params[0], stats[0], batch.x, batch.w)
    z = z if encoder_gradient else jax.lax.stop_gradient(z)
    x, of_decoder = nets.decoder.apply(params[1], stats[1], z, batch.w)
    return x, (of_encoder, of_decoder)


def _error(x, target, w):
    """Mean squared difference over pixels and rows."""
    return weighted_mean(((x - target) ** 2).reshape(len(x), -1).mean(1), w)


def _take(images, index):
    """Rows `index [m]`; beyond the last one, padding, which is black."""
    row = jnp.minimum(index, len(images.w) - 1)
    w = jnp.where(index < len(images.w), images.w[row], 0)
    x = jnp.where((w > 0).reshape(-1, 1, 1, 1), images.x[row], 0)
    return Batch(x, images.y[row], w)


def _in_batches(order, size):
    """`[steps, size]`; what is missing in the last batch is no row."""
    n = len(order)
    return jnp.pad(order, (0, -n % size), constant_values=n).reshape(-1, size)


def _optimizer(hparams):
    return optax.adam(hparams.learning_rate)
