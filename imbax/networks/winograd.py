"""Convolutions of stride 1 with 3 x 3 and 4 x 4 kernels by Winograd's minimal filtering.

    y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A

gives the 2 x 2 outputs y of a tile d and a kernel g with 16 products for a 3 x 3 kernel (36 by the
definition) and 25 for a 4 x 4 kernel (64) (Lavin and Gray 2016, arXiv:1509.09308, equation 8). With
channels and features, ⊙ is a matrix product for each position in a tile. The gradients are

    dd = B [(G g Gᵀ) ⊙ (A dy Aᵀ)] Bᵀ,    dg = Gᵀ [(Bᵀ d B) ⊙ (A dy Aᵀ)] G,

where dd is a transposed convolution of dy. Images are processed in blocks whose tiles fit in the
processor's cache.
"""

from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["SIZES", "winograd", "winograd_transpose", "worthwhile"]

BLOCK = 1600
"""Upper limit on the tiles of a block. See benchmarks/results/convolutions."""


class _Filter(NamedTuple):
    """Matrices of a kernel size for 2 outputs along an axis."""

    a: np.ndarray
    """Aᵀ, `[2, t]`, with t positions in a tile."""
    b: np.ndarray
    """Bᵀ, `[t, t]`."""
    g: np.ndarray
    """G, `[t, k]`."""


_FILTERS = {
    3: _Filter(
        np.array([[1, 1, 1, 0], [0, 1, -1, -1]]),
        np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
        np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2,
    ),
    4: _Filter(  # polynomials at 0, 1, -1, 2 and infinity
        np.array([[1, 1, 1, 1, 0], [0, 1, -1, 2, 1]]),
        np.array(
            [
                [2, -1, -2, 1, 0],
                [0, -2, -1, 1, 0],
                [0, 2, -3, 1, 0],
                [0, -1, 0, 1, 0],
                [0, 2, -1, -2, 1],
            ]
        ),
        np.array([[3, 0, 0, 0], [-3, -3, -3, -3], [-1, 1, -1, 1], [1, 2, 4, 8], [0, 0, 0, 6]]) / 6,
    ),
}
SIZES = tuple(_FILTERS)
"""Sizes of kernels."""


def worthwhile(n: int, height: int, width: int, kernel: tuple[int, int, int, int]) -> bool:
    """Whether `winograd` is faster than a product of patches for n outputs of this size.

    The rule is read off the measurements in benchmarks/results/convolutions: many channels, at most
    two thirds of the products, and enough tiles for the transformed kernel not to dominate.
    """
    k, _, *channels = kernel
    tiles = _pairs(height) * _pairs(width)
    fewer = 3 * (k + 1) ** 2 * tiles <= 2 * k**2 * height * width
    return fewer and min(channels) >= 32 and n * tiles >= max(channels)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def winograd(x: jax.Array, kernel: jax.Array, padding: int = 0) -> jax.Array:
    """Returns `y[o, p] = Σ_{i, j} x[o + i - padding, p + j - padding] · kernel[i, j]`.

    Rounding errors are at most a few times those of the definition. Derivatives are in reverse
    mode, and in forward mode of those.

    Parameters
    ----------
    x
        Images `[n, h, w, c]`, surrounded by zeros.
    kernel
        Kernel `[k, k, c, f]`, k in `SIZES`.
    padding
        Number of rows and columns of zeros on every side, >= 0.

    Returns
    -------
    jax.Array
        `[n, h + 2 padding - k + 1, w + 2 padding - k + 1, f]`.
    """
    return _convolved(x, kernel, padding)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def winograd_transpose(x: jax.Array, kernel: jax.Array, padding: int = 0) -> jax.Array:
    """Sums `x[o, p] · kernel[i, j]` into `y[o + i - padding, p + j - padding]`.

    This is the adjoint of `winograd` with the same padding and the last two axes of the kernel
    swapped. Shapes are as in `imbax.networks.convolution.conv_transpose`.
    """
    return _spread(x, kernel.swapaxes(2, 3), padding)


def _convolved(x, kernel, padding):
    k = len(kernel)
    size = [length + 2 * padding - k + 1 for length in x.shape[1:3]]
    kernels = _transformed(kernel)

    def block(x):
        products = [d @ g for d, g in zip(_tiles(x, padding, k), kernels, strict=True)]
        return _outputs(products, k, size)

    return _joined(jax.lax.map(block, _blocks(x, size)), x)


def _spread(slope, kernel, padding):
    """Adjoint of `_convolved` in x."""
    k, size = len(kernel), slope.shape[1:3]
    kernels = [g.swapaxes(1, 2) for g in _transformed(kernel)]

    def block(slope):
        products = [dy @ g for dy, g in zip(_slopes(slope, k), kernels, strict=True)]
        return _images(products, padding, k, size)

    return _joined(jax.lax.map(block, _blocks(slope, size)), slope)


def _kernel_gradient(x, slope, kernel, padding):
    k, size = len(kernel), slope.shape[1:3]
    transformed, pull = jax.vjp(_transformed, kernel)

    def add(sums, block):
        x, slope = block
        pairs = zip(sums, _tiles(x, padding, k), _slopes(slope, k), strict=True)
        return [s + jnp.einsum("anc,anf->acf", d, dy) for s, d, dy in pairs], None

    sums = [jnp.zeros_like(part) for part in transformed]
    sums, _ = jax.lax.scan(add, sums, (_blocks(x, size), _blocks(slope, size)))
    return pull(sums)[0]


