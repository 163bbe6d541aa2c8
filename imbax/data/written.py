"""Parsing of numbers, dates and missing values written as text."""

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = [
    "EXACT",
    "MISSING",
    "PADDED",
    "PLAIN",
    "Dates",
    "Reading",
    "as_text",
    "dates",
    "example_of_format",
    "is_date",
    "is_missing",
    "is_number_of_days",
    "is_span",
    "like_number",
    "merged_numbers",
    "numbers",
    "padded_notice",
    "unlike_most_dates",
]

MISSING = frozenset(
    str.split(
        "? ?? . .. - -- --- – — * ** n/a na n.a. n.a n/d #n/a #na nan -nan null none nil nat <na> "
        "missing unknown undefined #value! #div/0! #ref! #null! #num! #name? 1.#ind -1.#ind "
        "1.#qnan -1.#qnan k.a. \\n"
    )
) | {"not available", "not applicable", "#n/a n/a"}
"""Words that stand for a missing value in a numeric column, in lower case."""

PLAIN = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?inf(?:inity)?", re.I
)
"""Pattern of a number in a program's notation."""

PADDED = re.compile(r"0[0-9]+")
"""Pattern of a whole number with leading zeros, as in postal codes."""

EXACT = 2**53
"""Largest whole number up to which float64 represents every whole number."""

_LONGEST = 40  # characters of a number with its prefix and suffix
_SPACES = " '’\u00a0\u2009\u202f"
_CURRENCY = r"[$€£¥₹]|(?:US|A|C)\$|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD"
_WRITTEN = re.compile(
    rf"(?P<sign>[-+−]?)\s*(?P<before>(?:{_CURRENCY})?)\s*(?P<inner>[-+−]?)"
    rf"(?P<body>(?:[0-9]|[.,](?=[0-9]))(?:[0-9.,{_SPACES}]*[0-9])?[.,]?)"
    r"(?P<power>(?:[eE][-+]?[0-9]+)?)"
    rf"\s*(?P<after>(?:[%‰]|{_CURRENCY}|[^\W\d_][^\s\d,;.]{{0,11}}|°[A-Za-z]?)?)"
)


def _style(mark: str, separators: str) -> re.Pattern:
    """Returns the pattern of numbers with a decimal mark and thousands separators."""
    mark = re.escape(mark)
    grouped = ""
    if separators:
        groups = rf"[1-9][0-9]{{0,2}}(?:[{separators}][0-9]{{3}})+"
        indian = rf"[1-9][0-9]?(?:[{separators}][0-9]{{2}})+[{separators}][0-9]{{3}}"  # 1,00,000
        grouped = rf"|(?:{groups}|{indian})(?:{mark}[0-9]*)?"
    return re.compile(rf"[0-9]+{mark}?[0-9]*|{mark}[0-9]+{grouped}")


_STYLES = {
    (mark, separators): _style(mark, separators)
    for mark, other in (".,", ",.")
    for separators in ("", other, _SPACES)
}
"""Patterns by the decimal mark and the allowed thousands separators."""

_MONTHS = frozenset(
    str.split(
        "jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june "
        "july august september october november december mai okt dez januar februar märz juni juli "
        "oktober dezember"
    )
)
_BESIDE_MONTHS = frozenset(
    str.split(
        "mon tue tues wed thu thur thurs fri sat sun monday tuesday wednesday thursday friday "
        "saturday sunday am pm t z utc gmt st nd rd th of"
    )
)
_TIME = (
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?\s*(?:[ap]\.?m\.?)?"
    r"(?:\s*(?:z|utc|gmt|[-+][0-9]{2}:?[0-9]{2}))?"
)
_SPAN = rf"{_TIME}|-?[0-9]+ days?,?(?: [-+]?{_TIME})?"
_DATE = re.compile(
    r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[t\s].*)?"
    rf"|{_SPAN}"
    r"|(?:19|20)[0-9]{2}[-/](?:0[1-9]|1[0-2])"
    r"|(?:19|20)[0-9]{6}t[0-9]{4,6}z?"
    r"|[0-9]{4}-?w[0-9]{2}(?:-?[1-7])?"
    r"|[0-9]{1,4}年[0-9]{1,2}月[0-9]{1,2}日",
    re.IGNORECASE,
)


