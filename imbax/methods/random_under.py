"""Random under-sampling (`random_under`): removes rows of classes that are larger than wanted.

The rows that stay are drawn without replacement, once per run. The training view and therefore an
epoch become shorter.
"""

import jax
import jax.numpy as jnp

from imbax.methods.sampling import Sizes, by_class, classes_of
from imbax.minibatches import random_order
from imbax.types import Resampled, Rows

__all__ = ["sample"]


def sample(key: jax.Array, train: Rows, wanted: jax.Array, sizes: Sizes) -> Resampled:
    """Removes rows of the training view.

    Parameters
    ----------
    key
        Random key.
    train
        Training rows.
    wanted
        Maximum number of rows of each class that stay `[K]`.
    sizes
        Static bounds; `max_class` bounds the rows of a class that stay.
    """
    rows = classes_of(train, wanted)
    counts = by_class(rows.y, rows.w, len(wanted)).counts
    places = jnp.arange(min(sizes.max_class, len(train.w)))

    def kept(c):
        """Positions of the rows of a class that stay, and a mask of valid positions."""
        is_own = (rows.w > 0) & (rows.y == c)
        key_class = key if c == 0 else jax.random.fold_in(key, c)
        drawn = random_order(key_class, is_own)[: len(places)]
        (all_rows,) = jnp.nonzero(is_own, size=len(places), fill_value=0)
        position = jnp.where(counts[c] <= wanted[c], all_rows, drawn)
        return position, places < jnp.minimum(wanted[c], counts[c])

    # The last class, which is the minority of two, comes first.
    parts = [kept(c) for c in reversed(range(len(wanted)))]
    position, is_kept = map(jnp.concatenate, zip(*parts, strict=True))
    return Resampled(train.index[position], jnp.where(is_kept, train.w[position], 0))
