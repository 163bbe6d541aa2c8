"""Computes the cells of data sets and keeps each result the moment it exists.

A stored cell is not computed again, and more seeds add to what is there.
"""

import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import pandas as pd

from imbax.catalogue import Method, get, names
from imbax.data.tabular import Dataset
from imbax.experiments import store
from imbax.experiments.provenance import cell_key, configuration, environment
from imbax.experiments.tabular.cells import Engine, host_cell, train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.experiments.tabular.records import records

__all__ = ["Lab"]


@dataclass
class Lab:
    """Computes cells, or finds them stored."""

    schema: ClassVar = store.SCHEMA
    """Columns of a result."""
    protocol: Protocol
    engine: Engine = field(default_factory=Engine)
    out: Path | None = None
    suite: str = "custom"
    splits: Sequence[tuple] | None = None
    """The user's own (train, valid, test) indices, in place of the protocol's folds."""
    on_progress: Callable[[float], None] = lambda share: None
    """Called with the share of the cell under way that is done, between compiled pieces."""
    _rows: dict[Any, list[dict]] = field(default_factory=dict)
    _states: dict[Any, Any] = field(default_factory=dict)

    def run(
        self,
        dataset: Dataset,
        method: Method,
        seeds: Sequence[int],
    ) -> None:
        """Compute the seeds of a cell that are missing, together, and keep each at once."""
        if missing := self.missing(dataset, method, seeds):
            self._compute(dataset, method, missing)
        elif self.out is not None:
            key = self._key(dataset, method)
            store.renew(self.out, dataset.name, method.name, key, seeds, self.schema)

    def missing(self, dataset: Dataset, method: Method, seeds: Sequence[int]) -> list[int]:
        """The seeds of a cell that are not there yet."""
        key = self._key(dataset, method)
        if self.out is None:
            return [seed for seed in seeds if (key, seed) not in self._rows]
        cell = self.out, dataset.name, method.name, key
        return [seed for seed in seeds if not store.has(*cell, seed, self.schema)]

    def unit(self, method: Method) -> str:
        """The same for methods that share some training, which is kept for the next of them."""
        return method.starts_from or method.name

    def rows(self, dataset: Dataset, method: Method, seeds: Sequence[int]) -> pd.DataFrame:
        """One row per run of a cell, without the large arrays."""
        if self.out is None:
            key = self._key(dataset, method)
            rows = pd.DataFrame([row for seed in seeds for row in self._rows[key, seed]])
            return rows.drop(columns=list(store.ARRAYS))
        with warnings.catch_warnings():
            # Other settings may lie there too; those just run or renewed are the ones read.
            warnings.filterwarnings("ignore", "two settings of")
            rows = store.read([self.out], dataset=dataset.name)
        return rows[(rows["method"] == method.name) & rows["seed"].isin(list(seeds))]

    def _compute(self, dataset, method, seeds):
        cut = plan(dataset, seeds, self.protocol, self.splits)
        if method.host:
            result = host_cell(cut, method)
        else:
            start = self._start(dataset, method, cut)
            done = lambda epochs: self.on_progress(epochs / self.protocol.epochs)  # noqa: E731
            result = train_cell(cut, method, start=start, engine=self.engine, on_epochs=done)
        key = self._key(dataset, method)
        rows = records(cut, method, result, self.suite)
        for seed in seeds:
            if _is_start(method):
                at = np.flatnonzero(cut.seed == seed)
                state = jax.tree.map(lambda leaf, at=at: leaf[at], result.progress)
                self._keep_state(dataset, method, key, seed, state)
            mine = [row for row in rows if row["seed"] == seed]
            if self.out is None:
                self._rows[key, seed] = mine
            else:
                share = len(mine) / len(rows)
                store.write(self.out, mine, self._provenance(dataset, method, key, result, share))

    def _start(self, dataset, method, cut):
        """The final progress, leaves `[R, ...]`, of the method this one starts from."""
        if method.starts_from is None:
            return None
        before = get(method.starts_from)
        key = self._key(dataset, before)
        seeds = list(dict.fromkeys(cut.seed.tolist()))
        lost = [seed for seed in seeds if self._state(dataset, before, key, seed) is None]
        if lost:
            self._compute(dataset, before, lost)
        states = [self._state(dataset, before, key, seed) for seed in seeds]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *states)

    def _keep_state(self, dataset, method, key, seed, state):
        if self.out is None:
            self._states[key, seed] = state
            return
        with store.atomic(self._state_file(dataset, method, key, seed)) as file:
            pickle.dump(state, file)

    def _state(self, dataset, method, key, seed):
        if self.out is None:
            return self._states.get((key, seed))
        try:
            return pickle.loads(self._state_file(dataset, method, key, seed).read_bytes())
        except Exception:
            return None  # absent, damaged in any way, or of another version: computed again

    def _key(self, dataset, method):
        return cell_key(dataset, method, self.protocol, self.splits)

    def _state_file(self, dataset, method, key, seed):
        path = store.file_path(self.out, dataset.name, method.name, key, seed)
        return self.out / "states" / path.relative_to(self.out / "runs").with_suffix(".pickle")

    def _provenance(self, dataset, method, key, result, share):
        return {
            "suite": self.suite,
            "dataset": dataset.name,
            "method": method.name,
            "key": key,
            "config": configuration(method, self.protocol),
            "method_facts": {
                **{name: getattr(method, name) for name in ("title", "paper", "kind", "sees")},
                "note": method.note,
                "fallback": method.fallback,
                "neural": method.build is not None,
                "scores": method.scores,
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
            "timing": {
                "compile_seconds": result.compile_seconds * share,
                "run_seconds": result.run_seconds * share,
                "n_runs": round(len(result.diverged) * share),
            },
            "environment": environment(),
            "settings": {
                "strategy": self.engine.strategy,
                "memory_gib": self.engine.memory and self.engine.memory / 2**30,
            },
        }


def _is_start(method: Method) -> bool:
    """Whether some registered method starts from this one's result."""
    return any(get(name).starts_from == method.name for name in names())
