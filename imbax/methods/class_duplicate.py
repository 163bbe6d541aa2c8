"""Random over-sampling of every class of K: its rows again, drawn with replacement."""

import jax

from imbax.methods.class_smote import by_class, slots
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
    rows, (c, added) = by_class(y, w, len(wanted)), slots(wanted, max_synth)
    (which,) = uniform_by_row(key, max_synth, 1)
    return rows.row(c, pick(which, rows.counts[c])), added.astype(w.dtype)
