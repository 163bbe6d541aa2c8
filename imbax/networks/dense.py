"""Building blocks of networks as plain functions: dense layers, dropout, logits."""

import jax
import jax.numpy as jnp

from imbax.networks.columns import by_number
from imbax.types import Params

__all__ = ["dense", "difference", "drop", "mean_probability"]


def dense(
    key: jax.Array,
    fan_in: int,
    fan_out: int,
    varies: jax.Array | None = None,
    numbers: jax.Array | None = None,
) -> Params:
    """Parameters of `x W + b`, uniform in ±1/√fan_in as in PyTorch.

    Inputs with `varies [fan_in]` 0 do not count in fan_in, and their weights start at 0. The random
    weights of an input depend on its number, `numbers [fan_in]`, by default its position.
    """
    varies = jnp.ones(fan_in, jnp.float32) if varies is None else varies
    numbers = jnp.arange(fan_in) if numbers is None else numbers
    key_weight, key_bias = jax.random.split(key)
    bound = 1 / jnp.sqrt(jnp.maximum(varies.sum(), 1))
    uniform = lambda key: jax.random.uniform(key, (fan_out,), jnp.float32, -1)
    weight = by_number(key_weight, numbers, uniform) * varies[:, None]
    return {"weight": bound * weight, "bias": bound * uniform(key_bias)}


def drop(key: jax.Array | None, number: int, h: jax.Array, share: float | jax.Array) -> jax.Array:
    """Dropout of `h` in layer `number`; the identity if the key is None."""
    if key is None:
        return h
    kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - share, h.shape)
    return jnp.where(kept, h / (1 - share), 0)


def difference(logits: jax.Array) -> jax.Array:
    """Converts logits `[..., 2]` to the logit `[...]` of class 1; more classes are unchanged."""
    return logits[..., 1] - logits[..., 0] if logits.shape[-1] == 2 else logits


def mean_probability(logits: jax.Array) -> jax.Array:
    """Logits of the members' mean probability: `[members, n] -> [n]`, also with a last axis K."""
    count = jnp.log(len(logits))
    if logits.ndim == 2:
        log_mean = lambda sign: jax.nn.logsumexp(jax.nn.log_sigmoid(sign * logits), 0)
        return log_mean(1) - log_mean(-1)
    return jax.nn.logsumexp(jax.nn.log_softmax(logits), 0) - count
