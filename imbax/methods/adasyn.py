"""ADASYN (`adasyn`): SMOTE that adds more rows around minority rows that are harder to learn.

Let Δ_i be the number of majority rows among the k nearest training rows of minority row i. Then

    r_i = Δ_i / k,    g_i = G r_i / Σ_j r_j,    x_synth = x_i + u (x_j - x_i),    u ~ U[0, 1)

where g_i synthetic rows start from row i, j is one of its k nearest minority rows, and G is the
number of rows to add.

Source: He et al. 2008, section II. The paper and imbalanced-learn round each g_i, so that their sum
is only approximately G; here the largest remainder method makes the sum exactly G. If no minority
row has a majority neighbour, r is 0 / 0 and imbalanced-learn raises an error. Here, the rows that
SMOTE draws from the same key are added and `Resampled.fallback` is True.
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
    """Adds synthetic rows of ADASYN to the training view; one-vs-rest for more than two classes.

    Parameters
    ----------
    key
        Random key.
    train
        Training rows.
    wanted
        Number of new rows of each class `[K]`; 0 for the first of two classes.
    sizes
        Static bounds on numbers of rows.
    k_neighbors
        Number of neighbours, both for counting and for interpolation, >= 1.
    """
    make = functools.partial(_make, k=k_neighbors)
    return one_vs_rest(make, key, train, wanted, sizes)


def _make(key, train, number, sizes, *, k):
    minority, every = minority_of(train, sizes.max_rows), train.all()
    around, square = nearest(minority.x, every.x, every.w, k, own=minority.positions)
    hard = ((every.y[around] < 0.5) & jnp.isfinite(square)).sum(1) * minority.real
    counts = apportion(hard, number)
    easy = hard.sum() == 0

    start, column, gap = uniform_by_row(key, sizes.max_synth, 3)
    base = jnp.where(easy, pick(start, minority.n), spread(counts, sizes.max_synth))
    neighbor, count = own_neighbors(minority, k)
    x = interpolate(minority.x, minority.x, neighbor, base, pick(column, count), gap)
    return x, easy | (minority.n < 2)
