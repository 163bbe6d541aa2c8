"""Where the runs of results are: in folders, or in the cells that were just computed."""

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
    """All runs that are stored in some folders."""

    places: tuple[Path, ...]
    kind: str
    """One of `suites.KINDS` that stores runs, "tabular" or "images"."""

    def frame(self) -> pd.DataFrame:
        """All runs, without lists, maps and bytes."""
        return store.read(self.places, schema_of(self.kind))

    def read(self, dataset: str | None = None) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """The runs of a data set, or of all, with all columns, and what is known of each file."""
        with warnings.catch_warnings(action="ignore"):  # said by `frame`
            rows = store.read(self.places, schema_of(self.kind), arrays=True, dataset=dataset)
            return rows, store.read_provenance(self.places)

    @contextlib.contextmanager
    def written(self) -> Iterator[tuple[Path, ...]]:
        """Inside, the folders that hold the runs."""
        yield self.places


@dataclass(frozen=True)
class Cells:
    """The runs of some cells; what was written to a folder is read when it is needed."""

    parts: Sequence[Callable[[], tuple[list[dict[str, Any]], dict[str, Any]]]] = field(repr=False)
    """Each returns the rows of a cell and seed, and their provenance (`Lab.kept`)."""
    out: Path | None = None
    kind: str = "tabular"

    @property
    def places(self) -> tuple[Path, ...]:
        """The folder where they are kept; none: in memory."""
        return () if self.out is None else (self.out,)

    def read(self, dataset: str | None = None) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """The runs of a data set, or of all, with all columns, and what is known of each seed."""
        with self.written() as folders:
            return Folders(folders, self.kind).read(dataset)

    @contextlib.contextmanager
    def written(self) -> Iterator[tuple[Path, ...]]:
        """Inside, a folder that holds these runs and no others."""
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
    """The columns of stored runs of tables or of images."""
    if kind == "images":
        from imbax.experiments.images.schema import SCHEMA
    else:
        from imbax.experiments.tabular.schema import SCHEMA
    return SCHEMA


def kind_of(folders: Sequence[Path], absent: str = "tabular") -> str:
    """The kind of experiment whose results lie in the folders, `absent` if there are none.

    Raises ``InputError`` where they are of several kinds.
    """

    def kind(folder):
        for path in Path(folder).glob("runs/*/*/*.parquet"):
            with contextlib.suppress(OSError, ValueError, pa.ArrowException):  # a damaged file
                return "images" if "looks" in pq.read_schema(path).names else "tabular"

    kinds = {kind(folder) for folder in folders} - {None}
    if len(kinds) > 1:
        raise InputError("results of images and of tables in one report; name folders of one kind")
    return next(iter(kinds), absent)
