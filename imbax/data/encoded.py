"""Encoding of a whole table by a transformer that is fitted on the training rows."""

from typing import Any

import numpy as np

from imbax.data.any_frame import unmasked
from imbax.data.checks import first_line
from imbax.data.frame_dataset import FrameDataset
from imbax.errors import InputError, shortened

__all__ = ["draws", "encoded", "holds_frozen"]

# Maximum number of cells in a transformer's output: 2 GiB in float64.
_MOST_CELLS = 2**28


def encoded(dataset: FrameDataset, train: np.ndarray, seed: int) -> np.ndarray:
    """Encodes all rows with a clone of the transformer fitted on the rows `train`.

    As in a scikit-learn pipeline, the training rows come from `fit_transform`, which sees their
    labels, and the other rows from `transform`.

    Parameters
    ----------
    dataset
        The table.
    train
        Row numbers of the training part.
    seed
        Random state of every step of the transformer whose `random_state` is None.

    Returns
    -------
    np.ndarray
        `[n, d']` float64.

    Raises
    ------
    InputError
        The transformer fails, or does not return one row of finite numbers for each row.
    """
    from sklearn.base import clone

    rest = np.setdiff1d(np.arange(len(dataset.frame)), train)
    transformer = clone(dataset.transformer)
    transformer.set_params(**dict.fromkeys(_random_states(transformer), seed))
    name = type(transformer).__name__
    fitted = _applied(transformer, "fit_transform", name, dataset, train)
    others = _applied(transformer, "transform", name, dataset, rest) if len(rest) else fitted[:0]
    if fitted.shape[1] != others.shape[1]:
        raise InputError(
            f"{dataset.name}: preprocess, {name}, returns {fitted.shape[1]} columns for training "
            f"rows and {others.shape[1]} for the other rows; expected the same number"
        )
    x = np.empty((len(dataset.frame), fitted.shape[1]))
    x[train], x[rest] = fitted, others
    is_bad = np.count_nonzero(~(np.abs(x) <= 1e300), axis=0)
    if is_bad.any():
        names = _names_out(transformer, x.shape[1])
        bad = [f"{names[j]!r} ({is_bad[j]} rows)" for j in np.flatnonzero(is_bad)]
        raise InputError(
            f"{dataset.name}: preprocess, {name}, leaves missing, infinite or huge values in "
            f"column {shortened(bad)}; add an imputer such as sklearn.impute.SimpleImputer"
        )
    return x


def draws(transformer: Any) -> bool:
    """Returns whether any step of the transformer has a random state that follows the seed."""
    return bool(_random_states(transformer))


def holds_frozen(estimator: Any) -> bool:
    """Returns whether an estimator is or contains a `FrozenEstimator`, which ignores `fit`."""
    parts = [estimator]
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        parts += estimator.get_params(deep=True).values()
    return any(type(part).__name__ == "FrozenEstimator" for part in parts)


def _is_other_order(output, index):
    """Returns whether a frame `[m, d']` has the row labels `index` `[m]` in another order."""
    import pandas as pd

    order = getattr(output, "index", None)
    if not isinstance(order, pd.Index) or isinstance(order, pd.RangeIndex):  # the index was reset
        return False
    return not order.equals(index) and bool(index.isin(order).all())


def _random_states(transformer):
    """Returns the names of all parameters, nested ones included, for random states left at None."""
    if not hasattr(transformer, "set_params"):
        return []
    params = transformer.get_params(deep=True)
    is_state = (name for name in params if name.split("__")[-1] == "random_state")
    return [name for name in is_state if params[name] is None]


def _applied(transformer, function, name, dataset, rows):
    """Applies a method of the transformer to `rows` and returns `[m, d']` float64."""
    method, frame = getattr(transformer, function, None), dataset.frame.iloc[rows]
    y, index = dataset.y[rows].astype(np.int64), frame.index
    try:
        if function == "transform":
            output = method(frame)
        elif method is not None:
            output = method(frame, y)
        else:
            output = transformer.fit(frame, y).transform(frame)
    except Exception as error:  # user code may raise any exception
        raise InputError(
            f"{dataset.name}: preprocess, {name}, fails in {function} on {len(rows)} rows: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    shape = getattr(output, "shape", ())
    if len(shape) != 2 or shape[0] != len(rows) or shape[1] == 0:
        raise InputError(
            f"{dataset.name}: preprocess, {name}, returns shape {shape} for {len(rows)} rows, "
            f"expected ({len(rows)}, columns)"
        )
    if shape[1] * len(dataset.frame) > _MOST_CELLS:
        raise InputError(
            f"{dataset.name}: preprocess, {name}, returns {shape[1]} columns for each of "
            f"{len(dataset.frame)} rows, too large for a dense array; reduce the number of columns"
        )
    if _is_other_order(output, index):
        raise InputError(
            f"{dataset.name}: preprocess, {name}, returns the rows in another order; keep the "
            "order of the input rows"
        )
    output = unmasked(output.toarray() if hasattr(output, "toarray") else output)
    if np.iscomplexobj(output):
        raise InputError(f"{dataset.name}: preprocess, {name}, returns complex numbers")
    try:
        return np.asarray(output, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{dataset.name}: preprocess, {name}, returns values that are not numbers "
            f"({first_line(error)}); encode every column"
        ) from error


def _names_out(transformer, width):
    """Returns the names of a transformer's output columns, or x0, x1, ..."""
    try:
        names = list(map(str, transformer.get_feature_names_out()))
    except Exception:  # the method is optional, and some steps of a pipeline lack it
        names = []
    return names if len(names) == width else [f"x{j}" for j in range(width)]
