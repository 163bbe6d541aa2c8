"""Random over-sampling of every class of K: its rows again, drawn with replacement."""

import jax
import jax.numpy as jnp

from imbax.methods.class_smote import class_counts
from imbax.methods.smote import pick, uniform_by_row

__all__ = ["class_duplicate"]


def class_duplicate(
    key: jax.Array, y: jax.Array, w: jax.Array, wanted: jax.Array, *, max_synth: int
) -> tuple[jax.Array, jax.Array]:
    """Positions `[max_synth]` of rows to repeat, class after class, and their weights.

    Args:
      key: random key.
      y: `[n]`: classes in 0..K-1.
      w: `[n]`; rows of weight 0 are padding.
      wanted: `[K]`: copies of each class; 0 for a class without rows.
      max_synth: static upper bound on the copies; surplus has weight 0.
    """
    classes = len(wanted)
    counts = class_counts(y, w, classes)
    order = jnp.argsort(jnp.where(w > 0, y, classes), stable=True)
    number = jnp.arange(max_synth)
    c = jnp.minimum(jnp.searchsorted(jnp.cumsum(wanted), number, side="right"), classes - 1)
    (which,) = uniform_by_row(key, max_synth, 1)
    place = (jnp.cumsum(counts) - counts)[c] + pick(which, counts[c])
    added = (number < wanted.sum()).astype(w.dtype)
    return order[jnp.minimum(place, len(y) - 1)], added
