"""Computation of a cell: a method on a set of images, with one compiled program per stage.

The stages are training of the method's generator (if any), sampling of synthetic images, training
of the classifier, which is the same for all methods, re-training of its last layer (if the method
has this stage), and classification of the test images.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imbax.catalogue import ImageFacts, OnImages
from imbax.catalogue.adapters import class_weights
from imbax.engine.vectorize import Engine, Vectorized
from imbax.experiments.images.plan import ImagePlan
from imbax.methods import image_classifier
from imbax.methods.codes import image_batch, variance_kept
from imbax.types import Part, Resampled, Rows

__all__ = [
    "Begun",
    "GeneratorResult",
    "ImageResult",
    "Seconds",
    "generator_shapes",
    "train_generator",
    "train_images",
]

_EACH = 10
"""Number of stored example images of each class, and of images of each strip."""


class Seconds(NamedTuple):
    """Compilation and running times in seconds."""

    compile: float = 0.0
    run: float = 0.0


class Begun(NamedTuple):
    """Training of a generator up to an epoch, with leaves `[R, ...]`."""

    state: Any
    losses: tuple[np.ndarray, ...]
    """Losses `[R]` of each finished epoch."""
    seconds: Seconds


class GeneratorResult(NamedTuple):
    """Result of training a generator, with leaves `[R, ...]`."""

    fitted: Any
    loss: np.ndarray
    """Training loss `[R, epochs]`, NaN after early stopping."""
    looks: dict[str, np.ndarray]
    """Example images by name: `reconstruction` and `strip`, uint8 as in `ImageResult.looks`; also
    `variance_kept [R, K]`."""
    seconds: Seconds


class ImageResult(NamedTuple):
    """Results of the R runs of a cell."""

    predicted: np.ndarray
    """Predicted class of each test image, `[R, m]`."""
    diverged: np.ndarray
    """Mask of diverged runs, `[R]`."""
    loss: np.ndarray
    """Training loss of the classifier, `[R, epochs]`."""
    looks: dict[str, np.ndarray]
    """Example images `[R, K, 10, h, w, c]` (uint8): `real`, and `generated` if there are any."""
    seconds: Seconds


def train_generator(
    plan: ImagePlan,
    method: OnImages,
    *,
    begun: Begun | None = None,
    engine: Engine | None = None,
    on_begun: Callable[[Begun], None] = lambda begun: None,
    on_share: Callable[[float], None] = lambda share: None,
) -> GeneratorResult:
    """Train a method's generator on the training images of every run.

    Parameters
    ----------
    plan
        Plan of the runs.
    method
        Method with a generator.
    begun
        State of an interrupted training of the same runs, which is continued.
    engine
        Strategy, devices and memory budget.
    on_begun
        Function called after each epoch with the current state, which the next epoch donates.
    on_share
        Function called between compiled pieces with the finished share.
    """
    stages = _generator(method.generator, plan.facts, engine or Engine())
    clock = _Clock(stages, begun and begun.seconds)
    shared, runs = stages.first.replicate(plan.shared), plan.runs
    epochs = method.generator(plan.facts).epochs
    state, losses = (begun.state, begun.losses) if begun else (stages.first(shared, runs), ())
    while len(losses) < epochs and not (losses and np.isnan(losses[-1]).all()):
        state, loss = stages.epoch(shared, runs._replace(state=state))
        losses = (*losses, np.asarray(loss))
        on_begun(Begun(state, losses, clock.seconds()))
        on_share(len(losses) / epochs)
    losses += (np.full_like(losses[-1], np.nan),) * (epochs - len(losses))
    fitted = stages.last(shared, runs._replace(state=state))
    looks = stages.look(shared, runs._replace(fitted=fitted))
    fitted, looks = jax.device_get((fitted, looks))
    return GeneratorResult(fitted, np.stack(losses, 1), looks, clock.seconds())


def train_images(
    plan: ImagePlan,
    method: OnImages,
    fitted: Any = None,
    *,
    engine: Engine | None = None,
    on_share: Callable[[float], None] = lambda share: None,
) -> ImageResult:
    """Train every run's classifier on the method's images, and classify the test images.

    Parameters
    ----------
    plan
        Plan of the runs.
    method
        Method that changes the training images.
    fitted
        Parameters of the method's generator, with leaves `[R, ...]`.
    engine
        Strategy, devices and memory budget.
    on_share
        Function called between compiled pieces with the finished share.
    """
    engine = engine or Engine()
    sampler = _sampler(method.resample, method.generator, plan.facts, engine)
    stages = _classifier(plan.classifier, plan.protocol.learning_rate, engine)
    retrain = method.retrain and _retraining(
        method.retrain, plan.facts, plan.classifier, plan.protocol.learning_rate, engine
    )
    clock = _Clock([*stages, sampler, *([retrain] if retrain else [])])
    shared = stages.first.replicate(plan.shared)
    changed, looks = sampler(shared, plan.runs._replace(fitted=fitted))
    weights = class_weights(method.weighted, plan.facts)
    runs = plan.runs.resampled(changed)._replace(hparams=np.tile(weights, (len(plan.seed), 1)))
    state, losses, epochs = stages.first(shared, runs), [], plan.protocol.epochs
    for done in range(1, epochs + 1):
        state, loss = stages.epoch(shared, runs._replace(state=state))
        losses.append(np.asarray(loss))
        on_share(done / epochs)
    is_finite: Any = True
    if retrain:
        state, is_finite = retrain(shared, plan.runs._replace(state=state))
    predicted = stages.predict(shared, plan.runs._replace(state=state))
    predicted, looks, is_finite = jax.device_get((predicted, looks, is_finite))
    losses = np.stack(losses, 1)
    diverged = ~(np.isfinite(losses).all(1) & is_finite)
    return ImageResult(predicted, diverged, losses, looks, clock.seconds())


def generator_shapes(plan: ImagePlan, method: OnImages) -> tuple[Any, dict[str, Any]]:
    """Shapes and dtypes `[R, ...]` of a generator's state and of its results, without compilation.

    The results are `fitted`, `loss` and `looks` of `GeneratorResult`.
    """
    model = method.generator(plan.facts)

    def run_shapes(shared, run):
        train = _view(shared, run.train)
        state = model.init(run.key, train)
        fitted = model.finish(state, train)
        looks = _looks_of(model, plan.facts, fitted, train)
        return state, {"fitted": fitted, "loss": jnp.zeros(model.epochs), "looks": looks}

    return jax.eval_shape(jax.vmap(run_shapes, (None, 0)), plan.shared, plan.runs)


class _Clock:
    """Clock of the seconds since its creation, with the compilation time of programs."""

    def __init__(self, programs, before: Seconds | None = None):
        self._programs, self._before = programs, before or Seconds()
        self._started, self._compiled = time.perf_counter(), self._compiling()

    def _compiling(self):
        return sum(program.compile_seconds for program in self._programs)

    def seconds(self) -> Seconds:
        compiling = self._compiling() - self._compiled
        running = time.perf_counter() - self._started - compiling
        return Seconds(self._before.compile + compiling, self._before.run + running)


class _GeneratorStages(NamedTuple):
    first: Vectorized
    epoch: Vectorized
    last: Vectorized
    look: Vectorized


class _ClassifierStages(NamedTuple):
    first: Vectorized
    epoch: Vectorized
    predict: Vectorized


@functools.lru_cache(maxsize=2)
def _generator(build, facts: ImageFacts, engine: Engine) -> _GeneratorStages:
    model = build(facts)

    def first(shared, run):
        return model.init(run.key, _view(shared, run.train))

    def epoch(shared, run):
        return model.epoch(run.key, run.state, _view(shared, run.train))

    def last(shared, run):
        return model.finish(run.state, _view(shared, run.train))

    def look(shared, run):
        return _looks_of(model, facts, run.fitted, _view(shared, run.train))

    return _GeneratorStages(*_stages(engine, first, epoch, last, look))


@functools.lru_cache(maxsize=4)
def _sampler(resample, generator, facts: ImageFacts, engine: Engine) -> Vectorized:
    """Program for the changed training rows, padded to balanced classes, and example images."""
    model = generator and generator(facts)
    balanced = max(facts.counts) * facts.classes

    def change(shared, run):
        train = _view(shared, run.train)
        real = _first_of_each(train.index, train.y, facts)
        looks = {"real": _bytes(train.features(real), facts.shape)}
        if resample is None:
            padding = (0, balanced - len(train.index))
            return Resampled(jnp.pad(train.index, padding), jnp.pad(train.w, padding)), looks
        key = jax.random.fold_in(run.key, _SAMPLE)
        made = resample(key, train, facts, model, run.fitted)
        if made.x_synth is not None:
            number = jnp.arange(len(made.x_synth))[-sum(facts.wanted) :]
            chosen = _first_of_each(number, made.y_synth[number], facts)
            is_made = jnp.array(facts.wanted) > 0  # classes without generated images are white
            generated = _bytes(made.x_synth[chosen], facts.shape)
            looks["generated"] = jnp.where(is_made[:, None, None, None, None], generated, 255)
        return made._replace(fallback=jnp.asarray(made.fallback), parents=None, gap=None), looks

    return Vectorized(change, **engine._asdict())


@functools.lru_cache(maxsize=2)
def _classifier(config, learning_rate: float, engine: Engine) -> _ClassifierStages:
    hparams = image_classifier.Hparams(learning_rate)

    def key_of(run):
        return jax.random.fold_in(run.key, _CLASSIFIER)

    def first(shared, run):
        return image_classifier.init(key_of(run), config, hparams)

    def epoch(shared, run):
        train, weight = _view(shared, run.train, run.x_synth, run.y_synth), run.hparams
        return image_classifier.epoch(key_of(run), config, hparams, run.state, train, weight)

    def predict(shared, run):
        return image_classifier.predict(config, run.state, _view(shared, run.test))

    return _ClassifierStages(*_stages(engine, first, epoch, predict))


@functools.lru_cache(maxsize=4)
def _retraining(
    retrain, facts: ImageFacts, config, learning_rate: float, engine: Engine
) -> Vectorized:
    """Program for the classifier with another last layer, and whether that layer is finite."""
    hparams = image_classifier.Hparams(learning_rate)

    def change(shared, run):
        key, train = jax.random.fold_in(run.key, _RETRAIN), _view(shared, run.train)
        state = retrain(key, run.state, train, facts, config=config, hparams=hparams)
        finite = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params)]
        return state, jnp.stack(finite).all()

    return Vectorized(change, **engine._asdict())


def _stages(engine, first, epoch, *others):
    """Compiled stages; an epoch donates its `state`."""
    for f in (first, epoch, *others):
        yield Vectorized(f, takes="state" if f is epoch else None, **engine._asdict())


# Numbers of a run's random streams; generators use numbers below 2.
_SAMPLE, _CLASSIFIER, _RETRAIN = 2, 3, 4


def _view(shared, part: Part, x_synth=None, y_synth=None) -> Rows:
    """View of a part of the images, flat and scaled to [-1, 1]."""
    x, y = shared
    half = jnp.full(x.shape[1], 127.5)
    return Rows(x, y, *part, half, 1 / half, None, x_synth, y_synth)


def _first_of_each(values, y, facts):
    """First ten values of each class `[K * 10]`, repeated cyclically if there are fewer."""
    place = jnp.arange(_EACH)

    def class_values(c):
        (found,) = jnp.nonzero(y == c, size=_EACH, fill_value=-1)
        found = jnp.where(found < 0, found[place % jnp.maximum((found >= 0).sum(), 1)], found)
        return values[jnp.maximum(found, 0)]

    return jax.vmap(class_values)(jnp.arange(facts.classes)).reshape(-1)


def _bytes(x, shape):
    """Convert flat images `[K * m, h w c]` in [-1, 1] to `[K, m, h, w, c]` uint8."""
    values = jnp.clip(jnp.round((x + 1) * 127.5), 0, 255).astype(jnp.uint8)
    return values.reshape(-1, _EACH, *shape)


def _looks_of(model, facts, fitted, train):
    looks = {}
    if model.reconstruct:
        x, y, w = train.all()
        images = image_batch(x, y, w, facts.shape)
        again = model.reconstruct(fitted, x)
        looks["variance_kept"] = variance_kept(images, again.reshape(images.x.shape), facts.classes)
        chosen = _first_of_each(jnp.arange(len(y)), train.y, facts)
        looks["reconstruction"] = _bytes(again[chosen], facts.shape)
    if model.strip:
        chosen = _first_of_each(train.index, train.y, facts).reshape(-1, _EACH)
        a, b = (train.features(chosen[:, place]) for place in (0, 1))
        strip = model.strip(fitted, a, b, _EACH)
        looks["strip"] = _bytes(strip.reshape(-1, train.data.shape[1]), facts.shape)
    return looks
