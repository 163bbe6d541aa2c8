"""Computation of the cells of image data sets.

A trained generator is stored separately, so that later stages can be repeated without training it.
The state of a generator in training is stored regularly, and an interrupted training resumes from
it.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np

from imbax.catalogue import Method, get
from imbax.data.images import Images
from imbax.experiments import disk, states, store
from imbax.experiments.images.cells import (
    Begun,
    GeneratorResult,
    Seconds,
    generator_shapes,
    train_generator,
    train_images,
)
from imbax.experiments.images.metrics import score_run
from imbax.experiments.images.plan import image_plan
from imbax.experiments.images.records import image_records, rescored
from imbax.experiments.images.schema import SCHEMA
from imbax.experiments.lab import Cell, Lab
from imbax.experiments.neural.ensembles import SINGLE, Ensemble
from imbax.experiments.provenance import key_of

__all__ = ["ImageLab"]

# Seconds between two stored states of a generator in training.
_KEEP_EVERY = 60.0
# Fields of an image method that determine the training; the others are descriptions.
_TRAINING_FIELDS = ("resample", "generator", "retrain", "weighted")
# Fields of the protocol that do not concern generators.
_CLASSIFIER_FIELDS = ("epochs", "stem", "width", "augment", "learning_rate", "batch_size")


@dataclass
class ImageLab(Lab):
    """Computes cells of images or reads stored ones; `out` is required."""

    schema: ClassVar = SCHEMA
    network: ClassVar = "resnet"

    def unit(self, method: Method) -> str:
        return method.images.trained_as or method.name

    def shape(self, dataset: Images) -> tuple[int, int]:
        return dataset.n_features, dataset.n_rows

    def work(self, cell: Cell) -> float:
        rows, values = cell.dataset.n_rows, cell.dataset.n_features
        return cell.method.images.cost * rows * (50 + values) + 1e5

    def shared_bytes(self, dataset: Images) -> int:
        return (dataset.n_features + 4) * dataset.n_rows

    def _training_key(
        self, dataset: Images, method: Method, network: str, members: Ensemble = SINGLE
    ) -> str:
        images = {name: getattr(method.images, name) for name in _TRAINING_FIELDS}
        content = {"method": method.name, "images": images, "protocol": self.protocol}
        generator = method.images.generator and self._generator_key(dataset, method)
        content |= self._data(dataset) | {"generator": generator}
        return key_of(content, image_plan, train_images, images)

    def _generator_key(self, dataset, method):
        """Key of a generator, equal for methods that share a trained generator."""
        protocol = dataclasses.asdict(self.protocol)
        protocol = {
            name: value for name, value in protocol.items() if name not in _CLASSIFIER_FIELDS
        }
        generator = _trained(method).images.generator
        content = {"generator": generator, "protocol": protocol} | self._data(dataset)
        return key_of(content, image_plan, train_generator, generator)

    def _data(self, dataset):
        return {"data": dataset.fingerprint, "counts": dataset.counts}

    def _metrics_key(self) -> str:
        return key_of({}, score_run)

    def _rescored(self, rows, about):
        return rescored(rows)

    def _compute(self, cell: Cell, seeds: Sequence[int]) -> None:
        plan, method = image_plan(cell.dataset, seeds, self.protocol), cell.method
        # Approximate share of the generator in the cell's time.
        share = 0.7 if method.images.generator else 0.0
        trained = self._generators(plan, method, lambda done: self.on_progress(share * done))
        result = train_images(
            plan,
            method.images,
            None if trained is None else trained.fitted,
            engine=self.engine,
            on_share=lambda done: self.on_progress(share + (1 - share) * done),
        )
        seconds = [result.seconds] + ([] if trained is None else [trained.seconds])
        self._tell_seconds(cell, sum(s.compile for s in seconds), sum(s.run for s in seconds))
        rows = image_records(plan, cell, result, trained)
        for seed in seeds:
            seed_rows = [row for row in rows if row["seed"] == seed]
            self._keep(cell, seed, seed_rows, self._about(plan, method, seed, result, trained))

    def _generators(self, plan, method, on_share) -> GeneratorResult | None:
        """Generator of every run: stored ones are read, the others are trained together."""
        if method.images.generator is None:
            return None
        seeds = list(dict.fromkeys(plan.seed.tolist()))
        key, trained = self._generator_key(plan.images, method), _trained(method).images
        file = Path(store.safe_name(plan.images.name), "generators", key)
        state, fitted = generator_shapes(plan, trained)

        def stored(seed):
            return self._state(file, seed, states.part(fitted, np.count_nonzero(plan.seed == seed)))

        found, seconds = {seed: stored(seed) for seed in seeds}, Seconds()
        if lost := [seed for seed in seeds if found[seed] is None]:
            part = plan if lost == seeds else image_plan(plan.images, lost, self.protocol)
            path = self.out / "states" / file.with_name(f"{key}-unfinished.safetensors")
            kept = _Unfinished(self.out, path, lost, fitted["loss"].shape[1])
            result = train_generator(
                part,
                trained,
                begun=kept.read(states.part(state, len(part.seed)), len(part.seed)),
                engine=self.engine,
                on_begun=kept.now_and_then,
                on_share=on_share,
            )
            seconds = result.seconds  # only time spent in this call
            for seed in lost:
                runs = np.flatnonzero(part.seed == seed)
                found[seed] = jax.tree.map(lambda leaf, runs=runs: leaf[runs], _leaves(result))
                self._keep_state(file, seed, found[seed])
            kept.path.unlink(missing_ok=True)
        return GeneratorResult(**states.join([found[seed] for seed in seeds]), seconds=seconds)

    def _about(self, plan, method, seed, result, trained) -> dict[str, Any]:
        runs = np.flatnonzero(plan.seed == seed)
        share = len(runs) / len(plan.seed)
        seconds = [result.seconds] + ([] if trained is None else [trained.seconds])
        notes = (method.note, method.images.note)
        return {
            "config": dataclasses.asdict(self.protocol),
            "method_facts": {
                **{name: getattr(method, name) for name in ("title", "paper", "kind")},
                "sees": method.images.sees,
                "note": "; ".join(note for note in notes if note),
            },
            "dataset_facts": {
                "shape": list(plan.images.shape),
                "classes": list(plan.images.classes),
                "train": list(plan.facts.counts),
                "notices": [*plan.images.notices, *plan.notices],
                "fingerprint": plan.images.fingerprint,
                "splits": [plan.splits[r].fingerprint for r in runs],
            },
            "timing": {
                "compile_seconds": sum(one.compile for one in seconds) * share,
                "run_seconds": sum(one.run for one in seconds) * share,
                "n_runs": len(runs),
            },
        }


def _trained(method: Method) -> Method:
    """Method whose trained generator is used."""
    return get(method.images.trained_as or method.name)


class _Unfinished:
    """File of a generator in training, for several seeds together."""

    def __init__(self, out: Path, path: Path, seeds: Sequence[int], epochs: int):
        self.out, self.path, self.seeds, self.epochs = out, path, list(seeds), epochs
        self._last = time.monotonic()

    def now_and_then(self, begun: Begun) -> None:
        """Store the training state if it was last stored at least `_KEEP_EVERY` seconds ago."""
        if time.monotonic() - self._last < _KEEP_EVERY:
            return
        disk.check_there(self.out)
        losses = np.full((self.epochs, len(begun.losses[0])), np.nan, np.float32)
        losses[: len(begun.losses)] = begun.losses
        content = (begun.state, losses, np.array(len(begun.losses)), np.array(begun.seconds))
        states.write(self.path, content, self.seeds)
        self._last = time.monotonic()

    def read(self, state: Any, runs: int) -> Begun | None:
        """Stored state, or None without a file with a state of these shapes `[R, ...]`."""
        shape = jax.ShapeDtypeStruct
        losses = shape((self.epochs, runs), np.float32)
        like = (state, losses, shape((), np.int64), shape((2,), np.float64))
        if (found := states.read(self.path, like, self.seeds)) is None:
            return None
        state, losses, done, seconds = found
        return Begun(state, tuple(losses[:done]), Seconds(*map(float, seconds)))


def _leaves(result):
    """Fields with a leading axis of runs."""
    return {name: getattr(result, name) for name in ("fitted", "loss", "looks")}
