"""Parameters and defaults of every estimator."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, make_constraint

import imbax

SAMPLER_PARAMETERS = {"sampling_strategy": "auto", "random_state": None}
ROW_PARAMETERS = {**SAMPLER_PARAMETERS, "image_shape": None, "value_range": None}
NETWORK_PARAMETERS = {
    "hidden_layer_sizes": None,
    "activation": "relu",
    "network": None,
    "batch_size": None,
    "learning_rate_init": None,
    "max_iter": 200,
    "early_stopping": False,
    "scoring": "average_precision",
    "validation_fraction": 0.2,
    "n_iter_no_change": 20,
    "class_weight": None,
    "n_estimators": 1,
    "fold_ensemble": False,
    "recalibrate": False,
    "scaling": "min_max",
    "categorical_features": "from_dtype",
    "warm_start": False,
    "random_state": None,
    "verbose": False,
}
EXPECTED = {
    "SMOTE": {**ROW_PARAMETERS, "categorical_features": None, "k_neighbors": 5},
    "BorderlineSMOTE": {
        **ROW_PARAMETERS,
        "categorical_features": None,
        "k_neighbors": 5,
        "m_neighbors": 10,
        "kind": "borderline-1",
    },
    "ADASYN": {
        **ROW_PARAMETERS,
        "categorical_features": None,
        "n_neighbors": 5,
        "k_neighbors": "deprecated",
    },
    "SMOTENC": {
        **ROW_PARAMETERS,
        "categorical_features": [0],
        "categorical_encoder": None,
        "k_neighbors": 5,
    },
    "RandomOverSampler": {**SAMPLER_PARAMETERS, "shrinkage": None},
    "SMOTEN": {**SAMPLER_PARAMETERS, "categorical_encoder": None, "k_neighbors": 5},
    "SUGAR": {**ROW_PARAMETERS, "k_neighbors": 5, "steps": 1},
    "AMDO": {**ROW_PARAMETERS, "k_neighbors": 5, "share": 0.4, "reference": False},
    "MCCCR": {**ROW_PARAMETERS, "energy": "auto", "p": 1, "clean": True},
    "MCRBO": {
        **ROW_PARAMETERS,
        "gamma": "auto",
        "step": "auto",
        "max_iter": 500,
        "n_neighbors": 25,
    },
    "CWGAN": {**ROW_PARAMETERS, "max_iter": 3000, "batch_size": 64, "learning_rate_init": 1e-4},
    "GAMO": {
        **ROW_PARAMETERS,
        "noise_dim": 100,
        "max_iter": 90,
        "batch_size": 32,
        "learning_rate_init": 2e-4,
        "verbose": False,
    },
    "DeepSMOTE": {
        **ROW_PARAMETERS,
        "latent_dim": None,
        "decoder": "mirrored",
        "penalty": "class_recon",
        "encoder_gradient": None,
        "penalty_weight": 1.0,
        "class_draw": "uniform",
        "k_neighbors": 5,
        "max_iter": 200,
        "n_iter_no_change": 10,
        "batch_size": 100,
        "learning_rate_init": 2e-4,
        "verbose": False,
    },
    "BAGAN": {
        **ROW_PARAMETERS,
        "latent_dim": 100,
        "width": 32,
        "autoencoder_max_iter": 100,
        "max_iter": 100,
        "batch_size": 128,
        "learning_rate_init": 5e-5,
        "verbose": False,
    },
    "ExplicitGradientOverSampler": {**SAMPLER_PARAMETERS, "classifier": None},
    "ImbalancedMLPClassifier": {
        **NETWORK_PARAMETERS,
        "loss": "ce",
        "loss_params": None,
        "sampler": None,
        "alpha": None,
        "max_iter": None,
        "n_estimators": None,
        "fold_ensemble": None,
    },
    "ExplicitGradientClassifier": {
        **NETWORK_PARAMETERS,
        "eta1": 1e-2,
        "eta2": 10.0,
        "num_steps": 1,
        "n_synth": "double",
        "confidence": 1.0,
        "inner": "union",
        "outer": "valid",
        "outer_loss": "ce",
        "constraint": "none",
        "radius": 0.1,
        "fixed_columns": (),
        "jitter": 0.0,
    },
    "MetaWeightNetClassifier": {
        **NETWORK_PARAMETERS,
        "eta1": 0.1,
        "meta_learning_rate_init": 1e-3,
        "meta_rows": "valid",
        "alpha": None,
    },
    "MESAClassifier": {
        "estimator": None,
        "n_estimators": 10,
        "sampler": None,
        "train_ratio": 1.0,
        "random_steps": 500,
        "learned_steps": 1000,
        "validation_fraction": 0.2,
        "categorical_features": "from_dtype",
        "random_state": None,
    },
}
# Parameters that may be positional.
FIRST = {
    "ExplicitGradientOverSampler": ["classifier"],
    "MESAClassifier": ["estimator"],
    "SMOTENC": ["categorical_features"],
    "SMOTEN": ["categorical_encoder"],
}
# Required parameters.
REQUIRED = {"SMOTENC": {"categorical_features": [0]}}


def test_every_estimator_is_listed():
    actual = {name: getattr(imbax, name) for name in imbax.__all__}
    estimators = {
        n for n, o in actual.items() if inspect.isclass(o) and issubclass(o, BaseEstimator)
    }
    assert estimators == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_parameter_has_a_constraint(name):
    """Booleans and non-finite values are outside every interval."""
    constraints = getattr(imbax, name)._parameter_constraints
    assert set(constraints) >= set(EXPECTED[name])
    for parameter in EXPECTED[name]:
        for one in map(make_constraint, constraints[parameter]):
            if isinstance(one, Interval):
                assert not any(map(one.is_satisfied_by, (True, np.nan, np.inf, -np.inf, "1")))


@pytest.mark.parametrize("name", EXPECTED)
def test_parameters_and_defaults_are_stable(name):
    kind, expected = getattr(imbax, name), EXPECTED[name]
    required = REQUIRED.get(name, {})
    actual = kind(**required).get_params(deep=False)
    assert actual == expected
    kinds = {n: (type(actual[n]), type(value)) for n, value in expected.items()}
    assert all(one is other for one, other in kinds.values())  # False is not 0
    parameters = inspect.signature(kind).parameters
    defaults = expected | dict.fromkeys(required, inspect.Parameter.empty)
    assert {n: parameter.default for n, parameter in parameters.items()} == defaults
    by_place = [n for n, p in parameters.items() if p.kind is not p.KEYWORD_ONLY]
    assert by_place == FIRST.get(name, [])
