"""Random over-sampling (`ros`): minority rows again, drawn with replacement.

Nothing is copied: a view of the shared matrix gains indices. `n_synth` rows are added, `double`
meaning as many as there are minority rows (the count the Explicit Gradient paper gives every
sampler), `balance` as many as make the classes equal.
"""

import jax
import jax.numpy as jnp

from imbax.training import minority_positions
from imbax.types import Problem, Resampled, Rows

__all__ = ["duplicate", "synthetic_count"]


def synthetic_count(rows: Rows, n_synth: str | jax.Array) -> jax.Array:
    """How many synthetic rows a run adds, a traced scalar: by rule, or the number itself.

    Raises ValueError for an unknown rule.
    """
    if not isinstance(n_synth, str):
        return jnp.asarray(n_synth)
    minority = ((rows.w > 0) & (rows.y > 0.5)).sum()
    if n_synth == "double":
        return minority
    if n_synth == "balance":
        return jnp.maximum((rows.w > 0).sum() - 2 * minority, 0)
    raise ValueError(f'n_synth is "double" or "balance", got {n_synth!r}')


def duplicate(
    key: jax.Array, problem: Problem, *, n_synth: str, max_synth: int, max_minority: int
) -> Resampled:
    """Add randomly drawn minority rows to the training view.

    Args:
      key: random key.
      problem: training and validation views.
      n_synth: "double" or "balance".
      max_synth: static upper bound on the rows added; the view grows by it, surplus has weight 0.
      max_minority: static upper bound on minority rows.
    """
    train = problem.train
    positions, n_minority = minority_positions(train, max_minority)
    # One draw per row, by its number, so that the bound changes no draw.
    uniform = jax.vmap(lambda i: jax.random.uniform(jax.random.fold_in(key, i)))(
        jnp.arange(max_synth)
    )
    drawn = positions[jnp.minimum((uniform * n_minority).astype(jnp.int32), n_minority - 1)]
    added = jnp.arange(max_synth) < synthetic_count(train, n_synth)
    return Resampled(
        index=jnp.concatenate([train.index, train.index[drawn]]),
        w=jnp.concatenate([train.w, added.astype(train.w.dtype)]),
    )
