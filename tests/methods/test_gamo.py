"""GAMO: mixes, losses and steps against brute force, counts, padding, bounds, runs."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from samplers import new_rows
from sklearn.datasets import load_digits

from imbax.methods import gamo
from imbax.methods.generator import sampler_of
from imbax.methods.sampling import Sizes
from imbax.networks.gamo import BLOCK, mixed, slope_of_shares
from imbax.types import Batch, rows

KEY = jax.random.key(0)
COUNTS = (30, 9, 2)
SMALL = gamo.Config(2, 3, max_rows=9, noise=4, batch_size=8, epochs=2)
NETS = gamo.networks(SMALL)
FAST = gamo.Hparams(0.01)
WANTED = (0, 21, 150)
SIZES = Sizes(max_rows=9, max_synth=171)


def table(counts=COUNTS, padding=0, total=0, garbage=np.nan):
    """One cloud per class; padding at several places, `total` rows in all."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(3), counts))
    x = 0.1 * rng.normal(size=(len(y), 2)) + np.array([[0, 0], [0.6, -0.4], [-0.5, 0.5]])[y]
    at = [0] * padding + [7] * padding + [len(y)] * max(padding, total - len(y))
    at = np.array(at, int)
    w = np.insert(np.ones(len(y), np.float32), at, 0)
    x, y = np.insert(x, at, garbage, 0).astype(np.float32), np.insert(y, at, 1).astype(np.int32)
    return rows(x, y, w)


def members_of(c, counts=COUNTS):
    data = table(counts)
    return np.asarray(data.data)[np.asarray(data.target) == c]


@functools.cache
def jitted(config=SMALL):
    """Compiled functions for the initial state and one epoch."""
    init = lambda data: gamo.init(KEY, config, FAST, data)
    epoch = lambda key, rate, *result: gamo.epoch(key, config, gamo.Hparams(rate), *result)
    return jax.jit(init), jax.jit(epoch)


def trained(data, config=SMALL):
    """Runs the epochs of `fit` one by one."""
    (init, advance), losses = jitted(config), []
    state = init(data)
    for _ in range(config.epochs):
        state, loss = advance(KEY, 0.01, state, data)
        losses.append(loss)
    return gamo.finish(state), np.array(losses)


@functools.cache
def fitted():
    return trained(table())


@functools.cache
def sampler(config=SMALL, sizes=SIZES):
    """Returns a compiled sampler of new rows."""
    return jax.jit(lambda *result: new_rows(gamo.sample(KEY, *result, sizes, config=config)))


def made(wanted=WANTED):
    return jax.device_get(sampler()(fitted()[0], table(), jnp.array(wanted)))


def layers(params):
    for number in sorted(params["layers"]):
        kernel, bias = (np.asarray(params["layers"][number][name]) for name in ("kernel", "bias"))
        # Narrowing layers are stored transposed; none of these is square.
        yield (kernel.T if len(bias) == kernel.shape[0] else kernel), bias


def trunk(params, x, w=None, stats=None):
    """Features with batch statistics of rows with weight, or with running statistics."""
    for number, (kernel, bias) in enumerate(layers(params)):
        x = np.maximum(x @ kernel + bias, 0)
        if stats is None:
            mean, variance = x[w > 0].mean(0), x[w > 0].var(0)
        else:
            mean, variance = (np.asarray(stats["norms"][number][name]) for name in ("mean", "var"))
        scale, bias = (np.asarray(params["norms"][number][name]) for name in ("scale", "bias"))
        x = (x - mean) / np.sqrt(variance + 1e-5) * scale + bias
    return x


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def share(heads, features, c, n):
    return softmax(
        features @ np.asarray(heads["kernel"])[c, :, :n] + np.asarray(heads["bias"])[c, :n]
    )


def judge(params, x):
    *between, (kernel, bias) = layers(params)
    for k, b in between:
        x = x @ k + b
        x = np.where(x > 0, x, 0.1 * x)
    return x @ kernel + bias


def test_mixes_and_gradient_equal_brute_force():
    """Classes with several blocks, few rows, no rows, and one bounded by m."""
    rng, m = np.random.default_rng(1), BLOCK + 44
    counts, first = np.array([BLOCK + 44, 3, 0, BLOCK, 700]), np.array([0, 300, 303, 303, 559])
    x = np.pad(rng.normal(size=(1259, 5)), ((0, BLOCK), (0, 0))).astype(np.float32)
    shares, slope = rng.uniform(size=(5, 2, m)), rng.normal(size=(5, 2, 5))
    shares[np.arange(m) >= counts[:, None, None] * np.ones((5, 2, 1))] = 0
    shares, slope = shares.astype(np.float32), slope.astype(np.float32)
    result = jax.jit(mixed)(shares, x, first, counts)
    back = jax.jit(slope_of_shares, static_argnums=4)(slope, x, first, counts, m)
    assert back.shape == shares.shape
    for c, (begin, n) in enumerate(zip(first, np.minimum(counts, m), strict=True)):
        members = x[begin : begin + n]
        np.testing.assert_allclose(result[c], shares[c, :, :n] @ members, 1e-4, 1e-4)
        np.testing.assert_allclose(back[c, :, :n], slope[c] @ members.T, 1e-4, 1e-4)