class Reading(NamedTuple):
    """Numbers parsed from texts."""

    values: np.ndarray | None
    """`[n]` float64; None if a text is ambiguous."""
    marks: frozenset[str]
    """Decimal marks with which all texts are valid numbers."""
    how: str
    """Format of the numbers, such as "percentages"; "" for plain numbers."""
    meanings: tuple[str, float, float] | None = None
    """An ambiguous text and its two values."""
    mark: str = "."
    """Decimal mark of the values."""
    unit: tuple[str, str] = ("", "")
    """Prefix and suffix of every number, such as "$" or "%"."""

    @property
    def only_mark(self) -> frozenset[str]:
        """The decimal mark if it is known, otherwise empty."""
        return self.marks if len(self.marks) == 1 else frozenset()


def as_text(label: object) -> str:
    """Returns a label as the user writes it: 1.0 in a column read as float becomes "1"."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        label = int(label)
    return str(label)


def example_of_format(texts: Sequence[str]) -> str:
    """Returns the first number that is not in a program's notation, or else the first one."""
    return next((text for text in texts if not PLAIN.fullmatch(text)), texts[0])


def is_missing(text: str) -> bool:
    """Returns whether a text stands for a missing value in a numeric column."""
    return text.casefold() in MISSING


def like_number(text: str) -> bool:
    """Returns whether a text is a finite number, possibly with a unit such as %, $, k or M."""
    if PLAIN.fullmatch(text):
        return math.isfinite(float(text))
    if numbers([text]) is None:
        return False
    return not text[-1].isalpha() or re.fullmatch(r".*[0-9]\s?[kKM]", text) is not None


def is_date(text: str) -> bool:
    """Returns whether a text is a date, a time of day or a duration in days."""
    if len(text) > _LONGEST or not any(mark.isdigit() for mark in text):
        return False
    if _DATE.fullmatch(text):
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    return not _MONTHS.isdisjoint(words) and (_MONTHS | _BESIDE_MONTHS).issuperset(words)


def is_span(text: str) -> bool:
    """Returns whether a text is a time of day or a duration in days."""
    return re.fullmatch(_SPAN, text, re.IGNORECASE) is not None


def is_number_of_days(text: str) -> bool:
    """Returns whether a text is a duration in whole days, such as "7 days"."""
    return re.fullmatch("-?[0-9]+ days?", text, re.IGNORECASE) is not None


def numbers(texts: Sequence[str], decimal: str | None = None) -> Reading | None:
    """Parses texts if all are numbers in the same format; otherwise returns None.

    Numbers of the same format have the same currency sign before or after them, the same unit, or
    are all percentages. The decimal mark is a point or a comma; thousands are separated by the
    other one, by spaces or by apostrophes.

    Parameters
    ----------
    texts
        `[n]` texts, none of them empty.
    decimal
        Decimal mark, if other columns determine it.
    """
    if any(len(text) > _LONGEST for text in texts):
        return None
    found = [_WRITTEN.fullmatch(text) for text in texts]
    if not found or not all(found) or any(match["sign"] and match["inner"] for match in found):
        return None
    around = {(match["before"], match["after"]) for match in found}
    bodies = [match["body"] for match in found]
    if len(around) > 1:
        return None
    fits = {}
    for (mark, separators), pattern in _STYLES.items():
        if all(map(pattern.fullmatch, bodies)):
            fits[mark, separators] = np.array([_value(match, mark, separators) for match in found])
    if not fits:
        return None
    marks = frozenset(mark for mark, _ in fits)
    allowed = {style: v for style, v in fits.items() if decimal in (None, style[0])} or fits
    (style, values), *others = allowed.items()
    (sides,) = around
    for _, other in others:
        if (other != values).any():
            i = int(np.argmax(other != values))
            meanings = texts[i], values[i], other[i]
            return Reading(None, marks, _how(sides, "", ""), meanings, unit=sides)
    how = _how(sides, *_special(bodies, style))
    return Reading(values, marks, how, mark=style[0], unit=sides)


