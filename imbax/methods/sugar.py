"""SUGAR (`sugar`): locally shaped noise where rows are sparse, diffused towards the manifold.

For the minority rows x_1..x_n, with K_i the k nearest rows of x_i including itself,

    d_i = Σ_j exp(-‖x_i - x_j‖² / 2σ²)                                     (degree: density)
    g_i = G (max d - d_i) / Σ_j (max d - d_j)                              (rows started at x_i)
    y ~ N(x_i, cov K_i)                                                    (G rows in total)
    κ_ij = Σ_r exp(-‖y_i - x_r‖² / ε_r²) exp(-‖x_r - y_j‖² / δ_j²) / d_r   (measure-based kernel)
    x_synth_i = Σ_j κ_ij y_j / Σ_j κ_ij                                    (one step of diffusion)

Source: Lindenbaum et al. 2018 (arXiv:1802.04927), Algorithm 1. Details that it leaves open are from
the authors' public MATLAB code: σ is the standard deviation over i of the mean distance of x_i to
all rows; ε_r is the distance of x_r to its (k + 1)-th nearest y, δ_j that of y_j to its (k + 1)-th
nearest x; k = 5. Since G is given, the g_i do not equalise the density (Proposition 4.1); they are
proportional to its solution without the determinant, as in the code's default. The largest
remainder method makes their sum exactly G. If all degrees are equal, so are the g_i.

The paper finally rescales the synthetic rows to the range of the data. This depends on the origin
and is off by default; `rescale` enables the form of the code, a factor of 0.99 max X / max X_synth.

A single minority row has no covariance: it is repeated, and `Resampled.fallback` is True.

A step of diffusion takes two passes over all pairs of rows, in blocks; κ is never formed. With A
and B the two matrices of exponentials, κ Y = A diag(1/d) (B Y).
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
    spread,
)
from imbax.neighbors import kernel_sum, nearest
from imbax.types import Resampled, Rows

__all__ = ["degrees", "diffused", "local_noise", "sample"]


def sample(
    key: jax.Array,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    k_neighbors: int = 5,
    steps: int = 1,
    rescale: bool = False,
) -> Resampled:
    """Adds synthetic rows of SUGAR to the training view; one-vs-rest for more than two classes.

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
        Number of rows in the local covariance, including the row itself, >= 2.
    steps
        Number of diffusion steps; 0: only noise.
    rescale
        Whether to rescale the synthetic rows to the largest value of the minority rows.
    """
    make = functools.partial(_make, k=k_neighbors, steps=steps, rescale=rescale)
    return one_vs_rest(make, key, train, wanted, sizes)


def degrees(x: jax.Array, real: jax.Array) -> jax.Array:
    """Degrees `[n]` of the rows `x [n, d]` with `real [n]`; at least 1, from the row itself."""
    n, ones = real.sum(), jnp.ones(len(x), x.dtype)
    values = real[:, None].astype(x.dtype)
    distance = kernel_sum(lambda square, _: jnp.sqrt(square), x, x, ones, values)[:, 0] / n
    mean = jnp.where(real, distance, 0).sum() / n
    variance = jnp.where(real, (distance - mean) ** 2, 0).sum() / jnp.maximum(n - 1, 1)
    scale = jnp.maximum(2 * variance, jnp.finfo(x.dtype).tiny) * ones
    return jnp.maximum(kernel_sum(_gaussian, x, x, scale, values)[:, 0], 1)


def local_noise(
    x: jax.Array, neighbor: jax.Array, count: jax.Array, base: jax.Array, normal: jax.Array
) -> jax.Array:
    """Transforms standard normal draws to draws `[s, d]` from N(x_i, cov K_i).

    cov K_i has rank k - 1 at most, so combinations of the k rows of K_i with weights of mean 0 are
    draws from it: `Σ_c (g_c - mean g) x_c / √(k - 1)`.

    Parameters
    ----------
    x
        Rows `[n, d]`.
    neighbor
        Indices `[n, k - 1]` of the nearest rows of each row, without itself.
    count
        Number of neighbours.
    base
        Indices i of the rows to start from, `[s]`.
    normal
        Standard normal draws g `[s, k]`, the first for the row itself.
    """
    is_neighbor = jnp.arange(normal.shape[1]) <= count
    weight = normal - jnp.where(is_neighbor, normal, 0).sum(1, keepdims=True) / (count + 1)
    weight = jnp.where(is_neighbor, weight, 0) / jnp.sqrt(jnp.maximum(count, 1).astype(x.dtype))
    start = x[base]
    y = start
    for c in range(neighbor.shape[1]):  # one neighbour at a time avoids an array [s, k, d]
        y = y + weight[:, c + 1, None] * (x[neighbor[base, c]] - start)
    return y


def diffused(
    x: jax.Array,
    real: jax.Array,
    degree: jax.Array,
    y: jax.Array,
    real_y: jax.Array,
    k: int,
    steps: int,
) -> jax.Array:
    """Applies steps of measure-based diffusion over the rows `x [n, d]` to `y [s, d]`.

    A row of y that is so far from every row of x that all its weights vanish does not move.

    Parameters
    ----------
    x
        Minority rows `[n, d]`.
    real
        Mask `[n]`; False for padding.
    degree
        Degrees `[n]`.
    y
        Synthetic rows `[s, d]`.
    real_y
        Mask `[s]`; False for padding.
    k
        Number of neighbours; bandwidths are distances to the (k + 1)-th nearest row.
    steps
        Number of steps, all with the weights of the first.
    """
    if not steps:
        return y
    x_reach, y_reach = _reach(x, real, y, real_y, k + 1), _reach(y, real_y, x, real, k + 1)
    measure = jnp.where(real, 1 / degree, 0)[:, None]
    after = y
    for _ in range(steps):
        values = jnp.where(real_y[:, None], jnp.pad(after, ((0, 0), (0, 1)), constant_values=1), 0)
        back = measure * kernel_sum(_gaussian, x, y, y_reach, values)
        sums = kernel_sum(_gaussian, y, x, x_reach, back)
        total = sums[:, -1:]
        enough = total > 1e-30
        after = jnp.where(enough, sums[:, :-1] / jnp.where(enough, total, 1), after)
    return after


def _gaussian(square, scale):
    return jnp.exp(-square / scale)


def _reach(rows, real, points, real_points, k):
    """Squared distance of each row to its k-th nearest point, or to the last if there are fewer.

    A distance of 0 is replaced by the smallest positive distance of the other rows.
    """
    _, square = nearest(rows, points, real_points, k)
    reach = jnp.where(jnp.isfinite(square), square, 0).max(1)
    positive = jnp.where(real & (reach > 0), reach, jnp.inf).min()
    return jnp.where(reach > 0, reach, jnp.where(jnp.isfinite(positive), positive, 1))


def _make(key, train, number, sizes, *, k, steps, rescale):
    minority, places = minority_of(train, sizes.max_rows), jnp.arange(sizes.max_synth)
    degree = degrees(minority.x, minority.real)
    weight = jnp.where(minority.real, jnp.where(minority.real, degree, 0).max() - degree, 0)
    weight = jnp.where(weight.sum() > 0, weight, minority.real)
    base = spread(apportion(weight, number), sizes.max_synth)

    neighbor, count = own_neighbors(minority, k - 1)
    normal = jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), (k,), jnp.float32))(
        places
    )
    y = local_noise(minority.x, neighbor, count, base, normal)
    is_wanted = places < number
    x = diffused(minority.x, minority.real, degree, y, is_wanted, k, steps)
    if rescale:
        x = x * (0.99 * _largest(minority.x, minority.real) / _largest(x, is_wanted))
    return x, minority.n < 2


def _largest(x, real):
    return jnp.where(real[:, None], x, -jnp.inf).max()
