"""The ceiling (`potential`): real minority rows, withheld from everyone else, join the training.

As many as there are minority rows, so that the minority doubles as it does for every over-sampler.
Source: Yasinnik et al. 2022 (arXiv:2202.10550), section 5.1, the row "Potential" of Table 1. It is
no method one could use; it says what perfect synthetic rows would be worth.
"""

import jax
import jax.numpy as jnp

from imbax.errors import InputError
from imbax.types import Problem, Resampled

__all__ = ["potential"]


def potential(key: jax.Array, problem: Problem) -> Resampled:
    """Add the withheld rows to the training view; InputError where none are withheld."""
    withheld = problem.withheld
    if withheld is None:
        raise InputError(
            "potential trains on minority rows that were withheld, and here none are; it runs in "
            "suites that thin the minority out, such as adult"
        )
    return Resampled(
        index=jnp.concatenate([problem.train.index, withheld.index]),
        w=jnp.concatenate([problem.train.w, withheld.w]),
    )
