"""Encoding of mixed-type tables: a `ColumnTransformer` that is fitted on training rows only.

`as_pandas` makes a frame; `kinds_of_columns` infers the kinds of its columns from all rows, without
labels; `Kinds.read` converts rows to the form that `table_encoder` is fitted on and applied to.
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
"""Minimum number of rows for a category level to get its own column."""


def table_encoder(kinds: Kinds, *, min_frequency: int | float | None = MIN_FREQUENCY) -> Any:
    """Returns an unfitted encoder of the rows from `kinds.read` to dense float64 `[n, e]`.

    Numbers and booleans come first, in their order, then categories, then dates. Missing numbers
    and booleans are replaced with the median of the training rows. If any training row misses a
    value, an indicator column such as "age missing" is added. A column without any value in the
    training rows becomes a constant 0 and its indicator. Complete numbers and booleans are passed
    through unchanged.

    Each level of a category is one column, such as "colour=red"; a missing value is the level
    "colour missing". Levels with fewer than `min_frequency` training rows share
    "colour=infrequent". Levels that occur in no training row are encoded there, too, or as zeros
    if there is no such column.

    A date is encoded as "day: days", the number of days since 1970, and as the sine and cosine of
    the time of year and of week; also of the time of day if the table's dates differ in it. A
    missing date is encoded as the median number of days, and zeros for sines and cosines.

    Parameters
    ----------
    kinds
        The table's columns.
    min_frequency
        Number of training rows, or fraction of them, that a level needs for its own column. None
        gives every level its own column.
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
    """Returns the table column that each output column of a fitted encoder comes from, `[e]`."""
    parts = [(part, names) for _, part, names in encoder.transformers_ if names]
    return [name for part, names in parts if part != "drop" for name in part.origins(names)]


class LevelEncoder(OneHotEncoder):
    """One-hot encoder with names such as "colour=red", "colour missing", "colour=infrequent"."""

    def __init__(self, min_frequency=MIN_FREQUENCY):
        super().__init__(
            handle_unknown="infrequent_if_exist",
            min_frequency=min_frequency,
            sparse_output=False,
            dtype=np.float64,
        )

    def get_feature_names_out(self, input_features=None):
        """Returns the names of the output columns."""
        names = list(self.feature_names_in_ if input_features is None else input_features)
        output_names = []
        for name, levels, rare in zip(names, self.categories_, self._rare(), strict=True):
            kept = [level for j, level in enumerate(levels) if j not in rare]
            output_names += [
                f"{name}={level}" if level == level else f"{name} missing" for level in kept
            ]
            output_names += [f"{name}=infrequent"] * bool(rare)
        return np.array(output_names, object)

    def origins(self, names):
        """Returns the category column that each output column comes from."""
        output_names = []
        for name, levels, rare in zip(names, self.categories_, self._rare(), strict=True):
            output_names += [name] * (len(levels) - len(rare) + bool(rare))
        return output_names

    def _rare(self):
        """Returns, for each category, the positions of levels that share the infrequent column."""
        if self.min_frequency is None:
            return [()] * len(self.categories_)
        return [
            () if subset is None else tuple(np.flatnonzero(_are_among(levels, subset)))
            for levels, subset in zip(self.categories_, self.infrequent_categories_, strict=True)
        ]


def _are_among(levels, subset):
    """Returns a mask `[n]` of the levels, NaN included, that are in `subset`."""
    known = {level for level in subset if level == level}
    return [level in known or (level != level and len(known) < len(subset)) for level in levels]
