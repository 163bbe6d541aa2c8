"""Convolutions that are fast inside and outside `lax.scan` and `vmap`.

On CPU, XLA has a fast kernel for convolutions only outside of loops. Inside a loop, or with a
kernel for each of several runs, it uses one that is many times slower, and it never uses the fast
one for the gradient of a transposed convolution. Matrix products are fast everywhere, so on CPU
convolutions are matrix products of patches,

    convolution             y = [the k k shifted slices of x, side by side] W
    transposed convolution  y = sum of the k k shifted slices of x W

or, where `winograd` is faster, of transformed tiles. Other devices use their own kernels.

Images are `[n, height, width, channels]`. Sizes, strides and paddings are those of PyTorch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from imbax.networks.winograd import SIZES, winograd, winograd_transpose, worthwhile

__all__ = ["ALGORITHMS", "Conv", "ConvTranspose", "algorithm", "conv", "conv_transpose"]

ALGORITHMS = ("native", "patches", "winograd")
"""XLA's kernel, matrix products of patches, and `winograd` for 3 x 3 and 4 x 4 kernels of stride 1
(patches for others)."""

_forced: ContextVar[str | None] = ContextVar("algorithm of convolutions", default=None)


@contextmanager
def algorithm(name: str) -> Iterator[None]:
    """Forces one of `ALGORITHMS` in functions that are traced inside the context.

    Functions that JAX has already traced keep theirs.

    Raises
    ------
    ValueError
        If there is no such algorithm.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"algorithm is one of {', '.join(ALGORITHMS)}; got {name!r}")
    before = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(before)


def conv(x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: int = 0) -> jax.Array:
    """Returns `y[o, p] = Σ_{i, j} x[o s + i - padding, p s + j - padding] · kernel[i, j]`.

    Parameters
    ----------
    x
        Images `[n, h, w, c]`, surrounded by zeros.
    kernel
        Kernel `[k, k, c, f]`.
    stride
        Stride s >= 1.
    padding
        Number of rows and columns of zeros on every side, >= 0.

    Returns
    -------
    jax.Array
        `[n, (h + 2 padding - k) // s + 1, (w + 2 padding - k) // s + 1, f]`.
    """
    k, _, c, f = kernel.shape
    use = _forced.get() or _default()
    if use == "native":
        return _native(x, kernel, stride, padding)
    height, width = (size + 2 * padding - k + 1 for size in x.shape[1:3])
    if stride == 1 and _by_winograd(use, len(x), height, width, kernel):
        return winograd(x, kernel, padding)
    patches = _patches(x, k, stride, padding)
    # With more than two axes, the gradient of the kernel would transpose the patches.
    y = patches.reshape(-1, k * k * c) @ kernel.reshape(-1, f)
    return y.reshape(*patches.shape[:3], f)


def conv_transpose(
    x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: int = 0
) -> jax.Array:
    """Sums `x[o, p] · kernel[i, j]` into `y[o s + i - padding, p s + j - padding]`.

    This is the adjoint of `conv` with the same stride and padding and the last two axes of the
    kernel swapped.

    Parameters
    ----------
    x
        Images `[n, h, w, c]`.
    kernel
        Kernel `[k, k, c, f]`.
    stride
        Stride s >= 1.
    padding
        Number of rows and columns that are cropped from every side of the result, >= 0.

    Returns
    -------
    jax.Array
        `[n, (h - 1) s - 2 padding + k, (w - 1) s - 2 padding + k, f]`.
    """
    use = _forced.get() or _default()
    if use == "native":
        return _native(x, kernel[::-1, ::-1], 1, len(kernel) - 1 - padding, dilation=stride)
    if stride == 1 and _by_winograd(use, *x.shape[:3], kernel):
        return winograd_transpose(x, kernel, padding)
    return _conv_transpose(x, kernel, stride, padding)


def _default():
    """Algorithm of the default device; None if it depends on the shapes."""
    return None if jax.default_backend() == "cpu" else "native"


def _by_winograd(use, n, height, width, kernel):
    possible = len(kernel) in SIZES and use != "patches"
    return possible and (use == "winograd" or worthwhile(n, height, width, kernel.shape))


def _native(x, kernel, stride, padding, dilation=1):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(padding, padding)] * 2,
        lhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


