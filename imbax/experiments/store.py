"""Result files: one parquet table per cell and seed, one row per fold.

The files are ``<out>/runs/<dataset>/<method>/<key>-seed<seed>.parquet``. ``key`` is a hash of
everything that determines the result, so an existing file need not be computed again. Values that
are not numbers per run (configuration, facts, timing, environment) are stored as JSON in the file.
"""

import hashlib
import json
import re
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imbax.experiments.disk import atomic
from imbax.experiments.labels import label_of, members_of, network_of

__all__ = [
    "damage",
    "file_path",
    "has",
    "is_large",
    "load",
    "metrics_keys",
    "others",
    "read",
    "read_provenance",
    "renew",
    "safe_name",
    "write",
]

# All but the first two stand for a readable parquet file of another program.
_DAMAGED = (pa.ArrowException, OSError, KeyError, ValueError, TypeError, RecursionError)
_PARTS = {"dataset_facts": dict, "method_facts": dict, "config": dict, "timing": dict}


class _Stored(NamedTuple):
    path: Path
    provenance: dict[str, Any]
    seed: int
    written: float


def is_large(field: pa.Field) -> bool:
    """Returns whether a column contains lists, maps or bytes."""
    return pa.types.is_nested(field.type) or pa.types.is_binary(field.type)


def safe_name(name: str) -> str:
    """File name for any dataset or method name; equal only for equal names."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        return name
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:60].strip("._-") or "unnamed"
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def file_path(out: Path, dataset: str, method: str, key: str, seed: int) -> Path:
    """Path of the file of one cell and seed, which may not exist yet.

    ``method`` is the label of a method with its network (see ``labels``), in all functions.
    """
    return Path(out, "runs", safe_name(dataset), safe_name(method), f"{key}-seed{seed}.parquet")


def write(
    out: Path,
    rows: list[dict[str, Any]],
    provenance: dict[str, Any],
    schema: pa.Schema,
) -> Path:
    """Write the folds of one cell and seed atomically; returns the file's path.

    ``rows`` have every column of ``schema`` (columns of bytes are optional) and the same seed.
    ``provenance`` is JSON-ready and has ``dataset``, ``method`` and ``key``. Raises ``ValueError``
    for missing or unknown columns and for rows of several seeds.
    """
    optional = {field.name for field in schema if pa.types.is_binary(field.type)}
    for row in rows:
        if wrong := (set(row) | optional) ^ set(schema.names):
            raise ValueError(f"a result row has missing or unknown columns: {sorted(wrong)}")
    seeds = {int(row["seed"]) for row in rows}
    if len(seeds) != 1:
        raise ValueError(f"rows of seeds {sorted(seeds)}, expected one seed per file")
    metadata = {
        b"imbax": json.dumps(provenance, default=_plain).encode(),
        b"imbax_file": json.dumps({"seed": min(seeds), "written": time.time()}).encode(),
    }
    table = pa.Table.from_pylist(rows, schema.with_metadata(metadata))
    dataset, key = provenance["dataset"], provenance["key"]
    path = file_path(out, dataset, label_of(provenance), key, min(seeds))
    with atomic(path) as file:
        # Checksums detect damaged pages; parquet itself protects only its footer.
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    return path


def has(out: Path, dataset: str, method: str, key: str, seed: int, schema: pa.Schema) -> bool:
    """Returns whether the runs of a cell and seed are stored and undamaged."""
    path = file_path(out, dataset, method, key, seed)
    return path.is_file() and damage(path, schema) is None


def damage(path: Path, schema: pa.Schema) -> Exception | None:
    """Error raised by reading a file, or None."""
    try:
        _open(path)
        _load(path, schema)
    except _DAMAGED as error:
        return error
    return None


def renew(
    out: Path,
    dataset: str,
    method: str,
    key: str,
    seeds: Iterable[int],
    schema: pa.Schema,
) -> None:
    """Make the stored runs of a key the current ones, if runs of another key were written later."""
    folder = file_path(out, dataset, method, key, 0).parent
    stored = list(_readable(folder.glob("*.parquet")))
    others = [one.written for one in stored if one.provenance["key"] != key]
    current = [one for one in stored if one.provenance["key"] == key and one.seed in set(seeds)]
    if others and current and max(others) > max(one.written for one in current):
        for one in current:
            write(out, _load(one.path, schema).to_pylist(), one.provenance, schema)


def load(
    out: Path, dataset: str, method: str, key: str, seed: int, schema: pa.Schema
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read the rows of one cell and seed, with all columns, and their provenance."""
    path = file_path(out, dataset, method, key, seed)
    return _load(path, schema).to_pylist(), _open(path).provenance


def metrics_keys(out: Path, dataset: str, method: str, key: str) -> dict[int, str | None]:
    """Metrics key of every stored seed of a cell; None for files without one."""
    folder = file_path(out, dataset, method, key, 0).parent
    stored = _readable(folder.glob(f"{key}-*.parquet"))
    return {one.seed: one.provenance.get("metrics_key") for one in stored}


