"""SUGAR (`sugar`): noise of the local shape, most where points are sparse, pulled to the manifold.

Over the minority rows x_1..x_n only, with K_i the k nearest of x_i, itself among them,

    d_i = Σ_j exp(-‖x_i - x_j‖² / 2σ²)                                     (degree: density)
    g_i = G (max d - d_i) / Σ_j (max d - d_j)                              (points started at x_i)
    y ~ N(x_i, cov K_i)                                                    (G of them in all)
    κ_ij = Σ_r exp(-‖y_i - x_r‖² / ε_r²) exp(-‖x_r - y_j‖² / δ_j²) / d_r   (measure-based kernel)
    x_synth_i = Σ_j κ_ij y_j / Σ_j κ_ij                                    (one step of diffusion)

Source: Lindenbaum et al. 2018 (arXiv:1802.04927), Algorithm 1, with what it leaves open taken from
the authors' public MATLAB code: σ is the standard deviation over i of the mean distance of x_i to
all rows; ε_r is the distance of x_r to its (k + 1)-th nearest y, δ_j that of y_j to its (k + 1)-th
nearest x; k = 5. G is given, so the g_i are not those that equalise the density (Proposition 4.1)
but in their proportion without the determinant, as the code does by default; largest remainders
make their sum exactly G. Where all degrees are equal, so are the g_i.

The paper ends by stretching the points to the range of the data. That depends on where the origin
lies, and is off unless `rescale` (the code's form: all values times 0.99 max X / max X_synth).

A single minority row has no shape: it is repeated, and `Resampled.fallback` says so.

The step costs two passes over all pairs of points and rows, block by block; κ is never formed:
with A and B the two matrices of exponentials, κ Y = A diag(1/d) (B Y).
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
    """Adds SUGAR's points to the training view; one-vs-rest for more than two classes.

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
        Rows of the local covariance, the row itself included, >= 2.
    steps
        Steps of diffusion, 0 for the noise alone.
    rescale
        Stretch the points to the largest value of the minority rows.
    """
    make = functools.partial(_make, k=k_neighbors, steps=steps, rescale=rescale)
    return one_vs_rest(make, key, train, wanted, sizes)


def degrees(x: jax.Array, real: jax.Array) -> jax.Array:
    """`d [n]` of the rows `x [n, d]` marked in `real [n]`; at least 1, for each row is its own."""
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
    """Draws `[s, d]` from N(x_i, cov K_i), of standard normal draws that are given.

    cov K_i has rank k - 1 at most, so a combination of the k rows of K_i with weights of mean 0
    draws from it: `Σ_c (g_c - mean g) x_c / √(k - 1)`.

    Parameters
    ----------
    x
        `[n, d]`.
    neighbor
        `[n, k - 1]`: the rows nearest to each row, without itself.
    count
        How many of them there are.
    base
        `[s]`: i.
    normal
        `[s, k]`: g, the first for the row itself.
    """
    there = jnp.arange(normal.shape[1]) <= count
    weight = normal - jnp.where(there, normal, 0).sum(1, keepdims=True) / (count + 1)
    weight = jnp.where(there, weight, 0) / jnp.sqrt(jnp.maximum(count, 1).astype(x.dtype))
    start = x[base]
    y = start
    for c in range(neighbor.shape[1]):  # one column at a time: no [s, k, d]
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
    """The points `y [s, d]` after steps of measure-based diffusion over the rows `x [n, d]`.

    A point so far from every row that all its weights vanish stays where it is.

    Parameters
    ----------
    x
        `[n, d]`.
    real
        `[n]`: False for padding.
    degree
        `[n]`.
    y
        `[s, d]`.
    real_y
        `[s]`: False for padding.
    k
        The bandwidths reach to the (k + 1)-th nearest.
    steps
        How many, with the weights of the first.
    """
    if not steps:
        return y
    of_x, of_y = _reach(x, real, y, real_y, k + 1), _reach(y, real_y, x, real, k + 1)
    measure = jnp.where(real, 1 / degree, 0)[:, None]
    after = y
    for _ in range(steps):
        values = jnp.where(real_y[:, None], jnp.pad(after, ((0, 0), (0, 1)), constant_values=1), 0)
        back = measure * kernel_sum(_gaussian, x, y, of_y, values)
        sums = kernel_sum(_gaussian, y, x, of_x, back)
        total = sums[:, -1:]
        enough = total > 1e-30
        after = jnp.where(enough, sums[:, :-1] / jnp.where(enough, total, 1), after)
    return after


def _gaussian(square, scale):
    return jnp.exp(-square / scale)


def _reach(rows, real, points, real_points, k):
    """Squared distance of each row to its k-th nearest point, or the last one there is.

    Where that is 0, the smallest of the other rows' that is not.
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
