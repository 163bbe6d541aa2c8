"""Upper bound (`potential`): real minority rows, withheld from all other methods, are added.

There are as many of them as minority rows, so that the minority doubles as with every over-sampler.
Source: Yasinnik et al. 2022 (arXiv:2202.10550), section 5.1, the row "Potential" of Table 1. It is
not a method for use; it shows what perfect synthetic rows would be worth.
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
    """Adds all withheld rows to the training view and ignores `wanted`.

    Raises InputError if no rows are withheld.
    """
    if withheld is None:
        raise InputError(
            "potential needs withheld minority rows, and there are none; run it in suites that "
            "withhold minority rows, such as adult"
        )
    return Resampled(
        index=jnp.concatenate([train.index, withheld.index]),
        w=jnp.concatenate([train.w, withheld.w]),
    )
