"""Tables of any columns as numbers: a `ColumnTransformer` that is fitted on training rows only.

`as_pandas` makes a frame, of which `kinds_of_columns` takes the kinds, from all rows and without
labels; `Kinds.read` gives its rows in the form that `table_encoder` is fitted on, and then applied
to.
"""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

from imbax.data.any_frame import as_pandas, is_table
from imbax.data.date_encoder import DateEncoder
from imbax.data.kinds import Kinds, kinds_of_columns
from imbax.data.median_imputer import MedianImputer

__all__ = [
    "MIN_FREQUENCY",
    "DateEncoder",
    "LevelEncoder",
    "MedianImputer",
    "as_pandas",
    "is_table",
    "kinds_of_columns",
    "origins",
    "table_encoder",
]

MIN_FREQUENCY = 5
"""Rows that a level of a category needs for a column of its own."""


def table_encoder(kinds: Kinds, *, min_frequency: int | float | None = MIN_FREQUENCY) -> Any:
    """An unfitted encoder of the rows that `kinds.read` gives, to `[n, e]` float64, dense.

    Numbers and booleans come first, in their order, then categories, then dates. What is missing in
    a number or a boolean takes the median of the training rows; where these miss any, a column such
    as "age missing" says which rows do. A column without any value in the training rows is a
    constant 0 with that column beside it. A table of complete numbers and booleans stays as it is.

    A level of a category is one column, such as "colour=red"; a missing value is a level, "colour
    missing". Levels of fewer than `min_frequency` training rows share "colour=infrequent"; levels
    that no training row has go there too, or are zeros where there is no such column.

    A date is "day: days", since 1970, and the sine and cosine of the time of year and of week; of
    the time of day also, if the table's dates differ in it. A missing one takes the median of days
    and zeros.

    Parameters
    ----------
    kinds
        The table's columns.
    min_frequency
        Rows, or share of the training rows, that a level needs; None: every level has its column.
    """
    numbers, categories = kinds.names("number", "boolean"), kinds.names("category")
    timed = [column.name for column in kinds.columns if column.has_time]
    parts = []
    if numbers:
        parts.append(("numbers", MedianImputer(), numbers))
    if categories:
        parts.append(("categories", LevelEncoder(min_frequency), categories))
    if days := [name for name in kinds.names("date") if name not in timed]:
        parts.append(("dates", DateEncoder(), days))
    if timed:
        parts.append(("times", DateEncoder(has_time=True), timed))
    return ColumnTransformer(parts, sparse_threshold=0, verbose_feature_names_out=False)


def origins(encoder: ColumnTransformer) -> list[str]:
    """The column of the table that each column of a fitted encoder is made of, `[e]`."""
    parts = [(part, names) for _, part, names in encoder.transformers_ if names]
    return [name for part, names in parts if part != "drop" for name in part.origins(names)]


class LevelEncoder(OneHotEncoder):
    """scikit-learn's, with names such as "colour=red", "colour missing", "colour=infrequent"."""

    def __init__(self, min_frequency=MIN_FREQUENCY):
        super().__init__(
            handle_unknown="infrequent_if_exist",
            min_frequency=min_frequency,
            sparse_output=False,
            dtype=np.float64,
        )

    def get_feature_names_out(self, input_features=None):
        """A name for each column."""
        names = list(self.feature_names_in_ if input_features is None else input_features)
        found = []
        for name, levels, rare in zip(names, self.categories_, self._rare(), strict=True):
            kept = [level for j, level in enumerate(levels) if j not in rare]
            found += [f"{name}={level}" if level == level else f"{name} missing" for level in kept]
            found += [f"{name}=infrequent"] * bool(rare)
        return np.array(found, object)

    def origins(self, names):
        """The category that each column is made of."""
        found = []
        for name, levels, rare in zip(names, self.categories_, self._rare(), strict=True):
            found += [name] * (len(levels) - len(rare) + bool(rare))
        return found

    def _rare(self):
        """Positions of the levels of each category that share a column."""
        if self.min_frequency is None:
            return [()] * len(self.categories_)
        return [
            () if few is None else tuple(np.flatnonzero(_are_among(levels, few)))
            for levels, few in zip(self.categories_, self.infrequent_categories_, strict=True)
        ]


def _are_among(levels, few):
    """Which of the levels, NaN included, are among a few `[n]`."""
    known = {level for level in few if level == level}
    return [level in known or (level != level and len(known) < len(few)) for level in levels]
