"""Two-class methods are skipped on tables with more classes, or rejected if the user named them."""

import numpy as np
import pytest
import toys

import imbax.experiments.tabular.ablation
import imbax.experiments.tabular.baselines  # noqa: F401  registers them
from imbax.catalogue import get
from imbax.data.tabular import make_dataset
from imbax.errors import InputError, on_command_line
from imbax.experiments.tabular.fitting import fitting

X, Y = toys.table(60, 20)
TWO = make_dataset(X, Y)
THREE = make_dataset(X, Y + (X[:, 0] > 1), several_classes=True)
METHODS = [get(name) for name in ("ce", "mesa", "logistic_regression", "eg_outer_ap")]
PROBLEM = "mesa, eg_outer_ap support only two classes, and y has 3 (0, 1, 2)"


@pytest.mark.parametrize("are_named", [True, False])
def test_all_methods_support_two_classes(are_named):
    assert fitting(TWO, METHODS, are_named=are_named) == (METHODS, ())
    subset = METHODS[::2]
    assert fitting(THREE, subset, are_named=are_named) == (subset, ())


def test_unnamed_methods_are_left_out_with_a_notice():
    fit, notices = fitting(THREE, METHODS, are_named=False)
    assert [method.name for method in fit] == ["ce", "logistic_regression"]
    assert notices == (f"{PROBLEM}: left out",)


def test_error_for_named_methods_lists_alternatives():
    with pytest.raises(InputError) as caught:
        fitting(THREE, METHODS, are_named=True)
    assert str(caught.value) == (
        f"{PROBLEM}; leave them out, or name one class with minority=; "
        "these run: ce, logistic_regression"
    )
    with on_command_line(), pytest.raises(InputError, match="--minority LABEL; these run: ce"):
        fitting(THREE, METHODS, are_named=True)


@pytest.mark.parametrize("are_named", [True, False])
def test_data_set_without_suitable_method_is_rejected(are_named):
    with pytest.raises(
        InputError, match=r"^mesa supports only two .*; choose other methods, or name one"
    ):
        fitting(THREE, METHODS[1:2], are_named=are_named)


def test_one_vs_rest_target_has_two_classes():
    one = make_dataset(X, np.asarray(THREE.y), several_classes=True, minority=2)
    assert fitting(one, METHODS, are_named=True) == (METHODS, ())
