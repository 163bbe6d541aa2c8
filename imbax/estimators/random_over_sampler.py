"""Random over-sampling of any table, with imbalanced-learn's API."""

from numbers import Real
from typing import Any

import imblearn.over_sampling
import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import validate_data

from imbax.data.any_frame import is_table
from imbax.errors import InputError
from imbax.estimators.frames import Table, is_frame
from imbax.estimators.inputs import errors_in_one_line, refuse_masked
from imbax.estimators.parameters import Interval, parameters
from imbax.estimators.table_sampler import TableSampler
from imbax.estimators.targets import Target

__all__ = ["RandomOverSampler"]


@parameters
class RandomOverSampler(TableSampler):
    """Over-sampler that copies rows of each class, drawn with replacement.

    X may be a frame of pandas, polars or pyarrow with columns of any type, an array (including
    images and text), lists, or a sparse matrix (CSR, CSC). Values may be missing. The output has
    the form and dtypes of X: the original rows followed by the copies. A pandas frame gets a new
    index 0, 1, ..., as in imbalanced-learn.

    Drop-in replacement for imbalanced-learn's class of this name, with the same random draws.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.
    shrinkage : float or dict, default=None
        Scale of Gaussian noise on the copies (smoothed bootstrap, computed by imbalanced-learn), or
        a scale for each over-sampled class. Needs numbers without missing values.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    sample_indices_ : ndarray of shape (n_samples_new,)
        Row number in X of each row of the output.
    shrinkage_ : dict or None
        Scale of the noise by class; None without noise.
    n_features_in_, feature_names_in_, is_synthetic_
        As in `SMOTE`.
    """

    shrinkage: Any = None

    _parameter_constraints = {  # noqa: RUF012
        **TableSampler._parameter_constraints,
        "shrinkage": [Interval(Real, 0, None, closed="left"), dict, None],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        for name in ("string", "categorical", "allow_nan", "three_d_array"):
            setattr(tags.input_tags, name, True)
        tags.sampler_tags.sample_indices = True
        return tags

    def fit_resample(self, X, y):
        target = Target(y)
        rows, labels = self._fit_resample(*self._checked_rows(X, target))
        return rows.tolist() if isinstance(X, list) else rows, target.extended(labels)

    def _fit_resample(self, X, y):
        random, n = check_random_state(self.random_state), len(y)
        if self.shrinkage is None:
            self.shrinkage_ = None
            drawn = [
                random.choice(np.flatnonzero(y == label), size=number)
                for label, number in self.sampling_strategy_.items()
            ]
            self.sample_indices_ = np.concatenate([np.arange(n), *drawn])
            rows = _copied(X, self.sample_indices_)
        else:
            rows = self._with_noise(X, y, random)
        self.is_synthetic_ = np.arange(len(self.sample_indices_)) >= n
        return rows, y[self.sample_indices_]

    def _check_X_y(self, X, y):
        refuse_masked(X)
        with errors_in_one_line():
            if not is_table(X):
                mixed = isinstance(X, list | tuple) and np.asarray(X, object).ndim == 2
                mixed = mixed and np.asarray(X).dtype.kind not in "biuf"
                X = check_array(
                    Table(list(X)).given if mixed else X,
                    accept_sparse=["csr", "csc"],
                    dtype=None,
                    ensure_all_finite=False,
                    allow_nd=True,
                )
            elif not len(X):
                raise InputError("Found array with 0 sample(s) while a minimum of 1 is required")
            check_consistent_length(X, y)
            validate_data(self, X=X, y=y, skip_check_array=True)
        return X, y

    def _with_noise(self, X, y, random):
        """Returns the rows with copies from imbalanced-learn's smoothed bootstrap."""
        counts = {label: int(np.sum(y == label)) for label in self.sampling_strategy_}
        sampler = imblearn.over_sampling.RandomOverSampler(
            sampling_strategy={c: counts[c] + n for c, n in self.sampling_strategy_.items()},
            random_state=random,
            shrinkage=self.shrinkage,
        )
        if is_table(X) and not is_frame(X):
            raise InputError("shrinkage needs a frame of pandas or polars, or an array")
        table = Table(X) if is_frame(X) else None
        with errors_in_one_line():
            made, _ = sampler.fit_resample(X if table is None else self._numeric(table), y)
        self.sample_indices_, self.shrinkage_ = sampler.sample_indices_, sampler.shrinkage_
        return made if table is None else table.extended(np.asarray(made))


def _copied(X, rows):
    """Returns the given rows of a frame of any library, an array or a sparse matrix."""
    if not is_table(X):
        return X[rows] if not sparse.issparse(X) else X.tocsr()[rows].asformat(X.format)
    if hasattr(X, "iloc"):
        return X.iloc[rows].reset_index(drop=True)
    import narwhals

    return narwhals.from_native(X)[rows.tolist()].to_native()
