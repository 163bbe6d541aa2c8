"""From the contracts of methods to what the engine calls, for tables and for images alike.

On tables a change of rows is called as `(key, problem, facts) -> Resampled`, on images as `(key,
train, facts, generator, fitted) -> Resampled`. On tables a sampler adds rows to every class but the
largest, of two classes to the minority: as many again, or as many as make the classes equal. On
images it adds as many as make all classes as large as the largest.
"""

import math
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from imbax.catalogue.spec import Facts, ImageFacts
from imbax.methods import bagan, cwgan, explicit_gradient, gamo, supervised
from imbax.methods import deepsmote as ds
from imbax.methods import latent_explicit_gradient as latent
from imbax.methods.generator import Generator, sampler_of
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
    "supervised_balanced",
    "supervised_with",
]


def supervised_with(loss_for, head: str, facts: Facts) -> Program:
    """`supervised` with a loss as in `losses.named`, on a network with the head it asks for."""
    return supervised.program(facts.network(head), loss_for=loss_for, epochs=facts.epochs)


def supervised_balanced(facts: Facts) -> Program:
    """`supervised` on minibatches with as many rows of each class."""
    draw = partial(balanced_minibatches, classes=facts.classes)
    return supervised.program(facts.network(), minibatches=draw, epochs=facts.epochs)


def explicit_gradient_on_tables(facts: Facts, **options: Any) -> Program:
    """Any reading of Explicit Gradient; `options` are fields of its `Config`."""
    sizes = facts.max_minority, facts.max_synth, facts.n_synth
    return explicit_gradient.program(facts.network(), explicit_gradient.Config(*sizes, **options))


def on_network(program, facts: Facts) -> Program:
    """The `program(network, epochs=...)` of a method that needs nothing else."""
    return program(facts.network(), epochs=facts.epochs)


def refit_of(program, facts: Facts) -> Program:
    """The refit of a method's training."""
    return refit(program(facts))


def add_rows(sample, key, problem: Problem, facts: Facts) -> Resampled:
    """The training rows of a table and those that a sampler adds."""
    train = problem.train
    return sample(key, train, _lacking(train, facts), _sizes_of_table(train, facts))


def add_rows_by(sized, key, problem: Problem, facts: Facts) -> Resampled:
    """As `add_rows`, with the sampler `sized(facts)`."""
    return add_rows(sized(facts), key, problem, facts)


def keep_rows(sample, key, problem: Problem, facts: Facts) -> Resampled:
    """As many training rows of each class as the smallest class has, of two the minority."""
    rows = classes_of(problem.train, jnp.zeros(facts.classes))
    counts = by_class(rows.y, rows.w, facts.classes).counts
    fewest = counts[1] if facts.classes == 2 else counts.min()
    sizes = Sizes(facts.max_minority, 0, facts.max_minority)
    return sample(key, problem.train, jnp.full(facts.classes, fewest), sizes)


def add_withheld(sample, key, problem: Problem, facts: Facts) -> Resampled:
    """The training rows and withheld minority rows."""
    train = problem.train
    rule = _lacking(train, facts), _sizes_of_table(train, facts)
    return sample(key, train, *rule, withheld=problem.withheld)


def cwgan_on_tables(facts: Facts):
    """`cwgan`'s sampler, trained for a time that follows the classifier's."""
    config = cwgan.Config(iterations=15 * facts.epochs, classifier_steps=5 * facts.epochs)
    return partial(cwgan.sample, config=config)


