"""BAGAN: networks, hand-over, Gaussians of the classes, losses, stages, samples."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from flax import nnx
from samplers import new_rows

from imbax.methods import bagan as bg
from imbax.methods import codes
from imbax.methods.sampling import Sizes
from imbax.networks.bagan import DoublingConvolution, LastConvolution, dropout, networks
from imbax.types import Batch, rows

KEY = jax.random.key(0)
COUNTS = (12, 6, 2)
# Colour images that are not square, doubled once and cropped.
SMALL = bg.Config((6, 9, 3), 3, latent=5, width=4, autoencoder_epochs=2, gan_epochs=2, batch_size=8)
NETS = bg.networks(SMALL)
HPARAMS = bg.Hparams(0.003)
MODEL = bg.generator(SMALL, HPARAMS)


def images(padding=0):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), COUNTS)
    x = np.tanh(rng.normal(size=(20, 162)) + y[:, None] - 1)
    x = np.concatenate([x, np.full((padding, 162), np.nan)]).astype(np.float32)
    y = np.concatenate([y, np.zeros(padding, int)]).astype(np.int32)
    return rows(x, y, np.arange(len(y)) < 20)


def pictures():
    return codes.image_batch(*images().all(), SMALL.shape)


@functools.cache
def history():
    """States after 0, 1, ..., 5 epochs, one more than configured, and their losses."""
    states, losses = [MODEL.init(KEY, images())], []
    one_more = jax.jit(lambda state: MODEL.epoch(KEY, state, images()))
    for _ in range(5):
        state, loss = one_more(states[-1])
        states.append(state)
        losses.append(float(loss))
    return states, losses


@functools.cache
def gan_step():
    """Compiled step `(has_rows, key, batch)` from the state at the hand-over."""
    state = history()[0][2]
    result = {"nets": NETS, "config": SMALL, "hparams": HPARAMS}
    return jax.jit(lambda has_rows, key, batch: bg.gan_step(key, state, batch, has_rows, **result))


def same(a, b):
    pairs = zip(*map(jax.tree.leaves, (a, b)), strict=True)
    return all(bool((one == other).all()) for one, other in pairs)


def close(a, b, tolerance=1e-4):
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, 1e-3, tolerance), a, b)


@pytest.mark.parametrize(
    ("shape", "millions"), [((28, 28, 1), (1.64, 8.16)), ((64, 64, 3), (3.21, 11.77))]
)
def test_sizes_equal_the_public_code(shape, millions):
    nets = networks(shape, 100, 10)
    count = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))
    result = [count(jax.eval_shape(net.init, KEY)[0]) / 1e6 for net in nets[:2]]
    assert result == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize("shape", [(4, 4, 1), (28, 28, 1), (5, 9, 2), (27, 45, 3), (64, 16, 1)])
def test_images_of_any_size_are_reconstructed(shape):
    nets = networks(shape, 7, 3, width=2)

    def there_and_back(key, x):
        encoder, generator, discriminator = (net.init(key)[0] for net in nets)
        z, _ = nets.encoder.apply(encoder, {}, x, key)
        x, _ = nets.generator.apply(generator, {}, z)
        return z, x, nets.discriminator.apply(discriminator, {}, x)[0]

    x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    z, x, logits = jax.eval_shape(there_and_back, KEY, x)
    assert (z.shape, x.shape, logits.shape) == ((2, 7), (2, *shape), (2, 4))


def test_doubling_equals_repeat_and_convolution():
    rng = np.random.default_rng(1)
    x, kernel = rng.normal(size=(2, 3, 4, 2)), rng.normal(size=(5, 5, 2, 3))
    layer = DoublingConvolution(2, 3, 5, rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.asarray(kernel, jnp.float32)
    large = np.pad(x.repeat(2, 1).repeat(2, 2), ((0, 0), (2, 2), (2, 2), (0, 0)))
    expected = np.zeros((2, 6, 8, 3))
    for i in range(6):
        for j in range(8):
            seen = large[:, i : i + 5, j : j + 5]
            expected[:, i, j] = np.einsum("nabc,abcf->nf", seen, kernel)
    np.testing.assert_allclose(layer(jnp.asarray(x, jnp.float32)), expected, 1e-4, 1e-4)


def test_last_convolution_is_causal():
    rng = np.random.default_rng(1)
    x, kernel = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 2, 5, 3))
    layer = LastConvolution(5, 3, 2, rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.asarray(kernel, jnp.float32)
    framed = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    expected = sum(
        framed[:, i : i + 3, j : j + 4] @ kernel[i, j] for i in range(2) for j in range(2)
    )
    np.testing.assert_allclose(layer(jnp.asarray(x, jnp.float32)), expected, 1e-4, 1e-4)


@pytest.mark.thorough
def test_key_enables_dropout():
    params, _ = NETS.encoder.init(KEY)
    apply = jax.jit(lambda x, key: NETS.encoder.apply(params, {}, x, key)[0])
    x = jnp.ones((2, *SMALL.shape))
    still, dropped = apply(x, None), apply(x, KEY)
    assert same(still[0], still[1])
    assert not same(dropped[0], dropped[1])
    assert not same(dropped, apply(x, jax.random.key(1)))
    one, two = map(np.asarray, dropout(KEY, 100, [(5, 4, 2), (1, 40)]))
    assert (one.shape, two.shape) == ((100, 5, 4, 2), (100, 1, 40))
    for factor in (one, two):
        np.testing.assert_allclose(np.unique(factor), [0, 1 / 0.7], 1e-6)
        assert factor.mean() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("latent", [2, 9])
def test_gaussians_equal_numpy(latent):
    rng = np.random.default_rng(2)
    y = np.array([0] * 15 + [1] * 3 + [3], np.int32)  # class 2 has no rows
    z = (rng.normal(size=(19, latent)) @ rng.normal(size=(latent, latent))).astype(np.float32)
    z = np.concatenate([z, np.full((4, latent), np.nan, np.float32)])
    y, w = np.pad(y, (0, 4)), np.arange(23) < 19
    mean, root = jax.jit(lambda *a: bg.class_gaussians(*a, 4))(z, y, w.astype(np.float32))
    for c in range(4):
        members = z[(y == c) & w]
        if len(members) < 2:
            assert not root[c].any()
            np.testing.assert_allclose(mean[c], members[0] if len(members) else 0, 1e-6)
            continue
        cov = np.cov(members.T.astype(np.float64))
        np.testing.assert_allclose(mean[c], members.mean(0), 1e-4, 1e-5)
        np.testing.assert_allclose(root[c] @ root[c].T, cov, atol=1e-5 * np.trace(cov))
        np.testing.assert_allclose(root[c], root[c].T, atol=1e-5)


@pytest.mark.thorough
def test_hand_over_copies_the_encoder_except_its_head():
    states, _ = history()
    start, before, after = states[0], states[1], states[2]
    assert same(before.discriminator, start.discriminator)
    assert not before.now.mean.any() and not before.now.root.any()
    encoder = after.now.params[0]
    assert same(after.discriminator["layers"], encoder["layers"])
    assert same(after.discriminator["head"], start.discriminator["head"])
    assert after.discriminator["head"]["bias"].shape == (4,)
    data = pictures()
    z = np.asarray(codes.encoded(codes.Autoencoder(*NETS[:2]), after.now, data.x), np.float64)
    for c, count in enumerate(COUNTS):
        members = z[np.asarray(data.y) == c]
        np.testing.assert_allclose(after.now.mean[c], members.mean(0), 1e-3, 1e-4)
        root, cov = after.now.root[c], np.cov(members.T)
        np.testing.assert_allclose(root @ root.T, cov, atol=1e-4 * np.trace(cov))
        assert np.linalg.matrix_rank(cov) == min(count - 1, 5)


@pytest.mark.thorough
def test_stages_train_their_own_networks():
    states, losses = history()
    assert [int(state.epoch) for state in states] == [0, 1, 2, 3, 4, 4]
    np.testing.assert_array_equal(np.isfinite(losses), np.arange(5) < 4)
    assert losses[1] < losses[0] < 1.5 < losses[2]  # squared error, then two cross-entropies
    for before, after in itertools.pairwise(states[:3]):
        assert not same(before.now.params[0], after.now.params[0])
        assert not same(before.now.params[1], after.now.params[1])
        assert same(before.opt_states[1:], after.opt_states[1:])
    for before, after in itertools.pairwise(states[2:5]):
        assert same(before.now.params[0], after.now.params[0])
        assert same(before.now[2:], after.now[2:])
        assert same(before.opt_states[0], after.opt_states[0])
        assert not same(before.now.params[1], after.now.params[1])
        assert not same(before.discriminator, after.discriminator)
    assert same(states[4], states[5])
    # Two epochs each, of three batches of 8 from 20 rows.
    assert [int(opt[0].count) for opt in states[4].opt_states] == [6, 6, 6]


@pytest.mark.thorough
def test_losses_equal_cross_entropies():
    state = history()[0][2]
    data = pictures()
    batch = Batch(*(leaf[8:16] for leaf in data))
    has_rows = jnp.array([True, True, False])
    after, info = gan_step()(has_rows, jax.random.key(5), batch)
    key_synth, key_dropout, key_codes, key_dropout_2 = jax.random.split(jax.random.key(5), 4)

    def made(key, n):
        choosing, drawing = jax.random.split(key)
        c = jax.random.categorical(choosing, jnp.array([0, 0, -jnp.inf], jnp.float32), shape=(n,))
        normal = np.asarray(jax.random.normal(drawing, (n, 5), jnp.float32))
        mean, root = np.asarray(state.now.mean), np.asarray(state.now.root)
        z = np.stack([mean[k] + root[k] @ g for k, g in zip(c, normal, strict=True)])
        return np.asarray(c), NETS.generator.apply(state.now.params[1], {}, z)[0]

    def cross_entropy(judge, x, y, key):
        logits = np.asarray(NETS.discriminator.apply(judge, {}, x, key)[0], np.float64)
        return oracles.cross_entropy(logits, y).mean()

    _, fakes = made(key_synth, 3)
    x, y = jnp.concatenate([batch.x, fakes]), np.append(batch.y, [3, 3, 3])
    expected = cross_entropy(state.discriminator, x, y, key_dropout)
    assert float(info.discriminator) == pytest.approx(expected, rel=1e-4)
    c, x = made(key_codes, 11)
    assert set(c) == {0, 1}
    expected = cross_entropy(after.discriminator, x, c, key_dropout_2)
    assert float(info.generator) == pytest.approx(expected, rel=1e-4)


@pytest.mark.thorough
def test_weights_in_a_partial_batch():
    """Weights in D's loss on a half-full batch: 4 for four rows, 1.5 for three synthetic rows."""
    state = history()[0][2]
    data = pictures()
    w = jnp.array([1.0] * 4 + [0.0] * 4)
    batch = Batch(data.x[:8].at[4:].set(7.0), data.y[:8], w)
    has_rows = jnp.array([True] * 3)
    after, info = gan_step()(has_rows, KEY, batch)
    again, other = gan_step()(has_rows, KEY, batch._replace(x=data.x[:8]))
    close(after.discriminator, again.discriminator)
    assert float(info.discriminator) == pytest.approx(float(other.discriminator), rel=1e-5)
    key_synth, key_dropout = jax.random.split(KEY, 4)[:2]
    _, z = bg._codes(key_synth, state.now, has_rows, 3)
    x = jnp.concatenate([batch.x, NETS.generator.apply(state.now.params[1], {}, z)[0]])
    logits, _ = NETS.discriminator.apply(state.discriminator, {}, x, key_dropout)
    losses = oracles.cross_entropy(np.asarray(logits, np.float64), np.append(data.y[:8], [3] * 3))
    expected = (losses[:4].sum() + 0.5 * losses[8:].sum()) / 5.5
    assert float(info.discriminator) == pytest.approx(expected, rel=1e-4)


