r"""MESA's sampler: an agent that selects majority rows for the next tree of an ensemble.

An observation describes the current ensemble by histograms of its errors |y - p| on the majority
rows of the training and the validation part. The action of the agent is μ in [0, 1], and majority
rows are drawn without replacement with weights

    N(|y - p|; μ, σ²),  σ = 0.2.

The reward is the gain in validation score of the ensemble with the next tree. The agent learns by
soft actor-critic with a policy π, two critics Q_j, their target networks Q'_j and a temperature α:

    target  = r + γ m (min_j Q'_j(s', a') - α log π(a' | s')),  a' ~ π(s')
    critics : Σ_j (Q_j(s, a) - target)²      policy: α log π(a | s) - min_j Q_j(s, a), a ~ π(s)
    Q'_j   <- (1 - τ) Q'_j + τ Q_j

Source: Liu et al. 2020, "MESA: Boost Ensemble Imbalanced Learning with MEta-SAmpler"
(arXiv:2010.08830), section 3 and Algorithms 1 and 2; the numbers are those of its public code.
`faithful=True` reproduces three departures of that code from the paper: histograms range from the
smallest to the largest error rather than over [0, 1]; m is 1 at the end of an episode and 0
otherwise, the opposite of bootstrapping; and the learning rate of the critics decays rather than
that of the policy. The memory is initialised with artificial transitions that reward high μ for
under-fitted and low μ for over-fitted ensembles; their histograms are not from the code.

All functions are pure; the trees and the training loop are in `estimators.mesa`.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from imbax.errors import Range
from imbax.networks.layers import Linear
from imbax.networks.mlp import functional, mlp
from imbax.types import Functions, Params

__all__ = [
    "Config",
    "Hparams",
    "Info",
    "State",
    "Transition",
    "act",
    "draw",
    "init",
    "observe",
    "policy_network",
    "step",
]


class Config(NamedTuple):
    """Static options."""

    bins: int = 5
    """Number b of bins of each histogram; an observation has 2 b entries."""
    hidden: int = 50
    """Number of units of the policy's hidden layer and of both hidden layers of a critic."""
    batch_size: int = 64
    """Transitions per update."""
    memory: int = 1000
    """Number of stored transitions; all except one are artificial at the start."""
    faithful: bool = True
    """Whether to reproduce the departures of the public code, see above."""


class Hparams(NamedTuple):
    """Traced hyperparameters."""

    sigma: float = 0.2
    """Standard deviation σ > 0 of the sampling weights."""
    discount: float = 0.99
    """Discount γ."""
    copy_rate: float = 0.01
    """Update rate τ of the target networks."""
    temperature: float = 0.1
    """Temperature α."""
    learning_rate: float = 1e-3
    decay: float = 0.99
    """Factor on the decaying learning rate every 10 updates."""


RANGES = {
    "sigma": Range(0, above=True),
    "discount": Range(0, 1),
    "copy_rate": Range(0, 1, above=True),
    "temperature": Range(0, above=True),
    "learning_rate": Range(0, above=True),
    "decay": Range(0, 1, above=True),
}
"""Ranges of the fields of `Hparams`."""


class Transition(NamedTuple):
    """Transition of the agent."""

    observation: jax.Array
    """Observation `[2 b]`."""
    action: jax.Array
    """Action μ, a scalar in [0, 1]."""
    reward: jax.Array
    after: jax.Array
    """Next observation `[2 b]`."""
    done: jax.Array
    """Indicator of the end of the episode."""


class State(NamedTuple):
    """State of the agent."""

    policy: Params
    critics: tuple[Params, Params]
    copies: tuple[Params, Params]
    policy_opt_state: Any
    critics_opt_state: Any
    memory: Transition
    """Stored transitions with leaves `[memory, ...]`; the oldest is overwritten first."""
    count: jax.Array  # type: ignore[assignment]  # hides tuple.count
    """Number of transitions ever stored."""


class Info(NamedTuple):
    """Diagnostics of one update."""

    critics_loss: jax.Array
    policy_loss: jax.Array


