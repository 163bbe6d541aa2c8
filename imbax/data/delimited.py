"""Delimited text as a frame: its separator, comments, header and rows, each decided once here."""

import csv
import io
import itertools
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imbax.data.written import PLAIN
from imbax.errors import InputError, argument

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Delimited", "clean_name", "parse", "refuse_twins"]

_SEPARATORS = (",", ";", "\t", "|")
_SPACES = r"\s+"
_SEP_LINE = re.compile(r'\s*"?sep=(\\t|[^"\r\n])"?[ \t,;]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
_BARS = re.compile(r"(?:\|[^\r\n]*(?:\r\n|\r|\n))+(?=[^|\r\n]+(?:[\r\n]|$))")
_NUMBER = re.compile(r"\s*[-+]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?\s*")
_GROUPED = r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}|[-+]?[0-9]{1,3}"
_SAMPLE, _RECORDS = 200_000, 500  # characters and rows by which the separator is found


class Delimited(NamedTuple):
    """What a file of delimited text holds."""

    frame: "pd.DataFrame"
    """Columns of numbers, of truth values or of stripped text; an empty cell is missing."""
    notices: list[str]
    separator: str


def clean_name(name: object) -> str:
    """A column's name on one line, without spaces around it."""
    return " ".join(name.split()) if isinstance(name, str) else str(name)


def refuse_twins(names: Sequence[str], file: str) -> None:
    """Raises InputError where two columns have one name."""
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"{file}: two columns are called {name!r}; rename one")


def parse(text: str, file: str, *, header: bool | None = True) -> Delimited:
    """The table that a text holds.

    The separator is the comma, semicolon, tab or bar that divides all lines into equally many
    cells, or white space between numbers; `sep=` in the first line names it. Lines that begin with
    `#` and have another number of cells than the table are comments, and so are lines above the
    table that begin with a bar where its own have none.

    Parameters
    ----------
    text
        With any line ends.
    file
        How messages call it.
    header
        Whether the first line names the columns; without one they are x0, x1, ... None: it must,
        there is no choice.

    Raises
    ------
    InputError
        The rows differ in length, two columns have one name, or the first line is no header.
    ValueError
        There is nothing in it, or quotes do not end.
    """
    import pandas as pd

    text, separator = _named_separator(text)
    notices = []
    if bars := _BARS.match(text):
        text = text[bars.end() :]
        notices.append(_left_out(len(bars[0].splitlines())))
    separator = separator or _separator(text)
    # Not by a regular expression, which takes longer than pandas takes to read the rows.
    if text.startswith("#") or "\n#" in text or "\r#" in text:
        text, count = _without_comments(text, separator)
        if count:
            notices.append(_left_out(count))
    if separator not in (",", _SPACES):
        notices.append(f"columns are separated by {separator!r}")
    # Words such as NA are told from empty cells, which alone are missing.
    how = {
        **{"sep": separator, "skipinitialspace": True},
        **{"keep_default_na": False, "na_values": [""]},
    }
    # The header is read as data first, because pandas renames the second of two equal names.
    lines = io.StringIO(text)
    first = pd.read_csv(lines, header=None, nrows=1, dtype=str, **how).iloc[0]
    names = ["" if not isinstance(name, str) else clean_name(name) for name in first]
    if header is False:
        names = [f"x{place}" for place in range(len(names))]
    how |= {"index_col": False, "low_memory": False, "header": None if header is False else 0}
    frame = _frame(lines, file, len(names), how)
    if header is not False and _looks_like_data(names, frame):
        remedy = "write a line of names above it"
        if header:
            remedy = f"give {argument('header', False)} if it is, and the target by its position"
        raise InputError(
            f"{file}: the first line, {', '.join(names[:3])}, ..., looks like data, expected the "
            f"columns' names; {remedy}"
        )
    refuse_twins([name for name in names if name], file)
    if separator != ",":
        frame = _with_grouped(frame, lines, how)
    if len(frame) and separator != _SPACES and frame.iloc[:, -1].isna().any():
        _refuse_short_rows(text, separator, file, len(names))
    if (empty := frame.isna().all(axis=1)).any() and not empty.all():
        notices.append(f"{empty.sum()} empty row{'s' * bool(empty.sum() > 1)} left out")
        frame = frame[~empty].reset_index(drop=True)
    frame.columns = [name or f"Unnamed: {place}" for place, name in enumerate(names)]
    return Delimited(frame, notices, separator)


def _left_out(count: int) -> str:
    return f"{count} comment line{'s' * (count > 1)} left out"


def _frame(lines: io.StringIO, file: str, width: int, how: dict) -> "pd.DataFrame":
    """Rows below the header, columns called 0, 1, ...; text is stripped."""
    import pandas as pd

    lines.seek(0)
    with warnings.catch_warnings():
        # Rows longer than the header would otherwise be cut with no more than a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame = pd.read_csv(lines, names=range(width), **how)
        except pd.errors.ParserWarning as error:
            raise InputError(
                f"{file}: some rows have more cells than the header has names; repair the file, "
                "and remove what stands above the header"
            ) from error
    for place, column in frame.items():
        if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
            stripped = column.map(_stripped, na_action="ignore")
            frame[place] = stripped.where(stripped != "")
    return frame


def _stripped(cell: object) -> object:
    return cell.strip() if isinstance(cell, str) else cell


