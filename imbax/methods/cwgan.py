"""Conditional Wasserstein GAN (`cwgan`): minority rows from a class-conditional generator.

    critic D      min  mean D(x̃, y) - mean D(x, y) + λ mean (‖∇_x̂ D(x̂, y)‖ - 1)²
    generator G   min  -mean D(x̃, y) + a |mean D(x̃, y)| mean max(BCE(C(x̃), y), b)
    with          x̃ = G(z, y),    z ~ U[-1, 1)^30,    x̂ = u x + (1 - u) x̃,    u ~ U[0, 1)

Each iteration takes 3 steps of the critic, then one of the generator. C is an auxiliary classifier
that is trained first and then frozen; rows with a low loss (BCE < b) do not contribute to the
gradient of G. The scale |mean D| is not differentiated. Finally x_synth = G(z, 1) with z from the
distribution used in training.

Source: Engelmann and Lessmann 2021, "Conditional Wasserstein GAN-based oversampling of tabular data
for imbalanced learning" (arXiv:2008.09202), and the settings of the public code's tutorial; the
penalty is Gulrajani et al. 2017 (arXiv:1704.00028), equation 3. Departures:

- Rows are numeric, and a one-hot block is treated like other numbers. There is no Gumbel-softmax
  output, because rows are scaled and possibly projected, so that categories are no longer 0 or 1.
- Every mini-batch holds equally many rows of both classes. The code draws mini-batches from the
  data; at 100:1, a mini-batch of 64 often has no minority row.
- The length of training is a number of generator steps rather than epochs, equal for all data sets.
- Samples come from a moving average of the generator's parameters (Yazıcı et al. 2019,
  arXiv:1806.04498). Training with a gradient penalty circles around the equilibrium, and the last
  step may be anywhere on that circle. `average=0` uses the last step, as the code does.
- Samples are clipped to the minority's range in each column. `clip=False` keeps the output of the
  generator, as the conditional path of the code does; it may exceed the range of the data.
- A column that is constant on the training rows stays constant.

If a loss or a sample is not finite, or there are fewer than 2 minority rows, randomly drawn
minority rows are added instead, and `Resampled.fallback` is True.
"""

import functools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.losses.per_example import binary_cross_entropy
from imbax.methods.sampling import Sizes, minority_of, one_vs_rest, pick, uniform_by_row
from imbax.minibatches import balanced_draws
from imbax.networks.cwgan import (
    Architecture,
    Networks,
    criticised,
    generated,
    gradient_penalty,
    networks,
)
from imbax.types import Batch, Params, Resampled, Rows

__all__ = [
    "Config",
    "Losses",
    "State",
    "critic_step",
    "fit",
    "generator_step",
    "init",
    "latent",
    "sample",
    "trained_classifier",
]


@dataclass(frozen=True)
class Config:
    """Static options."""

    iterations: int = 3000
    """Number of generator steps, >= 1."""
    critic_steps: int = 3
    """Number of critic steps before each generator step."""
    batch_size: int = 64
    """Rows per step, half of each class, >= 2."""
    learning_rate: float = 1e-4
    """Adam's learning rate for generator and critic, with β₁ = 0 and β₂ = 0.9."""
    penalty: float = 15.0
    """Weight λ of the gradient penalty."""
    noise: float = 0.01
    """Standard deviation of the normal noise on all rows, real and generated, for the critic."""
    architecture: Architecture = field(default_factory=Architecture)
    """Layers of the networks."""
    classifier_weight: float = 0.1
    """Weight a of the auxiliary classifier; 0: no classifier."""
    classifier_floor: float = 0.3
    """Lower bound b of the classifier's loss."""
    classifier_steps: int = 1000
    """Number of training steps of the classifier before the GAN, with `batch_size` rows."""
    classifier_learning_rate: float = 5e-4
    average: float = 0.999
    """Decay per iteration, in [0, 1), of the moving average of the generator's parameters; 0: no
    averaging."""
    clip: bool = True
    """Whether samples are clipped to the range of the run's minority rows."""


