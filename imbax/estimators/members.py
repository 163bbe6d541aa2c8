"""Members of a deep ensemble: their training and validation rows, and row weights."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.utils.class_weight import compute_class_weight

from imbax.data.preprocess import SCALINGS, Scaling
from imbax.errors import InputError, Range, shortened
from imbax.estimators.over_sampler import at_most_rows, size
from imbax.types import Part, Run

__all__ = [
    "Members",
    "batch_size_of",
    "check_columns_of",
    "check_parts",
    "class_weights",
    "cut_members",
    "padded_part",
    "resample_members",
    "scaling_of",
    "weights_of",
]


class Members(NamedTuple):
    """Rows of R trainings in the engine's format, and their class statistics."""

    shared: tuple[np.ndarray, np.ndarray]
    """Scaled rows and internal labels, padded."""
    runs: Run
    """Runs with leaves `[R, ...]`."""
    counts: np.ndarray
    """Number of training rows of each internal class, `[R, K]`."""
    prior: np.ndarray
    """Share of each internal class in the training weights, `[R, K]`."""
    weighted: bool
    """Whether the user passed row weights."""


def cut_members(
    labels: np.ndarray,
    *,
    n_estimators: int,
    fold_ensemble: bool,
    validation_fraction: float | None,
    seed: int,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns training and validation rows of each member, stratified by `labels [n]`.

    Parameters
    ----------
    labels
        Internal classes.
    n_estimators
        Number of members.
    fold_ensemble
        Whether each member validates on one of `n_estimators` folds (at least 2).
    validation_fraction
        Fraction of validation rows; None uses no validation rows.
    seed
        Seed of the splits.

    Raises
    ------
    InputError
        There are more folds than rows in every class, or fewer rows than classes in a part.
    """
    rows = np.arange(len(labels))
    if fold_ensemble:
        folds = max(n_estimators, 2)
        if folds > (largest := np.bincount(labels).max()):
            raise InputError(
                f"fold_ensemble has n_estimators={folds} folds, but the largest class has "
                f"{largest} rows; lower n_estimators"
            )
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    elif validation_fraction is not None:
        splitter = StratifiedShuffleSplit(
            n_estimators, test_size=validation_fraction, random_state=seed
        )
    else:
        return [(rows, rows[:0])] * n_estimators
    try:
        return list(splitter.split(rows, labels))
    except ValueError:  # scikit-learn's message refers to other arguments
        raise InputError(
            f"validation_fraction={validation_fraction} of {len(labels)} rows leaves a part with "
            "fewer rows than classes; give a fraction closer to 0.5, or more rows"
        ) from None


def check_columns_of(sampler: Any, origins: Sequence[int]) -> None:
    """Raises InputError if a sampler refers to columns of X by name, or if X is encoded.

    Parameters
    ----------
    sampler
        Sampler with imbalanced-learn's API.
    origins
        Position in X of the column that each encoded column comes from.
    """
    is_encoded = list(origins) != list(range(len(origins)))
    for name, columns in sampler.get_params().items():
        if name.rsplit("__")[-1] != "categorical_features" or columns is None:
            continue
        if is_encoded or any(isinstance(column, str) for column in np.ravel(columns).tolist()):
            raise InputError(
                f"sampler has {name}={columns!r}, but a classifier passes the encoded columns of X "
                "to its sampler, an array of numbers; resample X first: "
                "imblearn.pipeline.make_pipeline(sampler, classifier)"
            )


def resample_members(
    X: np.ndarray,
    labels: np.ndarray,
    classes: np.ndarray,
    trains: Sequence[np.ndarray],
    sampler: Any,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Appends each member's resampled rows to all rows; returns the members' row numbers, too.

    Parameters
    ----------
    X
        Rows `[n, d]`.
    labels
        Indices `[n]` into `classes`.
    classes
        The user's labels `[K]`.
    trains
        Training rows of each member.
    sampler
        Sampler with imbalanced-learn's API, cloned for each member.
    seed
        Seed of member 0; member r gets `seed + r`.
    """
    rows, numbers, member_rows, first = [X], [labels], [], len(X)
    for r, train in enumerate(trains):
        member_sampler = clone(sampler)
        seeds = {
            name: (seed + r) % 2**31
            for name in member_sampler.get_params()
            if name == "random_state" or name.endswith("__random_state")
        }
        x, y = member_sampler.set_params(**seeds).fit_resample(X[train], classes[labels[train]])
        rows.append(x)
        numbers.append(np.searchsorted(classes, y))
        member_rows.append(first + np.arange(len(x)))
        first += len(x)
    return np.concatenate(rows), np.concatenate(numbers), member_rows


def weights_of(
    labels: np.ndarray,
    w: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    classes: np.ndarray,
    class_weight: Any,
) -> list[np.ndarray]:
    """Returns weights of a member's training and validation rows, with mean 1 in each part.

    Parameters
    ----------
    labels
        Indices `[n]` into `classes`.
    w
        The user's row weights `[n]`.
    parts
        The member's training and validation rows.
    classes
        The user's labels `[K]`.
    class_weight
        Class weights as in scikit-learn; "balanced" uses the training rows.
    """
    weight_by_class = class_weights(class_weight, classes, labels[parts[0]])
    weights = [w[rows] * weight_by_class[labels[rows]] for rows in parts]
    # The mean is 1 because synthetic rows have weight 1.
    return [part / part.mean() if len(part) else part for part in weights]


def class_weights(class_weight: Any, classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the weight of each class `[K]`.

    Parameters
    ----------
    class_weight
        Weights by class, at least 0, not all 0, and 1 for classes not named; "balanced", or None.
    classes
        The user's labels `[K]`.
    labels
        Indices `[n]` into `classes` of the rows that "balanced" uses.

    Raises
    ------
    InputError
        A weight is out of range, or y lacks its class.
    """
    if not isinstance(class_weight, dict):
        return compute_class_weight(class_weight, classes=classes, y=classes[labels])
    known = dict(zip(classes.tolist(), range(len(classes)), strict=True))
    weights = np.ones(len(classes))
    for name, weight in class_weight.items():
        label = name.item() if isinstance(name, np.generic) else name
        if label not in known:
            raise InputError(
                f"class_weight has the class {label!r}, which y does not contain; its classes are: "
                f"{shortened(list(map(repr, known)), 8)}"
            )
        weights[known[label]] = _WEIGHT.check(f"class_weight[{label!r}]", weight)
    if not weights.any():
        raise InputError("class_weight is 0 for every class; expected one above 0")
    return weights


_WEIGHT = Range(0)


def batch_size_of(batch_size: int | None, members: Members) -> int | None:
    """Returns the user's batch size, limited by the members' training rows with a warning."""
    if batch_size is None:
        return None
    return at_most_rows(batch_size, int(members.counts.sum(1).max()))


def padded_part(rows: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> Part:
    """Pads row numbers and weights of R members to a common length, `[R, m]`."""
    length = size(max(map(len, rows)))
    index, w = (
        np.stack([np.pad(v, (0, length - len(v))) for v in part]) for part in (rows, weights)
    )
    return Part(index.astype(np.int32), w.astype(np.float32))


def scaling_of(X: np.ndarray, name: str | None) -> Scaling:
    """Returns the scaling of all columns; constant columns become 0 under any scaling."""
    X = X.astype(np.float64)
    if name is not None:
        return SCALINGS[name](X)
    live = np.ptp(X, axis=0) > 0
    return Scaling(np.where(live, 0, X[0]), live.astype(np.float64))


def check_parts(train: np.ndarray, valid: np.ndarray, classes: np.ndarray) -> None:
    """Raises InputError unless training and validation rows contain all K classes.

    Parameters
    ----------
    train, valid
        Labels 0..K-1 of these rows.
    classes
        The user's labels `[K]`.
    """
    for labels, purpose, change in ((valid, "validation", "raise"), (train, "training", "lower")):
        if missing := classes[np.bincount(labels, minlength=len(classes)) == 0].tolist():
            raise InputError(
                f"the {purpose} rows contain no row of class {missing[0]!r}; {change} "
                "validation_fraction or give more rows of the class"
            )
