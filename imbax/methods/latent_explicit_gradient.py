"""Latent Explicit Gradient (`latent_explicit_gradient`): DeepSMOTE's codes moved, then decoded.

    z_synth starts as E(x_i) + u (E(x_j) - E(x_i))                 (DeepSMOTE)
    θ'       = θ - η₁ ∇_θ L(Z₁ ∪ Z_synth | θ)                      (Explicit Gradient, step 1)
    Z_synth <- Z_synth - η₂ ∇_{Z_synth} L(Z₂ | θ')                 (Explicit Gradient, step 2)
    x_synth  = D(z_synth)

θ is a multilayer perceptron of codes. No paper has this. It joins Dablain et al. 2021
(arXiv:2105.02340) and Yasinnik et al. 2022 (arXiv:2202.10550): the autoencoder is that of
`deepsmote`, θ₀ the best checkpoint of `supervised`, the steps are those of `explicit_gradient`.
What neither paper says:

- Points start at DeepSMOTE's draws, since the code of a copy decodes to a mere reconstruction.
  η₂ = 0 (`frozen`) gives DeepSMOTE's own images of the same key: only the movement is missing.
- Z₂ is a random third of each class, held out of Z₁ and θ₀, since images have no validation part.
  The draws are between all training images.
- The outer loss counts classes alike, as the score of the image suites does.
- Codes are scaled to standard deviation 1, and points stay in the box of the training images'
  codes: beyond it the decoder has seen nothing.
- An epoch takes every point once, so that the classes of a step are those of the balanced set.
- The points of the last epoch are taken, since they are wanted and not θ.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from imbax import training
from imbax.methods import deepsmote as ds
from imbax.methods import explicit_gradient as eg
from imbax.methods import supervised as sv
from imbax.methods.codes import decoded, encoded, image_batch
from imbax.methods.generator import Generator
from imbax.methods.points import bounding_box
from imbax.methods.sampling import Made, Sizes, by_class, extended
from imbax.methods.smote import smote
from imbax.minibatches import random_order
from imbax.networks.mlp import mlp
from imbax.types import Batch, Problem, Resampled, Rows, rows

__all__ = ["Config", "Hparams", "generator", "held_out_third", "moved", "sample"]


class Config(NamedTuple):
    """Static options."""

    classes: int
    """Number of classes K."""
    frozen: bool = False
    """Leave the points where they start: η₂ = 0."""
    epochs: int = 100
    """Of θ₀, and again of the points."""
    batch_size: int = 128
    """Training codes per step."""
    outer_batch_size: int = 1024
    """Held-out codes per step."""


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    eta1: float = 1e-2
    """Inner step size η₁."""
    eta2: float = 25.0
    """η₂ over the number of rows in a full step, of which the inner loss is the mean: so a point
    moves as far whatever their number."""


def generator(config: ds.Config, hparams: ds.Hparams, *, frozen: bool = False) -> Generator:
    """DeepSMOTE's generator, which moves its codes before they are decoded.

    Parameters
    ----------
    config
        DeepSMOTE's static choices.
    hparams
        DeepSMOTE's traced numbers.
    frozen
        Leave the codes where they start.
    """
    moving = partial(sample, config=config, frozen=frozen)
    return ds.generator(config, hparams)._replace(sample=moving)


def sample(
    key: jax.Array,
    fitted: ds.Fitted,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    config: ds.Config,
    frozen: bool = False,
) -> Resampled:
    """Adds DeepSMOTE's images to the view, decoded after their codes have moved.

    Parameters
    ----------
    key
        Random key; with the same one `deepsmote.sample` gives what the points start as.
    fitted
        DeepSMOTE's autoencoder.
    train
        The imbalanced view of flat images.
    wanted
        Number of new images of each class `[K]`; 0 for a class without images.
    sizes
        Static bounds on numbers of rows.
    config
        Configuration of the fit.
    frozen
        Leave the codes where they start.
    """
    nets, images = ds.networks(config), image_batch(*train.all(), config.shape)
    with jax.default_matmul_precision("float32"):
        codes = images._replace(x=encoded(nets, fitted, images.x))
        made = smote(key, rows(*codes), wanted, sizes)
        key_move = jax.random.fold_in(key, sizes.max_synth)  # smaller numbers are SMOTE's draws
        z = moved(key_move, Config(config.classes, frozen), Hparams(), codes, made)
        x = decoded(nets, fitted, z).reshape(sizes.max_synth, -1)
    return extended(train, made._replace(x=x))


def moved(
    key: jax.Array, config: Config, hparams: Hparams, codes: Batch, starts: Made
) -> jax.Array:
    """Where the points end, `[m, latent]`.

    Parameters
    ----------
    key
        Random key.
    config
        Static options.
    hparams
        Traced hyperparameters.
    codes
        Of the training images, `[n, latent]`.
    starts
        Codes that points start as, `[m, latent]`.
    """
    key_split, key_theta, key_points = jax.random.split(key, 3)
    held_out = held_out_third(key_split, codes.y, codes.w, config.classes)
    every, deviation = _scaled(codes)
    w = codes.w
    problem = Problem(every._replace(w=w * (1 - held_out)), every._replace(w=w * held_out))

    network, epochs = mlp(codes.x.shape[1], classes=config.classes), config.epochs
    learner = sv.program(network, batch_size=config.batch_size)
    first, _ = training.train(learner, key_theta, problem, sv.Hparams(), epochs)

    n, m = len(codes.y), len(starts.y)
    of_step = -(-m // -(-2 * n // (3 * config.batch_size)))  # points, over about 2 n / 3 rows
    settings = eg.Config(
        max_minority=n,
        max_synth=m,
        frozen=config.frozen,
        outer_loss="balanced_ce",
        constraint="box",
        batch_size=config.batch_size,
        synth_batch_size=of_step,
        outer_batch_size=config.outer_batch_size,
        checkpoint="last",
    )
    mover = eg.program(network, settings)
    x, (low, high) = (starts.x - every.shift) * every.factor, bounding_box(every)

    def begin(*given):
        points = {"x_start": x, "x_synth": x, "y_synth": starts.y, "w_synth": starts.w}
        return mover.init(*given)._replace(**points, low=low, high=high)

    scaled = eg.Hparams(hparams.eta1, hparams.eta2 * (config.batch_size + of_step))
    moving, theta_0 = mover._replace(init=begin), first.best.params
    last, _ = training.train(moving, key_points, problem, scaled, epochs, theta_0)
    start, now, *_ = last.best.points
    return starts.x + deviation * (now - start)  # a code that has not moved is what it was


def held_out_third(key: jax.Array, y: jax.Array, w: jax.Array, classes: int) -> jax.Array:
    """`[n]`: 1 for a random third of each class's rows, rounded, and no row of a class of one.

    Parameters
    ----------
    key
        Random key.
    y
        `[n]`: classes in 0..K-1.
    w
        `[n]`, 0 = padding.
    classes
        K.
    """
    order = random_order(key, w)
    of_class = by_class(y[order], w[order], classes)
    row = order[of_class.order]
    place = jnp.arange(len(row)) - of_class.first[y[row]]
    third = (w[row] > 0) & (3 * place + 1 < of_class.counts[y[row]])
    return jnp.zeros_like(w).at[row].set(third.astype(w.dtype))


def _scaled(codes: Batch) -> tuple[Rows, jax.Array]:
    """The codes as a view with mean 0 and deviation 1, and the deviation of each column."""
    share = (codes.w / codes.w.sum())[:, None]
    mean = (share * codes.x).sum(0)
    deviation = jnp.sqrt((share * (codes.x - mean) ** 2).sum(0))
    factor = jnp.where(deviation > 0, 1 / jnp.where(deviation > 0, deviation, 1), 0)
    return rows(codes.x, codes.y, codes.w)._replace(shift=mean, factor=factor), deviation
