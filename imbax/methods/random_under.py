"""Random under-sampling (`random_under`): all minority rows, and as many majority rows.

The majority rows that stay are drawn without replacement, once per run. The training view becomes
shorter, so an epoch is too.
"""

import jax
import jax.numpy as jnp

from imbax.training import minority_positions, random_order
from imbax.types import Problem, Resampled

__all__ = ["random_under"]


def random_under(
    key: jax.Array, problem: Problem, *, max_minority: int, ratio: float = 1.0
) -> Resampled:
    """Leave out majority rows of the training view.

    Args:
      key: random key.
      problem: training and validation views.
      max_minority: static upper bound on minority rows.
      ratio: minority rows per majority row afterwards, > 0, as imbalanced-learn's
        `sampling_strategy`; where there are more already, every row stays.
    """
    if not ratio > 0:
        raise ValueError(f"ratio must be positive, got {ratio}")
    train = problem.train
    positions, n_minority = minority_positions(train, max_minority)
    is_majority = (train.w > 0) & (train.y < 0.5)
    size = min(int(max_minority / ratio), len(train.w))
    drawn = random_order(key, is_majority)[:size]
    # The margin lets 6 rows at ratio 0.6 call for 10 in float32.
    wanted = jnp.minimum(jnp.floor(n_minority / ratio * (1 + 1e-6)), is_majority.sum())
    kept = jnp.concatenate([jnp.arange(max_minority) < n_minority, jnp.arange(size) < wanted])
    place = jnp.concatenate([positions, drawn])
    return Resampled(train.index[place], jnp.where(kept, train.w[place], 0))
