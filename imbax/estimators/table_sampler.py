"""Base class of samplers for tables of any library, with imbalanced-learn's API."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from imbax.data.any_frame import as_pandas, is_table
from imbax.engine.float32 import in_float32
from imbax.estimators.frames import Table, is_frame
from imbax.estimators.inputs import as_numbers, errors_in_one_line, missing_message
from imbax.estimators.parameters import RANDOM_STATE, RATIO, parameters
from imbax.estimators.strategy import new_rows_of
from imbax.estimators.targets import Target

__all__ = ["TableSampler"]

_STRATEGIES = StrOptions({"auto", "minority", "not minority", "not majority", "all"})


@parameters
class TableSampler(BaseOverSampler):
    """Sampler that also accepts frames of pandas, polars and pyarrow, and returns the same type."""

    sampling_strategy: Any = "auto"
    random_state: Any = None

    _parameter_constraints = {  # noqa: RUF012
        "sampling_strategy": [RATIO, _STRATEGIES, Mapping, callable],
        "random_state": RANDOM_STATE,
    }

    # Options of scikit-learn's validation.
    _accepts: ClassVar[dict[str, Any]] = {}

    @in_float32
    def fit(self, X, y):
        """Checks the rows and trains the sampler, without making rows."""
        self._train_on(*self._checked_rows(as_pandas(X) if _is_arrow(X) else X, Target(y)))
        return self

    @in_float32
    def fit_resample(self, X, y):
        """Returns the original rows followed by synthetic rows, and the labels of both.

        Parameters
        ----------
        X : array, or frame of pandas, polars or pyarrow, of shape (n_samples, n_features)
        y : array, or Series of pandas or polars, of shape (n_samples,)
            Labels, or one-hot labels (n_samples, n_classes) as array or pandas DataFrame.

        Returns
        -------
        X : of shape (n_samples_new, n_features)
            Rows of the type of X, with its column names and dtypes.
        y : of shape (n_samples_new,)
            Labels of the type of y.
        """
        if _is_arrow(X):
            extended, labels = self.fit_resample(as_pandas(X), y)
            schema = X.select(list(extended)).schema
            return type(X).from_pandas(extended, schema=schema, preserve_index=False), labels
        target, table = Target(y), self._table(X)
        rows, labels = self._checked_rows(X if table is None else table, target)
        extended, labels = self._fit_resample(rows, labels)
        if table is not None:
            extended = table.extended(extended, getattr(self, "moved_", None))
        elif isinstance(X, list):
            extended = extended.tolist()
        return extended, target.extended(labels)

    def _checked_rows(self, X, target):
        """Checks rows and labels of a fit; stores the number of rows to make for each class."""
        self._validate_params()
        self._read_parameters()
        check_classification_targets(target.labels)
        X, y = self._check_X_y(X, target.labels)
        self.sampling_strategy_ = new_rows_of(self.sampling_strategy, y, self._sampling_type)
        return X, y

    def _read_parameters(self):
        """Reads parameters by their old names, with a warning about the new ones."""

    def _train_on(self, X, y):
        """Trains on checked rows and labels."""

    def _check_X_y(self, X, y):
        original = X.given if isinstance(X, Table) else X
        X = self._numeric(X)
        with errors_in_one_line(lambda: missing_message(self, original)):
            return validate_data(self, X=X, y=y, **self._accepts)

    def _table(self, X):
        """Returns X as a table if the result must be converted back, otherwise None."""
        is_matrix = isinstance(X, np.ndarray) and X.ndim == 2
        large = is_matrix and X.dtype.kind in "iu" and X.dtype.itemsize > 4 and len(X)
        wanted = (is_matrix and X.dtype.kind == "O") or (large and Table(X).least())
        return Table(X) if is_frame(X) or wanted else None

    def _numeric(self, X):
        """Returns X as numbers; raises InputError for non-numeric columns."""
        return as_numbers(X, self._remedy, shifts=self._shifts())

    def _shifts(self):
        """Returns whether the minimum may be subtracted from large whole numbers."""
        return False

    @property
    def _remedy(self):
        """Advice for columns of text."""
        return (
            f"{type(self).__name__} knows only numbers; encode them, or use "
            "SMOTENC(categorical_features=...)"
        )


def _is_arrow(X):
    """Returns whether X is a pyarrow table: a frame of neither pandas nor polars."""
    return hasattr(type(X), "from_pandas") and not is_frame(X) and is_table(X)