class State(NamedTuple):
    """Training state."""

    generator: Params
    critic: Params
    generator_opt_state: Any
    critic_opt_state: Any


class Losses(NamedTuple):
    """Losses of all iterations."""

    critic: jax.Array
    """Critic's losses `[iterations, critic_steps]`."""
    generator: jax.Array
    """Generator's losses `[iterations]`."""


def sample(
    key: jax.Array,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    config: Config | None = None,
) -> Resampled:
    """Trains the GAN on the view and adds generated rows; one-vs-rest for K > 2 classes.

    Parameters
    ----------
    key
        Random key.
    train
        Training rows.
    wanted
        Number of new rows of each class `[K]`; 0 for the first of two classes.
    sizes
        Static bounds on numbers of rows.
    config
        Networks and training.
    """
    make = functools.partial(_make, config=config or Config())
    return one_vs_rest(make, key, train, wanted, sizes)


def fit(key: jax.Array, config: Config, nets: Networks, train: Rows) -> tuple[Params, Losses]:
    """Trains the GAN; returns the generator's averaged parameters and the losses."""
    key_init, key_classifier, key_steps = jax.random.split(key, 3)
    draw = balanced_draws(train, config.batch_size)
    classifier = trained_classifier(key_classifier, config, nets, train)

    def critic(state, key):
        key_batch, key_step = jax.random.split(key)
        return critic_step(key_step, state, train.take(draw(key_batch)), nets=nets, config=config)

    def iteration(carry, number):
        state, mean = carry
        keys = jax.random.split(jax.random.fold_in(key_steps, number), config.critic_steps + 1)
        state, critic_losses = jax.lax.scan(critic, state, keys[1:])
        state, loss = generator_step(keys[0], state, classifier, nets=nets, config=config)
        # The plain mean in the first 1 / (1 - average) iterations.
        newest = jnp.maximum(1 - config.average, 1 / (number + 1))
        mean = optax.incremental_update(state.generator, mean, newest)
        return (state, mean), Losses(critic_losses, loss)

    state = init(key_init, config, nets)
    carry = state, state.generator
    (_, mean), losses = jax.lax.scan(iteration, carry, jnp.arange(config.iterations))
    return mean, losses


def init(key: jax.Array, config: Config, nets: Networks) -> State:
    """Initial networks and optimizer states."""
    keys = jax.random.split(key)
    params = nets.generator.init(keys[0]), nets.critic.init(keys[1])
    return State(*params, *(_optimizer(config).init(p) for p in params))


def critic_step(
    key: jax.Array, state: State, batch: Batch, *, nets: Networks, config: Config
) -> tuple[State, jax.Array]:
    """Takes one step of the critic on real rows and as many generated rows of the same classes.

    Returns
    -------
    tuple[State, jax.Array]
        The new state, and the critic's loss with its penalty.
    """
    n = len(batch.y)
    keys = jax.random.split(key, 3)
    fake = generated(nets, state.generator, latent(keys[0], n, config.architecture.latent), batch.y)
    noise = _noise(keys[1], config, nets, 2, n)
    real, fake = batch.x + noise[0], fake + noise[1]
    u = jax.random.uniform(keys[2], (n, 1), jnp.float32)

    def objective(params):
        both = jnp.concatenate([real, fake]), jnp.tile(batch.y, 2)
        real_score, fake_score = criticised(nets, params, *both).reshape(2, n)
        critic = lambda x: criticised(nets, params, x, batch.y)
        penalty = gradient_penalty(critic, u * real + (1 - u) * fake)
        return fake_score.mean() - real_score.mean() + config.penalty * penalty

    loss, gradient = jax.value_and_grad(objective)(state.critic)
    params, opt_state = _follow(config, gradient, state.critic_opt_state, state.critic)
    return state._replace(critic=params, critic_opt_state=opt_state), loss


