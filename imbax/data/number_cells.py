"""Cells of a text file that are read as numbers but need their text."""

import io
import re
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.written import EXACT, PADDED

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["with_texts_of_numbers"]

_GROUPED = r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}|[-+]?[0-9]{1,3}"
_MAY_BE_PADDED = re.compile(r"(?<![0-9.:/T-])0[0-9]")


def with_texts_of_numbers(
    frame: "pd.DataFrame", lines: io.StringIO, options: dict
) -> "pd.DataFrame":
    """Keeps columns of numbers as text where reading loses digits or may misread a point.

    These are numbers with leading zeros, as in postal codes, whole numbers beyond 2^53 in columns
    with empty cells, and, unless commas separate the cells, numbers such as 1.234, where the point
    may separate thousands.

    Parameters
    ----------
    frame
        Table as pandas read it; columns are called 0, 1, ...
    lines
        Text of the table.
    options
        Options of `pandas.read_csv` that the table was read with.
    """
    import pandas as pd

    is_any_padded = _MAY_BE_PADDED.search(lines.getvalue()) is not None
    may_have_thousands = options["sep"] != ","

    def needs_a_look(column):
        if column.dtype.kind not in "iuf":
            return False
        return is_any_padded or (
            column.dtype == float
            and (_are_large(column) or (may_have_thousands and _may_be_thousands(column)))
        )

    if not (places := [place for place, column in frame.items() if needs_a_look(column)]):
        return frame
    lines.seek(0)
    options = options | {"dtype": str, "names": range(frame.shape[1]), "usecols": places}
    for place, cells in pd.read_csv(lines, **options).items():
        texts, column = cells.str.strip(), frame[place]
        known = texts.dropna()
        if (
            known.str.fullmatch(PADDED.pattern).any()
            or (_are_large(column) and known.str.fullmatch("[-+]?[0-9]+").all())
            or (may_have_thousands and _may_be_thousands(column) and _are_grouped(known))
        ):
            frame[place] = texts
    return frame


def _are_large(column: "pd.Series") -> bool:
    """Returns whether float64 merges whole numbers as large as the largest of a column."""
    return bool(column.dtype == float and (column.abs() > EXACT).any())


def _may_be_thousands(column: "pd.Series") -> bool:
    is_short = (column.abs() < 1000) & np.isclose(column.round(3), column, 1e-12, 0)
    return bool(column.dtype == float and (column.isna() | is_short).all())


def _are_grouped(texts: "pd.Series") -> bool:
    has_point = texts.str.contains(".", regex=False)
    return bool(texts.str.fullmatch(_GROUPED).all() and has_point.any())
