"""Pure parts of MESA: histograms, weighted draws, learning of the agent."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imbax.methods import mesa
from imbax.methods.mesa import Config, Hparams, Transition

KEY = jax.random.key(0)
new_agent = jax.jit(mesa.init, static_argnums=1)
SMALL = Config(bins=2, hidden=4, batch_size=8, memory=8)


@pytest.mark.parametrize("faithful", [True, False])
def test_histograms_equal_numpy(faithful):
    rng = np.random.default_rng(0)
    train, valid = rng.beta(1, 5, 40), rng.beta(2, 3, 30)
    w = np.pad(np.ones(40), (0, 9))
    padded = np.pad(train, (0, 9), constant_values=7.0)
    config = Config(faithful=faithful)
    result = jax.jit(functools.partial(mesa.observe, config))(padded, w, valid, np.ones(30))
    ends = (None, None) if faithful else ((0, 1), (0, 1))
    expected = [
        5 * np.histogram(part, 5, end)[0] / len(part)
        for part, end in zip((train, valid), ends, strict=True)
    ]
    np.testing.assert_allclose(result, np.concatenate(expected), 1e-6)


@pytest.mark.parametrize(("faithful", "place"), [(True, 2), (False, 4)])
def test_equal_errors_fall_into_one_bin(faithful, place):
    observation = mesa.observe(Config(faithful=faithful), *[jnp.ones(3)] * 4)
    np.testing.assert_array_equal(observation, np.tile(5 * (np.arange(5) == place), 2))


def test_rows_are_drawn_by_weight_without_replacement():
    errors, w = jnp.array([0.0, 0.2, 0.6, 1.0, 0.3]), jnp.array([1, 1, 1, 1, 0])
    keys = jax.random.split(KEY, 4000)
    orders = jax.jit(jax.vmap(lambda key: mesa.draw(key, errors, w, 0.3, Hparams())))(keys)
    np.testing.assert_array_equal(np.sort(orders, 1), np.tile(np.arange(5), (4000, 1)))
    np.testing.assert_array_equal(orders[:, 4], 4)  # padding
    weight = np.exp(-0.5 * ((errors[:4] - 0.3) / 0.2) ** 2)
    share = np.bincount(orders[:, 0], minlength=4) / 4000
    np.testing.assert_allclose(share, weight / weight.sum(), atol=0.03)
    # Distribution of the second row if the first is row 1.
    second = orders[orders[:, 0] == 1, 1]
    share = np.bincount(second, minlength=4) / len(second)
    others = weight * (np.arange(4) != 1)
    np.testing.assert_allclose(share, others / others.sum(), atol=0.04)


@pytest.mark.thorough
def test_actions_have_the_returned_density():
    """Compares the density with a histogram of many actions."""
    policy = mesa.policy_network(SMALL).init(KEY)
    observation = jnp.tile(jnp.array([1.0, 0.5, 0.2, 1.8]), (200_000, 1))
    action, log_density = jax.jit(functools.partial(mesa._sample, KEY, SMALL))(policy, observation)
    counts, edges = np.histogram(action, 50, (0, 1), density=True)
    middle = (edges[1:] + edges[:-1]) / 2
    order = np.argsort(action)
    claimed = np.exp(np.interp(middle, action[order], log_density[order]))
    np.testing.assert_allclose(claimed[10:40], counts[10:40], 0.1)
    assert 0 <= action.min() < action.max() <= 1


def transition(done, reward=3.0):
    seen = jnp.array([0.5, 1.5, 1.0, 1.0])
    return Transition(seen, jnp.array(0.4), jnp.array(reward), seen[::-1], jnp.array(float(done)))


@functools.cache
def compiled(config):
    return jax.jit(functools.partial(mesa.step, KEY, config=config))


def full_of(done, config):
    """Agent with one transition repeated in its memory."""
    state = new_agent(KEY, config, Hparams())
    memory = jax.tree.map(lambda leaf: jnp.stack([leaf] * config.memory), transition(done))
    return state._replace(memory=memory)


@pytest.mark.thorough
@pytest.mark.parametrize("faithful", [True, False])
def test_bootstrap_mask_at_the_end_of_an_episode(faithful):
    config = SMALL._replace(faithful=faithful)
    for done in (0, 1):
        state = full_of(done, config)
        _, info = compiled(config)(state, transition(done), hparams=Hparams())
        seen = transition(done)
        x = jnp.append(seen.observation, seen.action)[None]
        values = [mesa._critic(config).apply(critic, x)[0] for critic in state.critics]
        without = sum((value - 3) ** 2 for value in values)
        is_unbootstrapped = np.isclose(info.critics_loss, without, 1e-5)
        assert is_unbootstrapped == (done == (0 if faithful else 1))


@pytest.mark.thorough
@pytest.mark.parametrize("faithful", [True, False])
def test_step_updates_memory_targets_and_rate(faithful):
    config, hparams = SMALL._replace(faithful=faithful), Hparams(copy_rate=0.25, decay=0.0)
    state = full_of(1, config)
    count = int(state.count)
    for number in range(11):
        before = state
        state, _ = compiled(config)(before, transition(0, reward=float(number)), hparams=hparams)
    at = (count + 10) % 8
    assert (state.memory.reward[at], state.memory.done[at]) == (10, 0)
    expected = jax.tree.map(lambda old, new: 0.75 * old + 0.25 * new, before.copies, state.critics)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), state.copies, expected)
    # The eleventh update is the first with the decayed learning rate 0.
    still = [
        all(np.array_equal(*pair) for pair in zip(*map(jax.tree.leaves, pair), strict=True))
        for pair in ((state.critics, before.critics), (state.policy, before.policy))
    ]
    assert still == [faithful, not faithful]


@pytest.mark.thorough
@pytest.mark.parametrize("faithful", [True, False])
def test_agent_learns_the_rewarded_action(faithful):
    """The reward is highest at μ = 0.3; episodes have one action."""
    config = Config(hidden=16, faithful=faithful)
    hparams = Hparams(learning_rate=1e-2, decay=1.0, discount=0.5)
    seen = jnp.ones(10)

    def move(state, key):
        act_key, learn_key = jax.random.split(key)
        action = mesa.act(act_key, config, state.policy, seen)
        reward = 5 - 40 * (action - 0.3) ** 2
        new = Transition(seen, action, reward, seen, jnp.ones(()))
        return mesa.step(learn_key, state, new, config=config, hparams=hparams)[0], action

    @jax.jit
    @jax.vmap
    def actions_of(key):
        state = mesa.init(key, config, hparams)
        return jax.lax.scan(move, state, jax.random.split(key, 3000))[1]

    actions = actions_of(jax.random.split(KEY, 5))
    assert (actions[:, :100].mean(1) > 0.6).all()
    np.testing.assert_allclose(actions[:, -100:].mean(1), 0.3, atol=0.1)
    assert (actions[:, -100:].std(1) < 0.1).all()


def test_initial_memory_rewards_sensible_actions():
    state = new_agent(KEY, Config(), Hparams())
    assert state.count == 999
    observation, action = np.asarray(state.memory.observation), np.asarray(state.memory.action)
    np.testing.assert_allclose(observation.reshape(-1, 2, 5).sum(2), 5, 1e-6)
    np.testing.assert_allclose(action[:6], [0.9, 0.5, 0.1] * 2)
    # Larger errors have larger actions.
    assert (np.diff(observation[:3, :5] @ np.arange(5)) < 0).all()
