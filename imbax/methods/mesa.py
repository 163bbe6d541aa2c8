r"""MESA's sampler: an agent that says which majority rows the next tree of an ensemble should see.

The ensemble so far is summed up in an observation, the histograms of its errors |y - p| on the
majority rows of the training and the validation part. The agent answers with μ in [0, 1], and
majority rows are drawn without replacement with weights

    N(|y - p|; μ, σ²),  σ = 0.2.

Its reward is the gain in validation score of the ensemble with the next tree. It learns by soft
actor-critic: with a policy π, two critics Q_j, their slow copies Q'_j and a temperature α,

    target  = r + γ m (min_j Q'_j(s', a') - α log π(a' | s')),  a' ~ π(s')
    critics : Σ_j (Q_j(s, a) - target)²      policy: α log π(a | s) - min_j Q_j(s, a), a ~ π(s)
    Q'_j   <- (1 - τ) Q'_j + τ Q_j

Source: Liu et al. 2020, "MESA: Boost Ensemble Imbalanced Learning with MEta-SAmpler"
(arXiv:2010.08830), section 3 and Algorithms 1 and 2; the numbers are those of its public code.
`faithful=True` keeps what that code does and the paper does not say: histograms range from the
smallest to the largest error rather than over [0, 1]; m is 1 where an episode ends and 0 elsewhere,
the opposite of what bootstrapping asks for; and the learning rate that decays is the critics', not
the policy's. The memory starts with made-up transitions that reward high μ for under-fitted
ensembles and low μ for over-fitted ones; their histograms are ours.

Everything here is pure; the trees and the loop are in `estimators.mesa`.
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
    """Choices fixed at compile time."""

    bins: int = 5
    """Bins b of each histogram; an observation has 2 b numbers."""
    hidden: int = 50
    """Units of the policy's hidden layer and of each of the critics' two."""
    batch_size: int = 64
    """Transitions per update."""
    memory: int = 1000
    """Transitions remembered, all but one made up at the start."""
    faithful: bool = True
    """Keep the public code's departures, see above."""


class Hparams(NamedTuple):
    """Traced numbers."""

    sigma: float = 0.2
    """σ > 0 of the sampling weights."""
    discount: float = 0.99
    """γ."""
    copy_rate: float = 0.01
    """τ: how fast the slow copies follow."""
    temperature: float = 0.1
    """α."""
    learning_rate: float = 1e-3
    decay: float = 0.99
    """Factor on one learning rate every 10 updates."""


RANGES = {
    "sigma": Range(0, above=True),
    "discount": Range(0, 1),
    "copy_rate": Range(0, 1, above=True),
    "temperature": Range(0, above=True),
    "learning_rate": Range(0, above=True),
    "decay": Range(0, 1, above=True),
}
"""Of `Hparams`."""


class Transition(NamedTuple):
    """What was seen, done and got."""

    observation: jax.Array
    """`[2 b]`."""
    action: jax.Array
    """μ, a scalar in [0, 1]."""
    reward: jax.Array
    after: jax.Array
    """`[2 b]`: the next observation."""
    done: jax.Array
    """1 where the episode ends, else 0."""


class State(NamedTuple):
    """The agent."""

    policy: Params
    critics: tuple[Params, Params]
    copies: tuple[Params, Params]
    policy_opt_state: Any
    critics_opt_state: Any
    memory: Transition
    """Leaves `[memory, ...]`, the oldest overwritten first."""
    count: jax.Array  # type: ignore[assignment]  # hides tuple.count
    """Transitions ever put there."""


class Info(NamedTuple):
    """Diagnostics of one update."""

    critics_loss: jax.Array
    policy_loss: jax.Array


def observe(
    config: Config, train: jax.Array, w_train: jax.Array, valid: jax.Array, w_valid: jax.Array
) -> jax.Array:
    """The observation `[2 b]`: histograms of both parts' errors, each of sum b.

    Parameters
    ----------
    config
        Static choices.
    train
        Errors `[n]` in [0, 1] of the training part's majority rows.
    w_train
        `[n]`; 0 marks padding.
    valid
        Errors `[m]` of the validation part's majority rows.
    w_valid
        `[m]`.
    """
    parts = (_histogram(config, *part) for part in ((train, w_train), (valid, w_valid)))
    return jnp.concatenate(list(parts))


