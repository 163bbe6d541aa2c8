"""What over-samplers for any number of classes give a table's classifier, as changes to its rows.

Each is called as `(key, problem, facts) -> Resampled`, `facts` being `registry.Facts`, and adds
minority rows. Columns that rounding up has added, and those that are constant on the training rows,
stay as they are.
"""

import jax
import jax.numpy as jnp

from imbax.methods import gamo
from imbax.methods.amdo import amdo
from imbax.methods.class_smote import Synthetic
from imbax.methods.duplicate import synthetic_count
from imbax.methods.mc_ccr import mc_ccr
from imbax.methods.mc_rbo import mc_rbo
from imbax.methods.smote import extended
from imbax.types import Problem, Resampled, Rows

__all__ = ["table_amdo", "table_gamo", "table_mc_ccr", "table_mc_rbo"]


def table_amdo(key, problem: Problem, facts) -> Resampled:
    """Rows around the minority's mean."""
    train = problem.train
    made = amdo(key, *_given(train, facts), **_sizes(facts))
    return _added(train, made, facts)


def table_mc_rbo(key, problem: Problem, facts) -> Resampled:
    """Minority rows that walk away from the majority."""
    train = problem.train
    more = {"max_class": len(train.index) + facts.max_synth, "live": train.live}
    made = mc_rbo(key, *_given(train, facts), **more, **_sizes(facts))
    return _added(train, made, facts)


def table_mc_ccr(key, problem: Problem, facts) -> Resampled:
    """Minority rows in spheres, out of which the majority's rows are moved."""
    train = problem.train
    more = {"max_class": len(train.index) + facts.max_synth, "live": train.live}
    moved, made = mc_ccr(key, *_given(train, facts), **more, **_sizes(facts))
    added = _added(train, made, facts)
    return added._replace(
        index=len(train.data) + jnp.arange(len(added.index)),
        x_synth=jnp.concatenate([moved, added.x_synth]),
        y_synth=jnp.concatenate([train.y, added.y_synth]),
    )


def table_gamo(key, problem: Problem, facts) -> Resampled:
    """Mixes of minority rows by a network; it takes as many steps as the GAN of `cwgan`, about."""
    train, steps = problem.train, 15 * facts.epochs
    training, sampling = jax.random.split(key)
    config = gamo.Config(facts.features, 2, facts.max_minority, epochs=steps)
    hparams = gamo.Hparams()
    passes = -(-steps * config.batch_size // jnp.maximum((train.w > 0).sum(), 1))

    def one_more(_, state):
        return gamo.epoch(training, config, hparams, state, train)[0]

    state = jax.lax.fori_loop(0, passes, one_more, gamo.init(training, config, hparams, train))
    wanted = _given(train, facts)[3]
    made = gamo.sample(sampling, config, gamo.finish(state), train, wanted, **_sizes(facts))
    return _added(train, made, facts)


def _given(train: Rows, facts):
    """The rows, their classes and weights, and how many are wanted of each class."""
    x, y, w = train.all()
    return x, y.astype(jnp.int32), w, jnp.stack([0, synthetic_count(train, facts.n_synth)])


def _sizes(facts):
    return {"max_rows": facts.max_minority, "max_synth": facts.max_synth}


def _added(train: Rows, made: Synthetic, facts) -> Resampled:
    return extended(train, made.x, facts.n_synth, fallback=False)