def generator_step(
    key: jax.Array, state: State, classifier: Params | None, *, nets: Networks, config: Config
) -> tuple[State, jax.Array]:
    """Takes one step of the generator on equally many rows of both classes.

    Parameters
    ----------
    key
        Random key.
    state
        Training state.
    classifier
        Parameters of the auxiliary classifier; not used if its weight is 0.
    nets
        Networks.
    config
        Networks and training.

    Returns
    -------
    tuple[State, jax.Array]
        The new state, and the generator's loss.
    """
    n, keys = config.batch_size, jax.random.split(key)
    y = (jnp.arange(n) < n // 2).astype(jnp.float32)
    z = latent(keys[0], n, config.architecture.latent)

    def objective(params):
        x = generated(nets, params, z, y)
        x_seen = x + _noise(keys[1], config, nets, n)
        loss = -criticised(nets, state.critic, x_seen, y).mean()
        if not config.classifier_weight:
            return loss
        wrong = binary_cross_entropy(nets.classifier.apply(classifier, x), y)
        wrong = jnp.maximum(wrong, config.classifier_floor).mean()
        return loss + config.classifier_weight * jax.lax.stop_gradient(jnp.abs(loss)) * wrong

    loss, gradient = jax.value_and_grad(objective)(state.generator)
    params, opt_state = _follow(config, gradient, state.generator_opt_state, state.generator)
    return state._replace(generator=params, generator_opt_state=opt_state), loss


def trained_classifier(
    key: jax.Array, config: Config, nets: Networks, train: Rows
) -> Params | None:
    """Trains the auxiliary classifier; returns its parameters, or None if its weight is 0."""
    if not config.classifier_weight:
        return None
    draw = balanced_draws(train, config.batch_size)
    optimizer = optax.flatten(optax.adam(config.classifier_learning_rate))

    def step(carry, number):
        params, opt_state = carry
        batch = train.take(draw(jax.random.fold_in(key_batches, number)))

        def objective(params):
            return binary_cross_entropy(nets.classifier.apply(params, batch.x), batch.y).mean()

        updates, opt_state = optimizer.update(jax.grad(objective)(params), opt_state)
        return (optax.apply_updates(params, updates), opt_state), None

    key_init, key_batches = jax.random.split(key)
    params = nets.classifier.init(key_init)
    carry = params, optimizer.init(params)
    return jax.lax.scan(step, carry, jnp.arange(config.classifier_steps))[0][0]


def latent(key: jax.Array, n: int, size: int) -> jax.Array:
    """Draws z `[n, size]` uniformly in [-1, 1), indexed by row and independent of n."""
    return 2 * uniform_by_row(key, n, size).T - 1


def _noise(key, config, nets, *rows):
    """Draws noise `[*rows, d]` on live columns, indexed by column and independent of d."""
    normal = jax.random.normal(key, (len(nets.live), *rows), jnp.float32)
    return config.noise * jnp.where(nets.live, jnp.moveaxis(normal, 0, -1), 0)


def _optimizer(config):
    # One vector instead of many small arrays compiles faster and needs fewer operations per step.
    return optax.flatten(optax.adam(config.learning_rate, b1=0.0, b2=0.9))


def _follow(config, gradient, opt_state, params):
    updates, opt_state = _optimizer(config).update(gradient, opt_state)
    return optax.apply_updates(params, updates), opt_state


def _make(key, train, number, sizes, *, config):
    key_fit, key_latent, key_repeat = jax.random.split(key, 3)
    minority = minority_of(train, sizes.max_rows)
    with jax.default_matmul_precision("float32"):
        nets = networks(train.live, config.architecture)
        params, losses = fit(key_fit, config, nets, train)
        z = latent(key_latent, sizes.max_synth, config.architecture.latent)
        x = generated(nets, params, z, jnp.ones(sizes.max_synth, jnp.float32))
    if config.clip:
        x = jnp.clip(x, minority.x.min(0), minority.x.max(0))
    is_surplus = jnp.arange(sizes.max_synth) >= number
    checked = (*losses, jnp.where(is_surplus[:, None], 0, x))
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in checked]).all()
    failed = ~finite | (minority.n < 2)
    (start,) = uniform_by_row(key_repeat, sizes.max_synth, 1)
    return jnp.where(failed, minority.x[pick(start, minority.n)], x), failed
