"""3 x 3 convolutions of stride 1 with 16 products for 4 outputs in place of 36.

    y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A

gives the 2 x 2 outputs y of a 4 x 4 tile d and a 3 x 3 kernel g (Winograd's minimal filtering,
F(2 x 2, 3 x 3); Lavin and Gray 2016, arXiv:1509.09308, equation 8). With channels and features, ⊙
is a matrix product for each of the 16 positions in a tile. Images are processed in blocks whose
tiles fit in the processor's cache.

The gradient of x is the convolution of the slope with the reversed kernel. The gradient of the
kernel is, summed over tiles, `Gᵀ [(Bᵀ d B) ⊙ (A dy Aᵀ)] G`.
"""

from functools import partial

import jax
import jax.numpy as jnp

__all__ = ["winograd", "worthwhile"]

TILES = 1600
"""Upper limit on the tiles of a block. See benchmarks/results/convolutions."""


def worthwhile(shape: tuple[int, int, int, int], features: int, padding: int) -> bool:
    """Whether `winograd` is faster than a product of patches on images of this shape.

    The rule is read off the measurements in benchmarks/results/convolutions: many channels, at most
    two thirds of the products, and enough tiles for the transformed kernel not to dominate.
    """
    n, h, w, channels = shape
    height, width = (size + 2 * padding - 2 for size in (h, w))
    tiles = _pairs(height) * _pairs(width)
    many = min(channels, features) >= 32 and n * tiles >= max(channels, features)
    return many and 16 * tiles <= 6 * height * width


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def winograd(x: jax.Array, kernel: jax.Array, padding: int = 0) -> jax.Array:
    """Returns `y[o, p] = Σ_{i, j} x[o + i - padding, p + j - padding] · kernel[i, j]`.

    Rounding errors are about those of the definition (1e-6 of the largest output in float32).
    Derivatives are in reverse mode only.

    Parameters
    ----------
    x
        Images `[n, h, w, c]`, surrounded by zeros.
    kernel
        Kernel `[3, 3, c, f]`.
    padding
        Number of rows and columns of zeros on every side, 0 to 2.

    Returns
    -------
    jax.Array
        `[n, h + 2 padding - 2, w + 2 padding - 2, f]`.
    """
    return _convolved(x, kernel, padding)


def _forward(x, kernel, padding):
    return _convolved(x, kernel, padding), (x, kernel)


def _backward(padding, residuals, slope):
    x, kernel = residuals
    height, width = slope.shape[1:3]

    def add(sums, block):
        x, slope = block
        pairs = zip(sums, _tiles(x, padding), _slopes(slope), strict=True)
        return [s + jnp.einsum("anc,anf->acf", d, dy) for s, d, dy in pairs], None

    transformed, pull = jax.vjp(_transformed, kernel)
    sums = [jnp.zeros_like(part) for part in transformed]
    sums, _ = jax.lax.scan(add, sums, tuple(_blocks(a, height, width) for a in (x, slope)))
    return _convolved(slope, kernel[::-1, ::-1].swapaxes(2, 3), 2 - padding), *pull(sums)


winograd.defvjp(_forward, _backward)


def _convolved(x, kernel, padding):
    height, width = (size + 2 * padding - 2 for size in x.shape[1:3])
    kernels = _transformed(kernel)

    def convolved(x):
        products = [d @ g for d, g in zip(_tiles(x, padding), kernels, strict=True)]
        return _outputs(products, len(x), height, width)

    y = jax.lax.map(convolved, _blocks(x, height, width))
    return y.reshape(-1, *y.shape[2:])[: len(x)]


# Lists below are over the positions along the width of a tile, the first axis of their arrays over
# the positions along its height.


def _transformed(kernel):
    """`G g Gᵀ`: `[3, 3, c, f]` to four arrays `[4, c, f]`."""

    def apply(g0, g1, g2):
        even, odd = (g0 + g2) / 2, g1 / 2
        return [g0, even + odd, even - odd, g2]

    return apply(*jnp.stack(apply(*kernel)).swapaxes(0, 1))


def _tiles(x, padding):
    """`Bᵀ d B` of the overlapping tiles: `[n, h, w, c]` to four arrays `[4, tiles, c]`."""

    def apply(d0, d1, d2, d3):
        return [d0 - d2, d1 + d2, d2 - d1, d1 - d3]

    n, h, w, c = x.shape
    rows, columns = (_pairs(size + 2 * padding - 2) for size in (h, w))
    below, right = 2 * (rows + 1) - h - padding, 2 * (columns + 1) - w - padding
    x = jnp.pad(x, ((0, 0), (padding, below), (padding, right), (0, 0)))
    # A tile is two by two pairs of rows and columns; it shares the second ones with the next tile.
    x = x.reshape(n, rows + 1, 2, columns + 1, 2, c)
    x = jnp.stack(apply(x[:, :-1, 0], x[:, :-1, 1], x[:, 1:, 0], x[:, 1:, 1]))
    left, right = x[:, :, :, :-1], x[:, :, :, 1:]
    parts = apply(left[..., 0, :], left[..., 1, :], right[..., 0, :], right[..., 1, :])
    return [part.reshape(4, -1, c) for part in parts]


def _outputs(products, n, height, width):
    """`Aᵀ m A`: four arrays `[4, tiles, f]` to `[n, height, width, f]`."""

    def apply(m0, m1, m2, m3):
        return [m0 + m1 + m2, m1 - m2 - m3]

    rows, columns = _pairs(height), _pairs(width)
    halves = [part.reshape(4, n, rows, columns, -1) for part in apply(*products)]
    pairs = [jnp.stack(apply(*half), 2) for half in halves]
    y = jnp.stack(pairs, 4).reshape(n, 2 * rows, 2 * columns, -1)
    return y[:, :height, :width]


def _slopes(slope):
    """`A dy Aᵀ`: `[n, height, width, f]` to four arrays `[4, tiles, f]`."""

    def apply(y0, y1):
        return [y0, y0 + y1, y0 - y1, -y1]

    n, height, width, f = slope.shape
    rows, columns = _pairs(height), _pairs(width)
    slope = jnp.pad(slope, ((0, 0), (0, 2 * rows - height), (0, 2 * columns - width), (0, 0)))
    slope = slope.reshape(n, rows, 2, columns, 2, f)
    slope = jnp.stack(apply(slope[:, :, 0], slope[:, :, 1]))
    return [part.reshape(4, -1, f) for part in apply(slope[..., 0, :], slope[..., 1, :])]


def _blocks(x, height, width):
    """Groups of images for outputs of this size, of equal numbers; zeros complete the last."""
    count = -(-len(x) * _pairs(height) * _pairs(width) // TILES)
    size = -(-len(x) // count)
    x = jnp.pad(x, ((0, count * size - len(x)), (0, 0), (0, 0), (0, 0)))
    return x.reshape(count, size, *x.shape[1:])


def _pairs(size):
    return -(-size // 2)
