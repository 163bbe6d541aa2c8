"""Estimator checks of scikit-learn and imbalanced-learn for every over-sampler and classifier.

Checks that compile separate programs run for one estimator of each base class, and with
`IMBAX_EVERY_CHECK=1 pytest -m "" tests/estimators/test_library_checks.py` for every estimator.
"""

import os
import warnings

import pytest
from imblearn.utils import estimator_checks as imblearn_checks
from quick_classifiers import CLASSIFIERS, MESA
from quick_samplers import GAN, POINTS, QUICK, TABLE_NAMES, quick
from sklearn.base import clone
from sklearn.utils import estimator_checks as sklearn_checks

from imbax import SMOTEN, InputError, RandomOverSampler

# Expected failures of neural classifiers and of MESA, with reasons.
NETWORK_FAILS = {
    "check_sample_weight_equivalence_on_dense_data": "float32, random mini-batches and validation "
    "rows; test_integer_weights_match_copies excludes these",
    "check_class_weight_classifiers": "the epoch is chosen by the ranking of validation rows, "
    "without class weights; test_class_weights_choose_the_epoch uses the loss score",
}


MESA_FAILS = {"check_classifiers_with_encoded_labels": "three classes; MESA knows two"}


def fails_of(estimator):
    if estimator is MESA:
        return MESA_FAILS
    return NETWORK_FAILS if type(estimator) in map(type, CLASSIFIERS.values()) else {}


# `pytest -m thorough` runs the others, too.
FIRST_TIER = ("SMOTE", "ImbalancedMLPClassifier")
# They share fit with ImbalancedMLPClassifier or GAMO through their base classes.
WITH_SHARED_FIT = ("ExplicitGradientClassifier", "MetaWeightNetClassifier", "DeepSMOTE")
# It reads tables as all samplers do, and compiles for seconds for each shape.
WITH_SHARED_INPUT = ("GAMO",)
# Checks in which it is trained all the same.
TRAINED_ONCE = ("check_estimators_pickle", "check_samplers_fit_resample")
EVERY_CHECK = os.environ.get("IMBAX_EVERY_CHECK") == "1"
# Checks that compile for other shapes.
COMPILING = (
    "check_dataframe_column_names_consistency",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_fit_score_takes_y",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_sample_weight_equivalence_on_dense_data",
)
MORE_COMPILING = (
    *COMPILING,
    "check_classifier_data_not_an_array",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit_check_is_fitted",
    "check_fit2d_1feature",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_readonly_memmap_input",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
    "check_sampler_get_feature_names_out",
    "check_sampler_get_feature_names_out_pandas",
    "check_samplers_fit_resample",
    "check_samplers_sampling_strategy_fit_resample",
    "check_supervised_y_2d",
)


def is_asked(estimator, check):
    name, check = type(estimator).__name__, name_of(check)
    is_covered = check in MORE_COMPILING and (
        name in WITH_SHARED_FIT or (name in WITH_SHARED_INPUT and check not in TRAINED_ONCE)
    )
    return EVERY_CHECK or not is_covered


def thorough(estimator, check=None):
    is_first = type(estimator).__name__ in FIRST_TIER and name_of(check) not in COMPILING
    return () if is_first else (pytest.mark.thorough,)


def name_of(check):
    return getattr(check, "func", check) and getattr(check, "func", check).__name__


def checks_of(module, estimators):
    """Returns a library's checks as a mark with lists, since pytest refuses its generator."""
    mark = module.parametrize_with_checks(estimators, expected_failed_checks=fails_of).mark
    names, cases = mark.args
    # Expected failures are parameters with a mark.
    cases = [(getattr(c, "values", c), list(getattr(c, "marks", ()))) for c in cases]
    cases = [(args, marks) for args, marks in cases if is_asked(*args)]
    cases = [pytest.param(*args, marks=[*marks, *thorough(*args)]) for args, marks in cases]
    return pytest.mark.parametrize(names, cases, **mark.kwargs)


def quietly(check, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(*args)


EVERY_CLASSIFIER = [*CLASSIFIERS.values(), MESA]
SAMPLERS = [
    *(QUICK[name] for name in TABLE_NAMES),
    POINTS,
    SMOTEN(random_state=0),
    RandomOverSampler(random_state=0),
]


@checks_of(sklearn_checks, SAMPLERS)
def test_samplers_pass_scikit_learn_checks(estimator, check):
    quietly(check, estimator)


@checks_of(imblearn_checks, SAMPLERS)
def test_samplers_pass_imbalanced_learn_checks(estimator, check):
    quietly(check, estimator)


@checks_of(sklearn_checks, EVERY_CLASSIFIER)
def test_classifiers_pass_scikit_learn_checks(estimator, check):
    quietly(check, estimator)


@checks_of(imblearn_checks, EVERY_CLASSIFIER)
def test_classifiers_pass_imbalanced_learn_checks(estimator, check):
    quietly(check, estimator)


@pytest.mark.thorough
@pytest.mark.parametrize("estimator", list(CLASSIFIERS.values())[:1], ids=type)
def test_class_weights_choose_the_epoch(estimator):
    scored = clone(estimator).set_params(scoring="loss")
    quietly(sklearn_checks.check_class_weight_classifiers, type(estimator).__name__, scored)


NOT_GENERATED = (
    imblearn_checks.check_param_validation,
    imblearn_checks.check_dataframe_column_names_consistency,
)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(one, check, marks=thorough(one), id=f"{type(one).__name__}-{check.__name__}")
        for check in NOT_GENERATED
        for one in (*EVERY_CLASSIFIER, *SAMPLERS)
        if is_asked(one, check)
    ],
)
def test_checks_outside_the_generators(estimator, check):
    quietly(check, type(estimator).__name__, estimator)


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
@pytest.mark.parametrize("estimator", [QUICK["BAGAN"], GAN], ids=type)
def test_checks_without_a_table(estimator, check):
    """BAGAN accepts no tables; CWGAN compiles for minutes in the other checks."""
    quietly(check, type(estimator).__name__, estimator)


@pytest.mark.parametrize(
    "check",
    [
        sklearn_checks.check_n_features_in,
    ],
)
def test_cwgan_checks_with_tables(check):
    quietly(check, "CWGAN", GAN)


def test_bagan_refuses_tables(digits):
    x, y = digits
    flat = x.reshape(len(x), -1)
    with pytest.raises(
        InputError, match=r"X has rows of 64 values, but BAGAN generates only images"
    ):
        quick("BAGAN").fit_resample(flat, y)
    assert not quick("BAGAN").__sklearn_tags__().input_tags.two_d_array
    assert quick("BAGAN", image_shape=(8, 8)).__sklearn_tags__().input_tags.two_d_array
