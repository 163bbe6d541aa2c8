"""Decoupled training: frozen features, re-trained and normalised last layers, SMOTE of features."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiers import asked

from imbax.methods import crt, feature_smote, frozen_features, tau_norm
from imbax.methods import image_classifier as ic
from imbax.methods.sampling import Sizes
from imbax.networks.batch_norm import NormalizedNetwork
from imbax.networks.layers import Linear
from imbax.types import Rows, rows

KEY = jax.random.key(0)
COUNTS = (7, 4, 2)
CONFIG = ic.Config((4, 4, 1), 3, images=13, batch_size=6, epochs=2)
HPARAMS = ic.Hparams(0.1)
OPTIONS = {"config": CONFIG, "hparams": HPARAMS}
BALANCE = (jnp.array([0, 3, 5]), Sizes(4, 8))
RETRAIN = {
    "crt": crt.retrain,
    "feature_smote": lambda key, state, train, **options: feature_smote.retrain(
        key, state, train, *BALANCE, **options
    ),
}


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    """Replaces the ResNet with one hidden layer of 5 features."""

    def init(key):
        keys = jax.random.split(key, 3)
        sizes = {"hidden": (16, 5), "kernel": (3, 5), "bias": (3,)}
        pairs = zip(keys, sizes.items(), strict=True)
        params = {name: jax.random.normal(key, size, jnp.float32) for key, (name, size) in pairs}
        return {"hidden": params.pop("hidden"), "head": params}, {"mean": jnp.ones(())}

    def apply(params, stats, x, w=None):
        return jnp.tanh(x.reshape(len(x), -1) @ params["hidden"]), stats

    monkeypatch.setattr(ic, "_network", lambda config: NormalizedNetwork(init, None))
    monkeypatch.setattr(frozen_features, "trunk", lambda *args, **options: init_less(apply))


def init_less(apply):
    return NormalizedNetwork(None, apply)


def images(scale=1.0) -> Rows:
    y = np.repeat(np.arange(3), COUNTS)
    x = np.random.default_rng(0).normal(size=(len(y), 16)) + y[:, None]
    return rows((scale * x).astype(np.float32), y.astype(np.float32))


def hidden(state):
    return np.tanh(images().data @ np.asarray(state.params["hidden"]))


@pytest.fixture
def state():
    return jax.jit(partial(ic.init, **OPTIONS))(KEY)


@pytest.mark.parametrize("name", asked(RETRAIN, ("crt",)))
def test_last_layer_changes_alone_and_is_balanced(name, state):
    """Probabilities are equal if the images have no information."""
    config = dataclasses.replace(CONFIG, epochs=200)
    retrain = jax.jit(partial(RETRAIN[name], config=config, hparams=ic.Hparams(0.05)))
    after = retrain(KEY, state, images())
    heads = [one.params["head"] for one in (state, after)]
    assert (heads[0]["kernel"] != heads[1]["kernel"]).all()
    trunks = [one._replace(params=one.params | {"head": None}) for one in (state, after)]
    jax.tree.map(np.testing.assert_array_equal, *trunks)
    bias = retrain(KEY, state, images(scale=0.0)).params["head"]["bias"]
    np.testing.assert_allclose(jax.nn.softmax(bias), 1 / 3, atol=0.05)


def training_rows(monkeypatch, module, retrain, state):
    """Rows that a method trains the last layer on, and classes of their mini-batches."""

    def fit(key, state, view, draw, **options):
        return view.all(), draw(key, view).y

    monkeypatch.setattr(module, "fit", fit)
    return jax.device_get(jax.jit(partial(retrain, **OPTIONS))(KEY, state, images()))


def test_mini_batches_of_crt_are_balanced(monkeypatch, state):
    frozen, classes = training_rows(monkeypatch, crt, crt.retrain, state)
    np.testing.assert_allclose(frozen.x, hidden(state), 1e-5, 1e-6)
    assert classes.shape == (3, 6)
    for y in classes:
        np.testing.assert_array_equal(np.bincount(y), (2, 2, 2))


def test_synthetic_features_lie_between_features_of_their_class(monkeypatch, state):
    found = training_rows(monkeypatch, feature_smote, RETRAIN["feature_smote"], state)
    (x, y, _), classes = found
    np.testing.assert_array_equal(np.bincount(y), (7, 7, 7))
    real, y_real = hidden(state), np.repeat(np.arange(3), COUNTS)
    np.testing.assert_allclose(x[:13], real, 1e-5, 1e-6)
    for point, c in zip(x[13:], y[13:], strict=True):
        ends = real[y_real == c]
        start, along = ends[:, None], ends[None] - ends[:, None]
        square = np.maximum((along**2).sum(2), 1e-12)
        gap = np.clip(((point - start) * along).sum(2) / square, 0, 1)
        distance = np.linalg.norm(start + gap[..., None] * along - point, axis=2)
        assert distance.min() < 1e-5
        assert np.linalg.norm(ends - point, axis=1).min() > 1e-4, "not a copy"
    assert classes.shape == (3, 6), "as many steps as with the real images"


def test_tau_of_0_changes_nothing_and_1_gives_unit_norms(state):
    @jax.jit
    def normalised(tau):
        return tau_norm.retrain(KEY, state, images(), **OPTIONS, tau=tau)

    jax.tree.map(np.testing.assert_array_equal, normalised(0.0), state)
    before, after = (frozen_features.head_of(one.params) for one in (state, normalised(1.0)))
    norms = np.linalg.norm(before.weight, axis=1)
    np.testing.assert_allclose(np.linalg.norm(after.weight, axis=1), 1, 1e-6)
    np.testing.assert_allclose(after.weight, before.weight / norms[:, None], 1e-6)
    np.testing.assert_allclose(after.bias, before.bias / norms, 1e-6)


@pytest.mark.parametrize(("inputs", "classes"), [(5, 3), (3, 3), (2, 3)])
def test_last_layer_is_read_and_written_as_it_is_stored(inputs, classes):
    h = np.random.default_rng(0).normal(size=(4, inputs)).astype(np.float32)

    @jax.jit
    def read_and_written():
        layer = Linear(inputs, classes, rngs=nnx.Rngs(0))
        params = {"head": {"kernel": layer.kernel[...], "bias": layer.bias[...]}}
        head = frozen_features.head_of(params)
        again = frozen_features.with_head(ic.State(params, {}, None, 0), head)
        return head, layer(h), params, again.params

    head, logits, params, again = read_and_written()
    assert head.weight.shape == (classes, inputs)
    np.testing.assert_allclose(h @ head.weight.T + head.bias, logits, 1e-5, 1e-6)
    jax.tree.map(np.testing.assert_array_equal, again, params)


@pytest.mark.thorough
@pytest.mark.parametrize(("stem", "width"), [("cifar", 2), ("imagenet", 1)])
def test_features_are_the_inputs_of_the_last_layer(stem, width, monkeypatch):
    monkeypatch.undo()
    config = ic.Config((8, 8, 1), 9, images=13, stem=stem, width=width)
    x = np.random.default_rng(0).normal(size=(13, 64)).astype(np.float32)
    view = rows(x, np.arange(13, dtype=np.float32) % 9)

    @jax.jit
    def both(key):
        state = ic.init(key, config, HPARAMS)
        h = frozen_features.features(state, view, config, block=5).all().x
        head = frozen_features.head_of(state.params)
        network = ic._network(config)
        logits, _ = network.apply(state.params, state.stats, x.reshape(-1, *config.shape))
        return h @ head.weight.T + head.bias, logits

    np.testing.assert_allclose(*both(KEY), 1e-4, 1e-5)
