"""X of a classifier as numbers: frames with categories and dates, and missing values."""

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
    """A classifier that takes any frame, by `categorical_features`, and missing values."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _columns(self):
        """Set by a fit; classifiers that were saved before there were any took numbers alone."""
        return self.__dict__.get("_fitted_columns") or Columns(None, width=self.n_features_in_)

    @_columns.setter
    def _columns(self, columns):
        self._fitted_columns = columns

    @property
    def column_names_(self):
        """Names `(e,)` of the numbers that X becomes, such as "age" and "colour=red"."""
        check_is_fitted(self)
        return self._columns.names(getattr(self, "feature_names_in_", None))

    def _rows_of_fit(self, X, y, **options):
        """Rows and labels, checked: an array of numbers, or a pandas frame as it was given.

        Sets `n_features_in_`, and `feature_names_in_` where X has names of text.

        Parameters
        ----------
        X
            `[n, d]`: an array, lists, or a frame of any library.
        y
            `[n]`: labels.
        options
            For the validation of arrays.
        """
        given = self.categorical_features
        is_listed = not (given is None or isinstance(given, str))
        if is_table(X):
            frame = as_pandas(X)
            if is_listed or (given is not None and not _is_plain(frame)):
                return _checked(self, frame, y, frame)
            X = X if is_frame(X) else frame
        elif is_listed and len(given):
            frame = as_pandas(X)
            return _checked(self, frame, y, frame.to_numpy(object))
        remedy = "name them in categorical_features, or give a frame of pandas"
        if given is None:
            remedy = "categorical_features=None takes numbers only; name them there instead"
        return validated(self, X, y, remedy=remedy, ensure_all_finite="allow-nan", **options)

    def _numbers_of_fit(self, X, goes_on=False):
        """The rows of a fit as numbers `[n, e]`, by columns that are fitted to them.

        Parameters
        ----------
        X
            Of `_rows_of_fit`.
        goes_on
            Keep those of the last fit, where X has the same.
        """
        fits = goes_on and self._columns.fits(X)
        if goes_on and not fits and self._columns.kinds is not None:
            raise InputError(
                "warm_start goes on with the columns of the last fit, "
                f"{shortened(self._columns.kinds.names(), 8)}; give these, or fit a new classifier"
            )
        if not fits:
            self._columns = Columns.fitted(X, self.categorical_features)
        return self._columns.numbers(X)

    def _rows_of_prediction(self, X, **options):
        """Rows to predict, in the form of `_rows_of_fit`.

        scikit-learn's ValueError tells names, or an order of them, that are not those of fit.
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
    """How columns become numbers: decided and fitted on the rows of a fit, without their labels.

    Parameters
    ----------
    encoder
        Fitted: what `table_encoder` makes, or for arrays a `MedianImputer`; None: numbers stay as
        they are.
    kinds
        The kinds of a frame's columns; None: X is an array of numbers.
    is_named
        Whether X had names other than those that `as_pandas` gives an array's columns.
    width
        Number of columns of X.
    """

    def __init__(
        self, encoder: Any, kinds: Kinds | None = None, is_named: bool = False, width: int = 0
    ):
        self.encoder, self.kinds, self.is_named, self.width = encoder, kinds, is_named, width

    @classmethod
    def fitted(cls, X: Any, categorical: Any) -> "Columns":
        """Of the rows of a fit; warns of what is read otherwise than it is written.

        Parameters
        ----------
        X
            An array of numbers, or a pandas frame.
        categorical
            What `categorical_features` is.
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
        """Whether rows of another fit have these columns."""
        if self.kinds is None or isinstance(X, np.ndarray):
            return self.kinds is None and isinstance(X, np.ndarray) and X.shape[1] == self.width
        return list(map(str, X.columns)) == self.kinds.names()

    def numbers(self, X: Any) -> np.ndarray:
        """Rows as numbers `[n, e]`; an array stays as it is if it misses nothing, in fit or now."""
        if self.encoder is None:
            return X
        return self.encoder.transform(X if self.kinds is None else self.kinds.read(X))

    def names(self, given: Any = None) -> np.ndarray:
        """Names of the columns that `numbers` gives `[e]`.

        Parameters
        ----------
        given
            Names of an array's columns; x0, x1, ... without.
        """
        if self.kinds is not None:
            return self.encoder.get_feature_names_out()
        given = [f"x{j}" for j in range(self.width)] if given is None else list(given)
        if self.encoder is None:
            return np.array(given, dtype=object)
        return self.encoder.get_feature_names_out(given)

    def origins(self) -> list[int]:
        """Position of the column in X that each one of `numbers` is made of `[e]`."""
        if self.encoder is None:
            return list(range(self.width))
        if self.kinds is None:
            return self.encoder.origins(range(self.width))
        names = self.kinds.names()
        return [names.index(name) for name in origins(self.encoder)]


def _is_plain(frame):
    """Whether all columns are numbers or booleans that scikit-learn's validation takes."""
    columns = [frame.iloc[:, j] for j in range(frame.shape[1])]
    return all(
        kind_of(column) in _PLAIN and not (column.dtype.kind == "O" and column.isna().any())
        for column in columns
    )


def _checked(estimator, frame, y, given):
    """The frame and labels of a fit; `given` is the frame, or an array without names."""
    distinct_names(frame, "X")
    _check_names(estimator, given, reset=True)
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
