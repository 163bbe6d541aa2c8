"""Random over-sampling (`ros`): rows of a class are repeated, drawn with replacement.

No data is copied: the view of the shared matrix gains indices.
"""

import jax
import jax.numpy as jnp

from imbax.methods.sampling import (
    Sizes,
    by_class,
    check_sample,
    pick,
    repeated,
    slots,
    uniform_by_row,
)
from imbax.types import Resampled, Rows

__all__ = ["sample"]


def sample(key: jax.Array, train: Rows, wanted: jax.Array, sizes: Sizes) -> Resampled:
    """Adds randomly drawn rows of each class to the training view.

    Parameters
    ----------
    key
        Random key.
    train
        Training rows.
    wanted
        Number of copies in each class `[K]`; 0 for a class without rows.
    sizes
        Static bounds on numbers of rows.
    """
    check_sample(train, wanted)
    classes = by_class(train.y.astype(jnp.int32), train.w, len(wanted))
    c, is_wanted = slots(wanted, sizes.max_synth)
    (uniform,) = uniform_by_row(key, sizes.max_synth, 1)
    positions = classes.row(c, pick(uniform, classes.counts[c]))
    return repeated(train, positions, is_wanted.astype(train.w.dtype))
