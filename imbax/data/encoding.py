"""Tables of any columns as numbers: a `ColumnTransformer` that is fitted on training rows only.

frame = as_pandas(data)
kinds = kinds_of_columns(frame)  # from all rows, without labels
rows = kinds.read(frame)
encoder = table_encoder(kinds).fit(rows.iloc[train])
x = encoder.transform(rows)
"""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from imbax.data.any_frame import as_pandas, is_table
from imbax.data.date_encoder import DateEncoder
from imbax.data.kinds import Kinds, kinds_of_columns

__all__ = [
    "MIN_FREQUENCY",
    "DateEncoder",
    "MedianImputer",
    "as_pandas",
    "is_table",
    "kinds_of_columns",
    "level_name",
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
        encoder = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=min_frequency,
            sparse_output=False,
            dtype=np.float64,
            feature_name_combiner=level_name,
        )
        parts.append(("categories", encoder, categories))
    if days := [name for name in kinds.names("date") if name not in timed]:
        parts.append(("dates", DateEncoder(), days))
    if timed:
        parts.append(("times", DateEncoder(has_time=True), timed))
    return ColumnTransformer(parts, sparse_threshold=0, verbose_feature_names_out=False)


def origins(encoder: ColumnTransformer) -> list[str]:
    """The column of the table that each column of a fitted encoder is made of, `[e]`."""
    found = []
    for _, part, names in encoder.transformers_:
        if isinstance(part, MedianImputer):
            found += names + [names[j] for j in _missing_columns(part)]
        elif isinstance(part, OneHotEncoder):
            sizes = np.diff([0, *np.cumsum(_levels(part))])
            found += [name for name, size in zip(names, sizes, strict=True) for _ in range(size)]
        elif isinstance(part, DateEncoder):
            found += part.origins(names)
    return found


class MedianImputer(SimpleImputer):
    """Medians for what is missing, and a column for each that misses any in the training rows."""

    def __init__(self):
        super().__init__(strategy="median", add_indicator=True, keep_empty_features=True)

    def get_feature_names_out(self, input_features=None):
        """Names such as "age", and "age missing"."""
        names = list(self.feature_names_in_ if input_features is None else input_features)
        return np.array([*names, *(f"{names[j]} missing" for j in _missing_columns(self))], object)


def level_name(name: str, level: Any) -> str:
    """The name of a level's column: "colour=red", "colour missing", "colour=infrequent"."""
    if not isinstance(level, str):
        return f"{name} missing"
    return f"{name}=infrequent" if level == "infrequent_sklearn" else f"{name}={level}"


def _missing_columns(imputer: SimpleImputer) -> list[int]:
    return list(getattr(imputer.indicator_, "features_", ()))


def _levels(encoder: OneHotEncoder) -> list[int]:
    """How many columns each category has."""
    if encoder.min_frequency is None:
        return list(map(len, encoder.categories_))
    rare = [0 if one is None else len(one) - 1 for one in encoder.infrequent_categories_]
    return [len(levels) - few for levels, few in zip(encoder.categories_, rare, strict=True)]
