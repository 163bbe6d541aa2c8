"""MDO (`amdo`): synthetic rows at the same Mahalanobis distance from the class mean as real rows.

A row of a class is kept if at least ⌈share k⌉ of its k nearest rows of all classes are of the same
class; m_i is their number. If fewer than two rows are kept, all rows of the class are kept with
m_i = 1. With the kept rows X and their mean μ,

    X - μ = U diag(s) V',    a_i = Σ_j U_ij²    ∝ (x_i - μ)' S⁻ (x_i - μ),    S = cov X
    x_synth = μ + √a_i Σ_j s_j r_j v_j,    r = V'e / ‖V'e‖,    e ~ N(0, I),    P(i) ∝ m_i

x_synth is a point on the ellipsoid through x_i, with a uniform direction after whitening. e is
drawn in all d columns rather than in the components, so that the signs of v_j and rotations among
equal s_j do not matter. Components with s_j <= 1e-4 max s are ignored; 40 images span at most 39.

Source: Abdi and Hashemi 2016 (IEEE TKDE 28(1)), MDO. AMDO, the reference system of DeepSMOTE, is
Yang et al. 2018 (IEEE TKDE 30(9)). According to its abstract, it adds a generalised singular value
decomposition for mixed columns (the ordinary one for numbers), partially balanced counts and an
improved synthesis. There is no public code, and the last two are not implemented here: this is MDO
with the requested number of rows.

`reference` uses the directions of the public MDO packages: every r_j except the last is drawn from
U(-1, 1), and the last completes ‖r‖ = 1, or is 0 if the norm already exceeds 1. For p components,
‖r‖² is then (p - 1) / 3 on average, so rows with more than four components lie √(p / 3) times too
far out: 3.6 times for 40 images. The packages also bound variances below by 0.001; here there is
no such bound.
"""

import math

import jax
import jax.numpy as jnp

from imbax.methods.sampling import Made, Sizes, by_class, classes_of, extended, pick, slots
from imbax.neighbors import nearest
from imbax.types import Resampled, Rows

__all__ = ["company", "directions", "ellipsoid", "sample"]

_BLOCK = 256
# Components of smaller relative size are rounding errors.
_FLOOR = 1e-4


