"""Computes the cells of tables."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np

from imbax.catalogue import Method, get, names
from imbax.data.splits import Split
from imbax.data.tabular import Dataset
from imbax.experiments import states, store
from imbax.experiments.lab import Cell, Lab
from imbax.experiments.provenance import key_of
from imbax.experiments.tabular import padding
from imbax.experiments.tabular.cells import host_cell, progress_shapes, train_cell
from imbax.experiments.tabular.metrics import functions, score_run
from imbax.experiments.tabular.networks import DEFAULT, on_network, with_factory
from imbax.experiments.tabular.plan import plan
from imbax.experiments.tabular.records import records, rescored
from imbax.experiments.tabular.schema import SCHEMA
from imbax.networks.named import named

__all__ = ["TabularLab"]


@dataclass
class TabularLab(Lab):
    """Computes cells of tables, or finds them stored."""

    schema: ClassVar = SCHEMA
    network: ClassVar = DEFAULT
    splits: Sequence[Split] | None = None
    """The user's own, checked by `user_splits`, in place of the protocol's folds."""

    def cell(self, dataset: Dataset, method: Method, network: str | None = None) -> Cell:
        cell = super().cell(dataset, method, network if method.is_neural else "")
        return dataclasses.replace(cell, rows="train_valid") if method.tables.refits else cell

    def unit(self, method: Method) -> str:
        return method.tables.starts_from or method.name

    def shape(self, dataset: Dataset) -> tuple[int, int]:
        return padding.columns(dataset.n_features, dataset.n_rows), padding.rows(dataset.n_rows)

    def work(self, cell: Cell) -> float:
        rows, columns = cell.dataset.n_rows, cell.dataset.n_features
        cost = cell.method.cost * (named(cell.network).cost if cell.network else 1)
        return cost * rows * (50 + columns) + 1e5

    def _training_key(self, dataset: Dataset, method: Method, network: str) -> str:
        tables, start = method.tables, method.tables.starts_from
        content = {
            "method": method.name,
            "tables": tables,
            "protocol": self.protocol,
            "data": dataset.fingerprint,
            "splits": self.splits and [list(split) for split in self.splits],
            "starts_from": start and self._training_key(dataset, get(start), network),
        }
        code = [plan, host_cell if tables.host else train_cell, tables]
        if network not in ("", DEFAULT):
            content["network"] = network
            code += [with_factory, named(network).factory]
        return key_of(content, *code, versions=tables.host is not None)

    def _metrics_key(self) -> str:
        return key_of({}, score_run, functions("two"), functions("several"))

    def _compute(self, cell: Cell, seeds: Sequence[int]) -> None:
        cut, method = plan(cell.dataset, seeds, self.protocol, self.splits), cell.method
        if method.tables.host:
            result = host_cell(cut, method)
        else:
            cut, method = on_network(cut, method, cell.network)
            cell = dataclasses.replace(cell, method=method)
            result = train_cell(
                cut,
                method,
                start=self._start(cell, cut),
                engine=self.engine,
                on_epochs=lambda epochs: self.on_progress(epochs / cut.protocol.epochs),
            )
        rows = records(cut, cell, result)
        for seed in seeds:
            if _is_start(method):
                at = np.flatnonzero(cut.seed == seed)
                state = jax.tree.map(lambda leaf, at=at: leaf[at], result.progress)
                self._keep_state(self._state_place(cell), seed, state)
            of_seed = [row for row in rows if row["seed"] == seed]
            share = len(of_seed) / len(rows)
            self._keep(cell, seed, of_seed, self._about(cell, cut, result, share))

    def _rescored(self, rows, about):
        padded = about.get("test_rows", 0)
        return rescored(rows, padded, about["method_facts"]["scores"])

    def _start(self, cell, cut):
        """The final progress, leaves `[R, ...]`, of the method this one starts from."""
        method = cell.method
        if method.tables.starts_from is None:
            return None
        before = self.cell(cell.dataset, get(method.tables.starts_from), cell.network)
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
            "config": configuration(method, self.protocol),
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
    """What the user and the catalogue chose, JSON-ready."""
    settings = [setting._asdict() for setting in method.tables.settings]
    return dataclasses.asdict(protocol) | {"settings": settings, **method.tables.options}


def _is_start(method: Method) -> bool:
    """Whether some registered method starts from this one's result."""
    return any(get(name).tables.starts_from == method.name for name in names())