@functools.cache
def one_step():
    data, state = table(), jitted()[0](table())
    batch = Batch(data.data[:8], data.target[:8], jnp.ones(8).at[5].set(0))
    pool = gamo.pool_of(data, 3)
    result = {"nets": NETS, "config": SMALL, "hparams": FAST}
    run = jax.jit(lambda: gamo.step(KEY, state, batch, pool, **result))
    return jax.device_get((state, batch, *run()))


def test_losses_equal_the_equations():
    before, real, after, info = one_step()
    noise, smoothing = jax.random.split(KEY)
    z = np.asarray(jax.random.normal(noise, (3, 3, 4), jnp.float32))
    u = np.asarray(jax.random.uniform(smoothing, (8 + 9,), jnp.float32, maxval=0.1))
    y = np.repeat(np.arange(3), 3)
    p = np.array([0, 21, 28])[y] / (3 * 49)  # 30 - 9 and 30 - 2; three rows of each class
    label = np.concatenate([np.eye(3)[y], z.reshape(9, 4)], 1)
    features = trunk(before.now.params[0], label, w=p)
    x = np.zeros((9, 2))
    for c in (1, 2):
        weights = share(before.now.params[1], features[y == c], c, COUNTS[c])
        x[y == c] = weights @ members_of(c)

    def errors(players, x, y, goal, realness):
        probability = softmax(judge(players[0], x))
        logit = judge(players[1], np.concatenate([np.eye(3)[y], x], 1))[:, 0]
        return ((probability - goal) ** 2).sum(1) / 3, (1 / (1 + np.exp(-logit)) - realness) ** 2

    real_errors = errors(before.adversaries, real.x, real.y, np.eye(3)[real.y], 1 - u[:8])
    synth_errors = errors(before.adversaries, x, y, np.eye(3)[y], u[8:])
    expected = [
        (real.w * a).sum() / 7 + (p * b).sum()
        for a, b in zip(real_errors, synth_errors, strict=True)
    ]
    np.testing.assert_allclose(info[:2], expected, 1e-4)
    against = errors(after.adversaries, x, y, 1 - np.eye(3)[y], 1)
    np.testing.assert_allclose(info.generator, sum(against)[3:].mean(), 1e-4)


@pytest.mark.thorough
def test_networks_follow_their_gradients():
    """Compares first steps of Adam with signs of gradients from full matrices."""
    before, _, after, _ = one_step()
    stats = jax.tree.map(jnp.asarray, before.now.stats)
    z = jax.random.normal(jax.random.split(KEY)[0], (3, 3, 4), jnp.float32)
    real = np.zeros((3, 9, 2), np.float32)
    for c in (1, 2):
        real[c, : COUNTS[c]] = members_of(c)

    def loss(params):
        label = jnp.repeat(jnp.eye(3)[:, None], 3, 1)
        result = jnp.concatenate([label, z], 2).reshape(9, -1)
        w = jnp.repeat(jnp.array([0.0, 1, 1]), 3)
        features, _ = NETS.trunk.apply(params[0], stats, result, w)
        logits = NETS.heads.apply(params[1], features.reshape(3, 3, -1))
        is_row = jnp.arange(9) < jnp.array([1, 9, 2])[:, None, None]
        x = (jax.nn.softmax(jnp.where(is_row, logits, -1e9)) @ real).reshape(9, 2)
        members = jnp.repeat(jnp.eye(3), 3, 0)
        probability = jax.nn.softmax(NETS.classifier.apply(after.adversaries[0], x))
        labelled = jnp.concatenate([members, x], 1)
        realness = jax.nn.sigmoid(NETS.discriminator.apply(after.adversaries[1], labelled)[:, 0])
        off = ((probability - (1 - members)) ** 2).mean(1)
        return (off + (realness - 1) ** 2)[3:].mean()

    slopes = jax.tree.leaves(jax.jit(jax.grad(loss))(before.now.params))
    moved = jax.tree.map(np.subtract, after.now.params, before.now.params)
    for slope, move in zip(slopes, jax.tree.leaves(moved), strict=True):
        clear = np.abs(slope) > 1e-5
        np.testing.assert_allclose(move[clear], -0.01 * np.sign(slope[clear]), 0.01)
    heads = moved[1]
    assert (heads["kernel"][0] == 0).all()  # the largest class is not generated
    assert (heads["kernel"][2, :, 2:] == 0).all()  # no row is beyond the second
    assert (np.abs(heads["kernel"][2, :, :2]) > 0).mean() > 0.9
    moved = jax.tree.map(np.subtract, after.adversaries, before.adversaries)
    assert all(np.abs(leaf).max() > 5e-3 for leaf in jax.tree.leaves(moved))


