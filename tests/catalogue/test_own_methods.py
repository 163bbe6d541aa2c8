"""A user's own methods at work: a sampler on tables and on images, a training, its refit."""

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

KEY = jax.random.key(0)
ENGINE = Engine(devices=(jax.devices()[0],))
TINY = ImageProtocol(folds=2, epochs=3, batch_size=8, learning_rate=0.05)


pytestmark = pytest.mark.usefixtures("own_registry")


@pytest.fixture
def small_classifier(monkeypatch):
    """One layer in place of the ResNet."""

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
    """The first row of a class, as often as rows are wanted of it."""
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


def test_a_sampler_trains_on_tables():
    cut = plan(table(2), [0, 1], Protocol(folds=2, epochs=4))
    mine, ce = register("mine", sampler=first_rows), get("ce")
    given, plain = (train_cell(cut, method, engine=ENGINE) for method in (mine, ce))
    assert not given.diverged.any() and not given.fallback.any()
    assert given.curves.train_loss.shape == (4, 4)
    assert [len(score) for score in given.test_score] == [len(part.test) for part in cut.splits]
    assert (given.curves.train_loss != plain.curves.train_loss).all()
    # Registered once more, SMOTE's own function is the built-in method.
    again = train_cell(cut, register("again", sampler=smote.sample), engine=ENGINE)
    expected = train_cell(cut, get("smote"), engine=ENGINE)
    np.testing.assert_array_equal(again.curves.train_loss, expected.curves.train_loss)


@pytest.mark.thorough
def test_a_sampler_trains_on_tables_of_several_classes():
    cut = plan(table(3), [0], Protocol(folds=2, epochs=4))
    given = train_cell(cut, register("mine", sampler=first_rows), engine=ENGINE)
    assert not given.diverged.any()
    for score, part in zip(given.test_score, cut.splits, strict=True):
        assert score.shape == (len(part.test), 3)
    plain = train_cell(cut, get("ce"), engine=ENGINE)
    assert (given.curves.train_loss != plain.curves.train_loss).all()


def test_a_sampler_serves_images(small_classifier):
    cut = image_plan(pictures(), [0], TINY)
    register("mine", sampler=first_rows)
    given = image_cells.train_images(cut, image_method("mine").images, engine=ENGINE)
    assert given.predicted.shape == (2, 12) and not given.diverged.any()
    looks = given.looks["generated"]
    real = given.looks["real"]
    assert (looks[:, 0] == 255).all()  # nothing is made of the largest class
    for c in (1, 2):
        first = real[:, c, :1]
        np.testing.assert_array_equal(looks[:, c], np.broadcast_to(first, looks[:, c].shape))
    labels = cut.shared[1][cut.runs.test.index]
    assert (given.predicted == labels).mean() > 0.6


def test_a_method_for_images_alone_is_told_of_them(small_classifier):
    cut, seen = image_plan(pictures(), [0], TINY), []

    def resample(key, train, facts, generator, fitted):
        seen.append((facts.wanted, generator, fitted))
        return first_rows(key, train, jnp.array([0, 6, 9]), Sizes(6, sum(facts.wanted), 12))

    register("mine", images=OnImages(resample))
    given = image_cells.train_images(cut, image_method("mine").images, engine=ENGINE)
    assert seen[0] == ((0, 6, 9), None, None)
    register("mine", sampler=first_rows)
    same = image_cells.train_images(cut, image_method("mine").images, engine=ENGINE)
    np.testing.assert_array_equal(given.predicted, same.predicted)
    np.testing.assert_array_equal(given.loss, same.loss)


def centroids(facts):
    """A one-shot training: the direction from one class's mean to the other's."""

    def fit(key, problem):
        batch = problem.train.all()
        x = jnp.where(batch.w[:, None] > 0, batch.x, 0)
        mean = lambda w: w @ x / w.sum()
        return mean(batch.w * batch.y) - mean(batch.w * (1 - batch.y))

    return one_shot(lambda params, x: x @ params, fit)


def test_a_one_shot_training_is_over_after_one_epoch():
    cut = plan(table(2), [0, 1], Protocol(folds=2, epochs=4))
    mine = register("mine", centroids, one_epoch=True)
    given = train_cell(cut, mine, engine=ENGINE)
    assert given.curves.train_loss.shape == (4, 1)
    for r, part in enumerate(cut.splits):
        x, y = cut.features(r, part.train), cut.dataset.y[part.train]
        direction = x[y == 1].mean(0) - x[y == 0].mean(0)
        expected = cut.features(r, part.test) @ direction
        np.testing.assert_allclose(given.test_score[r], expected, 1e-4, 1e-5)


@pytest.mark.thorough
def test_a_training_of_ones_own_is_refit_on_both_parts():
    cut = plan(table(2), [0, 1], Protocol(folds=2, epochs=4))
    program = lambda facts: supervised.program(facts.network(), batch_size=16)
    register("mine", program, settings=(supervised.Hparams(0.02),))
    before = train_cell(cut, get("mine"), engine=ENGINE)
    given = train_cell(cut, get("mine_refit"), start=before.progress, engine=ENGINE)
    np.testing.assert_array_equal(given.best_epoch, before.best_epoch)
    assert all((a != b).any() for a, b in zip(given.test_score, before.test_score, strict=True))


def test_a_sampler_may_change_rows_for_a_training_of_ones_own():
    cut = plan(table(2), [0], Protocol(folds=2, epochs=4))
    alone = register("alone", centroids, one_epoch=True)
    mine = register("mine", centroids, sampler=first_rows, one_epoch=True)
    given, plain = (train_cell(cut, method, engine=ENGINE) for method in (mine, alone))
    for r, part in enumerate(cut.splits):
        x, y = cut.features(r, part.train), cut.dataset.y[part.train]
        own = x[y == 1]
        pulled = (own.mean(0) + own[0]) / 2  # as many copies of the first as there are rows
        expected = cut.features(r, part.test) @ (pulled - x[y == 0].mean(0))
        np.testing.assert_allclose(given.test_score[r], expected, 1e-4, 1e-5)
        assert (given.test_score[r] != plain.test_score[r]).any()
