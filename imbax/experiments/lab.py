"""Computation of the cells of an experiment; each result is stored immediately.

A stored cell is not computed again, and further seeds are added to it. If only the code of metrics
changed, metrics are computed again from stored labels and scores.
"""

import logging
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import jax
import pandas as pd
import pyarrow as pa

from imbax.catalogue import Method
from imbax.engine.vectorize import Engine
from imbax.experiments import disk, states, store
from imbax.experiments.labels import shown
from imbax.experiments.neural.ensembles import SINGLE, Ensemble
from imbax.experiments.provenance import environment

__all__ = ["Cell", "Lab", "run_key"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Cell:
    """A method on a data set, with all its folds and seeds."""

    suite: str
    dataset: Any
    """Data set: `Dataset` or `Images`."""
    method: Method
    network: str
    """Name of the network; "" for a method that trains none of imbax's networks."""
    members: Ensemble = SINGLE
    """Networks whose probabilities are averaged."""
    rows: str = "train"
    """Rows that the method is trained on, "train" or "train_valid"."""
    key: str = ""
    """Training key: hash (16 hex digits) of everything that determines the scores."""

    @property
    def label(self) -> str:
        """Label of the method with its network and ensemble, as in tables."""
        return shown(self.method.name, self.network, self.members)

    @property
    def name(self) -> str:
        """Displayed name of the cell."""
        return f"{self.dataset.name}/{self.label}"

    @property
    def place(self) -> tuple[str, str, str]:
        """Data set, label and key, which identify the cell in the store."""
        return self.dataset.name, self.label, self.key


@dataclass
class Lab(ABC):
    """Computes cells or reads stored ones. Each kind of experiment defines the abstract methods."""

    schema: ClassVar[pa.Schema]
    """Columns of a result."""
    network: ClassVar[str]
    """Name of the default network."""
    protocol: Any
    engine: Engine = field(default_factory=Engine)
    out: Path | None = None
    """Folder of stored results; None: results are kept in memory."""
    suite: str = "custom"
    on_progress: Callable[[float], None] = lambda share: None
    """Function called between compiled pieces with the finished share of the current cell."""
    networks: Sequence[str | None] = (None,)
    """Networks that each method of a suite trains; None: `network`."""
    ensembles: Sequence[Ensemble] = (SINGLE,)
    """Ensembles of these networks that each method trains."""
    _rows: dict[Any, list[dict]] = field(default_factory=dict)
    _provenance: dict[Any, dict[str, Any]] = field(default_factory=dict)
    _states: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.out is not None:
            with disk.writing(self.out):
                self.out.mkdir(parents=True, exist_ok=True)

    def cell(
        self,
        dataset: Any,
        method: Method,
        network: str | None = None,
        members: Ensemble = SINGLE,
    ) -> Cell:
        """Cell of a method on a data set under the lab's protocol, by default with its network."""
        network = self.network if network is None else network
        key = self._training_key(dataset, method, network, members)
        return Cell(self.suite, dataset, method, network, members, key=key)

    def run(self, cell: Cell, seeds: Sequence[int]) -> None:
        """Compute the missing seeds of a cell together, and store each one immediately."""
        if missing := self.missing(cell, seeds):
            self._warn_of_damage(cell, missing)
            _LOG.info("%s started", cell.name)
            started = time.perf_counter()
            self._compute(cell, missing)
            _LOG.info("%s finished in %.1f s", cell.name, time.perf_counter() - started)
        if self.out is None:
            return
        for seed in self.outdated(cell, sorted(set(seeds) - set(missing))):
            rows, about = store.load(self.out, *cell.place, seed, self.schema)
            about["metrics_key"] = self._metrics_key()
            store.write(self.out, self._rescored(rows, about), about, self.schema)
        if not missing:
            store.renew(self.out, *cell.place, seeds, self.schema)

    def missing(self, cell: Cell, seeds: Sequence[int]) -> list[int]:
        """Seeds of a cell that are not stored yet."""
        if self.out is None:
            return [seed for seed in seeds if (cell.key, seed) not in self._rows]
        missing = (s for s in seeds if not store.has(self.out, *cell.place, s, self.schema))
        return list(missing)

    def outdated(self, cell: Cell, seeds: Sequence[int]) -> list[int]:
        """Stored seeds of a cell with metrics computed by other code."""
        if self.out is None:
            return []
        known = store.metrics_keys(self.out, *cell.place)
        return [seed for seed in seeds if known.get(seed) not in (None, self._metrics_key())]

    def replaces(self, cell: Cell, seeds: Sequence[int]) -> bool:
        """Returns whether missing seeds of a cell are stored for other code or settings."""
        missing = self.missing(cell, seeds)
        return self.out is not None and store.others(self.out, *cell.place, missing)

    def _warn_of_damage(self, cell, seeds):
        """Warn about existing files that cannot be read and are therefore computed again."""
        for seed in seeds if self.out is not None else ():
            path = store.file_path(self.out, *cell.place, seed)
            if path.is_file() and (error := store.damage(path, self.schema)):
                warnings.warn(
                    f"damaged result file ({type(error).__name__}), computed again: {path}",
                    stacklevel=3,
                )

    def fitting(
        self, dataset: Any, methods: Sequence[Method]
    ) -> tuple[Sequence[Method], tuple[str, ...]]:
        """Methods that support a data set, and notices on the other methods.

        Raises InputError if a method that the user named does not support the data set.
        """
        return methods, ()

    @abstractmethod
    def unit(self, method: Method) -> str:
        """Name of a unit of work: equal for methods that share a training."""

    @abstractmethod
    def shape(self, dataset: Any) -> Any:
        """Sortable value that is equal for data sets whose cells share compiled programs."""

    @abstractmethod
    def work(self, cell: Cell) -> float:
        """Relative time of a cell, in a unit common to all cells; for the progress bar only."""

    @abstractmethod
    def shared_bytes(self, dataset: Any) -> int:
        """Bytes on each device of the data shared by the runs of a cell; for `dry_run` only."""

    def check_splits(self, dataset: Any, seeds: Sequence[int]) -> None:  # noqa: B027  for tables
        """Raises InputError if a data set has too few rows for its splits; for `dry_run` only."""

    def rows(self, cell: Cell, seeds: Sequence[int], *, arrays: bool = False) -> pd.DataFrame:
        """Frame with one row per run of a cell; with `arrays`, also columns of lists and bytes."""
        shown = [column.name for column in self.schema if arrays or not store.is_large(column)]
        if self.out is None:
            rows = [row for seed in seeds for row in self._rows[cell.key, seed]]
            return pd.DataFrame(rows)[shown].assign(method=cell.label)
        with warnings.catch_warnings():
            # Results of other settings may also be stored; those written last are read.
            warnings.filterwarnings("ignore", "two settings of")
            about = {"arrays": arrays, "dataset": cell.dataset.name}
            rows = store.read([self.out], self.schema, **about)
        return rows[(rows["method"] == cell.label) & rows["seed"].isin(list(seeds))]

    def kept(
        self, cell: Cell, seeds: Sequence[int]
    ) -> list[Callable[[], tuple[list[dict[str, Any]], dict[str, Any]]]]:
        """Functions, one per seed of a cell, that return its rows with all columns and provenance.

        They read the stored files if there is a folder.
        """
        if self.out is not None:
            return [partial(store.load, self.out, *cell.place, s, self.schema) for s in seeds]
        pairs = ((self._rows[cell.key, s], self._provenance[cell.key, s]) for s in seeds)
        return [partial(_both, *pair) for pair in pairs]

    @abstractmethod
    def _training_key(
        self, dataset: Any, method: Method, network: str, members: Ensemble = SINGLE
    ) -> str:
        """Key of everything that determines the scores of a cell."""

    @abstractmethod
    def _metrics_key(self) -> str:
        """Key of the code that computes metrics from stored labels and scores."""

    @abstractmethod
    def _compute(self, cell: Cell, seeds: Sequence[int]) -> None:
        """Train the seeds of a cell together and `_keep` their results."""

    @abstractmethod
    def _rescored(self, rows: list[dict[str, Any]], about: dict[str, Any]) -> list[dict[str, Any]]:
        """Stored rows with their metrics computed again; `about` is their provenance."""

    def _tell_seconds(self, cell: Cell, compiling: float, running: float) -> None:
        """Log the compilation and running times of a computed cell."""
        _LOG.debug("%s compiled for %.1f s and ran for %.1f s", cell.name, compiling, running)

    def _keep(self, cell: Cell, seed: int, rows: list[dict[str, Any]], about: dict[str, Any]):
        """Store the rows of a seed with their provenance."""
        settings = {
            "strategy": self.engine.strategy,
            "memory_gib": self.engine.memory and self.engine.memory / 2**30,
        }
        shared = {
            "suite": cell.suite,
            "dataset": cell.dataset.name,
            "method": cell.method.name,
            "network": cell.network,
            "members": str(cell.members),
            "rows": cell.rows,
            "key": cell.key,
            "environment": environment(),
            "settings": settings,
        }
        if self.out is None:
            self._rows[cell.key, seed], self._provenance[cell.key, seed] = rows, shared | about
            return
        disk.check_there(self.out)
        shared["metrics_key"] = self._metrics_key()
        store.write(self.out, rows, shared | about, self.schema)

    def _keep_state(self, file: Path, seed: int, state: Any) -> None:
        """Store the state that another training starts from; `file` is its path below `states`."""
        if self.out is None:
            self._states[file, seed] = state
            return
        disk.check_there(self.out)
        states.write(self._state_file(file, seed), state)

    def _state(self, file: Path, seed: int, like: Any) -> Any:
        """State stored by `_keep_state` if it has the shapes and dtypes of `like`; else None."""
        if self.out is None:
            return self._states.get((file, seed))
        return states.read(self._state_file(file, seed), like)

    def _state_file(self, file: Path, seed: int) -> Path:
        return self.out / "states" / file.with_name(f"{file.name}-seed{seed}.safetensors")


def _both(rows, provenance):
    return rows, provenance


def run_key(seed: int, fold: int) -> jax.Array:
    """Random key of a run, from which all its random numbers are derived."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), fold)