@pytest.mark.thorough
def test_padding_and_other_runs_have_no_effect():
    states, losses = history()
    keys = jnp.stack([jax.random.key(7), KEY])
    state = jax.vmap(lambda key: bg.init(key, SMALL, HPARAMS))(keys)
    train = images(padding=9)
    run = jax.jit(jax.vmap(lambda key, state: bg.epoch(key, SMALL, HPARAMS, state, train)))
    for number in range(3):
        state, loss = run(keys, state)
        assert float(loss[1]) == pytest.approx(losses[number], rel=1e-4)
        assert float(loss[0]) != pytest.approx(losses[number], rel=1e-4)
    close(jax.tree.map(lambda leaf: leaf[1], state).now, states[3].now, 1e-3)


@pytest.mark.thorough
def test_fit_equals_epochs(monkeypatch):
    one_more = lambda key, config, hparams, state, train: (
        state._replace(now=jax.tree.map(lambda leaf: leaf + 1, state.now), epoch=state.epoch + 1),
        state.epoch + train.w.sum(),
    )
    monkeypatch.setattr(bg, "epoch", one_more)
    fitted, losses = bg.fit(KEY, SMALL, HPARAMS, images())
    np.testing.assert_array_equal(losses, [20, 21, 22, 23])
    close(fitted, jax.tree.map(lambda leaf: leaf + 4, history()[0][0].now))