def draw(
    key: jax.Array, errors: jax.Array, w: jax.Array, action: jax.Array, hparams: Hparams
) -> jax.Array:
    """A random order `[n]` of rows; its first k are k draws without replacement.

    Parameters
    ----------
    key
        Random key.
    errors
        `[n]` in [0, 1].
    w
        `[n]`; 0 marks padding, which comes last.
    action
        μ.
    hparams
        For σ.
    """
    log_weight = -0.5 * ((errors - action) / hparams.sigma) ** 2
    # The order of log weights plus Gumbel noise is that of successive weighted draws.
    noisy = log_weight + jax.random.gumbel(key, errors.shape, errors.dtype)
    return jnp.argsort(-jnp.where(w > 0, noisy, -jnp.inf))


def act(key: jax.Array, config: Config, policy: Params, observation: jax.Array) -> jax.Array:
    """μ in [0, 1] for one observation `[2 b]`, sampled."""
    action, _ = _sample(key, config, policy, observation[None])
    return action[0]


def init(key: jax.Array, config: Config, hparams: Hparams) -> State:
    """A fresh agent that remembers the made-up transitions."""
    policy_key, *critic_keys = jax.random.split(key, 3)
    policy = policy_network(config).init(policy_key)
    critics = tuple(_critic(config).init(k) for k in critic_keys)
    optimizer = _optimizer(hparams, decays=False)
    memory, count = _made_up(config)
    states = optimizer.init(policy), optimizer.init(critics)
    return State(policy, critics, critics, *states, memory, count)


def step(
    key: jax.Array, state: State, new: Transition, *, config: Config, hparams: Hparams
) -> tuple[State, Info]:
    """Remember a transition, then update critics, copies and policy once."""
    at = state.count % config.memory
    memory = jax.tree.map(lambda kept, one: kept.at[at].set(one), state.memory, new)
    batch_key, next_key, policy_key = jax.random.split(key, 3)
    chosen = jax.random.choice(batch_key, config.memory, (config.batch_size,), replace=False)
    seen = jax.tree.map(lambda leaf: leaf[chosen], memory)

    action, log_density = _sample(next_key, config, state.policy, seen.after)
    value = _worse(config, state.copies, seen.after, action) - hparams.temperature * log_density
    goes_on = seen.done if config.faithful else 1 - seen.done
    target = seen.reward + hparams.discount * goes_on * value

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
        action, log_density = _sample(policy_key, config, policy, seen.observation)
        value = _worse(config, critics, seen.observation, action)
        return (hparams.temperature * log_density - value).mean()

    of_policy, gradient = jax.value_and_grad(policy_loss)(state.policy)
    optimizer = _optimizer(hparams, decays=not config.faithful)
    updates, policy_opt_state = optimizer.update(gradient, state.policy_opt_state)
    policy = optax.apply_updates(state.policy, updates)

    copies = optax.incremental_update(critics, state.copies, hparams.copy_rate)
    after = State(
        policy, critics, copies, policy_opt_state, critics_opt_state, memory, state.count + 1
    )
    return after, Info(loss, of_policy)


@functools.cache
def policy_network(config: Config) -> Functions:
    """Observations `[n, 2 b]` to mean and log standard deviation `[n, 2]` before squashing."""

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
    """Actions `[n]` in [0, 1], a squashed Gaussian's, and their log densities `[n]`."""
    mean, log_sd = policy_network(config).apply(policy, observation).T
    log_sd = jnp.clip(log_sd, -20, 2)
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    squashed = jnp.tanh(mean + jnp.exp(log_sd) * noise)
    log_density = -0.5 * noise**2 - log_sd - 0.5 * jnp.log(jnp.float32(2 * jnp.pi))
    # dμ/du of μ = (tanh u + 1) / 2; the small number keeps the logarithm finite at the ends.
    return 0.5 * (squashed + 1), log_density - jnp.log(0.5 * (1 - squashed**2) + 1e-6)


def _histogram(config, errors, w):
    """Counts `[b]` scaled to sum b; the right end belongs to the last bin."""
    low, high = jnp.float32(0), jnp.float32(1)
    if config.faithful:
        low = jnp.where(w > 0, errors, jnp.inf).min()
        high = jnp.where(w > 0, errors, -jnp.inf).max()
        # As NumPy does when all errors are equal.
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
    """A memory filled but for one place: a third each of three situations, all well rewarded."""
    bins = np.arange(config.bins) / max(config.bins - 1, 1)
    # Under-fitted: errors of all sizes. Learning: most are small. Over-fitted: none is left in
    # training, while some validation rows are quite wrong.
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
