"""MDO (`amdo`): new rows as far from their class's mean, by Mahalanobis, as one of its rows is.

Of each class the rows are kept that have at least ⌈share k⌉ rows of it among the k nearest of all,
m_i of them; fewer than two such rows, and all the class's are kept with m_i = 1. Then, with the
kept rows X less their mean μ,

    X - μ = U diag(s) V',    a_i = Σ_j U_ij²    ∝ (x_i - μ)' S⁻ (x_i - μ),    S = cov X
    x_synth = μ + √a_i Σ_j s_j r_j v_j,    r = V'e / ‖V'e‖,    e ~ N(0, I),    P(i) ∝ m_i

a point of the ellipsoid through x_i, whose direction is uniform once S is the unit matrix. In all d
columns e is drawn, not in the components, so that neither the sign of v_j nor a rotation among
equal s_j matters. Components with s_j <= 1e-4 max s are left out: 40 images span 39 at most.

Source: Abdi and Hashemi 2016 (IEEE TKDE 28(1)), MDO. AMDO, the reference system of DeepSMOTE, is
Yang et al. 2018 (IEEE TKDE 30(9)). By its abstract it adds a singular value decomposition for mixed
columns (on numbers an ordinary one), partially balanced counts, and a better synthesis. No code of
it is public, and the last two are not rebuilt here: this is MDO, and makes as many rows as are
wanted.

`reference` gives the directions of the public MDO packages: each r_j but the last from U(-1, 1),
and the last one what is missing to ‖r‖ = 1, or 0 if nothing is. Of p components ‖r‖² is then
(p - 1) / 3 on average, so that rows of more than four lie √(p / 3) times too far out: 3.6 times at
40 images. They also put a floor of 0.001 under the variances; components have none here.
"""

import math

import jax
import jax.numpy as jnp

from imbax.methods.sampling import Made, Sizes, by_class, classes_of, extended, pick, slots
from imbax.neighbors import nearest
from imbax.types import Resampled, Rows

__all__ = ["company", "directions", "ellipsoid", "sample"]

_BLOCK = 256
# Components of smaller relative size are rounding.
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
        The view.
    wanted
        `[K]`: new rows of each class; 0 for a class without rows.
    sizes
        Static bounds.
    k_neighbors
        k, >= 1, of all classes, the row itself not among them.
    share
        Of them that must be of a row's own class for it to be kept, in (0, 1].
    reference
        Take the directions of the public packages, see above.

    Returns
    -------
    Resampled
        The change to the view; both `parents` of a new row are i, and its `gap` is 0.
    """
    x, y, w = classes_of(train, wanted)
    if k_neighbors < 1 or not 0 < share <= 1:
        raise ValueError(
            f"k_neighbors is at least 1 and share in (0, 1]; got {k_neighbors} and {share}"
        )
    classes = len(wanted)
    rows = by_class(y, w, classes)

    def of_class(c):
        place = jnp.arange(sizes.max_rows)
        i, there = rows.row(c, place), place < jnp.where(wanted[c] > 0, rows.counts[c], 0)
        weight = company(x, y, w, i, there, k_neighbors, share)
        # Where nothing is wanted, nothing is decomposed: that of zeros is cheap.
        return *ellipsoid(x[i], weight > 0), jnp.cumsum(weight)

    mean, axes, square, chance = jax.lax.map(of_class, jnp.arange(classes))

    # Blocks of new rows of one class each, so that its axes are read once for many.
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
        choosing, pointing = jax.random.split(key)
        at = pick(jax.random.uniform(choosing, (), jnp.float32), chance[c, -1])
        kind = jax.random.normal
        if reference:
            kind = lambda *given: jax.random.uniform(*given, minval=-1)
        return jnp.searchsorted(chance[c], at, side="right"), kind(pointing, x.shape[1:], x.dtype)

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
    """m_i of the rows numbered `i [m]`, all that are `there [m]` of one class; 0: not kept."""
    found, square = nearest(x[i], x, w, k, own=i)
    same = ((y[found] == y[i][:, None]) & jnp.isfinite(square)).sum(1)
    enough = there & (same >= math.ceil(share * k - 1e-9))  # 0.07 * 100 is more than 7
    return jnp.where(there, jnp.where(enough.sum() > 1, same * enough, 1), 0)


def ellipsoid(x: jax.Array, kept: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Shape of the rows of `x [m, d]` that are kept `[m]`.

    Returns
    -------
    tuple[jax.Array, jax.Array, jax.Array]
        The mean `[d]`, the axes s_j v_j `[p, d]`, longest first and 0 where rounding is all there
        is, and a `[m]`.
    """
    rest = kept[:, None]
    mean = jnp.where(rest, x, 0).sum(0) / jnp.maximum(kept.sum(), 1)
    u, s, v = jnp.linalg.svd(jnp.where(rest, x - mean, 0), full_matrices=False)
    # For the law of `reference` only the sign of an axis matters: its largest entry is positive.
    largest = jnp.take_along_axis(v, jnp.abs(v).argmax(1)[:, None], 1)
    there = s > _FLOOR * s.max(initial=0)
    axes = jnp.where(there, s, 0)[:, None] * v * jnp.sign(largest)
    return mean, axes, jnp.where(there, u**2, 0).sum(1)


def directions(e: jax.Array, axes: jax.Array, reference: bool = False) -> jax.Array:
    """r `[s, p]` of draws that are given, 0 for axes that are.

    Parameters
    ----------
    e
        `[s, d]`: standard normal; for `reference`, from U(-1, 1), the first p of them used.
    axes
        `[p, d]`: of `ellipsoid`.
    reference
        See above.
    """
    length = jnp.linalg.norm(axes, axis=1)
    there = length > 0
    if not reference:
        r = _product(e, (axes / jnp.where(there, length, 1)[:, None]).T)
        size = jnp.linalg.norm(r, axis=1, keepdims=True)
        return r / jnp.where(size > 0, size, 1)
    e, closing = e[:, : len(axes)], jnp.arange(len(axes)) == there.sum() - 1
    r = jnp.where(there & ~closing, e, 0)
    missing = jnp.sqrt(jnp.maximum(1 - (r**2).sum(1, keepdims=True), 0))
    return jnp.where(closing, jnp.where(e < 0, -missing, missing), r)


def _product(a, b):
    return jnp.dot(a, b, precision=jax.lax.Precision.HIGHEST)