def _named_separator(text: str) -> tuple[str, str | None]:
    """The text without a first line `sep=;`, as spreadsheets write it, and what it names."""
    if (found := _SEP_LINE.match(text)) is None:
        return text, None
    return text[found.end() :], found[1].replace("\\t", "\t")


def _records(text: str, separator: str) -> Iterator[list[str]]:
    """Rows of cells, blank lines left out."""
    lines = io.StringIO(text, newline="")
    return filter(None, csv.reader(lines, delimiter=separator, skipinitialspace=True))


def _separator(text: str) -> str:
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE:  # the last line may be cut
        sample = sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1] or sample
    lines = io.StringIO(sample, newline="")
    sample = "".join(line for line in lines if not line.startswith("#"))
    scores = {}
    for separator in _SEPARATORS:
        try:
            rows = list(itertools.islice(_records(sample, separator), _RECORDS))
        except csv.Error:
            continue
        if rows and len(rows[0]) > 1:
            alike = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            scores[separator] = alike, _share_of_numbers(rows[1:]), len(rows[0])
    best = max(scores, key=scores.get, default=None)  # of equals the first
    if best is not None:
        return best
    rows = [line.split() for line in sample.splitlines() if line.strip()]
    widths = {len(row) for row in rows}
    if len(widths) == 1 and widths != {1} and _share_of_numbers(rows[1:]) > 0.5:
        return _SPACES
    return ","


def _share_of_numbers(rows: list[list[str]]) -> float:
    cells = list(itertools.chain(*rows))
    return sum(_NUMBER.fullmatch(cell) is not None for cell in cells) / max(len(cells), 1)


def _without_comments(text: str, separator: str) -> tuple[str, int]:
    """The text without lines that begin with # and are no row, and their number.

    A line of names behind # right above the data is the header.
    """

    def width(line):
        if separator == _SPACES:
            return len(line.lstrip("#").split())
        return len(next(_records(line, separator), ()))

    lines, starts, inside = list(io.StringIO(text, newline="")), [], False
    for line in lines:
        starts.append(not inside)  # a line within quotes begins no row
        inside ^= line.count('"') % 2 == 1
    rows = [i for i, line in enumerate(lines) if starts[i] and line.strip() and line[0] != "#"]
    if not rows:
        return text, 0
    first, columns = rows[0], Counter(width(lines[i]) for i in rows[:_RECORDS]).most_common(1)[0][0]
    marked = [i for i, line in enumerate(lines) if starts[i] and line.startswith("#")]
    comments = {i for i in marked if i < first or width(lines[i]) != columns}
    above = [i for i in comments if i < first]
    cells = lines[first].split(None if separator == _SPACES else separator)
    if above and width(lines[max(above)]) == columns and any(map(_NUMBER.fullmatch, cells)):
        lines[max(above)] = lines[max(above)].lstrip("# ")
        comments.remove(max(above))
    kept = "".join(line for i, line in enumerate(lines) if i not in comments)
    return kept, len(comments)


def _looks_like_data(names: list[str], frame: "pd.DataFrame") -> bool:
    """Whether what stands where names should is of the same kinds as the rows below.

    Names of numeric columns may be numbers that rise: counts, years, wavelengths.
    """
    numeric = [place for place, column in frame.items() if column.dtype.kind in "iuf"]
    named = [place for place in numeric if names[place]]
    if not numeric:
        among = [name in set(frame[place]) for place, name in enumerate(names)]
        return len(names) > 1 and all(among)
    if not named or not all(PLAIN.fullmatch(names[place]) for place in named):
        return False
    values = np.array([float(names[place]) for place in named])
    steps = np.diff(values)
    if (steps <= 0).any():
        return True
    even = len(steps) > 0 and np.allclose(steps, steps[0]) and (len(steps) > 1 or steps[0] == 1)
    if even or len(values) > 8:
        return False
    inside = (frame[named].min() <= values) & (values <= frame[named].max())
    return bool(2 * inside.sum() > len(values))


def _refuse_short_rows(text: str, separator: str, file: str, width: int) -> None:
    try:
        for number, row in enumerate(_records(text, separator)):
            if len(row) < width and any(cell.strip() for cell in row):
                raise InputError(
                    f"{file}: row {number} below the header has {len(row)} cells, expected "
                    f"{width}; repair the file, an empty cell needs its separator too"
                )
    except csv.Error:
        return  # a cell too long for this reader; the missing values are told


def _with_grouped(frame: "pd.DataFrame", lines: io.StringIO, how: dict) -> "pd.DataFrame":
    """Columns of numbers such as 1.234 as text: the point may part thousands there."""
    import pandas as pd

    def may_be(column):
        if column.dtype != float:
            return False
        few = (column.abs() < 1000) & np.isclose(column.round(3), column, 1e-12, 0)
        return (column.isna() | few).all()

    if not (places := [place for place, column in frame.items() if may_be(column)]):
        return frame
    lines.seek(0)
    written = pd.read_csv(lines, **how | {"dtype": str, "names": range(frame.shape[1])})
    for place in places:
        cells = written[place].str.strip()
        known = cells.dropna()
        if known.str.fullmatch(_GROUPED).all() and known.str.contains(".", regex=False).any():
            frame[place] = cells
    return frame
