"""Adapters from the contracts of methods to the engine's calls, for tables and for images.

A change of rows is called as `(key, problem, facts) -> Resampled` on tables and as `(key, train,
facts, generator, fitted) -> Resampled` on images. On tables, a sampler adds rows to every class
except the largest (with two classes, to the minority): it doubles them or makes all classes equal.
On images, it makes all classes as large as the largest.
"""

import math
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from imbax.catalogue.spec import Facts, ImageFacts
from imbax.methods import bagan, cwgan, explicit_gradient, feature_smote, gamo, supervised
from imbax.methods import deepsmote as ds
from imbax.methods import latent_explicit_gradient as latent
from imbax.methods.generator import Generator, sampler_of
from imbax.methods.image_classifier import Config, Hparams, State
from imbax.methods.refit import refit
from imbax.methods.sampling import Sizes, by_class, classes_of, smaller_classes
from imbax.minibatches import balanced_minibatches
from imbax.training import Program
from imbax.types import Problem, Resampled, Rows, rows

__all__ = [
    "add_images",
    "add_rows",
    "add_rows_by",
    "add_withheld",
    "bagan_on_images",
    "class_weights",
    "cwgan_on_tables",
    "decode_images",
    "deepsmote_on_images",
    "explicit_gradient_on_tables",
    "gamo_on_images",
    "gamo_on_tables",
    "generate_images",
    "keep_rows",
    "latent_on_images",
    "on_network",
    "refit_of",
    "retrain_on_features",
    "retrain_on_images",
    "supervised_balanced",
    "supervised_with",
]


def supervised_with(loss_for, head: str, facts: Facts) -> Program:
    """Program of `supervised` with a loss from `losses.named` and the head that the loss needs."""
    return supervised.program(facts.network(head), loss_for=loss_for, epochs=facts.epochs)


def supervised_balanced(facts: Facts) -> Program:
    """Program of `supervised` on class-balanced mini-batches."""
    draw = partial(balanced_minibatches, classes=facts.classes)
    return supervised.program(facts.network(), minibatches=draw, epochs=facts.epochs)


def explicit_gradient_on_tables(facts: Facts, **options: Any) -> Program:
    """Program of any variant of Explicit Gradient; `options` are fields of its `Config`."""
    sizes = facts.max_minority, facts.max_synth, facts.n_synth
    return explicit_gradient.program(facts.network(), explicit_gradient.Config(*sizes, **options))


def on_network(program, facts: Facts) -> Program:
    """Calls the `program(network, epochs=...)` of a method without further options."""
    return program(facts.network(), epochs=facts.epochs)


def refit_of(program, facts: Facts) -> Program:
    """Program that refits a method."""
    return refit(program(facts))


def add_rows(sample, key, problem: Problem, facts: Facts) -> Resampled:
    """Adds a sampler's rows to the training rows of a table."""
    train = problem.train
    return sample(key, train, _synthetic_counts(train, facts), _table_sizes(train, facts))


def add_rows_by(sized, key, problem: Problem, facts: Facts) -> Resampled:
    """Calls `add_rows` with the sampler `sized(facts)`."""
    return add_rows(sized(facts), key, problem, facts)


def keep_rows(sample, key, problem: Problem, facts: Facts) -> Resampled:
    """Reduces every class to the size of the smallest (with two classes, of the minority)."""
    rows = classes_of(problem.train, jnp.zeros(facts.classes))
    counts = by_class(rows.y, rows.w, facts.classes).counts
    fewest = counts[1] if facts.classes == 2 else counts.min()
    sizes = Sizes(facts.max_minority, 0, facts.max_minority)
    return sample(key, problem.train, jnp.full(facts.classes, fewest), sizes)


def add_withheld(sample, key, problem: Problem, facts: Facts) -> Resampled:
    """Adds withheld minority rows to the training rows."""
    train = problem.train
    rule = _synthetic_counts(train, facts), _table_sizes(train, facts)
    return sample(key, train, *rule, withheld=problem.withheld)


def cwgan_on_tables(facts: Facts):
    """Sampler of `cwgan`, whose training steps are proportional to the classifier's epochs."""
    config = cwgan.Config(iterations=15 * facts.epochs, classifier_steps=5 * facts.epochs)
    return partial(cwgan.sample, config=config)


