"""Text columns as categories of samplers, with warnings and errors about other contents."""

import pandas as pd

from imbax.data.kinds import Remedies
from imbax.data.texts import MAX_LEVELS, Texts
from imbax.data.written import is_date
from imbax.errors import InputError, shortened
from imbax.estimators.frames import Table, is_polars
from imbax.estimators.notices import warn_user

__all__ = ["levels_of_text"]

_PANDAS = Remedies(
    drop=lambda names: f"X.drop(columns={names!r})",
    keep=lambda names: f"X.astype({dict.fromkeys(names, 'category')!r})",
)
_POLARS = Remedies(
    drop=lambda names: f"X.drop({names!r})",
    keep=lambda names: f"X.cast({{{names[0]!r}: polars.Categorical}})",
)


def levels_of_text(table: Table) -> list[int]:
    """Returns the positions of a frame's text columns, whose entries are category levels.

    Warns about numbers and dates written as text.

    Raises
    ------
    InputError
        A column has as many levels as an identifier, or words among numbers.
    """
    kinds = table.kinds()
    positions = [j for j, kind in kinds.items() if kind in ("text", "numbers as text")]
    remedies = _POLARS if is_polars(table.given) else _PANDAS
    as_text = []
    for j in positions:
        name, column = table.names[j], table.columns[j]
        entries = column.to_list() if is_polars(column) else column.to_numpy(object)
        texts = Texts(name, pd.Series(entries, dtype=object), "X", remedies)
        if texts.reading is None and not (texts.rest and all(map(is_date, texts.rest))):
            texts.check_levels()
            continue
        if len(texts.levels) > MAX_LEVELS:
            raise InputError(
                f"X: column {name!r} holds {len(texts.levels)} distinct numbers or dates written "
                f"as text, such as {texts.rest[0]!r}; convert it with pandas.to_numeric or "
                f"pandas.to_datetime, or leave it out with {remedies.drop([name])}"
            )
        as_text.append(f"{name!r} (such as {texts.rest[0]!r})")
    if as_text:
        warn_user(
            f"X has numbers or dates written as text in {shortened(as_text)}, which are treated as "
            "categories; convert them with pandas.to_numeric or pandas.to_datetime"
        )
    return positions
