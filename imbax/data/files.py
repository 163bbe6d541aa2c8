"""The user's CSV, Parquet or npz file: `read_table` as a `Dataset`, `read_frame` as it is."""

import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.checks import DAMAGED, first_line
from imbax.data.tabular import Dataset, make_dataset
from imbax.errors import InputError, did_you_mean, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_frame", "read_table"]

# A text column above either is taken for an identifier: one-hot columns of it would be noise.
MAX_LEVELS = 1000
MAX_LEVELS_IF_MOSTLY_DISTINCT = 30

DATE = r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T\s].*)?"


def read_table(
    path: str | os.PathLike[str],
    target: str | None = None,
    *,
    minority: object = None,
    groups: str | None = None,
    drop: Sequence[str] = (),
) -> Dataset:
    """Read a table whose columns are features, except `target`, `groups` and `drop`.

    Text, categorical and boolean columns become one 0/1 column for each level, with a notice.

    Parameters
    ----------
    path
        A .csv (commas, one header line), .parquet, or .npz file. An npz file holds arrays `data`
        [n, d] and `label` [n]; the columns of `data` are called x0, x1, ...
    target
        The column of labels; may be left out for npz.
    minority
        As in `make_dataset`.
    groups
        The column of group codes, not a feature.
    drop
        Columns to leave out.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing from it, or a column cannot become numbers; the
        message names the file, the column and the remedy.
    """
    path = Path(path).expanduser()
    frame, target = _read(path, target, groups)
    for column in (target, groups, *drop):
        if column is not None and column not in frame.columns:
            hint = did_you_mean(column, frame.columns)
            if len(frame.columns) == 1 and any(mark in frame.columns[0] for mark in ";\t|"):
                hint = "; its columns are not separated by commas, convert it"
            raise InputError(f"{path.name}: no column {column!r}{hint}")
    for column, role in ((target, "target"), (groups, "groups")):
        if column in drop:
            raise InputError(f"{path.name}: {column!r} is the {role} and in drop; choose one")
    if target == groups:
        raise InputError(f"{path.name}: {target!r} is both target and groups; choose two columns")

    frame = frame.drop(columns=list(drop))
    counts = frame.isna().sum()
    if counts.any():
        missing = [f"{column!r} ({count} rows)" for column, count in counts.items() if count]
        raise InputError(
            f"{path.name}: missing values in column {shortened(missing)}; "
            "fill them, remove these rows, or leave features out with --drop COLUMN"
        )
    others = [target] if groups is None else [target, groups]
    features, notices = _numeric(frame.drop(columns=others), path.name)
    return make_dataset(
        features,
        frame[target],
        name=path.stem,
        minority=minority,
        groups=None if groups is None else frame[groups],
        notices=notices,
    )


def read_frame(path: Path, suffixes: Sequence[str] = (".csv", ".parquet")) -> "pd.DataFrame":
    """A file as a frame with distinct text column names and at least one row, nothing converted.

    Raises
    ------
    InputError
        There is no such file, its suffix is not among `suffixes`, or it is empty, damaged or
        ragged.
    """
    _check_file(path, suffixes)
    return _parsed(path, {".csv": _read_csv, ".parquet": _read_parquet}[path.suffix.lower()])


def _read(path: Path, target: str | None, groups: str | None) -> tuple["pd.DataFrame", str]:
    """The file as a frame with distinct text column names, and the name of the target."""
    _check_file(path, (".csv", ".parquet", ".npz"))
    if path.suffix.lower() != ".npz":
        if target is None:
            raise InputError(
                f"{path.name}: the column of labels is not named; give --target COLUMN"
            )
        return read_frame(path), target
    target = "label" if target is None else target
    columns = [target] if groups is None else [target, groups]
    return _parsed(path, partial(_read_npz, columns=columns)), target


def _check_file(path: Path, suffixes: Sequence[str]) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a file; give the file inside it")
    if not path.exists():
        raise InputError(f"there is no file {path}; check the name and the folder")
    if path.suffix.lower() not in suffixes:
        expected = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        raise InputError(f"{path.name}: suffix {path.suffix.lower()!r}, expected {expected}")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty, expected a table; write it again")


