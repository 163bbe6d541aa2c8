"""Necessary floating-point operations of a training step: its matrix products.

Let P be the multiply-adds of a network's products for one row, summed over layers, and P₁ those of
the first layer. The cost of a row is

- 3P - P₁ for the gradient of a loss: the forward pass, the gradient with respect to the weights,
  and the gradient with respect to a layer's input, which the first layer does not need;
- 4P - P₁ for the mixed derivative along a direction v of the weights: forward h·v and ḣ·w in each
  layer (ẋ = 0 in the first), backward δ·vᵀ and δ̇·wᵀ. Activations h and signals δ are reused from
  the gradient and are not counted again.

Element-wise operations, normalisation, the optimizer, shuffling and validation are not counted, so
a rate in operations per second is a lower bound.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend
import numpy as np

from imbax.networks.convolution import algorithm

__all__ = ["gradient", "layers_of", "mixed", "products_in"]


def gradient(layers: Sequence[int], *, of_input: bool = False) -> int:
    """Multiply-adds per row of the gradient of a loss.

    Parameters
    ----------
    layers
        Multiply-adds of each layer, in order.
    of_input
        If True, count the gradient with respect to the input row, too.
    """
    return 3 * sum(layers) - (0 if of_input else layers[0])


def mixed(layers: Sequence[int]) -> int:
    """Multiply-adds per row of the mixed derivative, in addition to the gradient."""
    return 4 * sum(layers) - layers[0]


def layers_of(apply: Callable[..., Any], *args: Any) -> list[int]:
    """Multiply-adds of each matrix product of `apply(*args)`, in order; `args` may be shapes.

    Convolutions count as products of patches, whatever algorithm computes them.
    """
    with algorithm("patches"):
        return products_in(jax.make_jaxpr(apply)(*args).jaxpr)


def products_in(jaxpr: Any) -> list[int]:
    """Multiply-adds of each matrix product of a traced program; loop bodies are counted once."""
    found = []
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            lengths = [eqn.invars[0].aval.shape[axis] for axis in contracted]
            found.append(int(np.prod(lengths)) * eqn.outvars[0].aval.size)
        for inner in jax.extend.core.jaxprs_in_params(eqn.params):
            found += products_in(inner)
    return found
