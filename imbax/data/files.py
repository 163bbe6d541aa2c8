"""The user's table in a file: `read_table` as a `Dataset`, `read_frame` as it is."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.checks import DAMAGED, first_line
from imbax.data.delimited import Delimited, clean_name, parse, refuse_twins
from imbax.data.features import refuse_missing, tidied
from imbax.data.kinds import Remedies
from imbax.data.tables import dataset_of_frame
from imbax.data.tabular import Dataset
from imbax.data.text_files import PACKED, read_text
from imbax.data.written import PLAIN, is_missing
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
    """Read a table whose columns are features, except `target`, `groups` and `drop`.

    A table of complete numbers and booleans is what models see. Any other is a `FrameDataset`,
    whose categories, dates and missing values become numbers in each run, as its training rows
    say. Text that is numbers, such as 20% or 4,5, becomes numbers; a saved row index, empty rows
    and empty columns are left out. The data set's notices say so.

    Parameters
    ----------
    path
        A .csv (also .tsv, .txt, .data, .test, each also compressed), .parquet, or .npz file. An
        npz file holds arrays `data` [n, d] and `label` [n]; the columns of `data` are called x0,
        x1, ...
    target
        The column of labels; may be left out for npz. Without a header also its position from 0,
        or from the end -1, -2, ...
    minority
        As in `make_dataset`; without it each of several labels is a class.
    groups
        The column of group codes, not a feature.
    drop
        Columns to leave out.
    categorical
        Columns that are one-hot encoded even if they are numbers.
    header
        Whether the first line of a text file names the columns; without one they are called x0,
        x1, ...

    Raises
    ------
    InputError
        The file cannot be read, a column is missing from it, or a column cannot become numbers; the
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
    """A table that was read from a file, or from elsewhere by a name; see `read_table`."""
    frame, notices, separator = table
    known = list(frame.columns)
    target, *rest = (
        None if column is None else _column(column, known, path, header)
        for column in (target, groups, *drop, *categorical)
    )
    groups, drop, categorical = rest[0], rest[1 : 1 + len(drop)], rest[1 + len(drop) :]
    for column, role in ((target, "target"), (groups, "groups")):
        if column in drop:
            raise InputError(f"{path.name}: {column!r} is the {role} and in drop; choose one")
    if target == groups:
        raise InputError(f"{path.name}: {target!r} is both target and groups; choose two columns")

    others = [target] if groups is None else [target, groups]
    refuse_missing(frame[others], path.name)
    _check_labels(frame[target], path.name)
    labels, told = _without_stops(frame[target])
    features, more = tidied(frame.drop(columns=[*drop, *others]))
    return dataset_of_frame(
        features,
        labels,
        name=_stem(path),
        minority=minority,
        groups=None if groups is None else frame[groups],
        categorical=[column for column in categorical if column in features],
        notices=[*notices, *told, *more],
        table=path.name,
        separator=separator,
        remedies=_REMEDIES,
    )


def read_frame(path: Path) -> Delimited:
    """A file of text or Parquet: distinct text column names, at least one row, and a header.

    Raises
    ------
    InputError
        There is no such file, its suffix is another, or it is empty, damaged or ragged.
    """
    _check_file(path, (*TEXT, ".parquet"))
    return _parsed(path, partial(_read_parquet_or_text, header=None))


