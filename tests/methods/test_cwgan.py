"""Conditional Wasserstein GAN: penalty, steps, learned distributions, and edge cases."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import toys
from samplers import added, compiled, is_one_vs_rest, wanted

from imbax.methods import cwgan
from imbax.methods.cwgan import (
    Config,
    critic_step,
    fit,
    generator_step,
    init,
    latent,
    trained_classifier,
)
from imbax.methods.sampling import Sizes
from imbax.networks.cwgan import Architecture, criticised, generated, gradient_penalty, networks
from imbax.types import Batch, rows

KEY = jax.random.key(0)
SIZES = Sizes(max_rows=14, max_synth=40)
SHAPE = Architecture(
    latent=3,
    generator_hidden=(6,),
    generator_joint=(),
    critic_hidden=(6, 5),
    classifier_hidden=(6,),
)
TINY = Config(iterations=4, batch_size=8, architecture=SHAPE, classifier_steps=5)
# Small networks compile quickly; tests here do not depend on them.
BARE = Config(
    iterations=4,
    batch_size=8,
    architecture=dataclasses.replace(
        SHAPE, critic_hidden=(6,), critic_crosses=0, generator_crosses=0
    ),
    classifier_weight=0.0,
    clip=False,
)
DRAW = compiled(cwgan.sample, "config")


def draw(train, config=BARE, n_synth="double", sizes=SIZES):
    return DRAW(KEY, train, n_synth, sizes, config=config)


def test_penalty_of_a_linear_critic():
    slope = np.array([3.0, 0.0, 4.0], np.float32)
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    np.testing.assert_allclose(gradient_penalty(lambda x: x @ slope + 7, x), 16, rtol=1e-6)
    # Per row: the slope of this critic is twice the row.
    expected = ((2 * np.linalg.norm(x, axis=1) - 1) ** 2).mean()
    np.testing.assert_allclose(gradient_penalty(lambda x: (x**2).sum(1), x), expected, rtol=1e-5)
    flat = jax.value_and_grad(lambda a: gradient_penalty(lambda x: a * (x**2).sum(1), 0 * x))
    np.testing.assert_allclose(flat(1.0), (1, 0), atol=1e-5)


@pytest.mark.thorough
def test_penalty_is_twice_differentiable():
    """Compares both gradients through the critic with central differences in float64."""
    with jax.enable_x64(True):
        nets = networks(jnp.ones(3, bool), SHAPE)
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
    """Two Gaussian classes, 10:1, and rows of each class from a GAN trained on them."""
    rng = np.random.default_rng(0)
    y = (np.arange(220) < 20).astype(np.float32)
    x = np.where(y[:, None] > 0, [1.0, -0.5], [-1.0, 0.5]) + 0.5 * rng.normal(size=(220, 2))
    x = x.astype(np.float32)
    shape = dataclasses.replace(SHAPE, generator_hidden=(16,), critic_hidden=(16, 16))
    config = Config(600, 3, 32, 1e-3, architecture=shape, classifier_steps=100)
    nets = networks(jnp.ones(2, bool), shape)
    run = jax.jit(lambda key, train: fit(key, config, nets, train))
    params, losses = run(KEY, rows(x, y))
    assert all(np.isfinite(leaf).all() for leaf in losses)
    z = latent(jax.random.key(1), 500, shape.latent)
    generate = jax.jit(lambda y: generated(nets, params, z, y))
    return x, y, [np.asarray(generate(np.full(500, k, np.float32))) for k in (0, 1)]


@pytest.mark.thorough
@pytest.mark.parametrize("k", [0, 1])
def test_generator_learns_class_distributions(k):
    x, y, new = two_clouds()
    members, other, new = x[y == k], x[y != k], new[k]
    assert (abs(new.mean(0) - members.mean(0)) < members.std(0)).all()
    assert (new.std(0) > 0.2 * members.std(0)).all()
    assert (new.std(0) < 2 * members.std(0)).all()
    to = lambda cloud: np.linalg.norm(new - cloud.mean(0), axis=1)
    assert (to(members) < to(other)).mean() > 0.9


@pytest.mark.thorough
def test_steps_update_their_network_and_use_the_floor():
    nets = networks(jnp.ones(toys.FEATURES, bool), SHAPE)
    state = init(KEY, TINY, nets)
    x, y = toys.table(8, 4)
    after, _ = jax.jit(functools.partial(critic_step, config=TINY, nets=nets))(
        KEY, state, Batch(x, y, np.ones(8, np.float32))
    )
    same = lambda a, b: all(map(np.array_equal, jax.tree.leaves(a), jax.tree.leaves(b)))
    assert same(after.generator, state.generator) and not same(after.critic, state.critic)
    classifier = nets.classifier.init(KEY)
    losses = {}
    for weight, floor in ((0.0, 0.3), (0.1, 0.3), (0.1, 50.0)):
        config = dataclasses.replace(TINY, classifier_weight=weight, classifier_floor=floor)
        step = jax.jit(functools.partial(generator_step, config=config, nets=nets))
        after, losses[weight, floor] = step(KEY, state, classifier)
        assert same(after.critic, state.critic) and not same(after.generator, state.generator)
    plain = float(losses[0.0, 0.3])
    # With a floor above all BCE, the term is constant: a |mean D| b.
    np.testing.assert_allclose(losses[0.1, 50.0], plain + 0.1 * abs(plain) * 50, rtol=1e-4)
    assert plain < losses[0.1, 0.3] < losses[0.1, 50.0]


@pytest.mark.thorough
def test_view_keeps_its_rows_and_gains_minority_rows():
    before = toys.problem(40).train
    result = draw(before)
    assert not result.fallback
    train = result.applied(before)
    np.testing.assert_array_equal(train.index[:40], before.index)
    np.testing.assert_array_equal(train.w, np.append(before.w, np.arange(40) < 10))
    batch = train.take(jnp.arange(40, 50))
    np.testing.assert_array_equal(batch.x, added(result))
    np.testing.assert_array_equal(batch.y, 1)
    assert len(np.unique(batch.x, axis=0)) == 10


@pytest.mark.thorough
def test_samples_depend_only_on_the_key():
    train = toys.problem(40).train
    expected = added(draw(train))
    np.testing.assert_array_equal(added(draw(train)), expected)
    # Padding is a minority row of NaN, which must never be drawn.
    result = draw(toys.problem(40, 10, garbage=np.nan).train, sizes=Sizes(20, 60))
    np.testing.assert_allclose(added(result), expected, atol=1e-5)
    number = wanted(train, "double")
    run = lambda key: cwgan.sample(key, train, number, SIZES, config=BARE)
    together = jax.jit(jax.vmap(run))(jnp.stack([jax.random.key(1), KEY]))
    np.testing.assert_allclose(together.x_synth[1, :10], expected, atol=1e-5)
    assert (together.x_synth[0] != together.x_synth[1]).any()


@pytest.mark.thorough
def test_constant_columns_have_no_effect():
    """Constant columns of any number, value and position have no effect."""
    train = toys.problem(40).train
    more = lambda leaf, value: jnp.append(leaf, jnp.full((*leaf.shape[:-1], 3), value), -1)
    wider = train._replace(
        data=more(train.data, 9.0), shift=more(train.shift, 2.0), factor=more(train.factor, 0.0)
    )
    result = added(draw(wider))
    np.testing.assert_allclose(result[:, :4], added(draw(train)), atol=1e-4)
    assert not result[:, 4:].any()


@pytest.mark.thorough
def test_single_minority_row_is_repeated():
    x, y = toys.table(30, 1)
    result = draw(rows(x, y), n_synth="balance")
    np.testing.assert_array_equal(added(result), np.repeat(x[y == 1], 28, 0))
    assert result.fallback


@pytest.mark.thorough
def test_non_finite_loss_falls_back_to_over_sampling():
    x, y = toys.table(30, 8)
    assert not draw(rows(x, y), n_synth="balance").fallback
    x[y == 0] = np.inf
    result = draw(rows(x, y), n_synth="balance")
    assert result.fallback
    new, members = added(result), x[y == 1]
    assert len(new) == 14 and (new[:, None] == members).all(2).any(1).all()
    assert len(np.unique(new, axis=0)) > 1


@pytest.mark.thorough
@pytest.mark.parametrize("number", [(16, 0, 24), (5, 0, 7)])
def test_three_classes_are_one_vs_rest(number):
    sizes = Sizes(max_rows=24, max_synth=40)
    config = dataclasses.replace(BARE, clip=True)  # to the range of each minority
    result = is_one_vs_rest(DRAW, KEY, number, sizes, config=config)
    assert not result.fallback


@pytest.mark.thorough
def test_clip_keeps_samples_in_the_minority_range():
    x, y = toys.table(30, 8)
    x = 0.01 * x + 5  # far from the initial output of the generator
    members = x[y == 1]
    free, clipped = (
        added(draw(rows(x, y), dataclasses.replace(BARE, clip=clip), "balance"))
        for clip in (False, True)
    )
    assert ((free < members.min(0)) | (free > members.max(0))).any()
    np.testing.assert_array_equal(clipped, np.clip(free, members.min(0), members.max(0)))


@pytest.mark.thorough
def test_samples_use_the_averaged_generator():
    train = toys.problem(40).train
    nets = networks(train.live, BARE.architecture)

    @jax.jit
    def generators(key):
        choices = [(1, 0.0), (2, 0.0), (2, 0.25), (2, 0.999)]
        configs = [dataclasses.replace(BARE, iterations=n, average=a) for n, a in choices]
        return [fit(key, config, nets, train)[0] for config in configs]

    first, second, quarter, mean = (
        np.concatenate([*map(np.ravel, jax.tree.leaves(generator))])
        for generator in generators(KEY)
    )
    assert (first != second).any()
    np.testing.assert_allclose(quarter, 0.25 * first + 0.75 * second, atol=1e-6)
    np.testing.assert_allclose(mean, 0.5 * first + 0.5 * second, atol=1e-6)
    assert (abs(quarter - mean) > 1e-5).any()


def test_zero_weight_disables_the_classifier():
    train = toys.problem(40).train
    for weight, exists in ((0.0, False), (0.1, True)):
        config = dataclasses.replace(TINY, classifier_weight=weight)
        nets = networks(jnp.ones(toys.FEATURES, bool), SHAPE)
        shapes = jax.eval_shape(lambda key: trained_classifier(key, config, nets, train), KEY)  # noqa: B023
        assert bool(jax.tree.leaves(shapes)) == exists
