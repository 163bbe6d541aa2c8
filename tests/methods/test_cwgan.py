"""The conditional Wasserstein GAN: its penalty, its steps, a law it can learn, and its edges."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import toys
from samplers import added, view

from imbax.methods.cwgan import (
    Config,
    Losses,
    critic_step,
    cwgan,
    fit,
    generator_step,
    init,
    latent,
)
from imbax.networks.tabular_gan import (
    Architecture,
    criticised,
    generated,
    gradient_penalty,
    networks,
)
from imbax.types import Batch

pytestmark = pytest.mark.usefixtures("quick_compile")
KEY = jax.random.key(0)
SIZES = {"max_synth": 40, "max_minority": 14}
SHAPE = Architecture(
    latent=3,
    generator_hidden=(6,),
    generator_joint=(),
    critic_hidden=(6, 5),
    classifier_hidden=(6,),
)
TINY = Config(iterations=4, batch_size=8, architecture=SHAPE, classifier_steps=5)
DRAW = jax.jit(cwgan, static_argnames=("n_synth", "config", *SIZES))


def draw(problem, config=TINY, key=KEY, n_synth="double"):
    return DRAW(key, problem, n_synth=n_synth, config=config, **SIZES)


def test_the_penalty_of_a_linear_critic_is_its_slopes():
    slope = np.array([3.0, 0.0, 4.0], np.float32)
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    np.testing.assert_allclose(gradient_penalty(lambda x: x @ slope + 7, x), 16, rtol=1e-6)
    # Row by row: a critic whose slope is twice the row.
    expected = ((2 * np.linalg.norm(x, axis=1) - 1) ** 2).mean()
    np.testing.assert_allclose(gradient_penalty(lambda x: (x**2).sum(1), x), expected, rtol=1e-5)
    flat = jax.value_and_grad(lambda a: gradient_penalty(lambda x: a * (x**2).sum(1), 0 * x))
    np.testing.assert_allclose(flat(1.0), (1, 0), atol=1e-5)


def test_the_penalty_is_differentiable_again():
    """Through the critic's own layers, in float64, by central differences of both gradients."""
    with jax.enable_x64(True):
        nets = networks(3, SHAPE)
        to_64 = functools.partial(jax.tree.map, lambda leaf: jnp.asarray(leaf, jnp.float64))
        params, x = to_64(nets.critic.init(KEY)), np.random.default_rng(0).normal(size=(4, 3))
        y = jnp.array([1.0, 1.0, 0.0, 0.0])
        kernel = np.asarray(params["crosses"][1]["w"])

        def critic(w):
            changed = params | {"crosses": params["crosses"] | {1: params["crosses"][1] | {"w": w}}}
            return lambda x: criticised(nets, changed, x, y)

        penalty = jax.jit(lambda w: gradient_penalty(critic(w), jnp.asarray(x)))
        scores = jax.jit(critic(jnp.asarray(kernel)))
        slope = oracles.central_differences(lambda x: np.asarray(scores(x)).sum(), x)
        expected = ((np.linalg.norm(slope, axis=1) - 1) ** 2).mean()
        np.testing.assert_allclose(penalty(kernel), expected, rtol=1e-6)
        numerical = oracles.central_differences(lambda w: float(penalty(w)), kernel)
        assert oracles.relative_error(jax.jit(jax.grad(penalty))(kernel), numerical) < 1e-6


@functools.cache
def two_clouds():
    """A GAN that has seen two normal clouds, one to a class, 10:1."""
    rng = np.random.default_rng(0)
    y = (np.arange(220) < 20).astype(np.float32)
    x = np.where(y[:, None] > 0, [1.0, -0.5], [-1.0, 0.5]) + 0.3 * rng.normal(size=(220, 2))
    x = x.astype(np.float32)
    config = dataclasses.replace(
        TINY,
        iterations=400,
        batch_size=32,
        learning_rate=3e-3,
        architecture=dataclasses.replace(SHAPE, generator_hidden=(16,), critic_hidden=(16, 16)),
        classifier_steps=100,
    )
    nets = networks(2, config.architecture)
    params, losses = jax.jit(lambda key, train: fit(key, config, nets, train))(
        KEY, view(x, y).train
    )
    z = latent(jax.random.key(1), 500, SHAPE.latent)
    of_class = jax.jit(lambda z, y: generated(nets, params, z, y))
    return x, y, losses, [np.asarray(of_class(z, np.full(500, k, np.float32))) for k in (0, 1)]


@pytest.mark.parametrize("k", [0, 1])
def test_learns_a_law_and_heeds_the_class(k):
    x, y, losses, rows = two_clouds()
    assert all(np.isfinite(leaf).all() for leaf in losses)
    own, other = x[y == k], x[y != k]
    assert (abs(rows[k].mean(0) - own.mean(0)) < own.std(0)).all()
    assert (rows[k].std(0) > 0.2 * own.std(0)).all() and (rows[k].std(0) < 3 * own.std(0)).all()
    nearer = np.linalg.norm(rows[k] - own.mean(0), axis=1) < np.linalg.norm(
        rows[k] - other.mean(0), axis=1
    )
    assert nearer.mean() > 0.95


