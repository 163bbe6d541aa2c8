"""The ceiling (`potential`): real minority rows, withheld from everyone else, join the training.

As many as there are minority rows, so that the minority doubles as it does for every over-sampler.
Source: Yasinnik et al. 2022 (arXiv:2202.10550), section 5.1, the row "Potential" of Table 1. It is
no method one could use; it says what perfect synthetic rows would be worth.
"""

import jax
import jax.numpy as jnp

from imbax.errors import InputError
from imbax.methods.sampling import Sizes
from imbax.types import Resampled, Rows

__all__ = ["sample"]


def sample(
    key: jax.Array, train: Rows, wanted: jax.Array, sizes: Sizes, *, withheld: Rows | None
) -> Resampled:
    """Adds the withheld rows to the training view, whatever number is wanted.

    Raises InputError where no rows are withheld.
    """
    if withheld is None:
        raise InputError(
            "potential trains on minority rows that were withheld, and here none are; it runs in "
            "suites that thin the minority out, such as adult"
        )
    return Resampled(
        index=jnp.concatenate([train.index, withheld.index]),
        w=jnp.concatenate([train.w, withheld.w]),
    )
