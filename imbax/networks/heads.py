"""Cosine heads, which margin losses need, and a test for them."""

import functools

import jax
import jax.numpy as jnp

from imbax.types import COSINE_SCALE, Network, Variables

__all__ = ["cosine_logits", "is_cosine"]


def cosine_logits(x: jax.Array, rows: jax.Array, scale: float = COSINE_SCALE) -> jax.Array:
    """Logits `scale cos(x, rows_k)`, `[..., n, K]`, of a cosine head.

    `x` is `[..., n, fan_in]`, and `rows [..., K, fan_in]` holds the weights of each class.
    """
    return scale * _unit(x) @ _unit(rows).mT


@functools.lru_cache(maxsize=32)
def is_cosine(network: Network, features: int) -> bool:
    """Returns whether a network has a cosine head.

    The logits of a cosine head differ by at most twice `COSINE_SCALE` between two classes, however
    large the parameters are. For an ensemble, this holds for the logits of each member. A network
    with non-finite logits for large parameters is assumed to have a cosine head.
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
    """Divides rows by their Euclidean norm; a lower bound keeps the gradient finite at 0."""
    return x * jax.lax.rsqrt(jnp.maximum((x * x).sum(-1, keepdims=True), 1e-12))
