"""A table of scores from anywhere: read and checked at the door.

The table is wide: the first column names the datasets, each further column holds the scores of one
method, higher = better, in any unit. Gaps are allowed.
"""

from pathlib import Path

import pandas as pd

from imbax.data.files import read_frame
from imbax.errors import InputError, shortened

__all__ = ["read_scores"]

_WANTED = "expected a row per data set, named in the first column, and a column per method"


def read_scores(path: Path) -> pd.DataFrame:
    """The table [dataset x method] of a CSV or Parquet file as floats, NaN for gaps.

    Raises ``InputError`` when the file is not such a table: missing or damaged, text or infinite
    values among the scores, names missing or used twice, a method without any score, or fewer than
    2 methods or 2 data sets with a score of every method.
    """
    path = Path(path).expanduser()
    frame = read_frame(path)
    _check_shape(frame, path.name)
    names = _names(frame.iloc[:, 0], path.name)
    columns = {}
    for place, (method, column) in enumerate(frame.iloc[:, 1:].items(), 2):
        if method.startswith("Unnamed: ") or not (name := " ".join(method.split())):
            raise InputError(f"{path.name}: column {place} has no name; name it or leave it out")
        if name in columns:
            raise InputError(f"{path.name}: two columns are called {name!r}; rename one")
        columns[name] = _numbers(column.set_axis(names), name, path.name)
    scores = pd.DataFrame(columns)
    if (n := len(scores.dropna())) < 2:
        gaps = scores.isna().sum().sort_values(ascending=False, kind="stable")
        listed = shortened([f"{method!r} has {count}" for method, count in gaps.items() if count])
        raise InputError(
            f"{path.name}: data sets with a score of every method: {n}, expected at least 2; "
            + (f"fill gaps or leave a method out, {listed}" if listed else "add more rows")
        )
    return scores


def _check_shape(frame: pd.DataFrame, file: str) -> None:
    if {"dataset", "method"} <= set(frame.columns):
        raise InputError(
            f"{file} has a column 'method', {_WANTED}; a run's table in that form is "
            "tables/scores.csv"
        )
    if frame.shape[1] == 1 and any(mark in frame.columns[0] for mark in ";\t|"):
        raise InputError(f"{file}: its columns are not separated by commas; convert it")
    if frame.shape[1] < 3:
        columns = "1 column" if frame.shape[1] == 1 else "2 columns"
        raise InputError(f"{file} has {columns}, {_WANTED}, at least 2; add the other methods")


def _names(column: pd.Series, file: str) -> pd.Index:
    if column.isna().any():
        row = int(column.isna().argmax()) + 2
        raise InputError(f"{file}: line {row} has no data set's name; name it or leave it out")
    if pd.api.types.is_float_dtype(column):
        raise InputError(
            f"{file}: the first column, {column.name!r}, holds numbers such as "
            f"{column.iloc[0]:g}, {_WANTED}; put a column of names first"
        )
    names = column.map(lambda name: " ".join(str(name).split()))
    if (twice := names.duplicated()).any():
        raise InputError(
            f"{file}: data set {names[twice].iloc[0]!r} stands in two rows; give each data set "
            "one row, such as its mean over folds"
        )
    return pd.Index(names, name="dataset")


def _numbers(column: pd.Series, method: str, file: str) -> pd.Series:
    if column.isna().all():
        raise InputError(f"{file}: method {method!r} has no score at all; leave its column out")
    # By way of text, so that dates and truth values are not taken for numbers.
    numbers = pd.to_numeric(column.map(str, na_action="ignore"), errors="coerce").astype(float)
    wrong = column[numbers.isna() & column.notna()]
    if len(wrong):
        raise InputError(
            f"{file}: {method!r} on {wrong.index[0]!r} is {str(wrong.iloc[0])!r}, expected a "
            "number, or nothing for a gap; give means without their spread"
        )
    # Not infinity is the limit: sums of scores must be finite, too.
    if (huge := numbers.abs() > 1e300).any():
        raise InputError(
            f"{file}: {method!r} on {column.index[huge][0]!r} is infinite or huge, expected a "
            "number; leave it empty if there is none"
        )
    return numbers
