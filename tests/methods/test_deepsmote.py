"""Pure parts of DeepSMOTE: draws, penalties, statistics, padding, samples."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from samplers import new_rows
from sklearn.datasets import load_digits

from imbax.methods import codes
from imbax.methods import deepsmote as ds
from imbax.methods.sampling import Sizes
from imbax.networks.batch_norm import functional
from imbax.networks.layers import Linear
from imbax.types import Batch, rows

KEY = jax.random.key(0)
COUNTS = (12, 6, 2)
SMALL = ds.Config((8, 8, 1), 3, latent=5, batch_size=8, epochs=2)
NETS = ds.networks(SMALL)


def images(padding=0):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), COUNTS)
    x = np.tanh(rng.normal(size=(20, 8, 8, 1)) + y[:, None, None, None] - 1)
    x = np.concatenate([x, np.full((padding, 8, 8, 1), np.nan)]).astype(np.float32)
    y = np.concatenate([y, np.zeros(padding, int)]).astype(np.int32)
    return rows(x.reshape(len(x), -1), y, np.arange(len(y)) < 20)


def pictures(padding=0):
    return codes.image_batch(*images(padding).all(), SMALL.shape)


@functools.cache
def fitted(**options):
    config = dataclasses.replace(SMALL, **options)
    return jax.jit(lambda: ds.fit(KEY, config, ds.Hparams(0.01), images()))()


@functools.cache
def after_one_step(weight=1.0, **options):
    config = dataclasses.replace(SMALL, **options)
    data, hparams = images(), ds.Hparams(0.01, weight)
    batch = Batch(*(leaf[8:16] for leaf in pictures()))
    class_images = None
    if config.penalty != "none":
        class_images = ds.class_batch(jax.random.key(4), config, data)
    state = ds.init(KEY, SMALL, hparams)
    options = {"nets": NETS, "config": config, "hparams": hparams}
    state, info = jax.jit(lambda: ds.step(None, state, batch, class_images, **options))()
    return state.now, info


def reconstructed(fitted):
    """Reconstructions, since biases before normalisation change by rounding without effect."""
    return codes.decoded(NETS, fitted, codes.encoded(NETS, fitted, pictures().x, 8), 8)


def differ(a, b):
    pairs = zip(*map(jax.tree.leaves, (a, b)), strict=True)
    return [bool(jnp.abs(one - other).max() > 1e-6) for one, other in pairs]


@pytest.mark.parametrize(
    ("draw", "expected"), [("uniform", (1 / 3,) * 3), ("inverse", (1 / 9, 2 / 9, 6 / 9))]
)
def test_class_batch_has_one_class_with_the_configured_draw(draw, expected):
    config = dataclasses.replace(SMALL, class_draw=draw)
    run = jax.vmap(lambda key: ds.class_batch(key, config, images(padding=5)))
    result = jax.jit(run)(jax.random.split(KEY, 3000))
    assert result.x.shape == (3000, 8, 8, 8, 1)
    assert (result.y == result.y[:, :1]).all()
    assert (result.w == 1).all()
    share = np.bincount(result.y[:, 0], minlength=3) / 3000
    np.testing.assert_allclose(share, expected, atol=0.03)
    # The six images of class 1 are drawn uniformly.
    first = np.asarray(result.x[result.y[:, 0] == 1])[:, :, 0, 0, 0].ravel()
    share = np.unique(first, return_counts=True)[1] / len(first)
    assert len(share) == 6
    np.testing.assert_allclose(share, 1 / 6, atol=0.03)


@pytest.mark.thorough
def test_penalty_has_no_encoder_gradient_by_default():
    without, _ = after_one_step(weight=0.0)
    result, info = after_one_step()
    assert info.penalty > 0 and info.reconstruction > 0
    assert not any(differ(result.params[0], without.params[0]))
    assert sum(differ(result.params[1], without.params[1])) > 4
    both, _ = after_one_step(encoder_gradient=True)
    assert any(differ(both.params[0], without.params[0]))
    without_penalty, info = after_one_step(penalty="none")
    assert info.penalty == 0
    assert not any(differ(without_penalty.params, without.params))


@pytest.mark.thorough
def test_permuted_penalty_compares_with_the_next_image():
    (_, same), (_, permuted) = (after_one_step(penalty=p) for p in ("class_recon", "permuted"))
    data, hparams = images(), ds.Hparams()
    class_images = ds.class_batch(jax.random.key(4), SMALL, data)
    state = ds.init(KEY, SMALL, hparams)
    (_, stats), w = state.now.stats, jnp.ones(8)
    z, _ = NETS.encoder.apply(state.now.params[0], state.now.stats[0], class_images.x, w)
    x, _ = NETS.decoder.apply(state.now.params[1], stats, z, w)
    assert float(same.penalty) == pytest.approx(float(((x - class_images.x) ** 2).mean()), rel=1e-4)
    shifted = jnp.concatenate([class_images.x[1:], class_images.x[:1]])
    assert float(permuted.penalty) == pytest.approx(float(((x - shifted) ** 2).mean()), rel=1e-4)
    assert float(permuted.penalty) != pytest.approx(float(same.penalty), rel=1e-2)


@pytest.mark.thorough
def test_padding_and_other_runs_have_no_effect():
    expected, losses = fitted()
    run = jax.vmap(lambda key: ds.fit(key, SMALL, ds.Hparams(0.01), images(padding=9)))
    result, all_losses = jax.jit(run)(jnp.stack([jax.random.key(7), KEY]))
    np.testing.assert_allclose(all_losses[1], losses, 1e-4)
    assert (all_losses[0] != losses).all()
    result = jax.tree.map(lambda leaf: leaf[1], result)
    np.testing.assert_allclose(reconstructed(result), reconstructed(expected), atol=1e-3)


@pytest.mark.thorough
def test_statistics_are_recomputed_on_training_images():
    data = pictures()
    state = ds.init(KEY, SMALL, ds.Hparams())
    stats = codes.recalibrated(NETS, state.now, images(), SMALL.shape, 20)
    # With all images in one batch, both ways of normalisation agree.
    trained, _ = NETS.encoder.apply(state.now.params[0], stats[0], data.x, data.w)
    used, _ = NETS.encoder.apply(state.now.params[0], stats[0], data.x)
    np.testing.assert_allclose(trained, used, 1e-3, 1e-4)
    assert any(differ(fitted()[0].stats, fitted(recalibrate=False)[0].stats))
    np.testing.assert_allclose(
        fitted()[1], fitted(recalibrate=False)[1], 1e-4
    )  # the training is the same


@pytest.mark.thorough
def test_training_stops_without_progress():
    config = dataclasses.replace(SMALL, epochs=9, patience=3, penalty="none", batch_size=20)
    best, losses = jax.jit(lambda: ds.fit(KEY, config, ds.Hparams(0.0), images()))()
    start = ds.init(KEY, SMALL, ds.Hparams())
    jax.tree.map(np.testing.assert_array_equal, best.params, start.now.params)
    np.testing.assert_array_equal(np.isfinite(losses), np.arange(9) < 4)


def test_samples_have_the_wanted_classes():
    pair, _ = fitted()
    train, wanted = images(padding=3), jnp.array([0, 6, 10])
    draw = jax.jit(ds.sample, static_argnames=("sizes", "config"))
    resampled = draw(KEY, pair, train, wanted, Sizes(6, 20), config=SMALL)
    result = new_rows(resampled)
    assert result.x.shape == (20, 64)
    np.testing.assert_array_equal(result.y[:16], np.repeat([1, 2], (6, 10)))
    assert result.w.sum() == 16
    assert (jnp.abs(result.x) <= 1).all()
    i, j = result.parents.T

    @jax.jit
    def by_hand(x):
        z = codes.encoded(NETS, pair, x)
        return codes.decoded(NETS, pair, z[i] + result.gap[:, None] * (z[j] - z[i]))

    expected = by_hand(pictures().x)
    np.testing.assert_allclose(result.x[:16], expected[:16].reshape(16, 64), 1e-4, 1e-5)
    after = resampled.applied(train)
    np.testing.assert_array_equal(after.index[:23], train.index)
    np.testing.assert_array_equal(after.w, np.append(train.w, np.arange(20) < 16))
    batch = after.take(23 + jnp.arange(16))
    np.testing.assert_array_equal(batch.x, result.x[:16])
    np.testing.assert_array_equal(batch.y, result.y[:16])


@pytest.mark.thorough
def test_variance_kept_by_class():
    data = pictures(padding=3)
    shrunk = jnp.where(data.y[:, None, None, None] == 1, 0.5 * data.x, data.x)
    kept = codes.variance_kept(data, shrunk, 3)
    np.testing.assert_allclose(kept, [1, 0.25, 1], 1e-5)
    assert np.isnan(
        codes.variance_kept(Batch(*(leaf[-4:-3] for leaf in data)), shrunk[-4:-3], 3)
    ).all()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"penalty": "literal"},
            "penalty='literal', expected 'class_recon' or 'permuted' or 'none'",
        ),
        ({"class_draw": "rare"}, "class_draw='rare', expected 'uniform' or 'inverse'"),
    ],
)
def test_unknown_option_raises_an_error(option, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **option)


class Plain(nnx.Module):
    """MLP without normalisation, so that statistics do not reveal the class of a batch."""

    def __init__(self, widths, *, rngs):
        self.layers = nnx.List(Linear(*pair, rngs=rngs) for pair in itertools.pairwise(widths))

    def __call__(self, x, w):
        *between, last = self.layers
        for layer in between:
            x = jax.nn.relu(layer(x))
        return last(x)


@pytest.mark.thorough
def test_permuted_penalty_shrinks_rare_classes(monkeypatch):
    """The variance of class k shrinks by (p_k / (p_k + 1 / K))²; `class_recon` keeps it.

    The values are approximate, since classes are drawn at random and the best epoch is kept.
    """
    ends = (64, 128, 32)
    net = lambda widths: functional(lambda rngs: Plain(widths, rngs=rngs))
    monkeypatch.setattr(ds, "encoder", lambda *options: net(ends))
    monkeypatch.setattr(ds, "decoder", lambda *options: net(ends[::-1]))
    x, y = load_digits(return_X_y=True)
    counts = np.array([150, 30, 8])
    chosen = np.concatenate([np.flatnonzero(y == c)[:n] for c, n in enumerate(counts)])
    digits = rows((x[chosen] / 8 - 1).astype(np.float32), y[chosen].astype(np.int32))
    share, long = counts / counts.sum(), {"epochs": 1500, "patience": 1500}
    for penalty, expected, tolerance in (
        ("class_recon", np.ones(3), 0.05),
        ("permuted", (share / (share + 1 / 3)) ** 2, 0.1),  # 0.50, 0.10, 0.01
    ):
        config = ds.Config((64,), 3, 32, penalty=penalty, batch_size=47, **long)
        pair, _ = jax.jit(functools.partial(ds.fit, KEY, config, ds.Hparams(3e-4)))(digits)
        nets, batch = ds.networks(config), codes.image_batch(*digits.all(), config.shape)
        again = codes.decoded(nets, pair, codes.encoded(nets, pair, batch.x))
        kept = codes.variance_kept(batch, again, 3)
        np.testing.assert_allclose(kept, expected, atol=tolerance)
    assert (np.diff(kept) < 0).all()
