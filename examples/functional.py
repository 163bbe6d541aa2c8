"""
The functional core
===================

This example uses a custom loss and network, with the seeds as a vmapped axis.
"""

import jax
import jax.numpy as jnp
import optax

import imbax

# %%
# Data and loss
# -------------
#
# The loss is a function of parameters, features and labels, and returns the losses of the rows.

key = jax.random.key(0)
x = jax.random.normal(key, (256, 8))
y = (x[:, 0] + x[:, 1] > 2).astype(jnp.float32)
train = imbax.Batch(x[:128], y[:128], jnp.ones(128))
valid = imbax.Batch(x[128:], y[128:], jnp.ones(128))
network = imbax.mlp(8, hidden=(32,), activation=jax.nn.softplus)


def loss_fn(params, x, y):
    return optax.sigmoid_binary_cross_entropy(network.apply(params, x), y)


# %%
# Training of points, vmapped over seeds
# --------------------------------------
#
# A step updates the parameters and moves the points along the gradient through that update.


@jax.vmap
def train_points(key, steps=200, eta1=0.5, eta2=20.0):
    """Final synthetic rows of the minority and the validation loss of each step, for one seed."""

    def step(carry, _):
        params, points = carry
        out = imbax.outer_gradient(
            loss_fn, params, points, jnp.ones(16), valid, step_size=eta1, batch=train
        )
        return (out.params, points - eta2 * out.x_synth_grad), out.loss

    start = network.init(key), 1 + jax.random.normal(key, (16, 8))
    (_, points), losses = jax.lax.scan(step, start, length=steps)
    return points, losses


points, losses = jax.jit(train_points)(jax.random.split(key, 5))
for seed in range(5):
    print(f"seed {seed}: validation loss {losses[seed, 0]:.3f} -> {losses[seed, -1]:.3f}")
