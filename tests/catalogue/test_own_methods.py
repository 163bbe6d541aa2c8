"""User-defined methods: samplers on tables and images, a training program and its refit."""

import runpy
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imbax.catalogue import OnImages, get, image_method, register
from imbax.data.images import Counts, Images
from imbax.data.tabular import make_dataset
from imbax.engine.vectorize import Engine
from imbax.experiments.images import cells as image_cells
from imbax.experiments.images.plan import ImageProtocol, image_plan
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.methods import image_classifier, smote, supervised
from imbax.methods.sampling import Made, Sizes, by_class, extended, slots
from imbax.networks.batch_norm import NormalizedNetwork
from imbax.training import one_shot

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KEY = jax.random.key(0)
ENGINE = Engine(devices=(jax.devices()[0],))
TINY = ImageProtocol(folds=2, epochs=3, batch_size=8, learning_rate=0.05, generator_epochs=2)


pytestmark = pytest.mark.usefixtures("own_registry", "quick_figures")


@pytest.fixture
def small_classifier(monkeypatch):
    """Replaces the ResNet with a single layer."""

    def init(key):
        return {"w": 0.1 * jax.random.normal(key, (16, 3))}, {}

    def apply(params, stats, x, w=None):
        return x.reshape(len(x), -1) @ params["w"], stats

    network = NormalizedNetwork(init, apply)
    monkeypatch.setattr(image_classifier, "_network", lambda config: network)
    programs = (image_cells._sampler, image_cells._classifier)
    for program in programs:
        program.cache_clear()
    yield
    for program in programs:
        program.cache_clear()


def first_rows(key, train, wanted, sizes):
    """Repeats the first row of a class."""
    classes = by_class(train.y.astype(jnp.int32), train.w, len(wanted))
    c, is_wanted = slots(wanted, sizes.max_synth)
    x = train.take(classes.row(c, 0 * c)).x
    return extended(train, Made(x, c, is_wanted.astype(x.dtype)))


def table(classes):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(classes), (70, 30, 20)[:classes]))
    x = rng.normal(size=(len(y), 4)) + 1.5 * np.eye(classes, 4)[y]
    return make_dataset(x, y, name="toy", several_classes=classes > 2)


def pictures():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = np.clip(rng.normal(40 + 80 * y[:, None], 30, (120, 16)), 0, 255)
    x = x.reshape(-1, 4, 4, 1).astype(np.uint8)
    return Images("toy", x, y, ("a", "b", "c"), counts=Counts((12, 6, 3), 4, (4, 2, 1)))


def test_sampler_trains_on_tables():
    cut = plan(table(2), [0, 1], Protocol(folds=2, epochs=4))
    method, ce = register("mine", sampler=first_rows), get("ce")
    result, plain = (train_cell(cut, method, engine=ENGINE) for method in (method, ce))
    assert not result.diverged.any() and not result.fallback.any()
    assert result.curves.train_loss.shape == (4, 4)
    assert [len(score) for score in result.test_score] == [len(part.test) for part in cut.splits]
    assert (result.curves.train_loss != plain.curves.train_loss).all()
    # SMOTE's function registered by the user gives the built-in method.
    again = train_cell(cut, register("again", sampler=smote.sample), engine=ENGINE)
    expected = train_cell(cut, get("smote"), engine=ENGINE)
    np.testing.assert_array_equal(again.curves.train_loss, expected.curves.train_loss)


@pytest.mark.thorough
def test_sampler_trains_on_tables_of_several_classes():
    cut = plan(table(3), [0], Protocol(folds=2, epochs=4))
    result = train_cell(cut, register("mine", sampler=first_rows), engine=ENGINE)
    assert not result.diverged.any()
    for score, part in zip(result.test_score, cut.splits, strict=True):
        assert score.shape == (len(part.test), 3)
    plain = train_cell(cut, get("ce"), engine=ENGINE)
    assert (result.curves.train_loss != plain.curves.train_loss).all()


def test_sampler_works_on_images(small_classifier):
    cut = image_plan(pictures(), [0], TINY)
    register("mine", sampler=first_rows)
    result = image_cells.train_images(cut, image_method("mine").images, engine=ENGINE)
    assert result.predicted.shape == (2, 12) and not result.diverged.any()
    looks = result.looks["generated"]
    real = result.looks["real"]
    assert (looks[:, 0] == 255).all()  # no images are made for the largest class
    for c in (1, 2):
        first = real[:, c, :1]
        np.testing.assert_array_equal(looks[:, c], np.broadcast_to(first, looks[:, c].shape))
    labels = cut.shared[1][cut.runs.test.index]
    assert (result.predicted == labels).mean() > 0.6


def test_image_method_receives_facts(small_classifier):
    cut, seen = image_plan(pictures(), [0], TINY), []

    def resample(key, train, facts, generator, fitted):
        seen.append((facts.wanted, generator, fitted))
        return first_rows(key, train, jnp.array([0, 6, 9]), Sizes(6, sum(facts.wanted), 12))

    register("mine", images=OnImages(resample))
    result = image_cells.train_images(cut, image_method("mine").images, engine=ENGINE)
    assert seen[0] == ((0, 6, 9), None, None)
    register("mine", sampler=first_rows)
    same = image_cells.train_images(cut, image_method("mine").images, engine=ENGINE)
    np.testing.assert_array_equal(result.predicted, same.predicted)
    np.testing.assert_array_equal(result.loss, same.loss)