@pytest.mark.thorough
def test_reconstruction_and_interpolation():
    fitted, x = history()[0][4].now, images().all().x[:6]
    again, strip = jax.jit(
        lambda: (MODEL.reconstruct(fitted, x), MODEL.strip(fitted, x[:2], x[2:4], 5))
    )()
    assert (again.shape, strip.shape) == ((6, 162), (2, 5, 162))
    z, _ = NETS.encoder.apply(fitted.params[0], {}, x.reshape(-1, *SMALL.shape))
    expected, _ = NETS.generator.apply(fitted.params[1], {}, z)
    np.testing.assert_allclose(again, expected.reshape(6, -1), 1e-4, 1e-5)
    np.testing.assert_allclose(strip[:, 0], again[:2], 1e-4, 1e-5)
    np.testing.assert_allclose(strip[:, -1], again[2:4], 1e-4, 1e-5)
    middle, _ = NETS.generator.apply(fitted.params[1], {}, (z[:1] + z[2:3]) / 2)
    np.testing.assert_allclose(strip[0, 2], middle.ravel(), 1e-4, 1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("wanted", [(0, 6, 10), (3, 0, 1), (0, 0, 0)])
def test_samples_have_the_wanted_classes(wanted):
    fitted = bg.finish(history()[0][4])
    resampled = drawn(20)(jnp.array(wanted), fitted)
    made = new_rows(resampled)
    assert made.x.shape == (20, 162)
    n = sum(wanted)
    np.testing.assert_array_equal(made.y[:n], np.repeat(np.arange(3), wanted))
    np.testing.assert_array_equal(made.w, np.arange(20) < n)
    assert (jnp.abs(made.x) <= 1).all()
    assert resampled.parents is None and resampled.gap is None
    # A larger bound does not change them.
    more = drawn(27)(jnp.array(wanted), fitted)
    np.testing.assert_allclose(more.x_synth[:n], made.x[:n], 1e-4, 1e-5)
    # The view keeps its rows.
    train = images()
    after = resampled.applied(train)
    np.testing.assert_array_equal(after.index, np.append(train.index, 20 + np.arange(20)))
    np.testing.assert_array_equal(after.w, np.append(train.w, made.w))
    np.testing.assert_array_equal(after.all().x, np.concatenate([train.data, made.x]))


@functools.cache
def drawn(most):
    return jax.jit(
        lambda wanted, fitted: MODEL.sample(KEY, fitted, images(), wanted, Sizes(1, most))
    )


@pytest.mark.thorough
def test_samples_come_from_their_class():
    fitted = history()[0][4].now
    fitted = fitted._replace(root=fitted.root.at[1].set(0))
    made = new_rows(drawn(20)(jnp.array([2, 6, 2]), fitted))
    mean_image, _ = NETS.generator.apply(fitted.params[1], {}, fitted.mean[1:2])
    expected = np.broadcast_to(mean_image.reshape(1, -1), (6, 162))
    np.testing.assert_allclose(made.x[2:8], expected, 1e-4, 1e-5)
    draw = lambda i: jax.random.normal(jax.random.fold_in(KEY, i), (5,), jnp.float32)
    z = fitted.mean[2] + fitted.root[2] @ draw(9)
    x, _ = NETS.generator.apply(fitted.params[1], {}, z[None])
    np.testing.assert_allclose(made.x[9], x.ravel(), 1e-4, 1e-5)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"shape": (8, 3, 1)}, "shape is .* with sides of at least 4; got .8, 3, 1"),
        ({"shape": (64,)}, "shape is .height, width, channels. .* got .64"),
        ({"autoencoder_epochs": 0}, "autoencoder_epochs=0, expected at least 1"),
        ({"gan_epochs": -1}, "gan_epochs=-1, expected at least 0"),
    ],
)
def test_option_out_of_range_raises_an_error(result, message):
    with pytest.raises(ValueError, match=message):
        bg.Config(**({"shape": (8, 8, 1), "classes": 3} | result))
