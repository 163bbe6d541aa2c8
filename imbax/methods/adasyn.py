"""ADASYN (`adasyn`): SMOTE that adds more rows around minority rows that are harder to learn.

With Δ_i of the k nearest training rows of minority row i in the majority,

    r_i = Δ_i / k,    g_i = G r_i / Σ_j r_j,    x_synth = x_i + u (x_j - x_i),    u ~ U[0, 1)

where row i is started from g_i times and j is one of its k nearest minority rows. G is the number
of rows to add.

Source: He et al. 2008, section II. The paper and imbalanced-learn round each g_i, so that their
sum is G only roughly; here largest remainders make it exactly G. Where no minority row has a
majority neighbour r is 0 / 0 (imbalanced-learn raises); here plain SMOTE's rows of the same key are
added, and `Resampled.fallback` says so.
"""

import jax
import jax.numpy as jnp

from imbax.methods.duplicate import synthetic_count
from imbax.methods.smote import (
    apportion,
    extended,
    interpolate,
    minority_of,
    own_neighbors,
    pick,
    spread,
    uniform_by_row,
)
from imbax.neighbors import nearest
from imbax.types import Problem, Resampled

__all__ = ["adasyn"]


def adasyn(
    key: jax.Array,
    problem: Problem,
    *,
    n_synth: str | jax.Array,
    max_synth: int,
    max_minority: int,
    k_neighbors: int = 5,
) -> Resampled:
    """Add ADASYN's rows to the training view.

    Args:
      key: random key.
      problem: training and validation views.
      n_synth: "double", "balance", or how many.
      max_synth: static upper bound on the rows added; surplus has weight 0.
      max_minority: static upper bound on minority rows.
      k_neighbors: neighbours, both those that are counted and those to go towards, >= 1.
    """
    minority, every = minority_of(problem.train, max_minority), problem.train.all()
    around, square = nearest(minority.x, every.x, every.w, k_neighbors, own=minority.positions)
    hard = ((every.y[around] < 0.5) & jnp.isfinite(square)).sum(1) * minority.real
    counts = apportion(hard, synthetic_count(problem.train, n_synth))
    easy = hard.sum() == 0

    which, column, gap = uniform_by_row(key, max_synth, 3)
    base = jnp.where(easy, pick(which, minority.n), spread(counts, max_synth))
    neighbor, count = own_neighbors(minority, k_neighbors)
    x = interpolate(minority.x, minority.x, neighbor, base, pick(column, count), gap)
    return extended(problem.train, x, n_synth, fallback=easy | (minority.n < 2))