def gamo_on_tables(facts: Facts):
    """`gamo`'s sampler, trained for about as many steps as the GAN of `cwgan`."""
    steps = 15 * facts.epochs
    config = gamo.Config(facts.features, facts.classes, facts.max_minority, epochs=steps)

    def passes(train):
        return -(-steps * config.batch_size // jnp.maximum((train.w > 0).sum(), 1))

    return sampler_of(gamo.generator(config, gamo.Hparams())._replace(needed=passes))


def add_images(sample, key, train: Rows, facts: ImageFacts, generator, fitted) -> Resampled:
    """The images and those that a sampler adds, with values in [-1, 1]."""
    scaled, wanted = rows(*train.all()), jnp.array(facts.wanted)  # scaled once, not at each use
    made = _in_range(sample(key, scaled, wanted, _sizes_of_images(facts)))
    n = len(scaled.data)
    own, new = train.index[jnp.minimum(made.index, n - 1)], len(train.data) + made.index - n
    return made._replace(index=jnp.where(made.index < n, own, new))


def generate_images(
    key, train: Rows, facts: ImageFacts, generator: Generator, fitted: Any
) -> Resampled:
    """The images and those that the trained generator adds."""
    wanted = jnp.array(facts.wanted)
    return _in_range(generator.sample(key, fitted, train, wanted, _sizes_of_images(facts)))


def decode_images(
    key, train: Rows, facts: ImageFacts, generator: Generator, fitted: Any
) -> Resampled:
    """As `generate_images`, with the real images too replaced by their reconstructions."""
    made = generate_images(key, train, facts, generator, fitted)
    return made._replace(
        index=len(train.data) + jnp.arange(len(made.index)),
        x_synth=jnp.concatenate([generator.reconstruct(fitted, train.all().x), made.x_synth]),
        y_synth=jnp.concatenate([train.y, made.y_synth]),
    )


def class_weights(weighted: bool, facts: ImageFacts) -> np.ndarray:
    """`[K]`: weights of an image's loss by its class, of mean 1 over the training images.

    All are 1, or if `weighted` proportional to the inverse of the class's size.
    """
    counts = np.array(facts.counts, np.float32)
    return counts.sum() / (len(counts) * counts) if weighted else np.ones_like(counts)


def deepsmote_on_images(facts: ImageFacts, **options: Any) -> Generator:
    """Any reading of DeepSMOTE; `options` are fields of its `Config`."""
    return ds.generator(_deepsmote_config(facts, **options), ds.Hparams(facts.learning_rate))


def latent_on_images(facts: ImageFacts, *, frozen: bool = False) -> Generator:
    """DeepSMOTE with codes that move."""
    config, hparams = _deepsmote_config(facts), ds.Hparams(facts.learning_rate)
    return latent.generator(config, hparams, frozen=frozen)


def gamo_on_images(facts: ImageFacts) -> Generator:
    """Six epochs for each of the other generators', but no more than the public code's batches."""
    columns, n = math.prod(facts.shape), sum(facts.counts)
    smaller = [count for count in facts.counts if count < max(facts.counts)]
    batches = -(-n // gamo.Config.batch_size)
    epochs = min(6 * facts.epochs, -(-_GAMO_BATCHES // batches))
    config = gamo.Config(columns, facts.classes, max(smaller, default=1), epochs=epochs)
    return gamo.generator(config, gamo.Hparams())


def bagan_on_images(facts: ImageFacts) -> Generator:
    """As many epochs for each stage as the other generators have.

    The lighter decoder means a quarter of the width. The learning rate follows the others', and
    rises by as much as the networks are narrower.
    """
    width = bagan.Config.width // (1 if facts.decoder == "reference" else 4)
    config = bagan.Config(
        facts.shape,
        facts.classes,
        width=width,
        autoencoder_epochs=facts.epochs,
        gan_epochs=facts.epochs,
    )
    faster = facts.learning_rate / ds.Hparams().learning_rate * bagan.Config.width / width
    return bagan.generator(config, bagan.Hparams(bagan.Hparams().learning_rate * faster))


# Training batches of GAMO's public code, in all.
_GAMO_BATCHES = 25_000


def _lacking(train, facts):
    """New rows of each class `[K]` by the rule `facts.n_synth`."""
    smaller, largest = smaller_classes(train, facts.classes)
    missing = jnp.maximum(largest - smaller.counts, 0)
    wanted = {"double": smaller.counts, "balance": missing}[facts.n_synth]
    return jnp.where(smaller.counts > 0, wanted, 0)


def _sizes_of_table(train, facts):
    return Sizes(facts.max_minority, facts.max_synth, len(train.index) + facts.max_synth)


def _sizes_of_images(facts):
    smaller = [n for n, new in zip(facts.counts, facts.wanted, strict=True) if new]
    return Sizes(max(smaller, default=1), sum(facts.wanted), max(facts.counts))


def _in_range(made):
    if made.x_synth is None:
        return made
    return made._replace(x_synth=jnp.clip(made.x_synth, -1, 1))


def _deepsmote_config(facts, **options):
    names = ("shape", "classes", "latent", "decoder", "epochs", "patience")
    return ds.Config(**{name: getattr(facts, name) for name in names}, **options)