def sample(
    key: jax.Array,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    k_neighbors: int = 5,
    share: float = 0.4,
    reference: bool = False,
) -> Resampled:
    """Adds rows around the mean of each class to the training view.

    Parameters
    ----------
    key
        Random key.
    train
        Training rows.
    wanted
        Number of new rows of each class `[K]`; 0 for a class without rows.
    sizes
        Static bounds on numbers of rows.
    k_neighbors
        Number k >= 1 of nearest rows of all classes, without the row itself.
    share
        Share of them, in (0, 1], that must be of the same class for a row to be kept.
    reference
        Use the directions of the public packages, see above.

    Returns
    -------
    Resampled
        Changed training rows; both `parents` of a synthetic row are i, and its `gap` is 0.
    """
    x, y, w = classes_of(train, wanted)
    if k_neighbors < 1 or not 0 < share <= 1:
        raise ValueError(
            f"k_neighbors is at least 1 and share in (0, 1]; got {k_neighbors} and {share}"
        )
    classes = len(wanted)
    rows = by_class(y, w, classes)

    def class_ellipsoid(c):
        place = jnp.arange(sizes.max_rows)
        i, is_row = rows.row(c, place), place < jnp.where(wanted[c] > 0, rows.counts[c], 0)
        weight = company(x, y, w, i, is_row, k_neighbors, share)
        # A class without wanted rows decomposes zeros, which is cheap.
        return *ellipsoid(x[i], weight > 0), jnp.cumsum(weight)

    mean, axes, square, chance = jax.lax.map(class_ellipsoid, jnp.arange(classes))

    # Each block holds synthetic rows of one class, so that its axes are read once per block.
    start, blocks = jnp.cumsum(wanted) - wanted, -(-wanted // _BLOCK)
    last = jnp.cumsum(blocks)
    first = last - blocks

    def block(b):
        c = jnp.minimum(jnp.searchsorted(last, b, side="right"), classes - 1)
        number = start[c] + (b - first[c]) * _BLOCK + jnp.arange(_BLOCK)
        base, r = jax.vmap(lambda i: draw(jax.random.fold_in(key, i), c))(number)
        r = directions(r, axes[c], reference)
        return mean[c] + jnp.sqrt(square[c, base])[:, None] * _product(r, axes[c]), base

    def draw(key, c):
        key_row, key_e = jax.random.split(key)
        at = pick(jax.random.uniform(key_row, (), jnp.float32), chance[c, -1])
        kind = jax.random.normal
        if reference:
            kind = lambda *args: jax.random.uniform(*args, minval=-1)
        return jnp.searchsorted(chance[c], at, side="right"), kind(key_e, x.shape[1:], x.dtype)

    made, base = jax.lax.map(block, jnp.arange(sizes.max_synth // _BLOCK + classes))
    c, is_wanted = slots(wanted, sizes.max_synth)
    place = first[c] * _BLOCK + jnp.arange(sizes.max_synth) - start[c]
    i = rows.row(c, base.ravel()[place])
    made = made.reshape(-1, x.shape[1])[place]
    parents, gap = jnp.stack([i, i], 1), jnp.zeros(sizes.max_synth, x.dtype)
    return extended(train, Made(made, c, is_wanted.astype(x.dtype), parents, gap))


def company(
    x: jax.Array,
    y: jax.Array,
    w: jax.Array,
    i: jax.Array,
    there: jax.Array,
    k: int,
    share: float,
) -> jax.Array:
    """Returns m_i of the rows `i [m]` of one class, 0 if not kept; `there [m]` masks padding."""
    found, square = nearest(x[i], x, w, k, own=i)
    same = ((y[found] == y[i][:, None]) & jnp.isfinite(square)).sum(1)
    enough = there & (same >= math.ceil(share * k - 1e-9))  # 0.07 * 100 is more than 7
    return jnp.where(there, jnp.where(enough.sum() > 1, same * enough, 1), 0)


def ellipsoid(x: jax.Array, kept: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Fits an ellipsoid to the rows of `x [m, d]` that are `kept [m]`.

    Returns
    -------
    tuple[jax.Array, jax.Array, jax.Array]
        The mean `[d]`; the axes s_j v_j `[p, d]`, longest first, 0 for components that are only
        rounding errors; and a `[m]`.
    """
    rest = kept[:, None]
    mean = jnp.where(rest, x, 0).sum(0) / jnp.maximum(kept.sum(), 1)
    u, s, v = jnp.linalg.svd(jnp.where(rest, x - mean, 0), full_matrices=False)
    # The distribution of `reference` depends on signs of axes: the largest entry is made positive.
    largest = jnp.take_along_axis(v, jnp.abs(v).argmax(1)[:, None], 1)
    is_axis = s > _FLOOR * s.max(initial=0)
    axes = jnp.where(is_axis, s, 0)[:, None] * v * jnp.sign(largest)
    return mean, axes, jnp.where(is_axis, u**2, 0).sum(1)


def directions(e: jax.Array, axes: jax.Array, reference: bool = False) -> jax.Array:
    """Directions r `[s, p]` from random draws; 0 along axes of length 0.

    Parameters
    ----------
    e
        Standard normal draws `[s, d]`; for `reference`, draws from U(-1, 1), of which the first p
        are used.
    axes
        Axes `[p, d]` from `ellipsoid`.
    reference
        Use the directions of the public packages.
    """
    length = jnp.linalg.norm(axes, axis=1)
    is_axis = length > 0
    if not reference:
        r = _product(e, (axes / jnp.where(is_axis, length, 1)[:, None]).T)
        size = jnp.linalg.norm(r, axis=1, keepdims=True)
        return r / jnp.where(size > 0, size, 1)
    e, is_last = e[:, : len(axes)], jnp.arange(len(axes)) == is_axis.sum() - 1
    r = jnp.where(is_axis & ~is_last, e, 0)
    missing = jnp.sqrt(jnp.maximum(1 - (r**2).sum(1, keepdims=True), 0))
    return jnp.where(is_last, jnp.where(e < 0, -missing, missing), r)


def _product(a, b):
    return jnp.dot(a, b, precision=jax.lax.Precision.HIGHEST)
