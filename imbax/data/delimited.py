"""Parser of delimited text: detects separator, comments, header and rows."""

import csv
import io
import itertools
import operator
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imbax.data.features import is_index_name
from imbax.data.number_cells import with_texts_of_numbers
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
_SAMPLE, _RECORDS = 200_000, 500  # characters and rows that the separator is detected from


class Delimited(NamedTuple):
    """Parsed content of a file of delimited text."""

    frame: "pd.DataFrame"
    """Columns of numbers, booleans or stripped text; an empty cell is a missing value.

    Numbers with leading zeros are text, and so are whole numbers beyond 2^53 in a column with empty
    cells.
    """
    notices: list[str]
    separator: str


def clean_name(name: object) -> str:
    """Returns a column's name on one line, without surrounding spaces."""
    return " ".join(name.split()) if isinstance(name, str) else str(name)


def refuse_twins(names: Sequence[str], file: str) -> None:
    """Raises InputError if two columns have the same name."""
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"{file}: two columns are called {name!r}; rename one")


def parse(text: str, file: str, *, header: bool | None = True) -> Delimited:
    """Parses the table that a text contains.

    The separator is the comma, semicolon, tab or bar that divides all lines into the same number of
    cells, or white space between numbers; a first line `sep=` overrides the detection. Lines that
    begin with `#` are comments if they do not have as many cells as the table's rows. Lines above
    the table that begin with a bar are comments if the table's rows do not begin with one. If every
    row has one cell more than the header, as in files of R's `write.table`, its first cell is a row
    name in a column without a name.

    Parameters
    ----------
    text
        Text with any line endings.
    file
        Name of the file in messages.
    header
        Whether the first line names the columns; without a header they are called x0, x1, ...
        None requires a header, and messages do not offer to read without one.

    Raises
    ------
    InputError
        The rows differ in length, two columns have one name, or the first line is not a header.
    ValueError
        The text is empty, or a quoted cell is not closed.
    """
    import pandas as pd

    text, separator = _named_separator(text)
    notices = []
    if bars := _BARS.match(text):
        text = text[bars.end() :]
        notices.append(_left_out(len(bars[0].splitlines())))
    separator = separator or _separator(text)
    # A regular expression would take longer than pandas takes to read the rows.
    if text.startswith("#") or "\n#" in text or "\r#" in text:
        text, count = _without_comments(text, separator)
        if count:
            notices.append(_left_out(count))
    if separator not in (",", _SPACES):
        notices.append(f"columns are separated by {separator!r}")
    # Only empty cells are missing here; words such as NA are kept as text.
    options = {
        **{"sep": separator, "skipinitialspace": True},
        **{"keep_default_na": False, "na_values": [""]},
    }
    # The header is read as data first, because pandas renames the second of two equal names.
    lines = io.StringIO(text)
    first = pd.read_csv(lines, header=None, nrows=1, dtype=str, **options).iloc[0]
    names = ["" if not isinstance(name, str) else clean_name(name) for name in first]
    if header is False:
        names = [f"x{place}" for place in range(len(names))]
    elif _has_row_names(text, separator, names):
        notices.append(
            "the header has one name fewer than the rows have cells; the first cell of each row "
            f"was read as a row name, so {names[0]!r} is the name of the second cells"
        )
        names.insert(0, "")
    options |= {"index_col": False, "low_memory": False, "header": None if header is False else 0}
    frame = _frame(lines, file, len(names), options)
    if header is not False and (row := _repeated_header(names, frame)) is not None:
        remedy = f", or give {argument('header', False)} if both are data" if header else ""
        raise InputError(
            f"{file}: row {row} below the header repeats it, {', '.join(names[:3])}, ...; remove "
            f"this row{remedy}"
        )
    if header is not False and _looks_like_data(names, frame):
        remedy = "insert a line of names above it"
        if header:
            remedy = (
                f"give {argument('header', False)} if it is data, and the target by its position"
            )
        raise InputError(
            f"{file}: the first line, {', '.join(names[:3])}, ..., looks like data, expected "
            f"column names; {remedy}"
        )
    refuse_twins([name for name in names if name], file)
    frame = with_texts_of_numbers(frame, lines, options)
    if len(frame) and separator != _SPACES and frame.iloc[:, -1].isna().any():
        _refuse_short_rows(text, separator, file, len(names))
    if (empty := frame.isna().all(axis=1)).any() and not empty.all():
        notices.append(f"{empty.sum()} empty row{'s' * bool(empty.sum() > 1)} left out")
        frame = frame[~empty].reset_index(drop=True)
    frame.columns = [name or _unnamed(place, names) for place, name in enumerate(names)]
    return Delimited(frame, notices, separator)


def _unnamed(place: int, names: list[str]) -> str:
    """Returns pandas' name for an unnamed column, or its variant that no other column has."""
    name = f"Unnamed: {place}"
    variants = (f"{name}.{number}" for number in itertools.count(1))
    return name if name not in names else next(each for each in variants if each not in names)


def _left_out(count: int) -> str:
    return f"{count} comment line{'s' * (count > 1)} left out"


