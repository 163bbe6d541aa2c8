"""Computes the cells of an experiment and keeps each result the moment it exists.

A stored cell is not computed again, and more seeds add to what is there. Where only the code of
metrics has changed, they are computed again from stored labels and scores.
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
    """`Dataset` or `Images`."""
    method: Method
    network: str
    """Name of the network; "" for a method that trains none of imbax's."""
    members: Ensemble = SINGLE
    """Networks whose probabilities are averaged."""
    rows: str = "train"
    """Rows that it is trained on, "train" or "train_valid"."""
    key: str = ""
    """The training key: 16 hex digits of all that decides its scores."""

    @property
    def label(self) -> str:
        """The method with its network and ensemble, as tables show it."""
        return shown(self.method.name, self.network, self.members)

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"{self.dataset.name}/{self.label}"

    @property
    def place(self) -> tuple[str, str, str]:
        """What the store finds it by."""
        return self.dataset.name, self.label, self.key


@dataclass
class Lab(ABC):
    """Computes cells, or finds them stored. A kind of experiment says how, by what is abstract."""

    schema: ClassVar[pa.Schema]
    """Columns of a result."""
    network: ClassVar[str]
    """Name of the network that methods train unless another is asked for."""
    protocol: Any
    engine: Engine = field(default_factory=Engine)
    out: Path | None = None
    """Where results are kept; None: in memory."""
    suite: str = "custom"
    on_progress: Callable[[float], None] = lambda share: None
    """Called with the share of the cell under way that is done, between compiled pieces."""
    networks: Sequence[str | None] = (None,)
    """Networks that each method of a suite trains; None: `network`."""
    ensembles: Sequence[Ensemble] = (SINGLE,)
    """Ensembles of them that it trains."""
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
        """A method on a data set with a network, by default the lab's, under its protocol."""
        network = self.network if network is None else network
        key = self._training_key(dataset, method, network, members)
        return Cell(self.suite, dataset, method, network, members, key=key)

    def run(self, cell: Cell, seeds: Sequence[int]) -> None:
        """Compute the seeds of a cell that are missing, together, and keep each at once."""
        if missing := self.missing(cell, seeds):
            self._warn_of_damage(cell, missing)
            _LOG.info("%s started", cell.name)
            started = time.perf_counter()
            self._compute(cell, missing)
            _LOG.info("%s finished in %.1f s", cell.name, time.perf_counter() - started)
        if self.out is None:
            return
        for seed in self.outdated(cell, set(seeds) - set(missing)):
            rows, about = store.load(self.out, *cell.place, seed, self.schema)
            about["metrics_key"] = self._metrics_key()
            store.write(self.out, self._rescored(rows, about), about, self.schema)
        if not missing:
            store.renew(self.out, *cell.place, seeds, self.schema)

    def missing(self, cell: Cell, seeds: Sequence[int]) -> list[int]:
        """The seeds of a cell that are not there yet."""
        if self.out is None:
            return [seed for seed in seeds if (cell.key, seed) not in self._rows]
        there = (seed for seed in seeds if not store.has(self.out, *cell.place, seed, self.schema))
        return list(there)

    def outdated(self, cell: Cell, seeds: Sequence[int]) -> list[int]:
        """The stored seeds of a cell whose metrics were computed by other code."""
        if self.out is None:
            return []
        known = store.metrics_keys(self.out, *cell.place)
        return [seed for seed in seeds if known.get(seed) not in (None, self._metrics_key())]

    def replaces(self, cell: Cell, seeds: Sequence[int]) -> bool:
        """Whether missing seeds of a cell are stored as results of other code or settings."""
        missing = self.missing(cell, seeds)
        return self.out is not None and store.others(self.out, *cell.place, missing)

    def _warn_of_damage(self, cell, seeds):
        """Name the files that are there, but are computed again since they cannot be read."""
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
        """The methods that a data set is for, and what to tell the user of the others.

        Raises InputError where the user named one that it is not for.
        """
        return methods, ()

    @abstractmethod
    def unit(self, method: Method) -> str:
        """The same for methods that share some training, which is kept for the next of them."""

    @abstractmethod
    def shape(self, dataset: Any) -> Any:
        """The same for data sets whose cells share compiled programs; sortable."""

    @abstractmethod
    def work(self, cell: Cell) -> float:
        """Time a cell takes, in some unit that all share; for the progress display only."""

    @abstractmethod
    def shared_bytes(self, dataset: Any) -> int:
        """Size of what the runs of a cell share on each device; for `dry_run` only."""

    def rows(self, cell: Cell, seeds: Sequence[int], *, arrays: bool = False) -> pd.DataFrame:
        """One row per run of a cell; the columns of lists, maps and bytes only with `arrays`."""
        shown = [column.name for column in self.schema if arrays or not store.is_large(column)]
        if self.out is None:
            rows = [row for seed in seeds for row in self._rows[cell.key, seed]]
            return pd.DataFrame(rows)[shown].assign(method=cell.label)
        with warnings.catch_warnings():
            # Other settings may lie there too; those just run or renewed are the ones read.
            warnings.filterwarnings("ignore", "two settings of")
            about = {"arrays": arrays, "dataset": cell.dataset.name}
            rows = store.read([self.out], self.schema, **about)
        return rows[(rows["method"] == cell.label) & rows["seed"].isin(list(seeds))]

    def kept(
        self, cell: Cell, seeds: Sequence[int]
    ) -> list[Callable[[], tuple[list[dict[str, Any]], dict[str, Any]]]]:
        """For each seed of a cell, a function that returns its rows, with all columns, and their
        provenance; it reads the file where results are kept in a folder."""
        if self.out is not None:
            return [partial(store.load, self.out, *cell.place, s, self.schema) for s in seeds]
        given = ((self._rows[cell.key, s], self._provenance[cell.key, s]) for s in seeds)
        return [partial(_both, *pair) for pair in given]

    @abstractmethod
    def _training_key(
        self, dataset: Any, method: Method, network: str, members: Ensemble = SINGLE
    ) -> str:
        """Of all that decides the scores of a cell."""

    @abstractmethod
    def _metrics_key(self) -> str:
        """Of the code that computes metrics from stored labels and scores."""

    @abstractmethod
    def _compute(self, cell: Cell, seeds: Sequence[int]) -> None:
        """Train the seeds of a cell, all together, and `_keep` what comes out."""

    @abstractmethod
    def _rescored(self, rows: list[dict[str, Any]], about: dict[str, Any]) -> list[dict[str, Any]]:
        """Stored rows with their metrics computed anew; `about` is their provenance."""

    def _tell_seconds(self, cell: Cell, compiling: float, running: float) -> None:
        """Log what the time of a computed cell went into."""
        _LOG.debug("%s compiled for %.1f s and ran for %.1f s", cell.name, compiling, running)

    def _keep(self, cell: Cell, seed: int, rows: list[dict[str, Any]], about: dict[str, Any]):
        """Keep the rows of a seed, with what else is known of them."""
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
        """Keep what another training starts from; `file` is its path below `states`."""
        if self.out is None:
            self._states[file, seed] = state
            return
        disk.check_there(self.out)
        states.write(self._state_file(file, seed), state)

    def _state(self, file: Path, seed: int, like: Any) -> Any:
        """What `_keep_state` kept, if it has the shapes and dtypes of `like`; or None."""
        if self.out is None:
            return self._states.get((file, seed))
        return states.read(self._state_file(file, seed), like)

    def _state_file(self, file: Path, seed: int) -> Path:
        return self.out / "states" / file.with_name(f"{file.name}-seed{seed}.safetensors")


def _both(rows, provenance):
    return rows, provenance


def run_key(seed: int, fold: int) -> jax.Array:
    """The random key of a run; its other random numbers all follow from it."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), fold)
