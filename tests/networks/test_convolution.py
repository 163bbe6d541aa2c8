"""Convolutions against their definitions in NumPy and float64, and against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiers import asked

from imbax.networks.convolution import Conv, ConvTranspose, conv, conv_transpose

CASES = [  # height, width, k, stride, padding
    (5, 7, 3, 1, 0),
    (6, 6, 4, 2, 1),
    (7, 5, 3, 2, 1),
    (8, 9, 3, 3, 2),
    (7, 7, 4, 1, 0),
    (1, 3, 2, 3, 0),
    (4, 4, 1, 2, 0),
]
SHOWN = (CASES[0], CASES[2])


def arrays(h, w, k, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, h, w, 3)), rng.normal(size=(k, k, 3, 4))


def direct(x, kernel, stride, padding):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    k = len(kernel)
    rows, columns = ((size - k) // stride + 1 for size in x.shape[1:3])
    y = np.zeros((len(x), rows, columns, kernel.shape[-1]))
    for o in range(rows):
        for p in range(columns):
            window = x[:, o * stride : o * stride + k, p * stride : p * stride + k]
            y[:, o, p] = np.einsum("nijc,ijcf->nf", window, kernel)
    return y


def direct_transpose(x, kernel, stride, padding):
    (n, h, w, _), k = x.shape, len(kernel)
    y = np.zeros((n, (h - 1) * stride + k, (w - 1) * stride + k, kernel.shape[-1]))
    for o in range(h):
        for p in range(w):
            y[:, o * stride : o * stride + k, p * stride : p * stride + k] += np.einsum(
                "nc,ijcf->nijf", x[:, o, p], kernel
            )
    return y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding]


PAIRS = [(conv, direct), (conv_transpose, direct_transpose)]


@pytest.mark.parametrize(("function", "expected"), PAIRS, ids=["conv", "conv_transpose"])
@pytest.mark.parametrize("case", asked(CASES, SHOWN), ids=str)
def test_output_and_gradients_equal_the_definition(function, expected, case):
    h, w, k, stride, padding = case
    x, kernel = arrays(h, w, k)
    options = {"stride": stride, "padding": padding}
    y = expected(x, kernel, stride, padding)

    @jax.jit
    def both(x, kernel, cotangent):
        output, pull = jax.vjp(lambda *a: function(*a, **options), x, kernel)
        return output, *pull(cotangent)

    # The map is bilinear, so inner products with directions give the exact gradients.
    rng = np.random.default_rng(1)
    cotangent, along_x, along_kernel = (rng.normal(size=a.shape) for a in (y, x, kernel))
    output, x_grad, kernel_grad = both(*map(np.float32, (x, kernel, cotangent)))
    np.testing.assert_allclose(output, y, 1e-5, 1e-5)
    for gradient, direction, moved in (
        (x_grad, along_x, expected(along_x, kernel, stride, padding)),
        (kernel_grad, along_kernel, expected(x, along_kernel, stride, padding)),
    ):
        slope = (np.asarray(gradient, np.float64) * direction).sum()
        assert slope == pytest.approx((cotangent * moved).sum(), rel=1e-4, abs=1e-3)


def test_conv_transpose_is_the_adjoint_of_conv():
    @jax.jit
    def both(x, kernel):
        y, pull = jax.vjp(lambda x: conv(x, kernel, stride=2, padding=1), x)
        return pull(y)[0], conv_transpose(y, kernel.swapaxes(2, 3), stride=2, padding=1)

    np.testing.assert_allclose(*both(*map(np.float32, arrays(6, 6, 4))), 1e-4, 1e-4)


@pytest.mark.parametrize(
    ("layer", "fan_in", "shape"), [(Conv, 27, (2, 3, 3, 50)), (ConvTranspose, 450, (2, 11, 11, 50))]
)
def test_layers_initialise_as_in_pytorch(layer, fan_in, shape):
    made = layer(3, 50, 3, stride=2, padding=1, rngs=nnx.Rngs(0))
    bound = fan_in**-0.5
    assert 0.98 * bound < jnp.abs(made.kernel[...]).max() <= bound
    assert float(made.kernel[...].std()) == pytest.approx(bound / 3**0.5, rel=0.05)
    assert jnp.abs(made.bias[...]).max() <= bound
    x = jnp.float32(np.random.default_rng(0).normal(size=(2, 6, 6, 3)))
    bare = layer(3, 50, 3, stride=2, padding=1, bias=False, rngs=nnx.Rngs(0))
    y = made(x)
    assert y.shape == shape
    np.testing.assert_allclose(y - made.bias[...], bare(x), 1e-5, 1e-5)
    # Two layers of one `Rngs` have different parameters.
    streams = nnx.Rngs(0)
    one, other = (layer(3, 4, 3, rngs=streams).kernel[...] for _ in range(2))
    assert (one != other).all()