@pytest.mark.thorough
def test_rows_are_convex_combinations_of_their_class():
    result, model = made(), fitted()[0]
    y = np.asarray(table().target)
    draw = lambda i: jax.random.normal(jax.random.fold_in(KEY, i), (4,), jnp.float32)
    z = np.asarray(jax.vmap(draw)(np.arange(171)))
    label = np.concatenate([np.eye(3)[result.y], z], 1)
    features = trunk(model.params[0], label, stats=model.stats)
    for c in (1, 2):
        is_class, members = result.y == c, members_of(c)
        weights = share(model.params[1], features[is_class], c, COUNTS[c])
        np.testing.assert_allclose(result.x[is_class], weights @ members, 1e-4, 1e-4)
        assert (result.x[is_class] >= members.min(0) - 1e-6).all()
        assert (result.x[is_class] <= members.max(0) + 1e-6).all()
        parents = np.flatnonzero(y == c)[weights.argmax(1)]
        np.testing.assert_array_equal(result.parents[is_class], np.stack([parents, parents], 1))
    assert (result.gap == 0).all()


CASES = [WANTED, (0, 0, 0), (5, 128, 0), (0, 129, 42), (171, 0, 0)]


@pytest.mark.thorough
@pytest.mark.parametrize("wanted", CASES)
def test_every_class_gets_the_wanted_rows(wanted):
    result = made(wanted=wanted)
    total = sum(wanted)
    assert result.x.shape == (171, 2)
    np.testing.assert_array_equal(result.w, np.arange(171) < total)
    np.testing.assert_array_equal(result.y[:total], np.repeat(np.arange(3), wanted))
    assert np.isfinite(result.x).all()


@pytest.mark.thorough
def test_padding_and_bounds_do_not_change_samples():
    expected, padded = made(), table(padding=4)
    loose = sampler(sizes=Sizes(50, 400))
    result = jax.device_get(loose(fitted()[0], padded, jnp.array(WANTED)))
    np.testing.assert_allclose(result.x[:171], expected.x, 1e-5, 1e-6)
    np.testing.assert_array_equal(result.y[:171], expected.y)
    assert result.w.sum() == 171
    x, shifted = np.asarray(table().data), np.asarray(padded.data)
    np.testing.assert_array_equal(shifted[result.parents[:171]], x[expected.parents])


@pytest.mark.thorough
def test_padding_bounds_and_zeros_do_not_change_training():
    data = table(padding=4)
    wider = data._replace(
        data=jnp.pad(data.data, ((0, 0), (0, 1)), constant_values=7.0),
        shift=jnp.array([0, 0, 7.0]),
        factor=jnp.array([1, 1, 0.0]),
    )
    config = dataclasses.replace(SMALL, columns=3, max_rows=300)
    model, losses = trained(wider, config)
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(losses, fitted()[1], 1e-4)
    result = sampler(config)(model, wider, jnp.array(WANTED))
    np.testing.assert_allclose(result.x[:, :2], made().x, 1e-3, 1e-3)
    assert (result.x[:, 2] == 0).all()


@pytest.mark.thorough
def test_runs_may_be_vmapped_and_fit_equals_epochs():
    expected, losses = fitted()
    run = jax.vmap(lambda key: gamo.fit(key, SMALL, FAST, table()))
    result, all_losses = jax.jit(run)(jnp.stack([jax.random.key(7), KEY]))
    np.testing.assert_allclose(all_losses[1], losses, 1e-4)
    assert (all_losses[0] != losses).all()
    result = jax.tree.map(lambda leaf: leaf[1], result)
    for one, two in zip(*map(jax.tree.leaves, (result.params, expected.params)), strict=True):
        # Compares whole leaves: Adam amplifies rounding of gradients close to 0.
        assert oracles.relative_error(one, two) < 5e-4


@pytest.mark.thorough
def test_generator_equals_fit_and_stops():
    model, data, (init, advance) = gamo.generator(SMALL, FAST), table(), jitted()
    state = init(data)
    for _ in range(model.epochs):
        state, loss = advance(KEY, 0.01, state, data)
        assert np.isfinite(loss)
    same, loss = advance(KEY, 0.01, state, data)
    assert np.isnan(loss)
    jax.tree.map(np.testing.assert_array_equal, same, state)
    jax.tree.map(np.testing.assert_array_equal, model.finish(state, data), fitted()[0])
    draw = lambda n: new_rows(model.sample(KEY, state.now, data, n, SIZES))
    shapes = lambda tree: jax.tree.map(jnp.shape, tree)
    assert shapes(jax.eval_shape(model.init, KEY, data)) == shapes(state)
    assert shapes(jax.eval_shape(model.epoch, KEY, state, data)[0]) == shapes(state)
    assert shapes(jax.eval_shape(draw, jnp.array(WANTED))) == shapes(made())


