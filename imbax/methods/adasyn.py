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

import functools

import jax
import jax.numpy as jnp

from imbax.methods.sampling import (
    Sizes,
    apportion,
    minority_of,
    one_vs_rest,
    own_neighbors,
    pick,
    spread,
    uniform_by_row,
)
from imbax.methods.smote import interpolate
from imbax.neighbors import nearest
from imbax.types import Resampled, Rows

__all__ = ["sample"]


def sample(
    key: jax.Array, train: Rows, wanted: jax.Array, sizes: Sizes, *, k_neighbors: int = 5
) -> Resampled:
    """Adds ADASYN's rows to the training view; of more than two classes, one vs. rest.

    Parameters
    ----------
    key
        Random key.
    train
        The view.
    wanted
        `[K]`: new rows of each class; of two classes, none of the first.
    sizes
        Static bounds.
    k_neighbors
        Neighbours, both those that are counted and those to go towards, >= 1.
    """
    make = functools.partial(_make, k=k_neighbors)
    return one_vs_rest(make, key, train, wanted, sizes)


def _make(key, train, number, sizes, *, k):
    minority, every = minority_of(train, sizes.max_rows), train.all()
    around, square = nearest(minority.x, every.x, every.w, k, own=minority.positions)
    hard = ((every.y[around] < 0.5) & jnp.isfinite(square)).sum(1) * minority.real
    counts = apportion(hard, number)
    easy = hard.sum() == 0

    which, column, gap = uniform_by_row(key, sizes.max_synth, 3)
    base = jnp.where(easy, pick(which, minority.n), spread(counts, sizes.max_synth))
    neighbor, count = own_neighbors(minority, k)
    x = interpolate(minority.x, minority.x, neighbor, base, pick(column, count), gap)
    return x, easy | (minority.n < 2)