# The custom gradient is a convolution and a matrix product; autodiff of the slices below would sum
# k k padded maps.


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _conv_transpose(x, kernel, stride, padding):
    (n, h, w, c), (k, _, _, f) = x.shape, kernel.shape
    # The kernel covers `reach` blocks of s x s outputs along each axis, padded with zeros.
    reach = -(-k // stride)
    more = reach * stride - k
    kernel = jnp.pad(kernel, ((0, more), (0, more), (0, 0), (0, 0)))
    kernel = kernel.reshape(reach, stride, reach, stride, c, f).transpose(4, 0, 2, 1, 3, 5)
    # The barriers keep XLA from recomputing the parts wherever x or y is used.
    parts = jax.lax.optimization_barrier(x).reshape(-1, c) @ kernel.reshape(c, -1)
    parts = parts.reshape(n, h, w, reach, reach * stride * stride * f)
    edges, zero = [(i, reach - 1 - i) for i in range(reach)], (0, 0)
    rows = sum(jnp.pad(parts[:, :, :, i], (zero, edges[i], zero, zero)) for i in range(reach))
    rows = rows.reshape(n, -1, w, reach, stride * stride * f)
    blocks = sum(jnp.pad(rows[:, :, :, j], (zero, zero, edges[j], zero)) for j in range(reach))
    height, width = h + reach - 1, w + reach - 1
    y = blocks.reshape(n, height, width, stride, stride, f).transpose(0, 1, 3, 2, 4, 5)
    y = y.reshape(n, height * stride, width * stride, f)
    rows, columns = ((size - 1) * stride - 2 * padding + k for size in (h, w))
    y = y[:, padding : padding + rows, padding : padding + columns]
    return jax.lax.optimization_barrier(y)


def _forward(x, kernel, stride, padding):
    return _conv_transpose(x, kernel, stride, padding), (x, kernel)


def _backward(stride, padding, residuals, slope):
    x, kernel = residuals
    k, _, c, f = kernel.shape
    patches = _patches(slope, k, stride, padding).reshape(-1, k * k * f)
    x_grad = patches @ kernel.swapaxes(2, 3).reshape(-1, c)
    transposed = x.reshape(-1, c).T
    if c < k * k * f:  # a transposed copy of the smaller factor makes the product twice as fast
        transposed = jax.lax.optimization_barrier(transposed)
    kernel_grad = (transposed @ patches).reshape(c, k, k, f).transpose(1, 2, 0, 3)
    return x_grad.reshape(x.shape), kernel_grad


_conv_transpose.defvjp(_forward, _backward)


def _patches(x, k, stride, padding):
    """Concatenates the shifted slices of x: `[n, h, w, c] -> [n, h', w', k k c]`."""
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    last = [stride * ((size - k) // stride) + 1 for size in x.shape[1:3]]
    slices = [
        x[:, i : i + last[0] : stride, j : j + last[1] : stride] for i in range(k) for j in range(k)
    ]
    return jnp.concatenate(slices, -1)


class _Layer(nnx.Module):
    """Kernel `[k, k, c, f]` and optional bias, uniform in ±1/√fan_in as in PyTorch."""

    def __init__(
        self,
        channels: int,
        features: int,
        k: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        rngs: nnx.Rngs,
    ):
        self.stride, self.padding = stride, padding
        bound = self._fan_in(channels, features, k) ** -0.5
        uniform = lambda *shape: jax.random.uniform(
            rngs.params(), shape, jnp.float32, -bound, bound
        )
        self.kernel = nnx.Param(uniform(k, k, channels, features))
        self.bias = nnx.Param(uniform(features)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self._operation(x, self.kernel[...], stride=self.stride, padding=self.padding)
        return y if self.bias is None else y + self.bias[...]


class Conv(_Layer):
    """Convolution `[n, h, w, channels] -> [n, h', w', features]` with fan_in `k k channels`."""

    _operation = staticmethod(conv)

    @staticmethod
    def _fan_in(channels, features, k):
        return k * k * channels


class ConvTranspose(_Layer):
    """Transposed convolution `[n, h, w, channels] -> [n, h', w', features]`.

    fan_in is `k k features`, as in PyTorch.
    """

    _operation = staticmethod(conv_transpose)

    @staticmethod
    def _fan_in(channels, features, k):
        return k * k * features
