"""The check suites of scikit-learn and imbalanced-learn, over every over-sampler."""

import warnings

import pytest
from imblearn.utils import estimator_checks as imblearn_checks
from quick_samplers import OF_TABLES, QUICK, quick
from sklearn.utils import estimator_checks as sklearn_checks

from imbax import InputError

pytestmark = pytest.mark.usefixtures("quick_compile")


def checks_of(module, names):
    """A library's checks; their mark holds a generator, which pytest no longer takes."""
    mark = module.parametrize_with_checks([QUICK[name] for name in names]).mark
    names, cases = mark.args
    return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


def quietly(check, *given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(*given)


@checks_of(sklearn_checks, OF_TABLES)
def test_scikit_learns_checks(estimator, check):
    quietly(check, estimator)


@checks_of(imblearn_checks, OF_TABLES)
def test_imbalanced_learns_checks(estimator, check):
    quietly(check, estimator)


@pytest.mark.parametrize("name", OF_TABLES)
@pytest.mark.parametrize(
    "check",
    [
        imblearn_checks.check_param_validation,
        imblearn_checks.check_dataframe_column_names_consistency,
    ],
)
def test_checks_that_are_not_generated(name, check):
    quietly(check, name, QUICK[name])


@pytest.mark.parametrize(
    "check",
    [
        imblearn_checks.check_param_validation,
        sklearn_checks.check_parameters_default_constructible,
        sklearn_checks.check_estimator_cloneable,
        sklearn_checks.check_estimator_repr,
        sklearn_checks.check_estimator_tags_renamed,
        sklearn_checks.check_valid_tag_types,
        sklearn_checks.check_no_attributes_set_in_init,
        sklearn_checks.check_get_params_invariance,
        sklearn_checks.check_set_params,
    ],
)
def test_checks_of_bagan_that_give_no_tables(check):
    """All others fit tables, which it does not take: `test_bagan_takes_no_table`."""
    quietly(check, "BAGAN", QUICK["BAGAN"])


def test_bagan_takes_no_table(digits):
    x, y = digits
    flat = x.reshape(len(x), -1)
    with pytest.raises(InputError, match=r"X has rows of 64 values, but BAGAN makes images only"):
        quick("BAGAN").fit_resample(flat, y)
    assert not quick("BAGAN").__sklearn_tags__().input_tags.two_d_array
    assert quick("BAGAN", image_shape=(8, 8)).__sklearn_tags__().input_tags.two_d_array
