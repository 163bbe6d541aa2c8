"""All rows of a table, by its transformer fitted on some of them."""

from typing import Any

import numpy as np

from imbax.data.any_frame import unmasked
from imbax.data.checks import first_line
from imbax.data.frame_dataset import FrameDataset
from imbax.errors import InputError, shortened

__all__ = ["draws", "encoded", "holds_frozen"]

# Cells of what a transformer may give: 2 GiB in float64.
_MOST_CELLS = 2**28


def encoded(dataset: FrameDataset, train: np.ndarray, seed: int) -> np.ndarray:
    """`[n, d']` float64: all rows, by a clone of the transformer fitted on the rows `train`.

    As in a pipeline of scikit-learn the training rows are what `fit_transform` gives, with their
    labels, and the others what `transform` gives.

    Parameters
    ----------
    dataset
        The table.
    train
        Row numbers of the training part.
    seed
        Random state of every part of the transformer that has none.

    Raises
    ------
    InputError
        The transformer fails, or gives anything but finite numbers, a row for each row.
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
            f"{dataset.name}: preprocess, {name}, gives {fitted.shape[1]} columns where it is "
            f"fitted and {others.shape[1]} elsewhere; expected as many"
        )
    x = np.empty((len(dataset.frame), fitted.shape[1]))
    x[train], x[rest] = fitted, others
    is_bad = np.count_nonzero(~(np.abs(x) <= 1e300), axis=0)
    if is_bad.any():
        names = _names_out(transformer, x.shape[1])
        bad = [f"{names[j]!r} ({is_bad[j]} rows)" for j in np.flatnonzero(is_bad)]
        raise InputError(
            f"{dataset.name}: preprocess, {name}, leaves missing, infinite or huge values in "
            f"column {shortened(bad)}; let it fill them, as sklearn.impute.SimpleImputer does"
        )
    return x


def draws(transformer: Any) -> bool:
    """Whether a part of it has a random state that follows the seed."""
    return bool(_random_states(transformer))


def holds_frozen(estimator: Any) -> bool:
    """Whether it, or a part of it, is a `FrozenEstimator` of scikit-learn, which ignores `fit`."""
    parts = [estimator]
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        parts += estimator.get_params(deep=True).values()
    return any(type(part).__name__ == "FrozenEstimator" for part in parts)


def _is_other_order(found, index):
    """Whether a frame `[m, d']` has the labels of some rows `[m]` in another order."""
    import pandas as pd

    order = getattr(found, "index", None)
    if not isinstance(order, pd.Index) or isinstance(order, pd.RangeIndex):  # one that was reset
        return False
    return not order.equals(index) and bool(index.isin(order).all())


def _random_states(transformer):
    """Names of its parameters, and of its parts', for random states that are not given."""
    if not hasattr(transformer, "set_params"):
        return []
    params = transformer.get_params(deep=True)
    is_state = (name for name in params if name.split("__")[-1] == "random_state")
    return [name for name in is_state if params[name] is None]


def _applied(transformer, function, name, dataset, rows):
    """Apply a function of the transformer to some rows and return `[m, d']` float64."""
    given, frame = getattr(transformer, function, None), dataset.frame.iloc[rows]
    y, index = dataset.y[rows].astype(np.int64), frame.index
    try:
        if function == "transform":
            found = given(frame)
        elif given is not None:
            found = given(frame, y)
        else:
            found = transformer.fit(frame, y).transform(frame)
    except Exception as error:  # it is the user's own, or any library's
        raise InputError(
            f"{dataset.name}: preprocess, {name}, fails in {function} on {len(rows)} rows: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    shape = getattr(found, "shape", ())
    if len(shape) != 2 or shape[0] != len(rows) or shape[1] == 0:
        raise InputError(
            f"{dataset.name}: preprocess, {name}, gives shape {shape} for {len(rows)} rows, "
            f"expected ({len(rows)}, columns)"
        )
    if shape[1] * len(dataset.frame) > _MOST_CELLS:
        raise InputError(
            f"{dataset.name}: preprocess, {name}, gives {shape[1]} columns for each of "
            f"{len(dataset.frame)} rows, too many to be written out; let it select or join some"
        )
    if _is_other_order(found, index):
        raise InputError(
            f"{dataset.name}: preprocess, {name}, gives the rows in another order; let it keep "
            "theirs"
        )
    found = unmasked(found.toarray() if hasattr(found, "toarray") else found)
    if np.iscomplexobj(found):
        raise InputError(f"{dataset.name}: preprocess, {name}, gives complex numbers")
    try:
        return np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{dataset.name}: preprocess, {name}, gives what is not numbers "
            f"({first_line(error)}); let it encode every column"
        ) from error


def _names_out(transformer, width):
    """Names of the columns that it gives, or x0, x1, ..."""
    try:
        names = list(map(str, transformer.get_feature_names_out()))
    except Exception:  # optional, and some parts of a pipeline have none
        names = []
    return names if len(names) == width else [f"x{j}" for j in range(width)]
