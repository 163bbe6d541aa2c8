"""The two equations have full precision on accelerators: results equal those on CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import imbax
from imbax.losses.per_example import binary_cross_entropy, supervised_loss

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(jax.default_backend() == "cpu", reason="no accelerator"),
]


@pytest.mark.parametrize("method", ["mixed", "unrolled"])
def test_outer_gradient_equals_the_cpu(method):
    network = imbax.mlp(64)
    loss_fn = supervised_loss(network.apply, binary_cross_entropy)
    rng = np.random.default_rng(0)

    def batch():
        x, y = rng.normal(size=(128, 64)), rng.random(128) < 0.3
        return imbax.Batch(*(np.asarray(a, np.float32) for a in (x, y, np.ones(128))))

    train, valid, points = batch(), batch(), batch()

    def gradient(device):
        put = lambda tree: jax.device_put(tree, device)
        with jax.default_device(device):
            params = put(jax.device_get(network.init(jax.random.key(0))))
            return imbax.outer_gradient(
                loss_fn,
                params,
                put(points.x),
                jnp.ones(128),
                put(valid),
                batch=put(train),
                step_size=0.1,
                method=method,
            )

    on_device, on_cpu = gradient(jax.devices()[0]), gradient(jax.devices("cpu")[0])
    scale = np.abs(on_cpu.x_synth_grad).max()
    np.testing.assert_allclose(on_device.x_synth_grad, on_cpu.x_synth_grad, atol=1e-4 * scale)
    np.testing.assert_allclose(on_device.loss, on_cpu.loss, rtol=1e-5)
