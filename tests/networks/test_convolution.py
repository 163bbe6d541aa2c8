"""Convolutions against their definitions in NumPy and float64, and against each other."""

from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiers import asked

from imbax.networks.convolution import Conv, ConvTranspose, algorithm, conv, conv_transpose
from imbax.networks.resnet import resnet18
from imbax.networks.winograd import SIZES

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


def arrays(h, w, k, n=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, h, w, 3)), rng.normal(size=(k, k, 3, 4))


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
@pytest.mark.parametrize("name", ["native", "patches"])
@pytest.mark.parametrize("case", asked(CASES, SHOWN), ids=str)
def test_output_and_gradients_equal_the_definition(function, expected, name, case):
    h, w, k, stride, padding = case
    with algorithm(name):
        check(function, expected, arrays(h, w, k), stride, padding)


@pytest.mark.parametrize(("function", "expected"), PAIRS, ids=["conv", "conv_transpose"])
@pytest.mark.parametrize("k", SIZES)
@pytest.mark.parametrize("case", [(6, 5, 0), (5, 4, 1), (4, 7, 2)], ids=str)
def test_winograd_equals_the_definition(function, expected, k, case):
    *sizes, padding = case
    with algorithm("winograd"):
        check(function, expected, arrays(*sizes, k), 1, padding)


@pytest.mark.parametrize(("function", "expected"), PAIRS, ids=["conv", "conv_transpose"])
def test_winograd_in_several_blocks_of_images(function, expected, monkeypatch):
    monkeypatch.setattr("imbax.networks.winograd.BLOCK", 13)  # two images of 6 tiles
    with algorithm("winograd"):
        check(function, expected, arrays(6, 4, 3, n=5), 1, 1)


def check(function, expected, inputs, stride, padding):
    """Compares a convolution and its two gradients with the definition."""
    x, kernel = inputs
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


@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_winograd_over_runs_and_in_second_derivatives(function):
    rng = np.random.default_rng(0)
    x, kernel, along = (
        np.float32(rng.normal(size=shape))
        for shape in ((2, 3, 6, 5, 3), (2, 3, 3, 3, 4), (2, 3, 3, 3, 4))
    )

    def products(x, kernel, along):
        gradient = jax.grad(lambda kernel: (function(x, kernel, padding=1) ** 3).sum())
        return jax.jvp(gradient, (kernel,), (along,))

    found = []
    for name in ("winograd", "native"):
        with algorithm(name):
            found.append(jax.jit(jax.vmap(products))(x, kernel, along))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-2), *found)


@pytest.mark.parametrize(
    ("shape", "k", "stride", "name"),
    [
        ((8, 14, 14, 32), 3, 1, "winograd"),
        ((8, 14, 14, 16), 3, 1, "patches"),  # few channels
        ((64, 3, 3, 32), 3, 1, "patches"),  # 64 products for 9 outputs in place of 81
        ((2, 4, 4, 32), 3, 1, "patches"),  # fewer tiles than channels
        ((8, 14, 14, 32), 3, 2, "patches"),
        ((8, 14, 14, 32), 4, 1, "winograd"),
        ((8, 14, 14, 32), 5, 1, "patches"),
    ],
)
def test_algorithm_follows_shapes_on_cpu(shape, k, stride, name):
    for function in (conv, conv_transpose):
        found = program(shape, k, stride, None, function)
        assert found == program(shape, k, stride, name, function)
        other = {"winograd": "patches", "patches": "native"}[name]
        assert found != program(shape, k, stride, other, function)


def test_other_devices_use_their_own_kernels(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    shape = (8, 14, 14, 32)
    for function in (conv, conv_transpose):
        assert program(shape, 3, 1, function=function).count("conv_general_dilated[") == 1
    assert program(shape, 3, 1) != program(shape, 3, 1, "winograd")


def test_unknown_algorithm_is_refused():
    with (
        pytest.raises(ValueError, match="one of native, patches, winograd; got 'fft'"),
        algorithm("fft"),
    ):
        pass


def program(shape, k, stride, name=None, function=conv):
    """The traced convolution as text, by the default algorithm or a named one."""
    arrays = (jnp.zeros(s) for s in (shape, (k, k, shape[-1], 32)))
    with algorithm(name) if name else nullcontext():
        return str(jax.make_jaxpr(lambda *a: function(*a, stride=stride, padding=1))(*arrays))


@pytest.mark.thorough
def test_training_curves_agree_between_algorithms():
    rng = np.random.default_rng(0)
    x = jnp.float32(rng.normal(size=(16, 12, 12, 1)))
    network, weights, classes = resnet18(1, 2, width=32), jnp.ones(16), jnp.arange(16) % 2

    def loss(params, stats):
        logits, stats = network.apply(params, stats, x, weights)
        return -jax.nn.log_softmax(logits)[jnp.arange(16), classes].mean(), stats

    def step(state, _):
        (value, stats), slope = jax.value_and_grad(loss, has_aux=True)(*state)
        return (jax.tree.map(lambda p, g: p - 0.01 * g, state[0], slope), stats), value

    start, curves = network.init(jax.random.key(0)), []
    for name in ("patches", "winograd"):
        with algorithm(name):
            curves.append(jax.jit(lambda start: jax.lax.scan(step, start, length=20)[1])(start))
    assert curves[0][-1] < 0.5 * curves[0][0]
    np.testing.assert_allclose(*curves, 2e-3)


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
