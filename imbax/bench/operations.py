"""The floating-point operations that a training step cannot do without: its matrix products.

With P the multiply-adds of a network's products for one row, summed over layers, and P₁ those of
the first layer, a row costs

- 3P - P₁ for the gradient of a loss: forward, the gradient of the weights, and that of a layer's
  input, which the first layer can leave out;
- 4P - P₁ for the mixed derivative along a direction v of the weights: forward h·v and ḣ·w in each
  layer (ẋ = 0 in the first), backward δ·vᵀ and δ̇·wᵀ. Activations h and signals δ are those of the
  gradient just taken and are not counted again.

Element-wise work, normalisation, the optimizer's arithmetic, shuffling and validation count
nothing, so a rate in operations per second is a lower bound of what the machine does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend
import numpy as np

__all__ = ["gradient", "layers_of", "mixed", "products_in"]


def gradient(layers: Sequence[int], *, of_input: bool = False) -> int:
    """Multiply-adds of a row for the gradient of a loss by the weights, and perhaps by the input.

    Parameters
    ----------
    layers
        Multiply-adds of each layer, the first one first.
    of_input
        The row itself is differentiated too.
    """
    return 3 * sum(layers) - (0 if of_input else layers[0])


def mixed(layers: Sequence[int]) -> int:
    """Multiply-adds of a row for the mixed derivative, the gradient already being there."""
    return 4 * sum(layers) - layers[0]


def layers_of(apply: Callable[..., Any], *args: Any) -> list[int]:
    """Multiply-adds of each matrix product of `apply(*args)`, in order; `args` may be shapes."""
    return products_in(jax.make_jaxpr(apply)(*args).jaxpr)


def products_in(jaxpr: Any) -> list[int]:
    """Multiply-adds of each matrix product of a traced program; a loop's body counts once."""
    found = []
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            lengths = [eqn.invars[0].aval.shape[axis] for axis in contracted]
            found.append(int(np.prod(lengths)) * eqn.outvars[0].aval.size)
        for inner in jax.extend.core.jaxprs_in_params(eqn.params):
            found += products_in(inner)
    return found