def test_steps_move_their_own_player_and_the_classifier_joins_above_its_floor():
    nets = networks(toys.FEATURES, SHAPE)
    state = init(KEY, TINY, nets)
    x, y = toys.table(8, 4)
    after, _ = jax.jit(functools.partial(critic_step, config=TINY, nets=nets))(
        KEY, state=state, batch=Batch(x, y, np.ones(8, np.float32))
    )
    same = lambda a, b: all(map(np.array_equal, jax.tree.leaves(a), jax.tree.leaves(b)))  # noqa: E731
    assert same(after.generator, state.generator) and not same(after.critic, state.critic)
    classifier = nets.classifier.init(KEY)
    losses = {}
    for weight, floor in ((0.0, 0.3), (0.1, 0.3), (0.1, 50.0)):
        config = dataclasses.replace(TINY, classifier_weight=weight, classifier_floor=floor)
        step = jax.jit(functools.partial(generator_step, config=config, nets=nets))
        after, losses[weight, floor] = step(KEY, state=state, classifier=classifier)
        assert same(after.critic, state.critic) and not same(after.generator, state.generator)
    plain = float(losses[0.0, 0.3])
    # Above every entry's BCE the floor is all there is of the term: a |mean D| b.
    np.testing.assert_allclose(losses[0.1, 50.0], plain + 0.1 * abs(plain) * 50, rtol=1e-4)
    assert plain < losses[0.1, 0.3] < losses[0.1, 50.0]


def test_the_view_gains_minority_rows_and_keeps_its_own():
    problem = toys.problem(40, 10, garbage=np.nan)
    given = draw(problem)
    assert not given.fallback
    train = given.applied(problem.train)
    np.testing.assert_array_equal(train.index[:50], problem.train.index)
    np.testing.assert_array_equal(train.w, np.append(problem.train.w, np.arange(40) < 10))
    batch = train.take(jnp.arange(50, 60))
    np.testing.assert_array_equal(batch.x, added(given))
    np.testing.assert_array_equal(batch.y, 1)
    assert len(np.unique(batch.x, axis=0)) == 10
    # Padding, though it shows a minority row of NaN, is never drawn.
    np.testing.assert_array_equal(added(draw(toys.problem(40))), added(given))


def test_the_key_alone_decides_not_bounds_or_company():
    problem = toys.problem(40)
    expected = added(draw(problem))
    np.testing.assert_array_equal(added(draw(problem)), expected)
    looser = {"max_synth": 60, "max_minority": 20}
    given = DRAW(KEY, problem, n_synth="double", config=TINY, **looser)
    np.testing.assert_allclose(added(given), expected, atol=1e-5)
    keys = jnp.stack([jax.random.key(1), KEY])
    together = jax.jit(jax.vmap(lambda key: draw(problem, key=key)))(keys)
    np.testing.assert_allclose(together.x_synth[1, :10], expected, atol=1e-5)
    assert (together.x_synth[0] != together.x_synth[1]).any()


def test_one_minority_row_is_repeated_and_said():
    x, y = toys.table(30, 1)
    given = draw(view(x, y), n_synth="balance")
    np.testing.assert_array_equal(added(given), np.repeat(x[y == 1], 28, 0))
    assert given.fallback


def test_a_training_that_diverges_gives_random_over_sampling():
    x, y = toys.table(30, 8)
    given = draw(view(x, y), dataclasses.replace(TINY, learning_rate=1e30))
    own = x[y == 1]
    assert given.fallback
    assert (added(given)[:, None] == own).all(2).any(1).all()
    assert len(np.unique(added(given), axis=0)) > 1


def test_clipping_keeps_samples_in_the_minoritys_range():
    x, y = toys.table(30, 8)
    x = 0.01 * x + 5  # far from where the generator starts
    own = x[y == 1]
    free, clipped = (
        added(draw(view(x, y), dataclasses.replace(TINY, clip=clip))) for clip in (False, True)
    )
    assert ((free < own.min(0)) | (free > own.max(0))).any()
    np.testing.assert_array_equal(clipped, np.clip(free, own.min(0), own.max(0)))


def test_without_its_weight_there_is_no_classifier():
    problem = toys.problem(40)
    config = dataclasses.replace(TINY, classifier_weight=0.0)
    nets = networks(toys.FEATURES, SHAPE)
    shapes = jax.eval_shape(lambda key: fit(key, config, nets, problem.train)[1], KEY)
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == Losses((4, 3), (4,))
    given = draw(problem, config)
    assert not given.fallback and (added(given) != added(draw(problem))).any()
