"""The generators of the image suites, each sized by what is known of a set of images."""

import math
from typing import Any

from imbax.methods import bagan, gamo
from imbax.methods import deepsmote as ds
from imbax.methods.generator import Generator
from imbax.methods.image_rows import ImageFacts

__all__ = ["build_bagan", "build_deepsmote", "build_gamo"]

# The public code's, in all.
_GAMO_BATCHES = 25_000


def build_deepsmote(facts: ImageFacts, **options: Any) -> Generator:
    """Any of its readings; `options` are fields of its `Config`."""
    names = ("shape", "classes", "latent", "decoder", "epochs", "patience")
    config = ds.Config(**{name: getattr(facts, name) for name in names}, **options)
    return ds.generator(config, ds.Hparams(facts.learning_rate))


def build_gamo(facts: ImageFacts) -> Generator:
    """Six passes for each epoch of the others, but no more than the public code's batches."""
    columns, n = math.prod(facts.shape), sum(facts.counts)
    few = [count for count in facts.counts if count < max(facts.counts)]
    batches = -(-n // gamo.Config.batch_size)
    epochs = min(6 * facts.epochs, -(-_GAMO_BATCHES // batches))
    config = gamo.Config(columns, facts.classes, max(few, default=1), epochs=epochs)
    return gamo.generator(config, gamo.Hparams())


def build_bagan(facts: ImageFacts) -> Generator:
    """As many epochs for each stage as the others have; the lighter decoder means a quarter of the
    width. Its rate goes with the others', and up by as much as the networks are narrower."""
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
