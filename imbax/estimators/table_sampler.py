"""imbalanced-learn's contract for tables of pandas, polars or NumPy, and labels of any form."""

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


@parameters
class TableSampler(BaseOverSampler):
    """Takes frames of pandas, polars and pyarrow too, and gives the same back."""

    sampling_strategy: Any = "auto"
    random_state: Any = None

    _parameter_constraints = {  # noqa: RUF012
        "sampling_strategy": [
            RATIO,
            StrOptions({"auto", "minority", "not minority", "not majority", "all"}),
            Mapping,
            callable,
        ],
        "random_state": RANDOM_STATE,
    }

    # Options of scikit-learn's validation.
    _accepts: ClassVar[dict[str, Any]] = {}

    @in_float32
    def fit(self, X, y):
        """Take in, and train what is trained, without making rows."""
        self._train_on(*self._taken(as_pandas(X) if _is_arrow(X) else X, Target(y)))
        return self

    @in_float32
    def fit_resample(self, X, y):
        """The given rows, then new ones, and the labels of both.

        Parameters
        ----------
        X : array, or frame of pandas, polars or pyarrow, of shape (n_samples, n_features)
        y : array, or Series of pandas or polars, of shape (n_samples,)
            Or one-hot labels (n_samples, n_classes), an array or a DataFrame of pandas.

        Returns
        -------
        X : of shape (n_samples_new, n_features)
            As it was given: columns have their names and dtypes.
        y : of shape (n_samples_new,)
            As it was given.
        """
        if _is_arrow(X):
            made, labels = self.fit_resample(as_pandas(X), y)
            schema = X.select(list(made)).schema
            return type(X).from_pandas(made, schema=schema, preserve_index=False), labels
        target, table = Target(y), self._table(X)
        rows, labels = self._taken(X if table is None else table, target)
        made, labels = self._fit_resample(rows, labels)
        if table is not None:
            made = table.extended(made, getattr(self, "moved_", None))
        elif isinstance(X, list):
            made = made.tolist()
        return made, target.extended(labels)

    def _taken(self, X, target):
        """The rows and labels of a fit, checked; keeps how many rows are wanted of each class."""
        self._validate_params()
        self._read_parameters()
        check_classification_targets(target.labels)
        X, y = self._check_X_y(X, target.labels)
        self.sampling_strategy_ = new_rows_of(self.sampling_strategy, y, self._sampling_type)
        return X, y

    def _read_parameters(self):
        """Takes parameters by their old names, with a warning that has the new ones."""

    def _train_on(self, X, y):
        """Learns what making rows needs."""

    def _check_X_y(self, X, y):
        given = X.given if isinstance(X, Table) else X
        X = self._numeric(X)
        with errors_in_one_line(lambda: missing_message(self, given)):
            return validate_data(self, X=X, y=y, **self._accepts)

    def _table(self, X):
        """X as a table, where more than an array of numbers is to be given back."""
        is_matrix = isinstance(X, np.ndarray) and X.ndim == 2
        large = is_matrix and X.dtype.kind in "iu" and X.dtype.itemsize > 4 and len(X)
        wanted = (is_matrix and X.dtype.kind == "O") or (large and Table(X).least())
        return Table(X) if is_frame(X) or wanted else None

    def _numeric(self, X):
        """X as it is validated; InputError if it has columns without numbers."""
        return as_numbers(X, self._remedy, shifts=self._shifts())

    def _shifts(self):
        """Whether large whole numbers may be taken less their least value."""
        return False

    @property
    def _remedy(self):
        """What to do with columns of text."""
        return (
            f"{type(self).__name__} knows numbers only; encode them, or use "
            "SMOTENC(categorical_features=...)"
        )


def _is_arrow(X):
    """Whether it is a table of pyarrow: a frame that is none of pandas or polars."""
    return hasattr(type(X), "from_pandas") and not is_frame(X) and is_table(X)
