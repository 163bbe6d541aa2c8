"""Encoding of a classifier's X: frames with categories and dates, and missing values."""

import warnings
from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from imbax.data.columns import kind_of
from imbax.data.encoding import MedianImputer, as_pandas, is_table, origins, table_encoder
from imbax.data.kinds import (
    Kinds,
    Remedies,
    column_positions,
    distinct_names,
    kinds_of_columns,
)
from imbax.errors import InputError, shortened
from imbax.estimators.frames import Table, is_frame
from imbax.estimators.inputs import errors_in_one_line, refuse_columns, validated

__all__ = ["CATEGORICAL", "Columns", "TakesColumns"]

CATEGORICAL = ["array-like", StrOptions({"from_dtype"}), None]
"""Constraint on `categorical_features`."""

_PLAIN = ("numbers", "boolean", "empty", "complex")
_REMEDIES = Remedies(
    drop=lambda names: f"X.drop(columns={names!r})",
    keep=lambda names: f"categorical_features={names!r}",
)


class TakesColumns:
    """Mixin of classifiers that accept any frame (`categorical_features`) and missing values."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _columns(self):
        """Encoder set by fit; classifiers saved by earlier versions accept only numbers."""
        return self.__dict__.get("_fitted_columns") or Columns(None, width=self.n_features_in_)

    @_columns.setter
    def _columns(self, columns):
        self._fitted_columns = columns

    @property
    def column_names_(self):
        """Names `(e,)` of the columns that X is encoded to, such as "age" and "colour=red"."""
        check_is_fitted(self)
        return self._columns.names(getattr(self, "feature_names_in_", None))

    def _rows_of_fit(self, X, y, **options):
        """Returns checked rows and labels: a numeric array, or an unchanged pandas frame.

        Sets `n_features_in_`, and `feature_names_in_` if X has text names.

        Parameters
        ----------
        X
            Rows `[n, d]`: an array, lists, or a frame of any library.
        y
            Labels `[n]`.
        options
            Options of the validation of arrays.
        """
        categorical = self.categorical_features
        is_listed = not (categorical is None or isinstance(categorical, str))
        if is_table(X):
            frame = as_pandas(X)
            if is_listed or (categorical is not None and not _is_plain(frame)):
                return _checked(self, frame, y, frame)
            X = X if is_frame(X) else frame
        elif is_listed and len(categorical):
            frame = as_pandas(X)
            return _checked(self, frame, y, frame.to_numpy(object))
        remedy = "name them in categorical_features, or give a pandas frame"
        if categorical is None:
            remedy = "categorical_features=None accepts only numbers; name them there"
        return validated(self, X, y, remedy=remedy, ensure_all_finite="allow-nan", **options)

    def _numbers_of_fit(self, X, goes_on=False):
        """Fits the encoder and returns the encoded rows `[n, e]`.

        Parameters
        ----------
        X
            Rows from `_rows_of_fit`.
        goes_on
            Whether to keep the encoder of the last fit if X has the same columns.
        """
        fits = goes_on and self._columns.fits(X)
        if goes_on and not fits and self._columns.kinds is not None:
            raise InputError(
                "warm_start needs the columns of the last fit, "
                f"{shortened(self._columns.kinds.names(), 8)}; give these, or fit a new classifier"
            )
        if not fits:
            self._columns = Columns.fitted(X, self.categorical_features)
        return self._columns.numbers(X)

    def _rows_of_prediction(self, X, **options):
        """Returns rows to predict, in the form of `_rows_of_fit`.

        Raises scikit-learn's ValueError if names or their order differ from those of fit.
        """
        columns = self._columns
        if columns.kinds is None:
            X = as_pandas(X) if is_table(X) and not is_frame(X) else X
            options |= {"reset": False, "ensure_all_finite": "allow-nan"}
            return validated(self, X, remedy="fit saw numbers in them; convert them", **options)
        is_named, frame = is_table(X), as_pandas(X)
        _check_names(self, frame if is_named else frame.to_numpy(object), reset=False)
        if not (is_named and columns.is_named):
            frame = frame.set_axis(columns.kinds.names(), axis=1)
        _check_any(frame)
        return frame.reset_index(drop=True)


class Columns:
    """Encoder of columns, fitted on the rows of a fit without their labels.

    Parameters
    ----------
    encoder
        Fitted `table_encoder`, or a `MedianImputer` for arrays; None leaves numbers unchanged.
    kinds
        Kinds of a frame's columns; None for an array of numbers.
    is_named
        Whether X had names other than the default names of `as_pandas`.
    width
        Number of columns of X.
    """

    def __init__(
        self, encoder: Any, kinds: Kinds | None = None, is_named: bool = False, width: int = 0
    ):
        self.encoder, self.kinds, self.is_named, self.width = encoder, kinds, is_named, width

    @classmethod
    def fitted(cls, X: Any, categorical: Any) -> "Columns":
        """Fits an encoder on rows, and warns about conversions.

        Parameters
        ----------
        X
            An array of numbers, or a pandas frame.
        categorical
            Value of `categorical_features`.
        """
        if isinstance(X, np.ndarray):
            return cls(MedianImputer().fit(X), width=X.shape[1])
        listed = None if isinstance(categorical, str) else categorical
        names = list(map(str, X.columns))
        listed = column_positions(listed, names, "categorical_features")
        kinds = kinds_of_columns(X, categorical=listed, remedies=_REMEDIES)
        others = [j for j in range(X.shape[1]) if j in listed or kind_of(X.iloc[:, j]) != "numbers"]
        refuse_columns(Table(X), remedy="", categorical=others)
        if kinds.notices:
            warnings.warn(f"X: {'; '.join(kinds.notices)}", stacklevel=5)
        encoder = table_encoder(kinds).fit(kinds.read(X))
        is_named = names != as_pandas(np.empty((0, len(names)))).columns.tolist()
        return cls(encoder, kinds, is_named, X.shape[1])

    def fits(self, X: Any) -> bool:
        """Returns whether rows of another fit have the same columns."""
        if self.kinds is None or isinstance(X, np.ndarray):
            return self.kinds is None and isinstance(X, np.ndarray) and X.shape[1] == self.width
        return list(map(str, X.columns)) == self.kinds.names()

    def numbers(self, X: Any) -> np.ndarray:
        """Returns encoded rows `[n, e]`; arrays are unchanged if no value was or is missing."""
        if self.encoder is None:
            return X
        return self.encoder.transform(X if self.kinds is None else self.kinds.read(X))

    def names(self, x_names: Any = None) -> np.ndarray:
        """Returns the names of the encoded columns `[e]`.

        Parameters
        ----------
        x_names
            Names of an array's columns; by default x0, x1, ...
        """
        if self.kinds is not None:
            return self.encoder.get_feature_names_out()
        x_names = [f"x{j}" for j in range(self.width)] if x_names is None else list(x_names)
        if self.encoder is None:
            return np.array(x_names, dtype=object)
        return self.encoder.get_feature_names_out(x_names)

    def origins(self) -> list[int]:
        """Returns the position in X of the column that each encoded column comes from, `[e]`."""
        if self.encoder is None:
            return list(range(self.width))
        if self.kinds is None:
            return self.encoder.origins(range(self.width))
        names = self.kinds.names()
        return [names.index(name) for name in origins(self.encoder)]


def _is_plain(frame):
    """Returns whether all columns are numbers or booleans that scikit-learn accepts."""
    columns = [frame.iloc[:, j] for j in range(frame.shape[1])]
    return all(
        kind_of(column) in _PLAIN and not (column.dtype.kind == "O" and column.isna().any())
        for column in columns
    )


def _checked(estimator, frame, y, source):
    """Returns the frame and labels of a fit; `source` is the frame, or an array without names."""
    distinct_names(frame, "X")
    _check_names(estimator, source, reset=True)
    _check_any(frame)
    with errors_in_one_line():
        check_consistent_length(frame, y)
        return frame.reset_index(drop=True), column_or_1d(y, warn=True)


def _check_any(frame):
    if not len(frame):
        raise InputError(
            f"Found array with 0 sample(s) (shape={frame.shape}) while a minimum of 1 is required; "
            "X needs at least one row"
        )


def _check_names(estimator, X, reset):
    with errors_in_one_line():
        validate_data(estimator, X, reset=reset, skip_check_array=True)
