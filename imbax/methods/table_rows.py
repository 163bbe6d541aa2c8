"""The DeepSMOTE paper's over-samplers on a table, see `class_rows`.

Columns that rounding up has added, and those that are constant on the training rows, stay as they
are.
"""

import jax
import jax.numpy as jnp

from imbax.catalogue.adapters import added, given, sizes
from imbax.methods import gamo
from imbax.methods.amdo import amdo
from imbax.methods.mc_ccr import mc_ccr
from imbax.methods.mc_rbo import mc_rbo
from imbax.types import Problem, Resampled

__all__ = ["table_amdo", "table_gamo", "table_mc_ccr", "table_mc_rbo"]


def table_amdo(key, problem: Problem, facts) -> Resampled:
    """Rows around the mean of their class."""
    made = amdo(key, *given(problem.train, facts), **sizes(facts))
    return added(problem.train, made)


def table_mc_rbo(key, problem: Problem, facts) -> Resampled:
    """Rows that walk away from other classes."""
    train = problem.train
    more = {"max_class": len(train.index) + facts.max_synth, "live": train.live}
    made = mc_rbo(key, *given(train, facts), **more, **sizes(facts))
    return added(train, made)


def table_mc_ccr(key, problem: Problem, facts) -> Resampled:
    """Rows in spheres, out of which those of other classes are moved."""
    train = problem.train
    more = {"max_class": len(train.index) + facts.max_synth, "live": train.live}
    moved, made = mc_ccr(key, *given(train, facts), **more, **sizes(facts))
    after = added(train, made)
    return after._replace(
        index=len(train.data) + jnp.arange(len(after.index)),
        x_synth=jnp.concatenate([moved, after.x_synth]),
        y_synth=jnp.concatenate([train.y, after.y_synth]),
    )


def table_gamo(key, problem: Problem, facts) -> Resampled:
    """Mixes of a class's rows by a network; it takes as many steps as the GAN of `cwgan`, about."""
    train, steps = problem.train, 15 * facts.epochs
    training, sampling = jax.random.split(key)
    config = gamo.Config(facts.features, facts.classes, facts.max_minority, epochs=steps)
    hparams = gamo.Hparams()
    passes = -(-steps * config.batch_size // jnp.maximum((train.w > 0).sum(), 1))

    def one_more(_, state):
        return gamo.epoch(training, config, hparams, state, train)[0]

    state = jax.lax.fori_loop(0, passes, one_more, gamo.init(training, config, hparams, train))
    wanted = given(train, facts)[3]
    made = gamo.sample(sampling, config, gamo.finish(state), train, wanted, **sizes(facts))
    return added(train, made)
