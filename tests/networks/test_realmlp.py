"""Data-dependent initialisation of RealMLP."""

import jax
import jax.numpy as jnp
import numpy as np
import toys

from imbax.networks.realmlp import realmlp


def test_units_start_with_deviation_1_and_bias_in_range():
    view, network = toys.problem(40, padding=4, garbage=1e9).train, realmlp(toys.FEATURES)

    @jax.jit
    def first(key):
        learned, state = network.init(key, view)
        layer, batch = learned["layers"][0], view.all()
        x = (batch.x - state.shift) * state.factor
        x = x / jnp.sqrt(1 + (x / 3) ** 2)
        e = learned["embedding"]
        waves = jnp.cos(2 * jnp.pi * x[:, :, None] * e["frequency"] + e["phase"])
        codes = (waves[:, :, None] @ e["weight"])[:, :, 0] + e["bias"]
        h = jnp.concatenate([codes.reshape(len(x), -1), x], 1)
        return h @ layer["weight"] / jnp.sqrt(h.shape[1]), layer["bias"], state.width

    z, bias, width = first(jax.random.key(1))
    z = np.asarray(z)[view.w > 0]
    assert width == 4 * toys.FEATURES
    np.testing.assert_allclose(z.std(0), 1, 1e-4)
    assert (bias <= -z.min(0) + 1e-5).all() and (bias >= -z.max(0) - 1e-5).all()
    assert bias.std() > 0.1
