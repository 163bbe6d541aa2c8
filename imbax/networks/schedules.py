"""Schedules as functions of t in [0, 1], the share of the training that is done.

Sources: Holzmüller, Grinsztajn and Steinwart 2024 (arXiv:2407.04491), section 3. `half_cos` follows
Loshchilov and Hutter 2017 (arXiv:1608.03983), equation 5, without restarts.
"""

import jax
import jax.numpy as jnp

__all__ = ["flat_cos", "four_cycles", "half_cos"]


def four_cycles(t: jax.Array) -> jax.Array:
    """Schedule of the learning rate: four cosine cycles from 0, each twice as long as the last."""
    return (1 - jnp.cos(2 * jnp.pi * jnp.log2(1 + 15 * t))) / 2


def flat_cos(t: jax.Array) -> jax.Array:
    """Schedule of dropout and weight decay: 1 for the first half, then half a cosine to 0."""
    return jnp.where(t <= 0.5, 1, (1 + jnp.cos(jnp.pi * (2 * t - 1))) / 2)


def half_cos(t: jax.Array) -> jax.Array:
    """Schedule of the learning rate: half a cosine from 1 to 0."""
    return (1 + jnp.cos(jnp.pi * t)) / 2