def gamo_on_tables(facts: Facts):
    """Sampler of `gamo`, trained for about as many steps as the GAN of `cwgan`."""
    steps = 15 * facts.epochs
    config = gamo.Config(facts.features, facts.classes, facts.max_minority, epochs=steps)

    def passes(train):
        return -(-steps * config.batch_size // jnp.maximum((train.w > 0).sum(), 1))

    return sampler_of(gamo.generator(config, gamo.Hparams())._replace(needed=passes))


def add_images(sample, key, train: Rows, facts: ImageFacts, generator, fitted) -> Resampled:
    """Adds a sampler's images, clipped to [-1, 1], to the training images."""
    scaled, wanted = rows(*train.all()), jnp.array(facts.wanted)  # scaled once for all uses
    synthetic = _clipped(sample(key, scaled, wanted, _image_sizes(facts)))
    n = len(scaled.data)
    real, new = (
        train.index[jnp.minimum(synthetic.index, n - 1)],
        len(train.data) + synthetic.index - n,
    )
    return synthetic._replace(index=jnp.where(synthetic.index < n, real, new))


def generate_images(
    key, train: Rows, facts: ImageFacts, generator: Generator, fitted: Any
) -> Resampled:
    """Adds images from the trained generator to the training images."""
    wanted = jnp.array(facts.wanted)
    return _clipped(generator.sample(key, fitted, train, wanted, _image_sizes(facts)))


def decode_images(
    key, train: Rows, facts: ImageFacts, generator: Generator, fitted: Any
) -> Resampled:
    """Calls `generate_images` and also replaces the real images by their reconstructions."""
    synthetic = generate_images(key, train, facts, generator, fitted)
    return synthetic._replace(
        index=len(train.data) + jnp.arange(len(synthetic.index)),
        x_synth=jnp.concatenate([generator.reconstruct(fitted, train.all().x), synthetic.x_synth]),
        y_synth=jnp.concatenate([train.y, synthetic.y_synth]),
    )


def retrain_on_images(
    retrain, key, state: State, train: Rows, facts: ImageFacts, *, config: Config, hparams: Hparams
) -> State:
    """Calls a second stage of the classifier's training that needs no sizes."""
    return retrain(key, state, train, config=config, hparams=hparams)


def retrain_on_features(
    key, state: State, train: Rows, facts: ImageFacts, *, config: Config, hparams: Hparams
) -> State:
    """Calls `feature_smote`, which makes all classes as large as the largest."""
    sizes = jnp.array(facts.wanted), _image_sizes(facts)
    return feature_smote.retrain(key, state, train, *sizes, config=config, hparams=hparams)


def class_weights(weighted: bool, facts: ImageFacts) -> np.ndarray:
    """Loss weights `[K]` of images by class, with mean 1 over the training images.

    They are inversely proportional to class sizes if `weighted`, otherwise all 1.
    """
    counts = np.array(facts.counts, np.float32)
    return counts.sum() / (len(counts) * counts) if weighted else np.ones_like(counts)


def deepsmote_on_images(facts: ImageFacts, **options: Any) -> Generator:
    """Generator of any variant of DeepSMOTE; `options` are fields of its `Config`."""
    return ds.generator(_deepsmote_config(facts, **options), ds.Hparams(facts.learning_rate))


def latent_on_images(facts: ImageFacts, *, frozen: bool = False) -> Generator:
    """Generator of Latent Explicit Gradient, which moves DeepSMOTE's codes unless `frozen`."""
    config, hparams = _deepsmote_config(facts), ds.Hparams(facts.learning_rate)
    return latent.generator(config, hparams, frozen=frozen)


def gamo_on_images(facts: ImageFacts) -> Generator:
    """Generator of GAMO: six times the others' epochs, at most the public code's batches."""
    columns, n = math.prod(facts.shape), sum(facts.counts)
    smaller = [count for count in facts.counts if count < max(facts.counts)]
    batches = -(-n // gamo.Config.batch_size)
    epochs = min(6 * facts.epochs, -(-_GAMO_BATCHES // batches))
    config = gamo.Config(columns, facts.classes, max(smaller, default=1), epochs=epochs)
    return gamo.generator(config, gamo.Hparams())


def bagan_on_images(facts: ImageFacts) -> Generator:
    """Generator of BAGAN; each of its stages has as many epochs as the other generators.

    With the lighter decoder, the networks have a quarter of the width. The learning rate scales
    with that of the other generators and inversely with the width.
    """
    width = bagan.Config.width // (1 if facts.decoder == "reference" else 4)
    config = bagan.Config(
        facts.shape,
        facts.classes,
        width=width,
        autoencoder_epochs=facts.epochs,
        gan_epochs=facts.epochs,
    )
    factor = facts.learning_rate / ds.Hparams().learning_rate * bagan.Config.width / width
    return bagan.generator(config, bagan.Hparams(bagan.Hparams().learning_rate * factor))


# Total number of training batches in GAMO's public code.
_GAMO_BATCHES = 25_000


def _synthetic_counts(train, facts):
    """Number of synthetic rows of each class `[K]` by the rule `facts.n_synth`."""
    smaller, largest = smaller_classes(train, facts.classes)
    missing = jnp.maximum(largest - smaller.counts, 0)
    wanted = {"double": smaller.counts, "balance": missing}[facts.n_synth]
    return jnp.where(smaller.counts > 0, wanted, 0)


def _table_sizes(train, facts):
    return Sizes(facts.max_minority, facts.max_synth, len(train.index) + facts.max_synth)


def _image_sizes(facts):
    smaller = [n for n, new in zip(facts.counts, facts.wanted, strict=True) if new]
    return Sizes(max(smaller, default=1), sum(facts.wanted), max(facts.counts))


def _clipped(synthetic):
    if synthetic.x_synth is None:
        return synthetic
    return synthetic._replace(x_synth=jnp.clip(synthetic.x_synth, -1, 1))


def _deepsmote_config(facts, **options):
    names = ("shape", "classes", "latent", "decoder", "epochs", "patience")
    return ds.Config(**{name: getattr(facts, name) for name in names}, **options)
