"""Reader of users' score tables.

The table is wide: the first column names the data sets, and each further column contains the scores
of one method, in any unit. Missing scores are allowed.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from imbax.data.features import counts_up, is_permuted_index, is_unnamed
from imbax.data.files import read_frame
from imbax.data.written import is_missing, numbers
from imbax.errors import InputError, shortened

__all__ = ["read_scores"]

_WANTED = "expected a row per data set, named in the first column, and a column per method"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SUMMARY = _words(
    "mean means average averages avg median rank ranks ranking sum total overall std stdev sd "
    "variance var iqr geomean wins win losses ties best worst minimum maximum min max mittelwert "
    "mittel durchschnitt gesamt rang moyenne media promedio ø pvalue"
)
_BESIDE = _words(
    "of over all the and across data set sets dataset datasets score scores value values number "
    "rate count acc accuracy auc f arithmetic geometric macro friedman deviation dev standard p"
)
_SUMMARIES = {"mean": np.mean, "median": np.median, "maximum": np.max, "minimum": np.min}
_METHOD = _words("method methods classifier model algorithm learner estimator")
_DATASET = _words("dataset data_set data-set data") | {"data set"}
# Columns of score tables that describe a data set, a run or the spread of another column.
_NO_METHODS = _words(
    "n m d p k rows instances samples size features columns attributes classes ir imbalance time "
    "seconds runtime seed fold"
)
_SPREAD = ("std", "sd", "stdev", "se", "ci")
# Marks of the best or of significant scores.
_EMPHASIS = re.compile(r"\\(?:textbf|mathbf|underline|textit|emph)\{([^{}]*)\}")
_MARKS = "*_$†‡ "


def read_scores(path: Path, notices: list[str] | None = None) -> pd.DataFrame:
    """Reads scores [data set x method] from a CSV or Parquet file, NaN where missing.

    Rows such as "Mean" or "Avg. rank", a first or last row that is the mean of the others, a last
    column that is the mean, median, best or worst of the others, columns of the spread of others,
    and a saved row index are left out. Messages to the user are appended to `notices`.

    Raises ``InputError`` if the file is not such a table: it is missing or damaged, long or
    transposed, scores are text or infinite, names are missing or duplicate, a method has no score,
    or there are fewer than 2 methods or fewer than 2 data sets with a score of every method.
    """
    path = Path(path).expanduser()
    frame, file_notices, separator = read_frame(path)
    notices = [] if notices is None else notices
    notices += file_notices
    frame = _without_index(frame, notices)
    _check_shape(frame, path.name)
    frame = _without_spread(_without_summaries(frame, notices), notices)
    names = _names(frame.iloc[:, 0], path.name)
    score_columns = frame.iloc[:, 1:].set_axis(names)
    columns = {}
    for place, (method, column) in enumerate(score_columns.items(), 2):
        if is_unnamed(method):
            raise InputError(f"{path.name}: column {place} has no name; name it or leave it out")
        columns[method] = column
    decimal = _decimal_mark(columns, separator)
    found = {name: _numbers(column, name, path.name, decimal) for name, column in columns.items()}
    _check_units({name: unit for name, (_, unit) in found.items()}, path.name)
    scores = pd.DataFrame({name: values for name, (values, _) in found.items()})
    notices += _larger_columns(scores)
    scores = _without_statistics(scores, notices)
    if (n := len(scores.dropna())) < 2:
        gaps = scores.isna().sum().sort_values(ascending=False, kind="stable")
        listed = shortened([f"{method!r} has {count}" for method, count in gaps.items() if count])
        raise InputError(
            f"{path.name}: data sets with a score of every method: {n}, expected at least 2; "
            + (f"fill gaps or leave a method out, {listed}" if listed else "add more rows")
        )
    return scores


def _without_index(frame: pd.DataFrame, notices: list[str]) -> pd.DataFrame:
    """Drops leading columns without a name that number the rows if a column of names follows."""
    first = 0
    while first < frame.shape[1] - 3 and is_unnamed(frame.columns[first]):
        column = frame.iloc[:, first]
        if column.dtype.kind != "i" or not (counts_up(column) or is_permuted_index(column)):
            break
        first += 1
    names = frame.iloc[:, first]
    if first and names.dtype.kind not in "iuf" and numbers(_present(names)) is None:
        notices.append("row index saved with the table, left out")
        return frame.iloc[:, first:]
    return frame


def _check_shape(frame: pd.DataFrame, file: str) -> None:
    names = [str(name).strip().casefold() for name in frame.columns]
    is_text = [column.dtype.kind not in "iuf" for _, column in frame.items()]
    methods, datasets = (
        [str(frame.columns[j]) for j, name in enumerate(names) if name in known and is_text[j]]
        for known in (_METHOD, _DATASET)
    )
    if methods and datasets:
        raise InputError(
            f"{file} has a row per data set and method, {_WANTED}; convert it, as "
            f"frame.pivot_table(index={datasets[0]!r}, columns={methods[0]!r}, values='SCORE'), "
            "which averages seeds and folds; a run stores such a table as tables/scores.csv"
        )
    if names[0] in _METHOD and methods:
        raise InputError(
            f"{file}: the first column is called {methods[0]!r}, {_WANTED}; if its rows are "
            "methods, transpose the table, as frame.set_index(...).T; otherwise rename the column"
        )
    if frame.shape[1] == 1:
        raise InputError(
            f"{file}: one column was read, {_WANTED}; separate the columns of a text file with "
            "commas, semicolons, tabs or bars"
        )
    if frame.shape[1] == 2:
        raise InputError(f"{file} has 2 columns, {_WANTED}, at least 2; add the other methods")


def _names(column: pd.Series, file: str) -> pd.Index:
    if column.isna().any():
        row = int(column.isna().argmax()) + 2
        raise InputError(f"{file}: line {row} has no data set name; add the name or remove the row")
    if pd.api.types.is_float_dtype(column):
        raise InputError(
            f"{file}: the first column, {column.name!r}, holds numbers such as "
            f"{column.iloc[0]:g}, {_WANTED}; add a first column with names"
        )
    names = column.map(lambda name: " ".join(str(name).split()))
    if (is_duplicate := names.duplicated()).any():
        raise InputError(
            f"{file}: data set {names[is_duplicate].iloc[0]!r} has two rows; give each data set "
            "one row, such as its mean over folds"
        )
    return pd.Index(names, name="dataset")


def _without_summaries(frame: pd.DataFrame, notices: list[str]) -> pd.DataFrame:
    """Drops rows named like statistics over data sets."""
    is_summary = frame.iloc[:, 0].map(_names_a_summary)
    if not is_summary.any() or is_summary.all():
        return frame
    listed = shortened([repr(str(name)) for name in frame.loc[is_summary].iloc[:, 0]])
    notices.append(f"rows left out as statistics over the data sets: {listed}")
    return frame[~is_summary]


def _names_a_summary(name: object) -> bool:
    text = str(name).casefold()
    words = set(re.findall(r"[^\W\d_]+", text))
    is_p_value = words == {"p", "value"} or re.sub(r"\W", "", text) in ("wtl", "wdl")
    return is_p_value or (bool(words & _SUMMARY) and words <= _SUMMARY | _BESIDE)


def _without_spread(frame: pd.DataFrame, notices: list[str]) -> pd.DataFrame:
    """Drops columns such as `smote_std` if there is a column `smote`."""
    names = [str(name).strip().casefold() for name in frame.columns]
    ends = re.compile(rf"[\W_]+(?:{'|'.join(_SPREAD)})\W*$")
    is_spread = [bool(ends.search(name)) and ends.sub("", name) in names for name in names]
    if not any(is_spread):
        return frame
    listed = shortened([repr(str(name)) for name in frame.columns[is_spread]])
    notices.append(f"columns left out as the spread of others: {listed}")
    return frame.loc[:, np.logical_not(is_spread)]


def _without_statistics(scores: pd.DataFrame, notices: list[str]) -> pd.DataFrame:
    """Drops a first or last row that is the mean of the others, and last columns of statistics."""
    for place, others in ((-1, scores.iloc[:-1]), (0, scores.iloc[1:])):
        differ = len(others) > 2 and others.nunique().max() > 1
        if differ and _are_equal_as_printed(scores.iloc[place], others.mean()):
            notices.append(f"row left out as the mean of the other rows: {scores.index[place]!r}")
            scores = others
            break
    for column in scores.columns[:2:-1]:
        others, found = scores.loc[:, :column].iloc[:, :-1], scores[column]
        if not _names_a_summary(column) and column.casefold() not in ("best", "worst", "oracle"):
            break
        complete = others.dropna().index
        for name, statistic in _SUMMARIES.items():
            if len(complete) > 1 and _are_equal_as_printed(
                found[complete], others.loc[complete].apply(statistic, axis=1)
            ):
                notices.append(f"column left out as the {name} of the other columns: {column!r}")
                scores = scores.drop(columns=column)
                break
    return scores


def _are_equal_as_printed(shown: pd.Series, exact: pd.Series) -> bool:
    """Returns whether `shown` is `exact`, rounded to the digits that are shown."""
    digits = max((len(f"{value:.10g}".partition(".")[2]) for value in shown), default=0)
    return digits > 0 and bool((abs(shown - exact) <= 0.5000001 * 10.0**-digits).all())


def _decimal_mark(columns: dict[str, pd.Series], separator: str) -> str | None:
    """Returns the decimal mark that all text columns agree on, if any."""
    found = (numbers(_present(column)) for column in columns.values() if _is_text(column))
    marks = {mark for reading in found if reading for mark in reading.only_mark}
    marks |= {"."} if any(column.dtype.kind == "f" for column in columns.values()) else set()
    # Semicolons separate cells in files with decimal commas, and scores are not thousands.
    return marks.pop() if len(marks) == 1 else "," if separator == ";" else None


def _is_text(column: pd.Series) -> bool:
    return pd.api.types.infer_dtype(column) == "string"


def _present(column: pd.Series) -> list[str]:
    return [cell for cell in column.dropna().astype(str) if not is_missing(cell)]


def _check_units(units: dict[str, str], file: str) -> None:
    """Raises InputError if methods have scores in different units."""
    first, *others = units
    if other := next((name for name in others if units[name] != units[first]), None):
        one, two = (f"{units[name]!r}" if units[name] else "no unit" for name in (first, other))
        raise InputError(
            f"{file}: scores of {first!r} have {one}, those of {other!r} have {two}; write all "
            "scores in one unit"
        )


def _larger_columns(scores: pd.DataFrame) -> list[str]:
    """Returns notices of columns named like other facts, or above 1 where others are shares."""
    named = (set(re.findall(r"[^\W\d_]+", name.casefold())) for name in scores.columns)
    is_other = np.array([bool(words) and words <= _NO_METHODS for words in named])
    is_share = (scores.min() >= 0) & (scores.max() <= 1)
    is_large = scores.min() > 1
    if not is_share.any() or not (is_share | is_large | is_other).all():
        is_large[:] = False
    notices = []
    for name, other, large in zip(scores.columns, is_other, is_large, strict=True):
        why = "is above 1 in each row, others are from 0 to 1" * large or "is compared as a method"
        unit = ", or write it in the unit of the others" * large
        if other or large:
            notices.append(f"column {name!r} {why}; leave it out if it is not a method{unit}")
    return notices


def _numbers(
    column: pd.Series, method: str, file: str, decimal: str | None
) -> tuple[pd.Series, str]:
    """Returns the scores of a method and their unit, such as "%"."""
    # Converted through text, so that dates and booleans are not accepted as numbers.
    texts = column.map(str, na_action="ignore")
    texts = texts.mask([isinstance(text, str) and is_missing(text) for text in texts])
    if texts.isna().all():
        raise InputError(f"{file}: method {method!r} has no score; leave its column out")
    scores = pd.to_numeric(texts, errors="coerce").astype(float)
    unit = ""
    wrong = texts[scores.isna() & texts.notna()]
    if len(wrong):
        plain = [_EMPHASIS.sub(r"\1", text).strip(_MARKS) for text in texts.dropna()]
        read = numbers(plain, decimal)
        if read is None or read.values is None:
            has_spread = any(re.search(r"\d.*(±|\+/?-|\\pm|\()", text) for text in plain)
            raise InputError(
                f"{file}: {method!r} on {wrong.index[0]!r} is {str(wrong.iloc[0])!r}, expected a "
                "number in the form and unit of the other scores, or an empty cell"
                + ("; give means without their spread" if has_spread else "")
            )
        scores[texts.notna()], unit = read.values, "".join(read.unit)
    # The limit is below infinity because sums of scores must be finite, too.
    if (huge := scores.abs() > 1e300).any():
        raise InputError(
            f"{file}: {method!r} on {column.index[huge][0]!r} is infinite or huge, expected a "
            "number; leave it empty if there is none"
        )
    return scores, unit
