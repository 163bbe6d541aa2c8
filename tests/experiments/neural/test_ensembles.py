"""Ensembles from parameters."""

import numpy as np
import pytest

from imbax.errors import InputError
from imbax.experiments.neural.ensembles import SINGLE, Ensemble, ensembles_of


@pytest.mark.parametrize(
    ("members", "folds", "expected"),
    [
        (1, False, ["1"]),
        (5, False, ["x5"]),
        (5, True, ["5-fold"]),
        (5, 1, ["5-fold"]),
        (24, 8, ["3x8-fold"]),
        ([1, 5], True, ["1", "5-fold"]),
        ([1, 10, 10], [0, 5], ["1", "x10", "2x5-fold"]),
        (np.int64(5), np.array([5]), ["5-fold"]),
    ],
)
def test_requested_ensembles_are_built_without_duplicates(members, folds, expected):
    found = ensembles_of(members, folds)
    assert list(map(str, found)) == expected
    assert all(type(number) is int for one in found for number in one)


def test_default_is_a_single_network():
    assert ensembles_of() == (SINGLE,) == (Ensemble(1),)


@pytest.mark.parametrize(
    ("members", "folds", "message"),
    [
        (0, False, "n_estimators=0, expected at least 1"),
        ("5", False, "n_estimators='5', expected a whole number"),
        (2.5, False, r"n_estimators=2\.5, expected a whole number"),
        ([], False, "n_estimators is empty"),
        (5, -1, "fold_ensemble=-1, expected at least 0"),
        (5, "yes", "fold_ensemble='yes', expected a whole number"),
        (5, 4, "n_estimators=5 is not a multiple of the 4 folds .*; give 4 or 8"),
        (3, 8, "n_estimators=3 is not a multiple of the 8 folds .*; give 8"),
        (1, True, "fold_ensemble needs several members, .*; give n_estimators=5"),
    ],
)
def test_invalid_ensembles_are_rejected(members, folds, message):
    with pytest.raises(InputError, match=message):
        ensembles_of(members, folds)