def table_files(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their stems, which name the data sets; a folder stands for the tables in it.

    Files of a folder that are no tables are left out with a warning.

    Raises
    ------
    InputError
        A folder has no table, or two files have one stem.
    """
    found: dict[str, Path] = {}
    for path in paths:
        path = path.expanduser()
        for file in _of_folder(path) if path.is_dir() else [path]:
            twin = found.setdefault(_stem(file), file)
            if twin != file:
                raise InputError(
                    f"{twin} and {file} would both be the data set {_stem(file)!r}; rename one"
                )
    return found


def _of_folder(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return tables_among(
        [file for file in files if not file.name.startswith(".")], f"folder {folder}"
    )


def tables_among(paths: Sequence[Path], place: str) -> list[Path]:
    """Paths without files that are no tables, which are left out with a warning.

    Raises InputError, naming the place they are from, where nothing is left.
    """
    found = [path for path in paths if path.is_dir() or _suffix(path) in _SUFFIXES]
    if not found:
        raise InputError(f"{place} has no table, such as a .csv or .parquet file")
    if others := [path.name for path in paths if path not in found]:
        warnings.warn(f"no tables, and left out of {place}: {shortened(others)}", stacklevel=2)
    return found


def _column(column: str | int, known: list[str], path: Path, header: bool) -> str:
    """The name of a column that the user names, or numbers where there are no names."""
    if column in known or (column := clean_name(column)) in known:
        return column
    end = did_you_mean(column, known)
    if column.removeprefix("-").isdecimal():
        place = int(column)
        if not header and -len(known) <= place < len(known):
            return known[place]
        if header:
            end += "; columns go by their positions only in a table without a header"
    raise InputError(f"{path.name}: no column {column!r}{end}")


def _without_stops(labels: "pd.Series") -> tuple["pd.Series", list[str]]:
    """Labels without the full stop that ends the lines of some old files, and a notice.

    Either all of them have it, or labels without it are there too.
    """
    levels = [level for level in labels.unique() if isinstance(level, str)]
    stopped = {level: level[:-1].rstrip() for level in levels if level.endswith(".")}
    if len(stopped) < labels.nunique():
        stopped = {level: bare for level, bare in stopped.items() if bare in levels}
    if not stopped or not all(stopped.values()):
        return labels, []
    told = shortened([f"{level!r} as {bare!r}" for level, bare in stopped.items()])
    return labels.replace(stopped), [f"labels that end in a full stop taken without it: {told}"]


def _check_labels(labels: "pd.Series", file: str) -> None:
    """Raises InputError for labels such as "?"; words such as "None" may be classes."""
    levels = [level.strip() for level in labels.unique() if isinstance(level, str)]
    words = [level for level in levels if is_missing(level)]
    if not all(PLAIN.fullmatch(level) for level in levels if level not in words):
        words = [word for word in words if not any(map(str.isalpha, word))]
    if words and len(levels) > 1:
        count = labels.isin(words).sum()
        raise InputError(
            f"{file}: target column {labels.name!r} has {count} rows with the label {words[0]!r}, "
            "which stands for a missing value; give them a label or remove these rows"
        )


def _read(
    path: Path, target: str | int | None, groups: str | None, header: bool
) -> tuple[Delimited, str | int]:
    """The file as a frame, and the name of the target."""
    _check_file(path, _SUFFIXES)
    if path.suffix.lower() != ".npz":
        if target is None:
            raise InputError(
                f"{path.name}: the column of labels is not named; give {argument('target')}"
            )
        return _parsed(path, partial(_read_parquet_or_text, header=header)), target
    target = "label" if target is None else target
    columns = [str(target)] if groups is None else [str(target), groups]
    return _parsed(path, partial(_read_npz, columns=columns)), target


def _check_file(path: Path, suffixes: Sequence[str]) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a file; give the file inside it")
    if not path.exists():
        raise InputError(f"there is no file {path}; check the name and the folder")
    if _suffix(path) not in suffixes:
        main = [suffix for suffix in suffixes if suffix not in TEXT[1:]]
        raise InputError(
            f"{path.name}: suffix {path.suffix.lower()!r}, expected {', '.join(main[:-1])} or "
            f"{main[-1]}; of text also {', '.join(TEXT[1:])}, each also {', '.join(PACKED)}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty, expected a table; write it again")


def _suffix(path: Path) -> str:
    """The suffix in lower case, without that of a compressed file."""
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
        raise InputError(f"{path.name} has a header and no rows, expected a table; write it again")
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
    return Delimited(frame.set_axis(list(map(clean_name, frame.columns)), axis=1), [], ",")


def _read_npz(path: Path, columns: list[str]) -> Delimited:
    import pandas as pd

    # Opened here, because np.load leaves a file that is no archive open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        for name in ("data", *columns):
            if name not in archive.files:
                raise InputError(
                    f"{path.name}: no array {name!r}{did_you_mean(name, archive.files)}"
                )
        data, *extra = (_array(archive, name) for name in ("data", *columns))
    if data.dtype.kind not in "buif" or data.ndim != 2:
        raise InputError(
            f"{path.name}: array 'data' is {data.dtype} of shape {data.shape}, "
            "expected numbers [rows, features]"
        )
    for name, array in zip(columns, extra, strict=True):
        if array.shape != data.shape[:1]:
            raise InputError(
                f"{path.name}: array {name!r} has shape {array.shape}, expected "
                f"{data.shape[:1]}, one entry for each row of 'data'"
            )
    frame = pd.DataFrame(data.astype(np.float64), columns=[f"x{i}" for i in range(data.shape[1])])
    return Delimited(frame.assign(**dict(zip(columns, extra, strict=True))), [], ",")


def _array(archive: "np.lib.npyio.NpzFile", name: str) -> np.ndarray:
    try:
        array = archive[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        raise ValueError(
            f"Object arrays are not opened, as reading them may run code, and {name!r} is one: "
            f"save {name}.astype(str) or numbers"
        ) from error
    return np.char.decode(array) if array.dtype.kind == "S" else array
