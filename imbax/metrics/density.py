"""Gaussian kernel density estimate, which measures how likely points are under real rows."""

import chex
import jax
import jax.numpy as jnp

__all__ = ["log_density"]


def log_density(points: jax.Array, x: jax.Array, w: jax.Array) -> jax.Array:
    """Log density `[m]` of `points [m, d]` under a kernel density estimate from rows `x [n, d]`.

    The kernel is a product of Gaussians; the bandwidth in a column is its standard deviation times
    n^(-1/(d+4)) (Scott 1992). Constant columns are ignored, and so are rows of weight 0 in `w [n]`.
    """
    chex.assert_rank([points, x, w], [2, 2, 1], custom_message="points [m, d], x [n, d], w [n]")
    count = (w > 0).sum()
    share = jnp.where(w > 0, 1 / count, 0)[:, None]
    mean = (share * x).sum(0)
    deviation = jnp.sqrt((share * (x - mean) ** 2).sum(0))
    real = (w > 0)[:, None]
    # Rounding gives a constant column a tiny deviation, but never a range.
    varies = jnp.where(real, x, -jnp.inf).max(0) > jnp.where(real, x, jnp.inf).min(0)
    d = varies.sum()
    bandwidth = jnp.where(varies, deviation, 1) * count ** (-1 / (d + 4))
    a, b = (jnp.where(varies, (z - mean) / bandwidth, 0) for z in (points, x))
    distance = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    kernels = jnp.where(w > 0, -distance / 2, -jnp.inf)
    constant = jnp.where(varies, jnp.log(bandwidth), 0).sum() + d / 2 * jnp.log(2 * jnp.pi)
    return jax.nn.logsumexp(kernels, axis=1) - jnp.log(count) - constant