def _backward(padding, residuals, slope):
    x, kernel = residuals
    return _spread(slope, kernel, padding), _kernel_gradient(x, slope, kernel, padding)


def _transpose_backward(padding, residuals, slope):
    x, kernel = residuals
    kernel = kernel.swapaxes(2, 3)
    gradient = _kernel_gradient(slope, x, kernel, padding)
    return _convolved(slope, kernel, padding), gradient.swapaxes(2, 3)


winograd.defvjp(lambda x, g, padding: (_convolved(x, g, padding), (x, g)), _backward)
winograd_transpose.defvjp(
    lambda x, g, padding: (_spread(x, g.swapaxes(2, 3), padding), (x, g)), _transpose_backward
)


# Transformed arrays are lists over the t positions along the width of a tile; the first axis of
# each array is over the t positions along its height. Tiles are made of pairs of rows and columns,
# and share all but the first pair with the next tile.


def _transformed(kernel):
    """`G g Gᵀ`: `[k, k, c, f]` to t arrays `[t, c, f]`."""
    g = _FILTERS[len(kernel)].g
    rows = jnp.stack(_combined(g, kernel))
    return _combined(g, rows.swapaxes(0, 1))


def _tiles(x, padding, k):
    """`Bᵀ d B`: `[n, h, w, c]` to t arrays `[t, tiles, c]`."""
    b, (n, h, w, c) = _FILTERS[k].b, x.shape
    rows, columns = (_pairs(size + 2 * padding - k + 1) for size in (h, w))
    more = k // 2  # pairs of a tile after the first
    below, right = 2 * (rows + more) - h - padding, 2 * (columns + more) - w - padding
    x = jnp.pad(x, ((0, 0), (padding, below), (padding, right), (0, 0)))
    x = x.reshape(n, rows + more, 2, columns + more, 2, c)
    places = [divmod(i, 2) for i in range(k + 1)]
    x = jnp.stack(_combined(b, [x[:, i : i + rows, j] for i, j in places]))
    parts = _combined(b, [x[:, :, :, i : i + columns, j] for i, j in places])
    return [part.reshape(k + 1, -1, c) for part in parts]


def _images(parts, padding, k, size):
    """Adjoint of `_tiles`: sums t arrays `[t, tiles, c]` into `[n, h, w, c]`."""
    b, (rows, columns) = _FILTERS[k].b, map(_pairs, size)
    more = k // 2

    def overlapped(parts, axis):
        """Sums the t positions along an axis into pairs, and inserts an axis of length 2."""
        shifted = []
        for i, part in enumerate(parts):
            edges = [(0, 0)] * part.ndim
            edges[axis] = (i // 2, more - i // 2)
            shifted.append(jnp.pad(part, edges))
        return jnp.stack([sum(shifted[j::2]) for j in range(2)], axis + 1)

    parts = [part.reshape(k + 1, -1, rows, columns, part.shape[-1]) for part in parts]
    x = overlapped(_combined(b.T, parts), 3)
    x = overlapped(_combined(b.T, x), 1)
    x = x.reshape(len(x), 2 * (rows + more), 2 * (columns + more), -1)
    h, w = (length + k - 1 - 2 * padding for length in size)
    return x[:, padding : padding + h, padding : padding + w]


def _outputs(products, k, size):
    """`Aᵀ m A`: t arrays `[t, tiles, f]` to `[n, height, width, f]`."""
    a, (height, width) = _FILTERS[k].a, size
    rows, columns = _pairs(height), _pairs(width)
    parts = [m.reshape(k + 1, -1, rows, columns, m.shape[-1]) for m in _combined(a, products)]
    y = jnp.stack([jnp.stack(_combined(a, part), 2) for part in parts], 4)
    return y.reshape(len(y), 2 * rows, 2 * columns, -1)[:, :height, :width]


def _slopes(slope, k):
    """`A dy Aᵀ`: `[n, height, width, f]` to t arrays `[t, tiles, f]`."""
    a, (n, height, width, f) = _FILTERS[k].a, slope.shape
    rows, columns = _pairs(height), _pairs(width)
    slope = jnp.pad(slope, ((0, 0), (0, 2 * rows - height), (0, 2 * columns - width), (0, 0)))
    slope = slope.reshape(n, rows, 2, columns, 2, f)
    slope = jnp.stack(_combined(a.T, [slope[:, :, i] for i in range(2)]))
    parts = _combined(a.T, [slope[..., i, :] for i in range(2)])
    return [part.reshape(k + 1, -1, f) for part in parts]


def _combined(matrix, parts):
    """`[Σ_j matrix[i, j] parts[j] for i]`, without products with 0, 1 and -1."""

    def add(total, term):
        number, part = term
        if number == -1:
            return -part if total is None else total - part
        part = part if number == 1 else float(number) * part
        return part if total is None else total + part

    rows = [[term for term in zip(row, parts, strict=True) if term[0]] for row in matrix]
    return [reduce(add, row, None) for row in rows]


def _blocks(x, size):
    """Groups of images for outputs of this size, of equal numbers; zeros complete the last."""
    tiles = len(x) * _pairs(size[0]) * _pairs(size[1])
    count = max(1, -(-tiles // BLOCK))
    length = -(-len(x) // count)
    x = jnp.pad(x, ((0, count * length - len(x)), (0, 0), (0, 0), (0, 0)))
    return x.reshape(count, length, *x.shape[1:])


def _joined(blocks, x):
    return blocks.reshape(-1, *blocks.shape[2:])[: len(x)]


def _pairs(size):
    return -(-size // 2)
