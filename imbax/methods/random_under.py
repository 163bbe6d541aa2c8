"""Random under-sampling (`random_under`): rows of a class that is larger than wanted are left out.

The rows that stay are drawn without replacement, once per run. The training view becomes shorter,
so an epoch is too.
"""

import jax
import jax.numpy as jnp

from imbax.methods.sampling import Sizes, by_class, classes_of
from imbax.minibatches import random_order
from imbax.types import Resampled, Rows

__all__ = ["sample"]


def sample(key: jax.Array, train: Rows, wanted: jax.Array, sizes: Sizes) -> Resampled:
    """Leaves out rows of the training view.

    Parameters
    ----------
    key
        Random key.
    train
        Training rows.
    wanted
        `[K]`: rows of each class that stay; all of a class that has fewer.
    sizes
        Static bounds: `max_class` on the rows of a class that stay.
    """
    rows = classes_of(train, wanted)
    counts = by_class(rows.y, rows.w, len(wanted)).counts
    places = jnp.arange(min(sizes.max_class, len(train.w)))

    def kept(c):
        """Positions of the class's rows that stay, and whether there is such a row."""
        is_own = (rows.w > 0) & (rows.y == c)
        key_class = key if c == 0 else jax.random.fold_in(key, c)
        drawn = random_order(key_class, is_own)[: len(places)]
        (all_rows,) = jnp.nonzero(is_own, size=len(places), fill_value=0)
        position = jnp.where(counts[c] <= wanted[c], all_rows, drawn)
        return position, places < jnp.minimum(wanted[c], counts[c])

    # The last class, a minority of two, comes first.
    parts = [kept(c) for c in reversed(range(len(wanted)))]
    position, is_kept = map(jnp.concatenate, zip(*parts, strict=True))
    return Resampled(train.index[position], jnp.where(is_kept, train.w[position], 0))
