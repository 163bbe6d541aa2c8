"""Columns of any type as numbers, and what the user should hear about them."""

import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.written import PLAIN, is_date, is_missing, like_number, numbers
from imbax.errors import InputError, argument, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["described", "is_row_number", "is_unnamed", "numeric", "refuse_missing", "without_index"]

# A text column above either is taken for an identifier: one-hot columns of it would be noise.
MAX_LEVELS = 1000
MAX_LEVELS_IF_MOSTLY_DISTINCT = 30

_UNNAMED = re.compile(r"Unnamed: [0-9]+|__index_level_[0-9]+__|")
_ROW_NAMES = frozenset(
    str.split(
        "index idx level0 row rows rowid rowno rownum rownumber rowname rownames id obs no nr"
    )
)
"""Names of columns that number the rows, in lower case, letters and digits only."""


def numeric(
    frame: "pd.DataFrame", file: str, *, categorical: Collection[str] = (), separator: str = ","
) -> tuple["pd.DataFrame", list[str]]:
    """Numbers as they are or as they are written, the rest one-hot; and notices.

    Parameters
    ----------
    frame
        The features, each column of any type; the saved row index and empty columns are left out.
    file
        How messages call it.
    categorical
        Columns that are one-hot encoded even if they are numbers.
    separator
        Of the file's cells.

    Raises
    ------
    InputError
        A column has missing values, holds dates, is as good as a row's name, or its numbers can be
        read in two ways.
    """
    import pandas as pd

    frame, notices = without_index(frame)
    if empty := [name for name, column in frame.items() if column.isna().all()]:
        notices.append(f"{_columns(empty)} empty, left out: {shortened(empty)}")
        frame = frame.drop(columns=empty)
    refuse_missing(frame, file)
    kinds = {name: _kind(column) for name, column in frame.items()}
    kinds |= dict.fromkeys(set(categorical) & set(kinds), "categories")
    texts = {name: _Text(frame[name], file) for name, kind in kinds.items() if kind == "text"}
    is_open = any(
        text.reading is not None and text.reading.values is None for text in texts.values()
    )
    decimal = _decimal_mark(frame, texts.values()) if is_open else None
    parts, levels, read = [], [], []
    for name, kind in kinds.items():
        column = frame[name]
        if kind == "numbers":
            parts.append(column.astype(np.float64))
            if is_row_number(parts[-1]):
                remedy = argument("drop", [name])
                notices.append(f"column {name!r} only counts rows; {remedy} leaves it out")
        elif kind == "text" and (found := texts[name].numbers(decimal, separator)) is not None:
            values, how = found
            parts.append(pd.Series(values, column.index, name=name))
            read += [f"{name} ({how})"] if how else []
        elif kind in ("text", "boolean", "categories"):
            notices += texts[name].check_words() if kind == "text" else []
            # As text, so that a level which a categorical type declares but no row has vanishes.
            # Levels come from all rows: that uses no label, and a level that no training row has
            # is a constant 0 in training, which the scaler, fitted there, maps to 0 everywhere.
            words = column.astype(str)
            parts.append(pd.get_dummies(words, prefix=name, prefix_sep="=", dtype=np.float64))
            levels.append(f"{name} ({parts[-1].shape[1]} levels)")
        elif kind == "dates":
            raise InputError(_date_message(file, name))
        else:
            raise InputError(
                f"{file}: column {name!r} holds {kind} values, expected numbers or text; "
                f"convert it or leave it out with {argument('drop', [name])}"
            )
    if read:
        notices.append(f"{_columns(read)} of text read as numbers: {shortened(read)}")
    if levels:
        notices.append(f"{_columns(levels)} one-hot encoded: {shortened(levels)}")
    return (pd.concat(parts, axis=1) if parts else frame), notices


def refuse_missing(frame: "pd.DataFrame", file: str) -> None:
    """Raises InputError that names columns with missing values, if there are any."""
    counts = frame.isna().sum()
    if counts.any():
        missing = [f"{column!r} ({count} rows)" for column, count in counts.items() if count]
        raise InputError(
            f"{file}: missing values in column {shortened(missing)}; "
            f"fill them, remove these rows, or leave features out with {argument('drop')}"
        )