def test_second_stage_changes_the_classifier(small_classifier):
    cut, seen = image_plan(pictures(), [0], TINY), []

    def always(c, key, state, train, facts, *, config, hparams):
        seen.append((len(train.index), facts.counts, config.images))
        logits = jnp.zeros((16, 3)).at[:, c].set(10.0)
        return state._replace(params={"w": state.params["w"] * 0 + logits})

    def diverge(key, state, train, facts, *, config, hparams):
        return state._replace(params=jax.tree.map(lambda leaf: leaf / 0, state.params))

    register("mine", images=OnImages(retrain=partial(always, 1)))
    result = image_cells.train_images(cut, image_method("mine").images, engine=ENGINE)
    assert set(seen) == {(21, (12, 6, 3), 21)}
    # Images are scaled to [-1, 1]: the sign of their sum decides between class 1 and the others.
    x = (cut.shared[0][cut.runs.test.index] / 127.5 - 1).sum(2)
    np.testing.assert_array_equal(result.predicted == 1, x > 0)
    assert not result.diverged.any()
    register("mine", images=OnImages(retrain=diverge))
    result = image_cells.train_images(cut, image_method("mine").images, engine=ENGINE)
    assert result.diverged.all()


@pytest.mark.thorough
def test_own_generator_makes_images(small_classifier):
    """The variational autoencoder of the examples."""
    runpy.run_path(str(EXAMPLES / "own_generator.py"))
    cut, method = image_plan(pictures(), [0], TINY), image_method("vae")
    trained = image_cells.train_generator(cut, method.images, engine=ENGINE)
    assert np.isfinite(trained.loss).all() and trained.loss.shape == (2, 2)
    result = image_cells.train_images(cut, method.images, trained.fitted, engine=ENGINE)
    generated = result.looks["generated"]
    assert (generated[:, 0] == 255).all()
    # The classes of `pictures` differ in brightness.
    brightness = generated[:, 1:].mean((2, 3, 4, 5))
    assert method.title == "Conditional VAE" and not result.diverged.any()
    assert generated[:, 1:].std() > 0 and brightness.shape == (2, 2)


def centroids(facts):
    """One-shot training: the direction from one class mean to the other."""

    def fit(key, problem):
        batch = problem.train.all()
        x = jnp.where(batch.w[:, None] > 0, batch.x, 0)
        mean = lambda w: w @ x / w.sum()
        return mean(batch.w * batch.y) - mean(batch.w * (1 - batch.y))

    return one_shot(lambda params, x: x @ params, fit)


def test_one_shot_training_ends_after_one_epoch():
    cut = plan(table(2), [0, 1], Protocol(folds=2, epochs=4))
    method = register("mine", centroids, one_epoch=True)
    result = train_cell(cut, method, engine=ENGINE)
    assert result.curves.train_loss.shape == (4, 1)
    for r, part in enumerate(cut.splits):
        x, y = cut.features(r, part.train), cut.dataset.y[part.train]
        direction = x[y == 1].mean(0) - x[y == 0].mean(0)
        expected = cut.features(r, part.test) @ direction
        np.testing.assert_allclose(result.test_score[r], expected, 1e-4, 1e-5)


@pytest.mark.thorough
def test_user_defined_training_can_be_refit():
    cut = plan(table(2), [0, 1], Protocol(folds=2, epochs=4))
    program = lambda facts: supervised.program(facts.network(), batch_size=16)
    register("mine", program, settings=(supervised.Hparams(0.02),))
    before = train_cell(cut, get("mine"), engine=ENGINE)
    result = train_cell(cut, get("mine_refit"), start=before.progress, engine=ENGINE)
    np.testing.assert_array_equal(result.best_epoch, before.best_epoch)
    assert all((a != b).any() for a, b in zip(result.test_score, before.test_score, strict=True))


def test_sampler_with_user_defined_training():
    cut = plan(table(2), [0], Protocol(folds=2, epochs=4))
    without_sampler = register("alone", centroids, one_epoch=True)
    method = register("mine", centroids, sampler=first_rows, one_epoch=True)
    result, plain = (train_cell(cut, method, engine=ENGINE) for method in (method, without_sampler))
    for r, part in enumerate(cut.splits):
        x, y = cut.features(r, part.train), cut.dataset.y[part.train]
        minority = x[y == 1]
        pulled = (
            minority.mean(0) + minority[0]
        ) / 2  # the sampler adds as many copies of the first row
        expected = cut.features(r, part.test) @ (pulled - x[y == 0].mean(0))
        np.testing.assert_allclose(result.test_score[r], expected, 1e-4, 1e-5)
        assert (result.test_score[r] != plain.test_score[r]).any()
