"""Reads the user's table from a file, as a `Dataset` or as an unchecked frame."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.checks import DAMAGED, first_line
from imbax.data.delimited import Delimited, clean_name, parse, refuse_twins
from imbax.data.features import refuse_missing, refuse_single_column, tidied
from imbax.data.kinds import Remedies
from imbax.data.npz_files import read_npz
from imbax.data.tables import dataset_of_frame
from imbax.data.tabular import Dataset
from imbax.data.text_files import PACKED, read_text
from imbax.errors import InputError, argument, did_you_mean, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_frame", "read_table", "table_as_dataset", "table_files", "tables_among"]

_REMEDIES = Remedies(partial(argument, "drop"), partial(argument, "categorical"))

TEXT = (".csv", ".tsv", ".tab", ".txt", ".data", ".test")
_SUFFIXES = (*TEXT, ".parquet", ".npz")


def read_table(
    path: str | os.PathLike[str],
    target: str | int | None = None,
    *,
    minority: object = None,
    groups: str | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    header: bool = True,
) -> Dataset:
    """Reads a table; every column except `target`, `groups` and `drop` is a feature.

    A table of complete numbers and booleans is passed to models directly. Any other table is a
    `FrameDataset`: its categories, dates and missing values are encoded in each run by an encoder
    fitted on the training rows. Text that represents numbers, such as 20% or 4,5, is converted to
    numbers; a saved row index, empty rows and empty columns are left out. The data set's notices
    list these changes.

    Parameters
    ----------
    path
        A .csv file (or .tsv, .txt, .data, .test; each may be compressed), .parquet or .npz file. An
        npz file contains arrays `data` `[n, d]` and `label` `[n]`; the columns of `data` are called
        x0, x1, ...
    target
        Column of labels; optional for npz. In a file without a header it may also be a position:
        0, 1, ..., or -1, -2, ... from the end.
    minority
        As in `make_dataset`; if it is omitted, each of more than two labels is its own class.
    groups
        Column of group codes; it is not a feature.
    drop
        Columns to leave out.
    categorical
        Columns to one-hot encode even if they are numeric.
    header
        Whether the first line of a text file names the columns; without a header they are called
        x0, x1, ...

    Raises
    ------
    InputError
        The file cannot be read, it lacks a column, or a column cannot be encoded as numbers. The
        message names the file, the column and the remedy.
    """
    path = Path(path).expanduser()
    table, target = _read(path, target, groups, header)
    return table_as_dataset(
        path,
        table,
        target,
        minority=minority,
        groups=groups,
        drop=drop,
        categorical=categorical,
        header=header,
    )


def table_as_dataset(
    path: Path,
    table: Delimited,
    target: str | int,
    *,
    minority: object = None,
    groups: str | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    header: bool = True,
) -> Dataset:
    """Builds a `Dataset` from a parsed table; `path` need only be a name. See `read_table`."""
    frame, notices, separator = table
    refuse_single_column(frame, path.name)
    known = list(frame.columns)
    target, groups = (
        None if column is None else _column(column, known, path, header)
        for column in (target, groups)
    )
    drop, categorical = (
        [_column(column, known, path, header, several=True) for column in columns]
        for columns in (drop, categorical)
    )
    for column, role in ((target, "target"), (groups, "groups")):
        if column in drop:
            raise InputError(f"{path.name}: {column!r} is the {role} column and in drop; use one")
    if target == groups:
        raise InputError(f"{path.name}: {target!r} is both target and groups; choose two columns")

    others = [target] if groups is None else [target, groups]
    refuse_missing(frame[others], path.name)
    labels, label_notices = _without_full_stops(frame[target])
    features, feature_notices = tidied(frame.drop(columns=[*drop, *others]))
    return dataset_of_frame(
        features,
        labels,
        name=_stem(path),
        minority=minority,
        groups=None if groups is None else frame[groups],
        categorical=[column for column in categorical if column in features],
        notices=[*notices, *label_notices, *feature_notices],
        table=path.name,
        label_place=f"{path.name}: target column {target!r}",
        separator=separator,
        remedies=_REMEDIES,
    )


def read_frame(path: Path) -> Delimited:
    """Reads a text or Parquet file with a header, distinct column names and at least one row.

    Raises
    ------
    InputError
        The file does not exist, has an unsupported suffix, or is empty, damaged or ragged.
    """
    _check_file(path, (*TEXT, ".parquet"))
    return _parsed(path, partial(_read_parquet_or_text, header=None))


def table_files(paths: Iterable[Path]) -> dict[str, Path]:
    """Returns files by their stems, which name the data sets; a folder adds all tables in it.

    Files in a folder that are not tables are left out with a warning.

    Raises
    ------
    InputError
        A folder contains no table, or two files have the same stem.
    """
    found: dict[str, Path] = {}
    for path in paths:
        path = path.expanduser()
        for file in _tables_in_folder(path) if path.is_dir() else [path]:
            twin = found.setdefault(_stem(file), file)
            if twin != file:
                raise InputError(
                    f"{twin} and {file} would both be the data set {_stem(file)!r}; rename one"
                )
    return found


def _tables_in_folder(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return tables_among(
        [file for file in files if not file.name.startswith(".")], f"folder {folder}"
    )


def tables_among(paths: Sequence[Path], place: str) -> list[Path]:
    """Returns the folders and tables among paths, and warns about other files.

    Raises InputError if nothing is left; `place` names the origin of the paths in messages.
    """
    found = [path for path in paths if path.is_dir() or _suffix(path) in _SUFFIXES]
    if not found:
        raise InputError(f"{place} contains no table; expected a .csv, .parquet or .npz file")
    if others := [path.name for path in paths if path not in found]:
        warnings.warn(
            f"{place}: files that are not tables, left out: {shortened(others)}", stacklevel=2
        )
    return found


def _column(
    column: str | int, known: list[str], path: Path, header: bool, *, several: bool = False
) -> str:
    """Returns a column's name, given that name or, in a table without a header, its position.

    `several` says whether the option takes more than one column.
    """
    if column in known or (column := clean_name(column)) in known:
        return column
    end = did_you_mean(column, known)
    parts = [part.strip() for part in column.split(",")]
    if len(parts) > 1 and set(parts) <= set(known):
        names = " and ".join(map(repr, parts))
        remedy = f"{names} as separate names" if several else f"one of {names}"
        end = f", expected one name; give {remedy}"
    if column.removeprefix("-").isdecimal():
        place = int(column)
        if not header and -len(known) <= place < len(known):
            return known[place]
        if header:
            end += "; a column can be given by its position only in a table without a header"
    raise InputError(f"{path.name}: no column {column!r}{end}")


def _without_full_stops(labels: "pd.Series") -> tuple["pd.Series", list[str]]:
    """Removes the full stop at the end of labels, as in some old files; returns notices.

    It is removed if all labels end with one, or if the same label also occurs without one.
    """
    levels = [level for level in labels.unique() if isinstance(level, str)]
    stopped = {level: level[:-1].rstrip() for level in levels if level.endswith(".")}
    if len(stopped) < labels.nunique():
        stopped = {level: bare for level, bare in stopped.items() if bare in levels}
    if not stopped or not all(stopped.values()):
        return labels, []
    pairs = shortened([f"{level!r} as {bare!r}" for level, bare in stopped.items()])
    return labels.replace(stopped), [f"full stop removed from the end of labels: {pairs}"]


def _read(
    path: Path, target: str | int | None, groups: str | None, header: bool
) -> tuple[Delimited, str | int]:
    """Reads the file; returns its table and the name of the target."""
    _check_file(path, _SUFFIXES)
    if path.suffix.lower() != ".npz":
        if target is None:
            raise InputError(
                f"{path.name}: the column of labels is not named; name it with {argument('target')}"
            )
        return _parsed(path, partial(_read_parquet_or_text, header=header)), target
    target = "label" if target is None else target
    columns = [str(target)] if groups is None else [str(target), groups]
    return _parsed(path, partial(read_npz, columns=columns)), target


def _check_file(path: Path, suffixes: Sequence[str]) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a file; give the path of a file in it")
    if not path.exists():
        raise InputError(f"file {path} does not exist; check its name and folder")
    if _suffix(path) not in suffixes:
        main = [suffix for suffix in suffixes if suffix not in TEXT[1:]]
        raise InputError(
            f"{path.name}: suffix {path.suffix.lower()!r}, expected {', '.join(main[:-1])} or "
            f"{main[-1]}; text also {', '.join(TEXT[1:])}, compressed also {', '.join(PACKED)}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty, expected a table; write it again")


def _suffix(path: Path) -> str:
    """Returns the suffix in lower case, ignoring that of a compressed file."""
    suffix = path.suffix.lower()
    return (Path(path.stem).suffix.lower() or ".csv") if suffix in PACKED else suffix


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix.lower() in PACKED else path.stem


def _parsed(path: Path, reader: Callable[[Path], Delimited]) -> Delimited:
    try:
        table = reader(path)
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"{path.name} cannot be read as {path.suffix.lower()} ({first_line(error)}); "
            "write it again"
        ) from error
    if len(table.frame) == 0:
        raise InputError(f"{path.name} has a header but no rows, expected a table; write it again")
    return table


def _read_parquet_or_text(path: Path, header: bool | None) -> Delimited:
    if path.suffix.lower() != ".parquet":
        text, notices = read_text(path)
        table = parse(text, path.name, header=header)
        return table._replace(notices=[*notices, *table.notices])
    import pandas as pd
    import pyarrow.parquet

    names = pyarrow.parquet.read_schema(path).names
    refuse_twins(list(map(clean_name, names)), path.name)
    frame = pd.read_parquet(path)
    frame, notices = _with_index_as_columns(frame)
    return Delimited(frame.set_axis(list(map(clean_name, frame.columns)), axis=1), notices, ",")


def _with_index_as_columns(frame: "pd.DataFrame") -> tuple["pd.DataFrame", list[str]]:
    """Turns the named levels of a saved index into columns, as in a text file; returns notices."""
    named = [name for name in frame.index.names if name is not None and name not in frame]
    if named:
        frame = frame.reset_index(level=named)
    is_default = np.array_equal(frame.index, np.arange(len(frame)))
    notices = [] if is_default else ["row index saved with the table, left out"]
    return frame.reset_index(drop=True), notices
