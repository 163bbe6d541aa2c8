"""Ensembles: number of networks of a run, and the rows of each network."""

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from imbax.errors import InputError, Range, argument

__all__ = ["SINGLE", "Ensemble", "ensembles_of"]

_COUNT = Range(1, whole=True)
_FOLDS = Range(0, whole=True)


class Ensemble(NamedTuple):
    """Members of a run, whose probabilities are averaged.

    The text form is `1` for a single network; `x5` for five members with the same rows; `5-fold`
    for one member for each of five folds; or `3x8-fold` for one member for each fold of three
    divisions into eight folds.
    """

    n_estimators: int = 1
    """Number of members."""
    folds: int = 0
    """Number of folds of the training and validation rows; each fold validates the same number of
    members; 0: all members train on the run's training rows."""

    @property
    def cuts(self) -> int:
        """Number of divisions of the rows into folds."""
        return self.n_estimators // self.folds if self.folds else 0

    def __str__(self):
        if self.folds:
            return f"{self.folds}-fold" if self.cuts == 1 else f"{self.cuts}x{self.folds}-fold"
        return "1" if self.n_estimators == 1 else f"x{self.n_estimators}"


SINGLE = Ensemble()
"""Ensemble of a single network."""


def ensembles_of(n_estimators: Any = 1, fold_ensemble: Any = False) -> tuple[Ensemble, ...]:
    """Ensembles for the values of the parameters `n_estimators` and `fold_ensemble`.

    Parameters
    ----------
    n_estimators
        Number of members, at least 1, or several numbers. 1 is a single network without folds.
    fold_ensemble
        Whether each member validates on one fold of the training and validation rows and trains on
        the others. True or 1: as many folds as members; a larger number: that many folds, divided
        again until there is one fold for each member; False or 0: no folds. Several
        values may be given.

    Raises
    ------
    InputError
        A number is out of its range, the number of members is not a multiple of the number of
        folds, or folds are given for a single network.
    """
    found = {
        _ensemble(number, folds): None
        for number, folds in itertools.product(
            _listed("n_estimators", n_estimators), _listed("fold_ensemble", fold_ensemble)
        )
    }
    if list(found) == [SINGLE] and any(_listed("fold_ensemble", fold_ensemble)):
        raise InputError(
            "fold_ensemble needs several members, one for each fold; give "
            f"{argument('n_estimators', 5)} as well"
        )
    return tuple(found)


def _ensemble(number, folds):
    number = _COUNT.check("n_estimators", number)
    folds = _FOLDS.check("fold_ensemble", int(folds) if isinstance(folds, bool) else folds)
    if number == 1 or folds == 0:
        return Ensemble(number)
    folds = number if folds == 1 else folds
    if number % folds:
        below, above = number // folds * folds, -(-number // folds) * folds
        raise InputError(
            f"{argument('n_estimators', number)} is not a multiple of the {folds} folds of "
            "fold_ensemble, which must validate the same number of members; give "
            f"{f'{below} or ' if below else ''}{above}"
        )
    return Ensemble(number, folds)


def _listed(name, value):
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    if not (found := tuple(value)):
        raise InputError(f"{name} is empty, expected at least one value")
    return found