@pytest.mark.thorough
@pytest.mark.parametrize("needed", [None, 1])
def test_sampler_trains_its_generator_as_long_as_needed(needed):
    model, data = gamo.generator(SMALL, FAST), table(padding=2)
    if needed is not None:
        model = model._replace(needed=lambda train: jnp.asarray(needed))
    result = jax.jit(lambda: sampler_of(model)(KEY, data, jnp.array(WANTED), SIZES))()
    fitting, drawing = jax.random.split(KEY)
    init, advance = jax.jit(model.init), jax.jit(model.epoch)
    state = init(fitting, data)
    for _ in range(SMALL.epochs if needed is None else needed):
        state, _ = advance(fitting, state, data)
    draw = jax.jit(lambda fitted: model.sample(drawing, fitted, data, jnp.array(WANTED), SIZES))
    expected = draw(model.finish(state, data))
    np.testing.assert_allclose(result.x_synth, expected.x_synth, 1e-4, 1e-5)
    np.testing.assert_array_equal(result.index, expected.index)
    np.testing.assert_array_equal(result.w, expected.w)


@pytest.mark.thorough
def test_training_leaves_the_uniform_mix():
    """Rows start near the class mean and spread during training."""
    init, advance = jitted()
    start = state = init(table())
    for number in range(40):
        key = jax.random.fold_in(KEY, number)
        state, loss = advance(key, 2e-3, state._replace(epoch=0 * state.epoch), table())
        assert np.isfinite(loss)
    draw = lambda state: sampler()(state.now, table(), jnp.array([0, 171, 0])).x
    begun, ended, real = np.asarray(draw(start)), np.asarray(draw(state)), members_of(1)
    away = lambda x: np.linalg.norm(x - real.mean(0), axis=1).mean()
    assert away(begun) < 0.5 * away(real)
    assert away(ended) > 2 * away(begun)


@pytest.mark.thorough
@pytest.mark.parametrize("counts", [(20, 1, 2), (20, 5, 0), (6, 6, 6)])
def test_small_empty_and_equal_classes(counts):
    data = table(counts, total=sum(COUNTS))
    model, losses = trained(data)
    wanted = jnp.where(jnp.array(counts) > 0, jnp.array([0, 12, 12]), 0)
    result = jax.device_get(sampler()(model, data, wanted))
    assert np.isfinite(losses).all() and np.isfinite(result.x).all()
    if counts[1] == 1:
        np.testing.assert_allclose(result.x[:12], members_of(1, counts).repeat(12, 0), 1e-5)
        a, b = members_of(2, counts)
        share = (result.x[12:24] - a) @ (b - a) / ((b - a) ** 2).sum()
        np.testing.assert_allclose(result.x[12:24], a + share[:, None] * (b - a), 1e-4, 1e-5)
        assert (share >= -1e-6).all() and (share <= 1 + 1e-6).all()


@pytest.mark.thorough
def test_training_on_digits_stays_finite():
    x, y = load_digits(return_X_y=True)
    counts = [60, 40, 20, 10, 8, 6, 5, 4, 2, 1]
    chosen = np.concatenate([np.flatnonzero(y == c)[:n] for c, n in enumerate(counts)])
    data = rows(x[chosen].astype(np.float32) / 8 - 1, y[chosen].astype(np.int32))
    config = gamo.Config(64, 10, max_rows=40, epochs=4)

    def run(key):
        model, losses = gamo.fit(key, config, gamo.Hparams(), data)
        wanted = 60 - jnp.array(counts)
        result = gamo.sample(key, model, data, wanted, Sizes(40, 444), config=config)
        return losses, new_rows(result)

    losses, result = jax.jit(lambda keys: jax.lax.map(run, keys))(jax.random.split(KEY, 3))
    assert np.isfinite(losses).all() and np.isfinite(result.x).all()
    assert (result.w.sum(1) == 444).all() and (np.abs(result.x) <= 1 + 1e-6).all()


def test_non_finite_loss_is_reported():
    init, advance = jitted()
    assert not np.isfinite(advance(KEY, jnp.inf, init(table()), table())[1])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"max_rows": 0}, "max_rows=0, expected at least 1"),
        ({"classes": 1}, "classes=1, expected at least 2"),
        ({"batch_size": 1}, "batch_size=1, expected at least 2"),
    ],
)
def test_option_out_of_range_raises_an_error(option, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **option)