def merged_numbers(texts: Sequence[str], reading: Reading) -> tuple[int, int] | None:
    """Returns two whole numbers beyond 2^53 that differ but are equal in float64, or None.

    Parameters
    ----------
    texts
        `[n]` texts of the numbers.
    reading
        Their `Reading`, with values.
    """
    exact: dict[float, int] = {}
    for i in np.flatnonzero(np.abs(reading.values) > EXACT):
        found = _WRITTEN.fullmatch(texts[i])
        if reading.mark in found["body"] or found["power"]:
            continue
        value = reading.values[i]
        number = int(np.sign(value)) * int(re.sub("[^0-9]", "", found["body"]))
        if exact.setdefault(value, number) != number:
            return exact[value], number
    return None


def padded_notice(name: str, example: str, keep: Callable[[list[str]], str]) -> str:
    """Notice of a column of numbers with leading zeros; `keep` words how to keep its texts."""
    return (
        f"column {name!r}: numbers with leading zeros, such as {example!r}, lose them; "
        f"{keep([name])} encodes the column as categories"
    )


class Dates(NamedTuple):
    """Dates parsed from texts."""

    values: np.ndarray | None
    """`[n]` datetime64, in UTC if a time zone is given; None if a text is ambiguous."""
    form: str
    """Format string of `pandas.to_datetime`."""
    meanings: tuple[str, str, str] | None = None
    """An ambiguous text and its two dates as year, month and day."""


def dates(texts: Sequence[str], form: str | None = None) -> Dates | None:
    """Parses texts if all are dates in the same format; otherwise returns None.

    Times of day, durations and weeks without a date are not dates.

    Parameters
    ----------
    texts
        `[n]` texts, none of them empty.
    form
        The only format to try, if it is known.
    """
    import pandas as pd

    def parsed(texts, form):
        try:
            found = pd.to_datetime(pd.Series(texts, dtype=object), format=form, utc=True)
        except (ValueError, OverflowError):
            return None
        return found.dt.tz_localize(None).to_numpy("datetime64[us]")

    found = {}
    for fmt in _DATE_FORMS if form is None else (form,):
        if parsed(texts[:3], fmt) is not None and (values := parsed(texts, fmt)) is not None:
            found[fmt] = values
    if not found:
        return None
    (first, values), *others = found.items()
    for _, other in others:
        if (other != values).any():
            i = int(np.argmax(other != values))
            days = (str(v[i].astype("datetime64[D]")) for v in (values, other))
            return Dates(None, first, (texts[i], *days))
    return Dates(values, first)


def unlike_most_dates(texts: Sequence[str]) -> np.ndarray | None:
    """Returns which texts `[n]` the format that fits most of them cannot parse; None if none fits.

    Parameters
    ----------
    texts
        `[n]` texts that `dates` cannot parse together.
    """
    import pandas as pd

    column = pd.Series(texts, dtype=object)
    unlike = (
        pd.to_datetime(column, format=form, utc=True, errors="coerce").isna().to_numpy()
        for form in _DATE_FORMS
    )
    fewest = min(unlike, key=np.count_nonzero)
    return None if fewest.all() else fewest


_DAYS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%d/%m/%y", "%m/%d/%y"),
    *("%d.%m.%y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y"),
    *("%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%d. %B %Y"),
)
_TIMES = "", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"
_DATE_FORMS = "ISO8601", *(day + time for time in _TIMES for day in _DAYS)


def _value(found: re.Match, mark: str, separators: str) -> float:
    body = found["body"].translate(dict.fromkeys(map(ord, separators))).replace(mark, ".")
    sign = "-" if (found["sign"] or found["inner"]) in ("-", "−") else ""
    return float(sign + body + found["power"])


def _special(bodies: list[str], style: tuple[str, str]) -> tuple[str, str]:
    mark, separators = style
    comma = mark == "," and any("," in body for body in bodies)
    return ("decimal commas" if comma else ""), ("separators of thousands" if separators else "")


def _how(sides: tuple[str, str], comma: str, separators: str) -> str:
    before, after = sides
    around = {"%": "percentages", "‰": "per mille"}.get(after, "")
    if not around and (unit := before or after):
        around = f"all in {unit}"
    return ", ".join(filter(None, (around, comma, separators)))