def others(out: Path, dataset: str, method: str, key: str, seeds: Iterable[int]) -> bool:
    """Returns whether runs of the cell and seeds are stored under another key."""
    folder = file_path(out, dataset, method, key, 0).parent
    stored = _readable(folder.glob("*.parquet"))
    return any(one.provenance["key"] != key and one.seed in set(seeds) for one in stored)


def read(
    folders: Iterable[Path],
    schema: pa.Schema,
    *,
    arrays: bool = False,
    dataset: str | None = None,
) -> pd.DataFrame:
    """Read all runs of all folders, or those of one ``dataset``; one row per fold and seed.

    The columns are those of ``schema``, without lists, maps and bytes unless ``arrays`` is True.
    ``method`` contains labels, which include networks other than the default (see ``labels``). Each
    cell has one key: if folders, or old and new runs in one folder, have several keys, the ones
    written last are kept and a warning names both. Damaged files are left out with a warning.
    """
    schema = pa.schema([field for field in schema if arrays or not is_large(field)])
    tables = [schema.empty_table()]
    for stored in _find(folders, dataset):
        try:
            tables.append(_labelled(_load(stored.path, schema), stored.provenance))
        except _DAMAGED as error:
            _warn_damaged(stored.path, error)
    return pa.concat_tables(tables).to_pandas()


def read_provenance(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Provenance of the files that ``read`` keeps: JSON, ``seed``, and the label as ``method``."""
    return [
        stored.provenance | {"seed": stored.seed, "method": label_of(stored.provenance)}
        for stored in _find(folders)
    ]


def _find(folders: Iterable[Path], dataset: str | None = None) -> list[_Stored]:
    """Current files, in order of data set, method and seed."""
    cells: dict[tuple[str, str], list[_Stored]] = {}
    pattern = f"runs/{safe_name(dataset) if dataset is not None else '*'}/*/*.parquet"
    paths = {found.resolve() for folder in folders for found in Path(folder).glob(pattern)}
    for stored in _readable(sorted(paths), warns=True):
        cell = (stored.provenance["dataset"], label_of(stored.provenance))
        cells.setdefault(cell, []).append(stored)
    return [stored for cell in sorted(cells) for stored in _latest_key(cells[cell])]


def _labelled(table: pa.Table, provenance: dict[str, Any]) -> pa.Table:
    label = pa.array([label_of(provenance)] * len(table), pa.string())
    return table.set_column(table.schema.get_field_index("method"), "method", label)


def _readable(paths: Iterable[Path], *, warns: bool = False) -> Iterator[_Stored]:
    for path in paths:
        try:
            yield _open(path)
        except _DAMAGED as error:
            if warns:
                _warn_damaged(path, error)


def _latest_key(files: Sequence[_Stored]) -> list[_Stored]:
    newest = max(files, key=lambda stored: stored.written)
    key = newest.provenance["key"]
    older = [stored for stored in files if stored.provenance["key"] != key]
    if older:
        warnings.warn(
            f"two settings of {label_of(newest.provenance)} on {newest.provenance['dataset']}: "
            f"kept {newest.path}, left out {older[0].path}"
            + (f" and {len(older) - 1} more" if len(older) > 1 else ""),
            stacklevel=4,
        )
    by_seed = {stored.seed: stored for stored in files if stored.provenance["key"] == key}
    return [by_seed[seed] for seed in sorted(by_seed)]


def _open(path: Path) -> _Stored:
    metadata = pq.read_schema(path).metadata or {}
    provenance = json.loads(metadata[b"imbax"])
    if not isinstance(provenance, dict):
        raise ValueError("its provenance is not a dictionary")
    for name, kind in (dict.fromkeys(("dataset", "method", "key"), str) | _PARTS).items():
        if not isinstance(provenance[name] if kind is str else provenance.get(name, {}), kind):
            raise ValueError(f"{name} is not a {kind.__name__}")
    if not isinstance(network_of(provenance), str):
        raise ValueError("network is not a str")
    file = json.loads(metadata[b"imbax_file"])
    return _Stored(path, provenance, int(file["seed"]), float(file["written"]))


def _load(path: Path, schema: pa.Schema) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read(
            columns=[name for name in schema.names if name in file.schema_arrow.names]
        )
    for field in schema:  # columns that did not exist when the file was written
        if field.name not in table.column_names:
            read = {"network": network_of, "members": members_of}.get(field.name)
            value = read(_open(path).provenance) if read else _absent(field)
            column = pa.array([value] * len(table), field.type)
            table = table.append_column(field.name, column)
    return table.select(schema.names).cast(schema)


def _absent(field: pa.Field) -> Any:
    """Default value of a column that a file does not have; KeyError for required columns."""
    if pa.types.is_floating(field.type):
        return float("nan")
    if pa.types.is_boolean(field.type):
        return False
    if is_large(field):
        return None if pa.types.is_binary(field.type) else []
    raise KeyError(field.name)


def _warn_damaged(path: Path, error: Exception) -> None:
    warnings.warn(
        f"left out a damaged result file ({type(error).__name__}): {path}; run again to replace it",
        stacklevel=4,
    )


def _plain(value: Any) -> Any:
    """JSON-ready form of other values in configurations."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"provenance cannot contain a {type(value).__name__}: {value!r}")
