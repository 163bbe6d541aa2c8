"""AdamW for a network's `Recipe`, with schedules and factors by parameter.

    u = Adam(g),    θ <- θ - η r(t) (f u + λ s(t) h θ)

η and λ are the learning rate and the weight decay, r and s their schedules over the share t of the
training that is done, f and h their factors for the parameter, and g the gradient, clipped if the
recipe has a maximum norm. Source of Adam with decoupled weight decay: Loshchilov and Hutter 2019
(arXiv:1711.05101), Algorithm 2.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.types import Params, Recipe

__all__ = ["Optimizer", "follows_time", "optimizer"]


class Optimizer(NamedTuple):
    """Optimizer of a recipe as two pure functions."""

    init: Callable[[Params], Any]
    """Initial state: `learned -> state`."""
    update: Callable[[Params, Any, Params, Any], tuple[Params, Any]]
    """`(gradient, state, learned, t) -> (updates, state)`; updates are added."""


def optimizer(recipe: Recipe, learning_rate: Any = None, weight_decay: Any = None) -> Optimizer:
    """Returns the optimizer of a recipe.

    Parameters
    ----------
    recipe
        Static recipe.
    learning_rate, weight_decay
        Numbers, traced or static, that override those of the recipe.
    """
    eta = recipe.learning_rate if learning_rate is None else learning_rate
    decay = recipe.weight_decay if weight_decay is None else weight_decay
    if (recipe.rate, recipe.decay, recipe.rates, recipe.decays, recipe.max_norm) == (None,) * 5:
        adamw = optax.adamw(eta, b1=recipe.b1, b2=recipe.b2, weight_decay=decay)
        update = lambda gradient, state, learned, t: adamw.update(gradient, state, learned)
        return Optimizer(adamw.init, update)
    adam = optax.scale_by_adam(recipe.b1, recipe.b2)

    def update(gradient, state, learned, t):
        if recipe.max_norm is not None:
            norm = optax.tree.norm(gradient)
            shrink = recipe.max_norm / jnp.maximum(norm, recipe.max_norm)
            gradient = jax.tree.map(lambda g: shrink * g, gradient)
        directions, state = adam.update(gradient, state, learned)
        rate, fall = eta * _at(recipe.rate, t), decay * _at(recipe.decay, t)

        def move(direction, parameter, f, h):
            return -rate * (f * direction + fall * h * parameter)

        factors = _factors(recipe.rates, learned), _factors(recipe.decays, learned)
        return jax.tree.map(move, directions, learned, *factors), state

    return Optimizer(adam.init, update)


def follows_time(recipe: Recipe) -> bool:
    """Returns whether a recipe has schedules, which need the total number of epochs."""
    return (recipe.rate, recipe.decay, recipe.at) != (None, None, None)


def _at(schedule, t):
    return 1.0 if schedule is None else schedule(t)


def _factors(by_parameter, learned):
    return jax.tree.map(lambda _: 1.0, learned) if by_parameter is None else by_parameter(learned)
