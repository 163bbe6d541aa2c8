"""Generator, critic and classifier of a conditional GAN for tables, and the gradient penalty.

Generator and critic are conditioned on the class, -1 or 1 in the first column.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from imbax.networks.deep_cross import deep_cross
from imbax.types import Functions, Params

__all__ = ["Architecture", "Networks", "criticised", "generated", "gradient_penalty", "networks"]


@dataclass(frozen=True)
class Architecture:
    """Layer widths and numbers of cross layers; see `DeepCross`."""

    latent: int = 30
    """Number of random inputs of the generator."""
    generator_hidden: tuple[int, ...] = (128, 64)
    generator_joint: tuple[int, ...] = (32,)
    generator_crosses: int = 1
    critic_hidden: tuple[int, ...] = (128, 64, 32)
    """Widths of the critic's tower, which has layer normalisation from the second layer on."""
    critic_crosses: int = 2
    classifier_hidden: tuple[int, ...] = (64, 64)
    classifier_crosses: int = 2


class Networks(NamedTuple):
    """Networks of the GAN as pure functions."""

    generator: Functions
    """Generator `[n, 1 + latent] -> [n, d]`."""
    critic: Functions
    """Critic `[n, 1 + d] -> [n]`."""
    classifier: Functions
    """Classifier `[n, d] -> logits [n]`."""
    live: jax.Array
    """Mask `[d]` of the columns that are not zero in real and generated rows."""


def networks(live: jax.Array, shape: Architecture) -> Networks:
    """Networks for rows with columns `live [d]`."""
    generator = deep_cross(
        shape.latent + 1,
        shape.generator_hidden,
        len(live),
        crosses=shape.generator_crosses,
        joint=shape.generator_joint,
    )
    critic = deep_cross(
        len(live) + 1, shape.critic_hidden, crosses=shape.critic_crosses, normalize=True
    )
    classifier = deep_cross(len(live), shape.classifier_hidden, crosses=shape.classifier_crosses)
    labelled = jnp.append(True, live)
    return Networks(
        Functions(generator.init, lambda params, z: jnp.where(live, generator.apply(params, z), 0)),
        Functions(lambda key: critic.init(key, labelled), critic.apply),
        Functions(lambda key: classifier.init(key, live), classifier.apply),
        live,
    )


def generated(nets: Networks, params: Params, z: jax.Array, y: jax.Array) -> jax.Array:
    """Generates rows `[n, d]` of classes `y [n]`, 1 being the minority, from `z [n, latent]`."""
    return nets.generator.apply(params, _labelled(z, y))


def criticised(nets: Networks, params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Critic's scores `[n]` of rows `x [n, d]` of classes `y [n]`; larger is more real."""
    return nets.critic.apply(params, _labelled(x, y))


def gradient_penalty(critic: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """Returns the mean of `(‖∇ critic‖ - 1)²` over rows, a scalar that is differentiable again.

    Parameters
    ----------
    critic
        `x [n, d] -> [n]`; each entry depends on its own row only.
    x
        Points `[n, d]` at which the gradient is taken.
    """
    # Rows are independent, so the gradient of the sum holds the gradients of all rows.
    slope = jax.grad(lambda x: critic(x).sum())(x)
    # The lower bound keeps the gradient finite at a slope of 0.
    norm = jnp.sqrt(jnp.maximum((slope * slope).sum(1), 1e-12))
    return ((norm - 1) ** 2).mean()


def _labelled(x, y):
    return jnp.concatenate([2 * y[:, None] - 1, x], 1)
