"""
An image generator of your own
==============================

A conditional variational autoencoder is compared with the built-in methods:

imbax run digits --plugin examples/own_generator.py --methods ros deepsmote vae
"""

import math

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

import imbax
from imbax.methods.sampling import Made, extended, slots
from imbax.minibatches import balanced_minibatches, each_batch


class VAE(nn.Module):
    """Encoder q(z | x, y) and decoder p(x | z, y) for flat images and one-hot labels."""

    pixels: int
    latent: int = 16

    def setup(self):
        self.encoder = nn.Sequential([nn.Dense(256), nn.relu, nn.Dense(2 * self.latent)])
        self.decoder = nn.Sequential([nn.Dense(256), nn.relu, nn.Dense(self.pixels), jnp.tanh])

    def __call__(self, key, x, y):
        """Returns reconstructions and the divergence of q(z | x, y) from N(0, I)."""
        mean, log_var = jnp.split(self.encoder(jnp.concatenate([x, y], 1)), 2, axis=1)
        z = mean + jnp.exp(log_var / 2) * jax.random.normal(key, mean.shape)
        return self.decode(z, y), (jnp.exp(log_var) + mean**2 - 1 - log_var).sum(1) / 2

    def decode(self, z, y):
        return self.decoder(jnp.concatenate([z, y], 1))


def vae(facts, noise=0.05):
    """Trains on class-balanced mini-batches; `noise` is the variance of p(x | z, y)."""
    model, optimizer = VAE(math.prod(facts.shape)), optax.adam(facts.learning_rate)

    def init(key, train):
        params = model.init(key, key, train.take(jnp.arange(1)).x, jnp.ones((1, facts.classes)))
        return params, optimizer.init(params), jnp.int32(0)

    def epoch(key, state, train):
        *state, number = state
        key = jax.random.fold_in(key, number)

        def step(state, number, batch):
            params, opt_state = state
            x, y = train.features(batch.row), jax.nn.one_hot(batch.y, facts.classes)

            def objective(params):
                again, divergence = model.apply(params, jax.random.fold_in(key, number), x, y)
                return (((again - x) ** 2).sum(1) / (2 * noise) + divergence).mean()

            loss, gradient = jax.value_and_grad(objective)(params)
            updates, opt_state = optimizer.update(gradient, opt_state)
            return (optax.apply_updates(params, updates), opt_state), loss

        batches = balanced_minibatches(key, train, 20, facts.classes)
        state, loss = each_batch(step, tuple(state), batches)
        return (*state, number + 1), loss

    def sample(key, params, train, wanted, sizes):
        y, is_wanted = slots(wanted, sizes.max_synth)
        z = jax.random.normal(key, (sizes.max_synth, model.latent))
        x = model.apply(params, z, jax.nn.one_hot(y, facts.classes), method=VAE.decode)
        return extended(train, Made(x, y, is_wanted.astype(x.dtype)))

    return imbax.Generator(facts.epochs, init, epoch, lambda state, train: state[0], sample)


imbax.register("vae", generator=vae, title="Conditional VAE", kind="generative")

if __name__ == "__main__":
    results = imbax.run("digits", methods=["ros", "vae"], seeds=1, epochs=20)
    print(results.scores().round(3))
