"""Borderline-SMOTE (`borderline_smote`): SMOTE that starts from minority rows in danger only.

A minority row is in danger if at least half, but not all, of its m nearest training rows are
majority rows. From a row i in danger

    x_synth = x_i + u (x_j - x_i),    u ~ U[0, 1)

where j is one of i's k nearest minority rows (kind 1), or one of its k nearest training rows of
either class (kind 2). If j is a majority row, the step u is multiplied by v ~ U[0, 1/2).

Source: Han, Wang and Mao 2005, section 3, as implemented in imbalanced-learn. In the paper, the
step of kind 2 to a majority row is v (`shorten="replace"` here), and j is one of k minority rows or
the nearest majority rows. If no row is in danger, imbalanced-learn adds nothing. Here, the rows
that SMOTE draws from the same key are added, so that all samplers add equally many rows, and
`Resampled.fallback` is True.
"""

import functools

import jax
import jax.numpy as jnp

from imbax.methods.sampling import (
    Sizes,
    minority_of,
    one_vs_rest,
    own_neighbors,
    pick,
    uniform_by_row,
)
from imbax.methods.smote import interpolate
from imbax.neighbors import nearest
from imbax.types import Resampled, Rows

__all__ = ["in_danger", "sample", "shortened"]


def sample(
    key: jax.Array,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    k_neighbors: int = 5,
    m_neighbors: int = 10,
    kind: int = 1,
    shorten: str = "multiply",
) -> Resampled:
    """Adds synthetic rows of Borderline-SMOTE to the view; one-vs-rest for K > 2 classes.

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
        Number of neighbours for interpolation, >= 1.
    m_neighbors
        Number of neighbours that decide whether a row is in danger, >= 1.
    kind
        Kind 1 or 2.
    shorten
        Step to a majority row in kind 2: "multiply" (u v) or "replace" (v).
    """
    if kind not in (1, 2) or shorten not in ("multiply", "replace"):
        raise ValueError(
            f'kind is 1 or 2 and shorten "multiply" or "replace", got {kind!r} and {shorten!r}'
        )
    options = {"k": k_neighbors, "m": m_neighbors, "kind": kind, "shorten": shorten}
    return one_vs_rest(functools.partial(_make, **options), key, train, wanted, sizes)


def in_danger(is_majority: jax.Array, found: jax.Array) -> jax.Array:
    """Returns whether at least half, but not all, of a row's m neighbours are majority rows.

    Parameters
    ----------
    is_majority
        Mask `[n, m]` of neighbours in the majority.
    found
        Mask `[n, m]`; False where there are fewer neighbours than m.

    Returns
    -------
    jax.Array
        Mask `[n]` of rows in danger.
    """
    majority, neighbors = (is_majority & found).sum(1), found.sum(1)
    return (2 * majority >= neighbors) & (majority < neighbors)


def shortened(gap: jax.Array, v: jax.Array, shorten: str) -> jax.Array:
    """Step `[s]` to a majority row from `gap [s]` in [0, 1) and `v [s]` in [0, 1/2)."""
    return gap * v if shorten == "multiply" else v


def _make(key, train, number, sizes, *, k, m, kind, shorten):
    minority, every = minority_of(train, sizes.max_rows), train.all()
    width = max(m, k)
    around, square = nearest(minority.x, every.x, every.w, width, own=minority.positions)
    found, is_majority = jnp.isfinite(square), every.y[around] < 0.5
    danger = minority.real & in_danger(is_majority[:, :m], found[:, :m])
    n_danger = danger.sum()
    (seeds,) = jnp.nonzero(danger, size=sizes.max_rows, fill_value=0)

    start, column, gap, v = uniform_by_row(key, sizes.max_synth, 4)
    base = jnp.where(n_danger, seeds[pick(start, n_danger)], pick(start, minority.n))
    neighbor, count = own_neighbors(minority, k)
    neighbor = minority.positions[neighbor]
    if kind == 2:
        neighbor = jnp.where(n_danger, around[:, :k], neighbor)
        count = jnp.where(n_danger, found[:, :k].sum(1)[base], count)
    column = pick(column, count)
    if kind == 2:
        to_majority = every.y[neighbor[base, column]] < 0.5
        gap = jnp.where(to_majority, shortened(gap, v / 2, shorten), gap)
    return interpolate(minority.x, every.x, neighbor, base, column, gap), n_danger == 0
