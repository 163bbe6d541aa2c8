"""Cells of a text file that are read as numbers but need their text."""

import io
import re
from typing import TYPE_CHECKING

import numpy as np

from imbax.data.written import PADDED

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["padded_cells", "with_thousands_as_text"]

_GROUPED = r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}|[-+]?[0-9]{1,3}"
_MAY_BE_PADDED = re.compile(r"(?<![0-9.:/T-])0[0-9]")


def with_thousands_as_text(
    frame: "pd.DataFrame", lines: io.StringIO, options: dict
) -> "pd.DataFrame":
    """Keeps columns of numbers such as 1.234 as text: the point may separate thousands there."""
    import pandas as pd

    def may_be_thousands(column):
        if column.dtype != float:
            return False
        is_short = (column.abs() < 1000) & np.isclose(column.round(3), column, 1e-12, 0)
        return (column.isna() | is_short).all()

    if not (places := [place for place, column in frame.items() if may_be_thousands(column)]):
        return frame
    lines.seek(0)
    options = options | {"dtype": str, "names": range(frame.shape[1])}
    cells_as_text = pd.read_csv(lines, **options)
    for place in places:
        cells = cells_as_text[place].str.strip()
        present = cells.dropna()
        if present.str.fullmatch(_GROUPED).all() and present.str.contains(".", regex=False).any():
            frame[place] = cells
    return frame


def padded_cells(
    frame: "pd.DataFrame", lines: io.StringIO, text: str, options: dict
) -> dict[int, str]:
    """Returns a cell with leading zeros, which reading lost, by the position of its column."""
    import pandas as pd

    places = [place for place, column in frame.items() if column.dtype.kind in "iuf"]
    if not places or _MAY_BE_PADDED.search(text) is None:
        return {}
    lines.seek(0)
    options = options | {"dtype": str, "names": range(frame.shape[1]), "usecols": places}
    cells = pd.read_csv(lines, **options)
    firsts = {
        place: next(filter(PADDED.fullmatch, cells[place].dropna()), None) for place in places
    }
    return {place: cell for place, cell in firsts.items() if cell is not None}