def observe(
    config: Config, train: jax.Array, w_train: jax.Array, valid: jax.Array, w_valid: jax.Array
) -> jax.Array:
    """Observation `[2 b]`: histograms of the errors of both parts, each with sum b.

    Parameters
    ----------
    config
        Static options.
    train
        Errors `[n]` in [0, 1] of the majority rows of the training part.
    w_train
        Row weights `[n]`; 0 marks padding.
    valid
        Errors `[m]` of the majority rows of the validation part.
    w_valid
        Row weights `[m]`; 0 marks padding.
    """
    parts = (_histogram(config, *part) for part in ((train, w_train), (valid, w_valid)))
    return jnp.concatenate(list(parts))


def draw(
    key: jax.Array, errors: jax.Array, w: jax.Array, action: jax.Array, hparams: Hparams
) -> jax.Array:
    """Random order `[n]` of rows; the first k are k weighted draws without replacement.

    Parameters
    ----------
    key
        Random key.
    errors
        Errors `[n]` in [0, 1].
    w
        Row weights `[n]`; 0 marks padding, which comes last.
    action
        Action μ.
    hparams
        Hyperparameters with σ.
    """
    log_weight = -0.5 * ((errors - action) / hparams.sigma) ** 2
    # Sorting log weights plus Gumbel noise is equivalent to successive weighted draws.
    noisy = log_weight + jax.random.gumbel(key, errors.shape, errors.dtype)
    return jnp.argsort(-jnp.where(w > 0, noisy, -jnp.inf))


def act(key: jax.Array, config: Config, policy: Params, observation: jax.Array) -> jax.Array:
    """Samples an action μ in [0, 1] for one observation `[2 b]`."""
    action, _ = _sample(key, config, policy, observation[None])
    return action[0]


def init(key: jax.Array, config: Config, hparams: Hparams) -> State:
    """Initial agent with artificial transitions in its memory."""
    key_policy, *keys_critic = jax.random.split(key, 3)
    policy = policy_network(config).init(key_policy)
    critics = tuple(_critic(config).init(k) for k in keys_critic)
    optimizer = _optimizer(hparams, decays=False)
    memory, count = _made_up(config)
    states = optimizer.init(policy), optimizer.init(critics)
    return State(policy, critics, critics, *states, memory, count)


def step(
    key: jax.Array, state: State, new: Transition, *, config: Config, hparams: Hparams
) -> tuple[State, Info]:
    """Stores a transition, then updates critics, target networks and policy once."""
    at = state.count % config.memory
    memory = jax.tree.map(lambda kept, one: kept.at[at].set(one), state.memory, new)
    key_batch, key_next, key_policy = jax.random.split(key, 3)
    chosen = jax.random.choice(key_batch, config.memory, (config.batch_size,), replace=False)
    seen = jax.tree.map(lambda leaf: leaf[chosen], memory)

    action, log_density = _sample(key_next, config, state.policy, seen.after)
    value = _worse(config, state.copies, seen.after, action) - hparams.temperature * log_density
    continues = seen.done if config.faithful else 1 - seen.done
    target = seen.reward + hparams.discount * continues * value

    def critics_loss(critics):
        errors = (
            _value(config, critic, seen.observation, seen.action) - target for critic in critics
        )
        return sum((error**2).mean() for error in errors)

    loss, gradient = jax.value_and_grad(critics_loss)(state.critics)
    optimizer = _optimizer(hparams, decays=config.faithful)
    updates, critics_opt_state = optimizer.update(gradient, state.critics_opt_state)
    critics = optax.apply_updates(state.critics, updates)

    def policy_loss(policy):
        action, log_density = _sample(key_policy, config, policy, seen.observation)
        value = _worse(config, critics, seen.observation, action)
        return (hparams.temperature * log_density - value).mean()

    policy_value, gradient = jax.value_and_grad(policy_loss)(state.policy)
    optimizer = _optimizer(hparams, decays=not config.faithful)
    updates, policy_opt_state = optimizer.update(gradient, state.policy_opt_state)
    policy = optax.apply_updates(state.policy, updates)

    copies = optax.incremental_update(critics, state.copies, hparams.copy_rate)
    after = State(
        policy, critics, copies, policy_opt_state, critics_opt_state, memory, state.count + 1
    )
    return after, Info(loss, policy_value)


