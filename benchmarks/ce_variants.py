"""Plugin: plain cross-entropy under other interpretations of the protocol.

imbax run imblearn27 --plugin benchmarks/ce_variants.py --methods ce ce_last ce_z_score
"""

import jax
import jax.numpy as jnp

import imbax
from imbax.methods.supervised import Hparams


def last_epoch(facts):
    """Training that keeps the last epoch instead of the best one on validation rows."""
    return imbax.supervised(imbax.mlp(facts.features), checkpoint="last")


def z_score(facts):
    """Training on features with mean 0 and SD 1 on the training rows instead of [0, 1]."""
    network = imbax.mlp(facts.features)

    def apply(params, x):
        mean, factor = jax.lax.stop_gradient(params["scaling"])
        return network.apply(params["network"], (x - mean) * factor)

    def init(key, problem, hparams, start):
        rows = problem.train.all()
        w = rows.w[:, None] / rows.w.sum()
        mean = (w * rows.x).sum(0)
        sd = jnp.sqrt((w * (rows.x - mean) ** 2).sum(0))
        scaling = mean, jnp.where(sd > 1e-6, 1 / jnp.maximum(sd, 1e-6), 0)
        start = {"network": network.init(key), "scaling": scaling}
        return program.init(key, problem, hparams, start)

    program = imbax.supervised(network._replace(apply=apply))
    return program._replace(init=init)


common = {"settings": (Hparams(),), "kind": "loss", "sees": "training rows"}
imbax.register("ce_last", last_epoch, title="Cross-entropy, last epoch", **common)
imbax.register("ce_z_score", z_score, title="Cross-entropy, z-scores", **common)
