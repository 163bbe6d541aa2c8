"""Encoders, decoders and ResNets: sizes, and batch normalisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imbax.networks.autoencoder import decoder, encoder
from imbax.networks.resnet import resnet18

KEY = jax.random.key(0)


def sizes(network, shape, n=2):
    """Shapes of the parameters and of the output, without computing them."""
    params, stats = jax.eval_shape(network.init, KEY)
    x, w = (jax.ShapeDtypeStruct(s, jnp.float32) for s in ((n, *shape), (n,)))
    return params, jax.eval_shape(network.apply, params, stats, x, w)[0].shape


def count(*trees):
    return sum(leaf.size for leaf in jax.tree.leaves(trees))


@pytest.mark.parametrize(
    ("shape", "latent", "kind", "millions"),
    [
        ((28, 28, 1), 300, "reference", 13.1),
        ((28, 28, 1), 300, "mirrored", 7.2),
        ((32, 32, 3), 600, "reference", 25.4),
        ((64, 64, 3), 600, "mirrored", 15.4),
    ],
)
def test_sizes_equal_the_papers(shape, latent, kind, millions):
    encoder_sizes, codes = sizes(encoder(shape, latent), shape)
    decoder_sizes, images = sizes(decoder(shape, latent, kind), (latent,))
    assert (codes, images) == ((2, latent), (2, *shape))
    assert count(encoder_sizes, decoder_sizes) / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize("kind", ["mirrored", "reference"])
@pytest.mark.parametrize("shape", [(4, 4, 1), (8, 8, 1), (5, 9, 2), (27, 45, 3), (64, 16, 1)])
def test_images_of_any_size_are_reconstructed(shape, kind):
    assert sizes(encoder(shape, 7), shape)[1] == (2, 7)
    assert sizes(decoder(shape, 7, kind), (7,))[1] == (2, *shape)


@pytest.mark.parametrize(
    ("stem", "width", "millions"),
    [
        ("cifar", 64, 11.17),
        pytest.param("imagenet", 64, 11.18, marks=pytest.mark.thorough),
        pytest.param("cifar", 16, 0.7, marks=pytest.mark.thorough),
    ],
)
def test_sizes_of_resnet18(stem, width, millions):
    params, shape = sizes(resnet18(3, 10, stem=stem, width=width), (32, 32, 3))
    assert shape == (2, 10)
    assert count(params) / 1e6 == pytest.approx(millions, abs=0.01)


NETWORKS = {
    "encoder": (encoder((8, 8, 1), 6), (8, 8, 1)),
    "mirrored": (decoder((8, 8, 1), 6), (6,)),
    "reference": (decoder((8, 8, 1), 6, "reference"), (6,)),
    "cifar": (resnet18(1, 3, width=4), (8, 8, 1)),
    "imagenet": (resnet18(1, 3, stem="imagenet", width=4), (16, 16, 1)),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "cifar"])
def test_training_normalises_by_rows_with_weight(name):
    network, shape = NETWORKS[name]
    params, stats = network.init(KEY)
    x = jax.random.normal(jax.random.key(1), (6, *shape))
    w = jnp.array([1.0, 1, 1, 1, 0, 0])
    apply = jax.jit(network.apply)
    result, moved = apply(params, stats, x.at[4:].set(100.0), w)
    expected, same = apply(params, stats, x[:4], w[:4])
    np.testing.assert_allclose(result[:4], expected, 1e-4, 1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), moved, same)
    for before, after in zip(*map(jax.tree.leaves, (stats, moved)), strict=True):
        assert (before != after).any()
    # Without weights, running statistics are used and returned unchanged.
    single, kept = apply(params, moved, x[:1])
    np.testing.assert_allclose(apply(params, moved, x)[0][:1], single, 1e-4, 1e-5)
    assert jnp.abs(single - result[:1]).max() > 1e-4
    jax.tree.map(np.testing.assert_array_equal, kept, moved)


def test_each_run_has_its_own_statistics():
    network, shape = NETWORKS["encoder"]
    keys = jax.random.split(KEY, 2)
    x = jax.random.normal(jax.random.key(1), (2, 5, *shape), jnp.float32)
    w = jnp.ones(5)
    run = lambda key, x: network.apply(*network.init(key), x, w)
    together = jax.jit(jax.vmap(run))(keys, x)
    for r in range(2):
        single = jax.jit(run)(keys[r], x[r])
        both = jax.tree.map(lambda leaf, r=r: leaf[r], together), single
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), *both)


def test_unknown_kind_raises_an_error():
    with pytest.raises(ValueError, match="decoder is one of mirrored, reference; got 'other'"):
        decoder((8, 8, 1), 4, "other")
    with pytest.raises(ValueError, match="stem is one of cifar, imagenet; got 'other'"):
        resnet18(1, 2, stem="other")
