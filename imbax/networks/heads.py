"""Cosine heads, which margin losses need, and how to tell one."""

import functools

import jax
import jax.numpy as jnp

from imbax.types import COSINE_SCALE, Network, Variables

__all__ = ["cosine_logits", "is_cosine"]


def cosine_logits(x: jax.Array, rows: jax.Array, scale: float = COSINE_SCALE) -> jax.Array:
    """`scale cos(x, rows_k)`, `[..., n, K]`, of `x [..., n, fan_in]` and a row for each class,
    `rows [..., K, fan_in]`; what every cosine head is."""
    return scale * _unit(x) @ _unit(rows).mT


@functools.lru_cache(maxsize=32)
def is_cosine(network: Network, features: int) -> bool:
    """Whether a network has a cosine head: however large its parameters are, logits of two classes
    differ by at most twice `COSINE_SCALE`; those of each member, where it is an ensemble.

    A network that gives nothing finite with large parameters is taken for one that has.
    """

    @jax.jit
    def most(key):
        key_start, key_noise, key_x = jax.random.split(key, 3)
        variables = network.variables(network.init(key_start, None))
        leaves, structure = jax.tree.flatten(variables.learned)
        keys = jax.random.split(key_noise, len(leaves))
        large = [
            100 * (leaf + jax.random.normal(key, leaf.shape, leaf.dtype))
            for key, leaf in zip(keys, leaves, strict=True)
        ]
        variables = Variables(jax.tree.unflatten(structure, large), variables.state)
        x = jax.random.normal(key_x, (8, features), jnp.float32)
        if network.is_ensemble:
            logits, _ = network.forward(variables, x, jnp.ones(8, jnp.float32), key)
        else:
            logits = network.apply(network.params(variables), x)[None]
        spread = jnp.abs(logits) if logits.ndim == 2 else jnp.ptp(logits, axis=2)
        return jnp.where(jnp.isfinite(spread), spread, 0).max()

    return bool(most(jax.random.key(0)) < 2.001 * COSINE_SCALE)


def _unit(x):
    """Each row divided by its Euclidean norm; the floor keeps the gradient at 0 finite."""
    return x * jax.lax.rsqrt(jnp.maximum((x * x).sum(-1, keepdims=True), 1e-12))
