"""The members of an ensemble: whose rows each trains on and validates on, and with what weights."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.utils.class_weight import compute_class_weight

from imbax.data.preprocess import SCALINGS, Scaling
from imbax.errors import InputError, Range, shortened
from imbax.estimators.over_sampler import size
from imbax.types import Part, Run

__all__ = [
    "Members",
    "check_parts",
    "class_weights",
    "cut_members",
    "padded_part",
    "resample_members",
    "scaling_of",
    "weights_of",
]


class Members(NamedTuple):
    """The rows of R trainings, as the engine takes them, and what is known of them."""

    shared: tuple[np.ndarray, np.ndarray]
    """Scaled rows and internal labels, padded."""
    runs: Run
    """Leaves `[R, ...]`."""
    counts: np.ndarray
    """`[R, K]`: training rows of each internal class."""
    prior: np.ndarray
    """`[R, K]`: the share of each internal class in the weights that are trained on."""
    weighted: bool
    """Whether the user gave weights."""


def cut_members(
    labels: np.ndarray,
    *,
    n_estimators: int,
    fold_ensemble: bool,
    validation_fraction: float | None,
    seed: int,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and validation rows of each member, stratified by `labels [n]`.

    Parameters
    ----------
    labels
        Internal classes.
    n_estimators
        Number of members.
    fold_ensemble
        Give each member one of `n_estimators` folds (at least 2) to validate on.
    validation_fraction
        Share of rows that each member validates on; None: none.
    seed
        Of the splits.

    Raises
    ------
    InputError
        There are more folds than rows of any class, or fewer rows than classes in a part.
    """
    rows = np.arange(len(labels))
    if fold_ensemble:
        folds = max(n_estimators, 2)
        if folds > (most := np.bincount(labels).max()):
            raise InputError(
                f"fold_ensemble has n_estimators={folds} folds, and the largest class has {most} "
                "rows; give at most so many"
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
    except ValueError:  # in scikit-learn's words, which are of other arguments
        raise InputError(
            f"validation_fraction={validation_fraction} of {len(labels)} rows leaves fewer rows "
            "than classes on one side; give one nearer to 0.5, or more rows"
        ) from None


def resample_members(
    X: np.ndarray,
    labels: np.ndarray,
    classes: np.ndarray,
    trains: Sequence[np.ndarray],
    sampler: Any,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """All rows, then what the sampler makes of each member's; and which rows are whose.

    Parameters
    ----------
    X
        `[n, d]`.
    labels
        `[n]`: indices into `classes`.
    classes
        `[K]`: the user's labels.
    trains
        Training rows of each member.
    sampler
        On imbalanced-learn's contract; cloned for each member.
    seed
        Member r gets `seed + r`.
    """
    rows, numbers, whose, first = [X], [labels], [], len(X)
    for r, train in enumerate(trains):
        one = clone(sampler)
        seeds = {
            name: (seed + r) % 2**31
            for name in one.get_params()
            if name == "random_state" or name.endswith("__random_state")
        }
        x, y = one.set_params(**seeds).fit_resample(X[train], classes[labels[train]])
        rows.append(x)
        numbers.append(np.searchsorted(classes, y))
        whose.append(first + np.arange(len(x)))
        first += len(x)
    return np.concatenate(rows), np.concatenate(numbers), whose


def weights_of(
    labels: np.ndarray,
    w: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    classes: np.ndarray,
    class_weight: Any,
) -> list[np.ndarray]:
    """Weights of a member's training and validation rows, of mean 1 in each part.

    Parameters
    ----------
    labels
        `[n]`: indices into `classes`.
    w
        `[n]`: the user's weights.
    parts
        The member's training and validation rows.
    classes
        `[K]`: the user's labels.
    class_weight
        As scikit-learn takes it; "balanced" goes by the training rows.
    """
    of_class = class_weights(class_weight, classes, labels[parts[0]])
    weights = [w[rows] * of_class[labels[rows]] for rows in parts]
    # Of mean 1, since synthetic rows weigh 1.
    return [each / each.mean() if len(each) else each for each in weights]


def class_weights(class_weight: Any, classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weight of each class `[K]`.

    Parameters
    ----------
    class_weight
        By class, at least 0 and not all 0, 1 for classes that are not named; "balanced", or None.
    classes
        `[K]`: the user's labels.
    labels
        `[n]`: indices into `classes` of the rows that "balanced" goes by.

    Raises
    ------
    InputError
        A weight is out of its range, or of a class that y does not have.
    """
    if not isinstance(class_weight, dict):
        return compute_class_weight(class_weight, classes=classes, y=classes[labels])
    known = dict(zip(classes.tolist(), range(len(classes)), strict=True))
    weights = np.ones(len(classes))
    for name, weight in class_weight.items():
        label = name.item() if isinstance(name, np.generic) else name
        if label not in known:
            raise InputError(
                f"class_weight has the class {label!r}, and y has none of it; the classes are: "
                f"{shortened(list(map(repr, known)), 8)}"
            )
        weights[known[label]] = _WEIGHT.check(f"class_weight[{label!r}]", weight)
    if not weights.any():
        raise InputError("class_weight is 0 for every class; expected one above 0")
    return weights


_WEIGHT = Range(0)


def padded_part(rows: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> Part:
    """Row numbers and weights of R members, in lists of different lengths, as `[R, m]`."""
    most = size(max(map(len, rows)))
    index, w = (np.stack([np.pad(v, (0, most - len(v))) for v in part]) for part in (rows, weights))
    return Part(index.astype(np.int32), w.astype(np.float32))


def scaling_of(X: np.ndarray, name: str | None) -> Scaling:
    """Of all columns by their rows; one that is constant becomes 0 under any."""
    X = X.astype(np.float64)
    if name is not None:
        return SCALINGS[name](X)
    live = np.ptp(X, axis=0) > 0
    return Scaling(np.where(live, 0, X[0]), live.astype(np.float64))


def check_parts(train: np.ndarray, valid: np.ndarray, classes: np.ndarray) -> None:
    """InputError unless rows to train on and to validate on have some of all K classes.

    Parameters
    ----------
    train, valid
        Labels 0..K-1 of these rows.
    classes
        `[K]`: the user's labels.
    """
    for labels, purpose, change in ((valid, "validation", "raise"), (train, "training", "lower")):
        if missing := classes[np.bincount(labels, minlength=len(classes)) == 0].tolist():
            raise InputError(
                f"none of the rows set aside for {purpose} is of class {missing[0]!r}; {change} "
                "validation_fraction or give more rows of it"
            )