def _frame(lines: io.StringIO, file: str, width: int, options: dict) -> "pd.DataFrame":
    """Reads the rows below the header; columns are called 0, 1, ... and text is stripped."""
    import pandas as pd

    lines.seek(0)
    with warnings.catch_warnings():
        # Otherwise pandas truncates rows longer than the header with only a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame = pd.read_csv(lines, names=range(width), **options)
        except pd.errors.ParserWarning as error:
            raise InputError(
                f"{file}: some rows have more cells than the header has names; repair the file, "
                "name every column, and remove any lines above the header"
            ) from error
    for place, column in frame.items():
        if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
            stripped = column.map(_stripped, na_action="ignore")
            frame[place] = stripped.where(stripped != "")
    return frame


def _stripped(cell: object) -> object:
    return cell.strip() if isinstance(cell, str) else cell


def _named_separator(text: str) -> tuple[str, str | None]:
    """Returns the text without a first line such as `sep=;` (spreadsheets), and its separator."""
    if (found := _SEP_LINE.match(text)) is None:
        return text, None
    return text[found.end() :], found[1].replace("\\t", "\t")


def _records(text: str, separator: str) -> Iterator[list[str]]:
    """Yields rows of cells and skips blank lines."""
    lines: Iterator[str] = io.StringIO(text, newline="")
    if separator == _SPACES:
        lines, separator = (line.expandtabs().strip() for line in lines), " "
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
            share = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            scores[separator] = share, _share_of_numbers(rows[1:]), len(rows[0])
    best = max(scores, key=scores.__getitem__, default=None)  # the first one on a tie
    if best is not None:
        return best
    try:
        names, *rows = _records(sample, _SPACES)
    except (csv.Error, ValueError):  # a cell is too long, or there are no rows
        return ","
    widths = {len(row) for row in rows}
    is_table = len(names) > 1 and widths in ({len(names)}, {len(names) + 1})
    return _SPACES if is_table and _share_of_numbers(rows) > 0.5 else ","


def _has_row_names(text: str, separator: str, names: list[str]) -> bool:
    """Returns whether every row has one cell more than the header has names: first a row name.

    Row names are distinct, and all or none of them are whole numbers. Unless quotes show that they
    are text, as in R's files, a name such as "id" in the header is the name of the first cells, and
    commas may divide a text or a number with a decimal comma.
    """
    records, cells, is_filled = _records(text, separator), [], False
    try:
        next(records, None)
        for row in records:
            if len(row) != len(names) + 1:
                return False
            cells.append(row[0].strip())
            is_filled = is_filled or bool(row[-1].strip())
    except csv.Error:
        return False
    if len(names) < 2 or not is_filled or len(set(cells)) < len(cells):
        return False
    are_whole = all(map(str.isdecimal, cells))
    if not are_whole and any(map(_NUMBER.fullmatch, cells)):
        return False
    quoted = _quotes_only_text(text)
    if any(map(is_index_name, names)):
        return quoted and are_whole
    return separator != "," or quoted or cells == [str(number + 1) for number in range(len(cells))]


def _quotes_only_text(text: str) -> bool:
    """Returns whether each row begins with a quoted cell and has numbers without quotes."""
    lines = list(io.StringIO(text, newline=""))
    rows = [line for line, starts in zip(lines, _row_starts(lines), strict=True) if starts]
    return all(
        row.lstrip().startswith('"') and re.search("[0-9]", re.sub('"[^"]*"', "", row))
        for row in filter(str.strip, rows[1:])
    )


def _row_starts(lines: list[str]) -> list[bool]:
    """Returns whether each line begins a row; a line inside a quoted cell does not."""
    inside = itertools.accumulate((line.count('"') % 2 == 1 for line in lines), operator.xor)
    return [True, *(not one for one in inside)][: len(lines)]


def _repeated_header(names: list[str], frame: "pd.DataFrame") -> int | None:
    """Returns the number of the first row, from 1, whose cells are the names of the columns."""
    rows = np.arange(len(frame) if len(names) > 1 else 0)
    for place, name in enumerate(names):
        column = frame[place].iloc[rows]
        rows = rows[
            (column == name).to_numpy(bool, na_value=False) | (column.isna() & (name == ""))
        ]
    return int(rows[0]) + 1 if len(rows) else None


def _share_of_numbers(rows: list[list[str]]) -> float:
    cells = list(itertools.chain(*rows))
    return sum(_NUMBER.fullmatch(cell) is not None for cell in cells) / max(len(cells), 1)


def _without_comments(text: str, separator: str) -> tuple[str, int]:
    """Removes comment lines that begin with #; returns the text and the number of such lines.

    A line of names after a # directly above the data is kept as the header.
    """

    def width(line):
        if separator == _SPACES:
            return len(line.lstrip("#").split())
        return len(next(_records(line, separator), ()))

    lines = list(io.StringIO(text, newline=""))
    starts = _row_starts(lines)
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
    """Returns whether the header has the same kinds of cells as the rows below it.

    Names of numeric columns may be increasing numbers: counts, years, wavelengths.
    """
    numeric = [place for place, column in frame.items() if column.dtype.kind in "iuf"]
    named = [place for place in numeric if names[place]]
    if not numeric:
        is_value = [name in set(frame[place]) for place, name in enumerate(names)]
        return len(names) > 1 and all(is_value)
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
            if number and len(row) < width and any(cell.strip() for cell in row):
                raise InputError(
                    f"{file}: row {number} below the header has {len(row)} cells, expected "
                    f"{width}; repair the file: an empty cell needs a separator, too"
                )
    except csv.Error:
        return  # a cell is too long for this reader; missing values are reported elsewhere
