"""Computes the cells of sets of images and keeps each result the moment it exists.

A trained generator is kept by itself, so that what comes after it can be repeated without it; one
in training is kept now and then, and an interrupted one goes on from there.
"""

import contextlib
import dataclasses
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from imbax.catalogue.images import ImageMethod
from imbax.data.images import Images
from imbax.experiments import store
from imbax.experiments.images.cells import (
    Begun,
    GeneratorResult,
    Seconds,
    train_generator,
    train_images,
)
from imbax.experiments.images.plan import image_plan
from imbax.experiments.images.records import SCHEMA, image_records
from imbax.experiments.lab import Lab
from imbax.experiments.provenance import content_key, environment

__all__ = ["ImageLab"]

# Seconds between two times that a generator in training is kept.
_KEEP_EVERY = 60.0
# What every result on images is made of, besides the files of its own method.
_CORE = (
    *("divided", "types", "losses", "class_losses", "confusion", "training", "neighbors"),
    *("networks/layers", "networks/convolution", "networks/normalized", "networks/resnet"),
    *("methods/image_classifier", "methods/image_rows", "methods/codes"),
    *("data/imbalance", "experiments/plan"),
    *("experiments/images/plan", "experiments/images/cells"),
)


@dataclass
class ImageLab(Lab):
    """Computes cells, or finds them stored; `out` is given."""

    schema: ClassVar = SCHEMA

    def unit(self, method: ImageMethod) -> str:
        return str(_name_of(method.build)) if method.build else method.name

    def _compute(self, dataset: Images, method: ImageMethod, seeds: Sequence[int]) -> None:
        plan = image_plan(dataset, seeds, self.protocol)
        share = 0.7 if method.build else 0.0  # of the cell's time that the generator takes, roughly
        trained = self._trained(plan, method, lambda done: self.on_progress(share * done))
        result = train_images(
            plan,
            method,
            None if trained is None else trained.fitted,
            engine=self.engine,
            on_share=lambda done: self.on_progress(share + (1 - share) * done),
        )
        key = self._key(dataset, method)
        rows = image_records(plan, method, result, trained, self.suite)
        for seed in seeds:
            mine = [row for row in rows if row["seed"] == seed]
            about = self._about(plan, method, key, seed, result, trained)
            store.write(self.out, mine, about, SCHEMA)

    def _trained(self, plan, method, on_share) -> GeneratorResult | None:
        """The generator of every run: stored ones are read, the others trained together."""
        if method.build is None:
            return None
        seeds = list(dict.fromkeys(plan.seed.tolist()))
        key = self._generator_key(plan.images, method)
        lost = [seed for seed in seeds if self._state(plan.images, method, key, seed) is None]
        if lost:
            some = plan if lost == seeds else image_plan(plan.images, lost, self.protocol)
            unfinished = self._unfinished_file(plan.images, key)
            result = train_generator(
                some,
                method,
                begun=_begun(unfinished, lost),
                engine=self.engine,
                on_begun=_now_and_then(unfinished, lost),
                on_share=on_share,
            )
            for seed in lost:
                at = np.flatnonzero(some.seed == seed)
                pick = lambda leaf, at=at: leaf[at]  # noqa: E731
                kept = result._replace(**jax.tree.map(pick, _leaves(result)))
                self._keep_state(plan.images, method, key, seed, kept)
            unfinished.unlink(missing_ok=True)
        stored = [self._state(plan.images, method, key, seed) for seed in seeds]
        joined = jax.tree.map(lambda *parts: np.concatenate(parts), *map(_leaves, stored))
        # Time counts where it was spent.
        return stored[0]._replace(**joined, seconds=result.seconds if lost else Seconds())

    def _key(self, dataset, method):
        resample = method.resample and _name_of(method.resample)
        mine = {"method": method.name, "weighted": method.weighted, "resample": resample}
        if method.build:
            mine["build"] = _name_of(method.build)
        content = mine | self._content(dataset)
        return content_key(content, (*_CORE, *_sources(method)))

    def _generator_key(self, dataset, method):
        """The same for methods that share a generator."""
        settings = dataclasses.asdict(self.protocol)
        apart = ("epochs", "stem", "width", "augment", "learning_rate", "batch_size")
        settings = {name: value for name, value in settings.items() if name not in apart}
        content = {"build": _name_of(method.build), **self._content(dataset), "config": settings}
        trained = dataclasses.replace(method, resample_sources=())
        return content_key(content, (*_CORE, *_sources(trained)))

    def _content(self, dataset):
        data = {"data": dataset.fingerprint, "counts": dataset.counts}
        return {"config": dataclasses.asdict(self.protocol), **data}

    def _state_file(self, dataset, method, key, seed):
        folder = "generators" if method.build else method.name
        return self.out / "states" / dataset.name / folder / f"{key}-seed{seed}.pickle"

    def _unfinished_file(self, dataset, key):
        return self.out / "states" / dataset.name / "generators" / f"{key}-unfinished.pickle"

    def _about(self, plan, method, key, seed, result, trained) -> dict[str, Any]:
        mine = np.flatnonzero(plan.seed == seed)
        share = len(mine) / len(plan.seed)
        seconds = [result.seconds] + ([] if trained is None else [trained.seconds])
        facts = {name: getattr(method, name) for name in ("title", "paper", "kind", "sees", "note")}
        return {
            "suite": self.suite,
            "dataset": plan.images.name,
            "method": method.name,
            "key": key,
            "config": dataclasses.asdict(self.protocol),
            "method_facts": facts,
            "dataset_facts": {
                "shape": list(plan.images.shape),
                "classes": list(plan.images.classes),
                "train": list(plan.facts.counts),
                "notices": [*plan.images.notices, *plan.notices],
                "fingerprint": plan.images.fingerprint,
                "splits": [plan.splits[r].fingerprint for r in mine],
            },
            "timing": {
                "compile_seconds": sum(one.compile for one in seconds) * share,
                "run_seconds": sum(one.run for one in seconds) * share,
                "n_runs": len(mine),
            },
            "environment": environment(),
            "settings": {
                "strategy": self.engine.strategy,
                "memory_gib": self.engine.memory and self.engine.memory / 2**30,
            },
        }


def _now_and_then(path, seeds):
    """Keeps what it is called with, if the last time was long enough ago."""
    last = time.monotonic()

    def keep(begun):
        nonlocal last
        if time.monotonic() - last >= _KEEP_EVERY:
            with store.atomic(path) as file:
                pickle.dump((seeds, jax.device_get(begun)), file)
            last = time.monotonic()

    return keep


def _begun(path, seeds) -> Begun | None:
    """The unfinished training of these seeds together, if it is there and whole."""
    with contextlib.suppress(Exception):
        whose, begun = pickle.loads(path.read_bytes())
        return begun if whose == seeds else None
    return None


def _leaves(result):
    """What has a leading axis of runs."""
    return {name: getattr(result, name) for name in ("fitted", "loss", "looks")}


def _sources(method):
    """The files that a method's results are made of, besides those of all."""
    builders = ["image_generators"] if method.build else []
    names = (*method.sources, *builders, *method.resample_sources)
    return tuple(name.removeprefix("../") if name.startswith("../") else f"methods/{name}"
                 for name in names)  # fmt: skip


def _name_of(build):
    """A builder's function and options, as text."""
    options = getattr(build, "keywords", {})
    return [getattr(build, "func", build).__name__, dict(sorted(options.items()))]