def _parsed(path: Path, reader: Callable[[Path], "pd.DataFrame"]) -> "pd.DataFrame":
    try:
        frame = reader(path)
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"{path.name} cannot be read as {path.suffix.lower()} ({first_line(error)}); "
            "write it again"
        ) from error
    if len(frame) == 0:
        raise InputError(f"{path.name} has a header and no rows, expected a table; write it again")
    frame.columns = [str(column) for column in frame.columns]
    return frame


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    # utf-8-sig: spreadsheets write a byte order mark, which would stick to the first name.
    how = {"encoding": "utf-8-sig", "skipinitialspace": True}
    # The header is read as data first, because pandas renames the second of two equal names.
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, **how).iloc[0]
    _refuse_twins([name for name in header if isinstance(name, str)], path)
    with warnings.catch_warnings():
        # Rows longer than the header would otherwise be cut with no more than a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, index_col=False, low_memory=False, **how)
        except pd.errors.ParserWarning as error:
            raise InputError(
                f"{path.name}: some rows have more cells than the header has names; repair the file"
            ) from error


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow.parquet

    _refuse_twins(pyarrow.parquet.read_schema(path).names, path)
    return pd.read_parquet(path)


def _read_npz(path: Path, columns: list[str]) -> "pd.DataFrame":
    import pandas as pd

    # Opened here, because np.load leaves a file that is no archive open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        for name in ("data", *columns):
            if name not in archive.files:
                raise InputError(
                    f"{path.name}: no array {name!r}{did_you_mean(name, archive.files)}"
                )
        data, *extra = (archive[name] for name in ("data", *columns))
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
    return frame.assign(**dict(zip(columns, extra, strict=True)))


def _refuse_twins(names: list[str], path: Path) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"{path.name}: two columns are called {name!r}; rename one")


def _numeric(frame: "pd.DataFrame", file: str) -> tuple["pd.DataFrame", list[str]]:
    """Numbers as they are, the rest one-hot; and what the user should hear about it."""
    import pandas as pd

    parts, levels, notices = [], [], []
    for name, column in frame.items():
        kind = pd.api.types.infer_dtype(column)
        if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
            numbers = column.astype(np.float64)
            parts.append(numbers)
            if kind == "integer" and (np.diff(numbers) == 1).all():
                notices.append(f"column {name!r} only counts rows; --drop {name} leaves it out")
        elif kind in ("string", "boolean", "categorical", "mixed-integer"):
            # As text, so that a level which a categorical type declares but no row has vanishes.
            texts = column.astype(str)
            _refuse_identifier(texts, file, name)
            # Levels come from all rows: that uses no label, and a level that no training row has
            # is a constant 0 in training, which the scaler, fitted there, maps to 0 everywhere.
            parts.append(pd.get_dummies(texts, prefix=name, prefix_sep="=", dtype=np.float64))
            levels.append(f"{name} ({parts[-1].shape[1]} levels)")
        elif "date" in kind or "time" in kind or kind == "period":
            raise InputError(_date_message(file, name))
        else:
            raise InputError(
                f"{file}: column {name!r} holds {kind} values, expected numbers or text; "
                f"convert it or leave it out with --drop {name}"
            )
    if levels:
        plural = "s" if levels[1:] else ""
        notices.append(f"{len(levels)} column{plural} one-hot encoded: {shortened(levels)}")
    return (pd.concat(parts, axis=1) if parts else frame), notices


def _refuse_identifier(column: "pd.Series", file: str, name: str) -> None:
    """Text that is dates, numbers with a few stray words, or as good as a row's name."""
    import pandas as pd

    if column.str.fullmatch(DATE).all():
        raise InputError(_date_message(file, name))
    levels = column.nunique()
    mostly_distinct = 2 * levels > len(column) and levels > MAX_LEVELS_IF_MOSTLY_DISTINCT
    if not mostly_distinct and levels <= MAX_LEVELS:
        return
    words = column[pd.to_numeric(column, errors="coerce").isna()]
    if 2 * len(words) < len(column):
        raise InputError(
            f"{file}: column {name!r} is text because of {len(words)} entries such as "
            f"{words.iloc[0]!r}; correct them or leave it out with --drop {name}"
        )
    raise InputError(
        f"{file}: column {name!r} holds {levels} distinct texts in {len(column)} rows, as an "
        f"identifier does; leave it out with --drop {name}"
    )


def _date_message(file: str, name: str) -> str:
    return (
        f"{file}: column {name!r} holds dates or times, expected numbers; convert it, "
        f"for example to days, or leave it out with --drop {name}"
    )
