"""Sources of the runs of results: folders, or cells that were just computed."""

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imbax.errors import InputError
from imbax.experiments import store

__all__ = ["Cells", "Folders", "kind_of", "schema_of"]


@dataclass(frozen=True)
class Folders:
    """All runs stored in folders."""

    places: tuple[Path, ...]
    kind: str
    """Kind of experiment: "tabular" or "images"."""

    def frame(self) -> pd.DataFrame:
        """All runs, without columns of lists, maps and bytes."""
        return store.read(self.places, schema_of(self.kind))

    def read(self, dataset: str | None = None) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """Runs of one data set or of all, with all columns, and the provenance of each file."""
        with warnings.catch_warnings(action="ignore"):  # reported by `frame`
            rows = store.read(self.places, schema_of(self.kind), arrays=True, dataset=dataset)
            return rows, store.read_provenance(self.places)

    @contextlib.contextmanager
    def written(self) -> Iterator[tuple[Path, ...]]:
        """Context with the folders that contain the runs."""
        yield self.places


@dataclass(frozen=True)
class Cells:
    """Runs of cells; runs that were written to a folder are read when needed."""

    parts: Sequence[Callable[[], tuple[list[dict[str, Any]], dict[str, Any]]]] = field(repr=False)
    """Functions that return the rows of a cell and seed, and their provenance (`Lab.kept`)."""
    out: Path | None = None
    kind: str = "tabular"

    @property
    def places(self) -> tuple[Path, ...]:
        """Folder with the runs; empty for runs in memory."""
        return () if self.out is None else (self.out,)

    def read(self, dataset: str | None = None) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """Runs of one data set or of all, with all columns, and the provenance of each seed."""
        with self.written() as folders:
            return Folders(folders, self.kind).read(dataset)

    @contextlib.contextmanager
    def written(self) -> Iterator[tuple[Path, ...]]:
        """Context with a temporary folder that contains only these runs."""
        with tempfile.TemporaryDirectory(prefix="imbax-") as folder:
            for part in self.parts:
                try:
                    rows, about = part()
                except OSError as error:
                    raise InputError(
                        f"the runs are no longer in {self.out} ({error.strerror or error}); "
                        "evaluate again"
                    ) from None
                store.write(Path(folder), rows, about, schema_of(self.kind))
            yield (Path(folder),)


def schema_of(kind: str) -> pa.Schema:
    """Columns of stored runs of tables or of images."""
    if kind == "images":
        from imbax.experiments.images.schema import SCHEMA
    else:
        from imbax.experiments.tabular.schema import SCHEMA
    return SCHEMA


def kind_of(folders: Sequence[Path], absent: str = "tabular") -> str:
    """Kind of the results in the folders, or `absent` if there are none.

    Raises ``InputError`` if there are several kinds.
    """

    def kind(folder):
        for path in Path(folder).glob("runs/*/*/*.parquet"):
            with contextlib.suppress(OSError, ValueError, pa.ArrowException):  # a damaged file
                return "images" if "looks" in pq.read_schema(path).names else "tabular"

    kinds = {kind(folder) for folder in folders} - {None}
    if len(kinds) > 1:
        raise InputError(
            "results of images and of tables cannot be combined; name folders of one kind"
        )
    return next(iter(kinds), absent)