def without_index(frame: "pd.DataFrame") -> tuple["pd.DataFrame", list[str]]:
    """The frame without the row index that was saved with it, and notices.

    That are columns without a name before all others, and whole numbers from 0 or 1 on, in any
    order, under a name such as "index" or "id".
    """
    leading, index, notices = True, [], []
    for name, column in frame.items():
        leading = leading and is_unnamed(name)
        if column.isna().any():
            continue
        is_whole = column.dtype.kind in "iuf" and _are_whole(column.to_numpy(float))
        if leading:
            is_name = _kind(column) in ("text", "categories", "dates") and column.is_unique
            if is_whole or is_name:
                index.append(name)
        elif is_whole and re.sub(r"[\W_]+", "", name).casefold() in _ROW_NAMES | {""}:
            rank = np.sort(column.to_numpy(float)) - np.arange(len(column))
            if (rank == rank[0]).all() and rank[0] in (0, 1):
                index.append(name)
            elif column.is_unique and not is_row_number(column.to_numpy(float)):
                notices.append(
                    f"column {name!r} holds a whole number of its own in each row, as an "
                    f"identifier does; {argument('drop', [name])} leaves it out"
                )
    if index:
        notices.insert(0, f"the row index saved with the table left out: {shortened(index)}")
        frame = frame.drop(columns=index)
    return frame, notices


def is_unnamed(name: str) -> bool:
    """Whether it is what pandas calls a column without a name, such as a saved index."""
    return _UNNAMED.fullmatch(name) is not None


def is_row_number(values: np.ndarray) -> bool:
    """Whether each value is one more than that of the row above."""
    values = np.asarray(values)
    return len(values) > 1 and _are_whole(values) and bool((np.diff(values) == 1).all())


def _are_whole(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and (np.floor(values) == values).all())


def described(column: "pd.Series") -> tuple[str, str]:
    """What a column of a frame holds that is not numbers, and how it becomes numbers."""
    kind, dtype = _kind(column), column.dtype
    if kind == "dates":
        return f"dates or times ({dtype})", "convert it, for example to days"
    if kind == "numbers":
        return f"numbers as {dtype}", "use astype(float)"
    if kind not in ("text", "categories"):
        return str(dtype), "encode or drop it"
    levels = [str(level).strip() for level in column.dropna().unique()]
    rest = [level for level in levels if not is_missing(level)]
    if rest and all(map(is_date, rest)):
        return f"dates or times as text, such as {rest[0]!r}", "convert it, for example to days"
    if rest and (found := numbers(rest)) is not None:
        how = f" ({found.how})" if found.how else ""
        if len(rest) < len(levels):
            odd = next(filter(is_missing, levels))
            return f"numbers as {dtype}{how}, and {odd!r} for missing ones", "fill and convert it"
        plain = all(map(PLAIN.fullmatch, rest))
        remedy = "use astype(float)" if plain else "convert it to numbers"
        return f"numbers as {dtype}{how}, such as {rest[0]!r}", remedy
    if rest and 2 * sum(map(like_number, rest)) > len(rest):
        odd = next((level for level in rest if not like_number(level)), rest[0])
        return f"{dtype} because of entries such as {odd!r}", "correct them and convert it"
    return str(dtype), "encode or drop it, for example with pd.get_dummies(x)"