@functools.cache
def policy_network(config: Config) -> Functions:
    """Network from observations `[n, 2 b]` to mean and log standard deviation `[n, 2]`."""

    def make(rngs, live):
        hidden = Linear(2 * config.bins, config.hidden, live=live, rngs=rngs)
        return nnx.Sequential(hidden, jax.nn.relu, Linear(config.hidden, 2, rngs=rngs))

    return functional(make)


@functools.cache
def _critic(config):
    return mlp(2 * config.bins + 1, (config.hidden, config.hidden))


def _value(config, critic, observation, action):
    x = jnp.concatenate([observation, action[:, None]], 1)
    return _critic(config).apply(critic, x)


def _worse(config, critics, observation, action):
    return jnp.minimum(*(_value(config, critic, observation, action) for critic in critics))


def _sample(key, config, policy, observation):
    """Samples actions `[n]` in [0, 1] from squashed Gaussians; also returns log densities `[n]`."""
    mean, log_sd = policy_network(config).apply(policy, observation).T
    log_sd = jnp.clip(log_sd, -20, 2)
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    squashed = jnp.tanh(mean + jnp.exp(log_sd) * noise)
    log_density = -0.5 * noise**2 - log_sd - 0.5 * jnp.log(jnp.float32(2 * jnp.pi))
    # dμ/du of μ = (tanh u + 1) / 2; the small constant keeps the logarithm finite at the ends.
    return 0.5 * (squashed + 1), log_density - jnp.log(0.5 * (1 - squashed**2) + 1e-6)


def _histogram(config, errors, w):
    """Histogram `[b]` scaled to sum b; the last bin includes its right end."""
    low, high = jnp.float32(0), jnp.float32(1)
    if config.faithful:
        low = jnp.where(w > 0, errors, jnp.inf).min()
        high = jnp.where(w > 0, errors, -jnp.inf).max()
        # NumPy's range for equal errors.
        low, high = (
            jnp.where(low < high, end, low + way) for end, way in ((low, -0.5), (high, 0.5))
        )
    place = jnp.floor((errors - low) / (high - low) * config.bins).astype(jnp.int32)
    counts = jnp.zeros(config.bins, jnp.float32).at[jnp.clip(place, 0, config.bins - 1)].add(w > 0)
    return config.bins * counts / jnp.maximum(counts.sum(), 1)


def _optimizer(hparams, decays):
    rate = hparams.learning_rate

    def schedule(count):
        return rate * hparams.decay ** (count // 10) if decays else rate * jnp.float32(1)

    return optax.adam(schedule)


def _made_up(config):
    """Artificial memory with one free place: three situations in equal shares, all rewarded."""
    bins = np.arange(config.bins) / max(config.bins - 1, 1)
    # Under-fitted: errors of all sizes. Learning: mostly small errors. Over-fitted: no training
    # errors and large errors on some validation rows.
    shapes = (
        (np.ones(config.bins), np.ones(config.bins), 0.9),
        (np.exp(-3 * bins), np.exp(-2 * bins), 0.5),
        (1.0 * (bins == 0), np.exp(-6 * bins) + 0.1 * bins, 0.1),
    )
    observations, actions = [], []
    for train, valid, action in shapes:
        parts = (config.bins * part / part.sum() for part in (train, valid))
        observations.append(np.concatenate(list(parts)))
        actions.append(action)
    n, filled = config.memory, np.arange(config.memory) % 3
    observation = jnp.asarray(np.array(observations)[filled], jnp.float32)
    action = jnp.asarray(np.array(actions)[filled], jnp.float32)
    memory = Transition(
        observation, action, jnp.full(n, 5.0, jnp.float32), observation, jnp.zeros(n, jnp.float32)
    )
    return memory, jnp.int32(n - 1)
