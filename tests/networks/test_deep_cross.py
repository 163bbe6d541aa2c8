"""Deep & cross networks against NumPy."""

import jax
import numpy as np
import pytest

from imbax.networks.deep_cross import deep_cross

X = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def linear(params, x):
    """Applies a linear layer; the kernel is stored with its shorter side first."""
    kernel = params["kernel"]
    return (x @ kernel if kernel.shape[0] == x.shape[1] else x @ kernel.T) + params["bias"]


def reference(params, x):
    deep, crossed = x.astype(np.float64), x.astype(np.float64)
    for number, layer in params["tower"].items():
        deep = linear(layer, deep)
        if norm := params["norms"].get(number - 1) if "norms" in params else None:
            centred = deep - deep.mean(1, keepdims=True)
            deep = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-6)
            deep = deep * norm["scale"] + norm["bias"]
        deep = leaky(deep)
    for cross in params.get("crosses", {}).values():
        crossed = np.array([a * (b @ cross["w"]) for a, b in zip(x, crossed, strict=True)]) + (
            cross["b"] + crossed
        )
    out = np.concatenate([deep, crossed], 1) if "crosses" in params else deep
    *between, last = params["joint"].values()
    for layer in between:
        out = leaky(linear(layer, out))
    return linear(last, out)


@pytest.mark.parametrize(
    "options",
    [
        {"crosses": 2, "normalize": True, "outputs": None},
        {"crosses": 1, "joint": (5,), "outputs": 4},
        {"crosses": 0, "outputs": 2},
    ],
)
def test_output_equals_numpy(options):
    network = deep_cross(3, (8, 6, 4), **options)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    rng = np.random.default_rng(1)  # so that no bias or scale is 0 or 1
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    expected = reference(params, X)
    expected = expected if options["outputs"] else expected[:, 0]
    np.testing.assert_allclose(jax.jit(network.apply)(params, X), expected, rtol=2e-4, atol=2e-4)