def _kind(column: "pd.Series") -> str:
    """Numbers, text, boolean, categories, dates; or what else pandas calls it."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(column)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "numbers"
    if "date" in kind or "time" in kind or kind == "period":
        return "dates"
    names = {"string": "text", "mixed-integer": "text", "categorical": "categories"}
    return names.get(kind, kind)


def _columns(names: list[str]) -> str:
    return f"{len(names)} column{'s' * (len(names) > 1)}"


def _decimal_mark(frame: "pd.DataFrame", texts: Iterable["_Text"]) -> str | None:
    """The decimal mark of the file where its columns agree on one."""
    marks = {mark for text in texts if text.reading for mark in text.reading.only_mark}
    for _, column in frame.items():
        if column.dtype.kind == "f":
            values = column.to_numpy(float)
            # 1.234 may be so many thousands elsewhere, 0.5 or 1.2345 not.
            if (
                not np.isclose(values, np.round(values, 3), 1e-12, 0).all()
                or ((np.abs(values) < 1) & (values != 0)).any()
            ):
                marks.add(".")
    return marks.pop() if len(marks) == 1 else None


class _Text:
    """A column of text without missing cells, and whether its levels are numbers."""

    def __init__(self, column: "pd.Series", file: str):
        import pandas as pd

        self.name, self.file = column.name, file
        self.codes, levels = pd.factorize(column.astype(str).str.strip())
        self.levels = np.asarray(levels, object)
        self.counts = np.bincount(self.codes)
        self.missing = np.array([is_missing(level) for level in self.levels])
        self.rest = list(self.levels[~self.missing])
        self.reading = numbers(self.rest) if self.rest else None

    def numbers(self, decimal: str | None, separator: str) -> tuple[np.ndarray, str] | None:
        """`[n]`, and how they are written; None if they are words."""
        if self.reading is None:
            return None
        if self.missing.any():
            self._refuse_words(self.missing, "correct or fill")
        found = self.reading
        if found.values is None:
            text, *_ = found.meanings
            if decimal is None and separator != ";" and "," not in text:
                decimal = "."
            found = numbers(self.rest, decimal) if decimal else found
        if found.values is None:
            text, one, other = found.meanings
            raise InputError(
                f"{self.file}: column {self.name!r} holds numbers such as {text!r}, which can be "
                f"{one:.15g} or {other:.15g}; write them with a decimal point and thousands "
                f"together, or {self._remedies()}"
            )
        how = f"{found.how}, such as {self.rest[0]!r}" if found.how else ""
        return found.values[self.codes], how

    def check_words(self) -> list[str]:
        """Notices; raises InputError for dates, numbers with stray words, and row's names."""
        n = len(self.codes)
        if self.rest and all(map(is_date, self.rest)):
            raise InputError(_date_message(self.file, self.name))
        is_word = np.array([not like_number(level) for level in self.levels])
        if 2 * self.counts[is_word].sum() < n:
            if not is_word.any():
                one, other = self._unlike()
                raise InputError(
                    f"{self.file}: column {self.name!r} holds numbers written in several ways, "
                    f"such as {one!r} and {other!r}; write them alike, or {self._remedies()}"
                )
            self._refuse_words(is_word, "correct")
        levels = len(self.levels)
        mostly_distinct = 2 * levels > n and levels > MAX_LEVELS_IF_MOSTLY_DISTINCT
        if mostly_distinct or levels > MAX_LEVELS:
            raise InputError(
                f"{self.file}: column {self.name!r} holds {levels} distinct texts in {n} rows, as "
                f"an identifier does; leave it out with {argument('drop', [self.name])}"
            )
        if self.missing.any() and self.rest:
            kept = [
                f"{level!r} ({count} rows)"
                for level, count in zip(
                    self.levels[self.missing], self.counts[self.missing], strict=True
                )
            ]
            return [f"column {self.name!r}: {shortened(kept)} kept as a level, not as missing"]
        return []

    def _refuse_words(self, is_word: np.ndarray, verb: str):
        count = self.counts[is_word].sum()
        entries = "1 entry" if count == 1 else f"{count} entries"
        raise InputError(
            f"{self.file}: column {self.name!r} is text because of {entries} such as "
            f"{self.levels[is_word][0]!r}; {verb} them, or {self._remedies()}"
        )

    def _unlike(self) -> tuple[str, str]:
        """Two levels that are no numbers together."""
        first = self.levels[0]
        pairs = ((first, level) for level in self.levels[1:] if numbers([first, level]) is None)
        return next(pairs, (first, self.levels[-1]))

    def _remedies(self) -> str:
        drop, keep = argument("drop", [self.name]), argument("categorical", [self.name])
        return f"leave it out with {drop}, or keep its texts as categories with {keep}"


def _date_message(file: str, name: str) -> str:
    return (
        f"{file}: column {name!r} holds dates or times, expected numbers; convert it, "
        f"for example to days, or leave it out with {argument('drop', [name])}"
    )
