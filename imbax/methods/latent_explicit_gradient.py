"""Latent Explicit Gradient (`latent_explicit_gradient`): Explicit Gradient on DeepSMOTE's codes.

    z_synth starts as E(x_i) + u (E(x_j) - E(x_i))                 (DeepSMOTE)
    θ'       = θ - η₁ ∇_θ L(Z₁ ∪ Z_synth | θ)                      (Explicit Gradient, step 1)
    Z_synth <- Z_synth - η₂ ∇_{Z_synth} L(Z₂ | θ')                 (Explicit Gradient, step 2)
    x_synth  = D(z_synth)

θ denotes the parameters of an MLP on codes. The method is not from a paper. It combines Dablain et
al. 2021 (arXiv:2105.02340) and Yasinnik et al. 2022 (arXiv:2202.10550): the autoencoder is that of
`deepsmote`, θ₀ the best checkpoint of `supervised`, the steps are those of `explicit_gradient`.
Choices that neither paper makes:

- Codes start at DeepSMOTE's draws, since the code of a duplicate decodes to a reconstruction.
  η₂ = 0 (`frozen`) gives the images that DeepSMOTE draws from the same key; only the movement is
  missing.
- Z₂ is a random third of each class, held out from Z₁ and θ₀, since images have no validation part.
  DeepSMOTE draws from all training images.
- The outer loss is macro-averaged over classes, as is the score of the image suites.
- Codes are scaled to standard deviation 1, and synthetic codes stay in the bounding box of the
  training codes, outside of which the decoder is not trained.
- An epoch uses every synthetic code once, so a step has the class ratio of the balanced set.
- The synthetic codes are those of the last epoch, because they rather than θ are the result.
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
    """Whether codes stay at their starting points: η₂ = 0."""
    epochs: int = 100
    """Number of epochs for θ₀, and again for the synthetic codes."""
    batch_size: int = 128
    """Training codes per step."""
    outer_batch_size: int = 1024
    """Held-out codes per step."""


class Hparams(NamedTuple):
    """Traced hyperparameters; each may differ between runs."""

    eta1: float = 1e-2
    """Inner step size η₁."""
    eta2: float = 25.0
    """Outer step size η₂ divided by the number of rows in a full step, over which the inner loss is
    averaged; the movement of a code then does not depend on this number."""


def generator(config: ds.Config, hparams: ds.Hparams, *, frozen: bool = False) -> Generator:
    """Returns DeepSMOTE's generator with codes that are moved before they are decoded.

    Parameters
    ----------
    config
        Static options of DeepSMOTE.
    hparams
        Traced hyperparameters of DeepSMOTE.
    frozen
        Keep codes at their starting points.
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
    """Adds DeepSMOTE's images to the view, decoded from moved codes.

    Parameters
    ----------
    key
        Random key; `deepsmote.sample` draws the starting points from the same key.
    fitted
        DeepSMOTE's autoencoder.
    train
        Flat images of the imbalanced training set.
    wanted
        Number of new images of each class `[K]`; 0 for a class without images.
    sizes
        Static bounds on numbers of rows.
    config
        Configuration of the fit.
    frozen
        Keep codes at their starting points.
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
    """Moves codes by Explicit Gradient; returns them as `[m, latent]`.

    Parameters
    ----------
    key
        Random key.
    config
        Static options.
    hparams
        Traced hyperparameters.
    codes
        Codes of the training images, `[n, latent]`.
    starts
        Starting points of the synthetic codes, `[m, latent]`.
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
    n_synth = -(-m // -(-2 * n // (3 * config.batch_size)))  # per step, for about 2 n / 3 rows
    settings = eg.Config(
        max_minority=n,
        max_synth=m,
        frozen=config.frozen,
        outer_loss="balanced_ce",
        constraint="box",
        batch_size=config.batch_size,
        synth_batch_size=n_synth,
        outer_batch_size=config.outer_batch_size,
        checkpoint="last",
    )
    mover = eg.program(network, settings)
    x, (low, high) = (starts.x - every.shift) * every.factor, bounding_box(every)

    def begin(*args):
        points = {"x_start": x, "x_synth": x, "y_synth": starts.y, "w_synth": starts.w}
        return mover.init(*args)._replace(**points, low=low, high=high)

    scaled = eg.Hparams(hparams.eta1, hparams.eta2 * (config.batch_size + n_synth))
    moving, theta_0 = mover._replace(init=begin), first.best.params
    last, _ = training.train(moving, key_points, problem, scaled, epochs, theta_0)
    start, now, *_ = last.best.points
    return starts.x + deviation * (now - start)  # exact for codes that have not moved


def held_out_third(key: jax.Array, y: jax.Array, w: jax.Array, classes: int) -> jax.Array:
    """Indicator `[n]` of a random third of each class's rows, rounded; none of a class of one row.

    Parameters
    ----------
    key
        Random key.
    y
        Classes `[n]` in 0..K-1.
    w
        Row weights `[n]`; 0 marks padding.
    classes
        Number of classes K.
    """
    order = random_order(key, w)
    sorted_rows = by_class(y[order], w[order], classes)
    row = order[sorted_rows.order]
    place = jnp.arange(len(row)) - sorted_rows.first[y[row]]
    third = (w[row] > 0) & (3 * place + 1 < sorted_rows.counts[y[row]])
    return jnp.zeros_like(w).at[row].set(third.astype(w.dtype))


def _scaled(codes: Batch) -> tuple[Rows, jax.Array]:
    """Returns the codes as a view with mean 0 and standard deviation 1, and the deviations."""
    share = (codes.w / codes.w.sum())[:, None]
    mean = (share * codes.x).sum(0)
    deviation = jnp.sqrt((share * (codes.x - mean) ** 2).sum(0))
    factor = jnp.where(deviation > 0, 1 / jnp.where(deviation > 0, deviation, 1), 0)
    return rows(codes.x, codes.y, codes.w)._replace(shift=mean, factor=factor), deviation
