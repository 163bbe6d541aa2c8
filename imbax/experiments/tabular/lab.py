"""Computation of the cells of experiments on tables."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np

from imbax.catalogue import Method, get, names
from imbax.data.frame_dataset import FrameDataset
from imbax.data.splits import Split
from imbax.data.tabular import Dataset
from imbax.data.too_few_rows import check_splits, explained
from imbax.engine.devices import memory_of
from imbax.errors import InputError
from imbax.experiments import states, store
from imbax.experiments.closure import code_of
from imbax.experiments.lab import Cell, Lab
from imbax.experiments.neural import checkpoints
from imbax.experiments.neural.ensembles import SINGLE, Ensemble
from imbax.experiments.neural.members import all_rows, averaged, deep_ensemble, fold_ensemble
from imbax.experiments.provenance import key_of
from imbax.experiments.tabular import padding
from imbax.experiments.tabular.cells import host_cell, progress_shapes, train_cell
from imbax.experiments.tabular.fitting import DEFAULT, fitting, on_network, with_factory
from imbax.experiments.tabular.metrics import functions, score_run
from imbax.experiments.tabular.plan import Plan, plan
from imbax.experiments.tabular.preprocessing import plan_frame, planned, seeds_together
from imbax.experiments.tabular.records import check_scores, records, rescored
from imbax.experiments.tabular.schema import SCHEMA
from imbax.networks.named import named

__all__ = ["TabularLab"]


@dataclass
class TabularLab(Lab):
    """Computes the cells of experiments on tables, or loads them if they are stored."""

    schema: ClassVar = SCHEMA
    network: ClassVar = DEFAULT
    splits: Sequence[Split] | None = None
    """User-defined splits, checked by `user_splits`, that replace the protocol's folds."""
    named: bool = True
    """Whether the user named each method; if True, a method that cannot run is an error."""
    checkpoint: str = checkpoints.DEFAULT
    """The rule by which neural methods choose the epoch that they keep, one of `CHECKPOINTS`."""
    _last: tuple[Any, Plan] | None = None
    """Last plan, with its frame, seeds and members; methods share it."""
    _groups: dict[Any, list] = field(default_factory=dict)

    def cell(
        self,
        dataset: Dataset,
        method: Method,
        network: str | None = None,
        members: Ensemble = SINGLE,
    ) -> Cell:
        if not method.is_neural:
            network, members = "", SINGLE
        if members != SINGLE and method.tables.scores == "rank":
            raise InputError(
                f"{method.name} cannot be run as an ensemble: its scores only rank, so that they "
                "have no mean over members; run it as a single network"
            )
        tables = method.tables
        if members.folds and tables.rows == "train_valid":
            raise InputError(
                f"{method.name} cannot be run as a fold ensemble: it trains on all rows, and each "
                "member of a fold ensemble leaves one fold out; run it without fold_ensemble"
            )
        cell = super().cell(dataset, method, network, members)
        sees_both = tables.refits or tables.rows == "train_valid" or members.folds
        return dataclasses.replace(cell, rows="train_valid") if sees_both else cell

    def fitting(self, dataset, methods):
        return fitting(dataset, methods, are_named=self.named)

    def unit(self, method: Method) -> str:
        return method.tables.starts_from or method.name

    def shape(self, dataset: Dataset) -> tuple[int, int]:
        return padding.columns(dataset.n_features, dataset.n_rows), padding.rows(dataset.n_rows)

    def work(self, cell: Cell) -> float:
        rows, columns = cell.dataset.n_rows, cell.dataset.n_features
        cost = cell.method.cost * (named(cell.network).cost if cell.network else 1)
        return cell.members.n_estimators * cost * rows * (50 + columns) + 1e5

    def shared_bytes(self, dataset: Dataset) -> int:
        columns, rows = self.shape(dataset)
        return 4 * rows * (columns + 1)

    def check_splits(self, dataset: Dataset, seeds: Sequence[int]) -> None:
        if self.splits is None and self.protocol.scheme == "folds":
            check_splits(dataset, seeds, self.protocol.folds, self.protocol.valid_fraction)

    def _training_key(
        self, dataset: Dataset, method: Method, network: str, members: Ensemble = SINGLE
    ) -> str:
        tables, start = method.tables, method.tables.starts_from
        content = {
            "method": method.name,
            "tables": tables,
            "protocol": self.protocol,
            "data": dataset.fingerprint,
            "splits": self.splits and [list(split) for split in self.splits],
            "starts_from": start and self._training_key(dataset, get(start), network, members),
        }
        code = [host_cell if tables.host else train_cell, tables]
        if network not in ("", DEFAULT):
            content["network"] = network
            code += [with_factory, named(network).factory]
        if method.is_neural and tables.rows == "train_valid":
            code += [all_rows, checkpoints.Chosen]
        elif method.is_neural and self.checkpoint != checkpoints.DEFAULT:
            content["checkpoint"] = self.checkpoint
            code += [checkpoints.Chosen, checkpoints.with_validation_precision]
        if members != SINGLE:
            content["members"] = str(members)
            code += [fold_ensemble if members.folds else deep_ensemble, averaged]
        cut = plan
        if isinstance(dataset, FrameDataset):
            transformer, cut = dataset.transformer, plan_frame
            content["transformer"] = [transformer, code_of(transformer, versions=True)]
        return key_of(content, cut, *code, versions=tables.host is not None)

    def _metrics_key(self) -> str:
        return key_of({}, score_run, functions("two"), functions("several"))

    def _compute(self, cell: Cell, seeds: Sequence[int]) -> None:
        with explained(cell.dataset, seeds, self.protocol.folds, self.protocol.valid_fraction):
            groups = self._together(cell, seeds)
            for number, group in enumerate(groups):
                self._compute_together(cell, group, (number, len(groups)))

    def _together(self, cell, seeds):
        """Groups of seeds such that the matrices of a group's runs fit on every device."""
        dataset = cell.dataset
        if cell.members.folds or _trains_on_all_rows(cell.method):
            return [[seed] for seed in seeds]
        if not isinstance(dataset, FrameDataset) or len(seeds) < 2:
            return [seeds]
        if (dataset, *seeds) not in self._groups:
            devices = self.engine.devices or jax.local_devices()
            budget = (self.engine.memory or memory_of(devices)) / 2 / len(devices)
            found = seeds_together(dataset, seeds, self.protocol, self.splits, budget)
            self._groups[dataset, *seeds] = found
        return self._groups[dataset, *seeds]

    def _planned(self, cell, seeds):
        """Plan of the runs to train; an ensemble of M members has M runs for each original run."""
        if not isinstance(cell.dataset, FrameDataset):
            return self._cut(cell, seeds)
        about = (cell.dataset, cell.members, _trains_on_all_rows(cell.method), *seeds)
        if self._last is None or self._last[0] != about:
            self._last = None  # frees its memory before the next plan is made
            self._last = about, self._cut(cell, seeds)
        return self._last[1]

    def _cut(self, cell, seeds):
        if cell.members.folds:
            return fold_ensemble(cell.dataset, *seeds, self.protocol, self.splits, cell.members)
        if _trains_on_all_rows(cell.method):
            cut = all_rows(cell.dataset, *seeds, self.protocol, self.splits)
        else:
            cut = planned(cell.dataset, seeds, self.protocol, self.splits)
        return cut if cell.members == SINGLE else deep_ensemble(cut, cell.members)

    def _compute_together(self, cell: Cell, seeds: Sequence[int], turn: tuple[int, int]) -> None:
        """Train a group of seeds of a cell; `turn` is `(index of the group, number of groups)`."""
        before, groups = turn
        cut, method = self._planned(cell, seeds), cell.method
        if method.tables.host:
            result = check_scores(host_cell(cut, method), method)
        else:
            cut, method = on_network(cut, method, cell.network)
            # Validation rows cannot choose the epoch if the method is trained on them.
            is_last = _trains_on_all_rows(method)
            method = checkpoints.kept_by(method, "last" if is_last else self.checkpoint)
            cell, epochs = dataclasses.replace(cell, method=method), cut.protocol.epochs
            result = train_cell(
                cut,
                method,
                start=self._start(cell, cut),
                engine=self.engine,
                on_epochs=lambda done: self.on_progress((before + done / epochs) / groups),
            )
        self._tell_seconds(cell, result.compile_seconds, result.run_seconds)
        for seed in seeds if _is_start(method) else ():
            at = np.flatnonzero(cut.seed == seed)
            state = jax.tree.map(lambda leaf, at=at: leaf[at], result.progress)
            self._keep_state(self._state_place(cell), seed, state)
        if _trains_on_all_rows(method):
            result = result._replace(valid_score=[score[:0] for score in result.valid_score])
        elif method.is_neural:
            about = (cut, method, result, self.checkpoint)
            result = checkpoints.with_validation_precision(*about)
        if cell.members != SINGLE:
            cut, result = averaged(cut, method, result, cell.members)
        rows = records(cut, cell, result)
        for seed in seeds:
            matching = [row for row in rows if row["seed"] == seed]
            share = len(matching) / len(rows)
            self._keep(cell, seed, matching, self._about(cell, cut, result, share))

    def _rescored(self, rows, about):
        padded = about.get("test_rows", 0)
        return rescored(rows, padded, about["method_facts"]["scores"])

    def _start(self, cell, cut):
        """The final progress, leaves `[R, ...]`, of the method that this one starts from."""
        method = cell.method
        if method.tables.starts_from is None:
            return None
        start = get(method.tables.starts_from)
        before = self.cell(cell.dataset, start, cell.network, cell.members)
        file = self._state_place(before)
        seeds = list(dict.fromkeys(cut.seed.tolist()))
        like = progress_shapes(cut, before.method)

        def stored(seed):
            return self._state(file, seed, states.part(like, np.count_nonzero(cut.seed == seed)))

        found = {seed: stored(seed) for seed in seeds}
        if lost := [seed for seed in seeds if found[seed] is None]:
            self._compute(before, lost)
            found |= {seed: stored(seed) for seed in lost}
        return states.join([found[seed] for seed in seeds])

    def _state_place(self, cell: Cell) -> Path:
        return Path(store.safe_name(cell.dataset.name), store.safe_name(cell.label), cell.key)

    def _about(self, cell, cut, result, share) -> dict[str, Any]:
        method, dataset = cell.method, cell.dataset
        return {
            "config": configuration(method, self.protocol) | {"checkpoint": self.checkpoint},
            "method_facts": {
                **{name: getattr(method, name) for name in ("title", "paper", "kind", "sees")},
                "note": method.note,
                "fallback": method.fallback,
                "neural": method.is_neural,
                "scores": method.tables.scores,
            },
            "dataset_facts": {
                "n_rows": dataset.n_rows,
                "n_features": dataset.n_features,
                "n_classes": len(dataset.classes),
                "n_minority": dataset.n_minority,
                "imbalance_ratio": dataset.imbalance_ratio,
                "notices": list(dataset.notices),
                "fingerprint": dataset.fingerprint,
            },
            "test_rows": cut.runs.test.w.shape[1],
            "timing": {
                "compile_seconds": result.compile_seconds * share,
                "run_seconds": result.run_seconds * share,
                "n_runs": round(len(result.diverged) * share),
            },
        }


def configuration(method: Method, protocol: Any) -> dict[str, Any]:
    """The protocol, and the method's settings and options, as JSON values."""
    settings = [setting._asdict() for setting in method.tables.settings]
    return dataclasses.asdict(protocol) | {"settings": settings, **method.tables.options}


def _trains_on_all_rows(method: Method) -> bool:
    """Whether a neural method trains on validation rows from the start."""
    return method.is_neural and method.tables.rows == "train_valid"


def _is_start(method: Method) -> bool:
    """Whether any registered method starts from this one's result."""
    return any(get(name).tables.starts_from == method.name for name in names())
