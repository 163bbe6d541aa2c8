"""The parameters of every estimator and their defaults, which users rely on."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, make_constraint

import imbax

OF_SAMPLERS = {"sampling_strategy": "auto", "random_state": None}
OF_ROWS = {**OF_SAMPLERS, "image_shape": None, "value_range": None}
OF_NETWORKS = {
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
    "SMOTE": {**OF_ROWS, "categorical_features": None, "k_neighbors": 5},
    "BorderlineSMOTE": {
        **OF_ROWS,
        "categorical_features": None,
        "k_neighbors": 5,
        "m_neighbors": 10,
        "kind": "borderline-1",
    },
    "ADASYN": {
        **OF_ROWS,
        "categorical_features": None,
        "n_neighbors": 5,
        "k_neighbors": "deprecated",
    },
    "SMOTENC": {
        **OF_ROWS,
        "categorical_features": [0],
        "categorical_encoder": None,
        "k_neighbors": 5,
    },
    "SMOTEN": {**OF_SAMPLERS, "categorical_encoder": None, "k_neighbors": 5},
    "SUGAR": {**OF_ROWS, "k_neighbors": 5, "steps": 1},
    "AMDO": {**OF_ROWS, "k_neighbors": 5, "share": 0.4, "reference": False},
    "MCCCR": {**OF_ROWS, "energy": "auto", "p": 1, "clean": True},
    "MCRBO": {**OF_ROWS, "gamma": "auto", "step": "auto", "max_iter": 500, "n_neighbors": 25},
    "CWGAN": {**OF_ROWS, "max_iter": 3000, "batch_size": 64, "learning_rate_init": 1e-4},
    "GAMO": {
        **OF_ROWS,
        "noise_dim": 100,
        "max_iter": 90,
        "batch_size": 32,
        "learning_rate_init": 2e-4,
        "verbose": False,
    },
    "DeepSMOTE": {
        **OF_ROWS,
        "latent_dim": None,
        "decoder": "mirrored",
        "penalty": "class_recon",
        "class_draw": "uniform",
        "k_neighbors": 5,
        "max_iter": 200,
        "n_iter_no_change": 10,
        "batch_size": 100,
        "learning_rate_init": 2e-4,
        "verbose": False,
    },
    "BAGAN": {
        **OF_ROWS,
        "latent_dim": 100,
        "width": 32,
        "autoencoder_max_iter": 100,
        "max_iter": 100,
        "batch_size": 128,
        "learning_rate_init": 5e-5,
        "verbose": False,
    },
    "ExplicitGradientOverSampler": {**OF_SAMPLERS, "classifier": None},
    "ImbalancedMLPClassifier": {
        **OF_NETWORKS,
        "loss": "ce",
        "loss_params": None,
        "sampler": None,
        "alpha": None,
    },
    "ExplicitGradientClassifier": {
        **OF_NETWORKS,
        "eta1": 1e-2,
        "eta2": 10.0,
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
        **OF_NETWORKS,
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
# What may be given without its name; of all others nothing.
FIRST = {
    "ExplicitGradientOverSampler": ["classifier"],
    "MESAClassifier": ["estimator"],
    "SMOTENC": ["categorical_features"],
    "SMOTEN": ["categorical_encoder"],
}
# What has to be given.
REQUIRED = {"SMOTENC": {"categorical_features": [0]}}


def test_no_estimator_is_left_out():
    given = {name: getattr(imbax, name) for name in imbax.__all__}
    estimators = {
        n for n, o in given.items() if inspect.isclass(o) and issubclass(o, BaseEstimator)
    }
    assert estimators == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_parameter_has_a_range_or_a_type(name):
    """Truth values and what is not finite are in no range of numbers."""
    constraints = getattr(imbax, name)._parameter_constraints
    assert set(constraints) >= set(EXPECTED[name])
    for parameter in EXPECTED[name]:
        for one in map(make_constraint, constraints[parameter]):
            if isinstance(one, Interval):
                assert not any(map(one.is_satisfied_by, (True, np.nan, np.inf, -np.inf, "1")))


@pytest.mark.parametrize("name", EXPECTED)
def test_parameters_and_defaults_are_as_ever(name):
    kind, expected = getattr(imbax, name), EXPECTED[name]
    required = REQUIRED.get(name, {})
    given = kind(**required).get_params(deep=False)
    assert given == expected
    kinds = {n: (type(given[n]), type(value)) for n, value in expected.items()}
    assert all(one is other for one, other in kinds.values())  # False is no 0
    of_signature = inspect.signature(kind).parameters
    defaults = expected | dict.fromkeys(required, inspect.Parameter.empty)
    assert {n: parameter.default for n, parameter in of_signature.items()} == defaults
    by_place = [n for n, p in of_signature.items() if p.kind is not p.KEYWORD_ONLY]
    assert by_place == FIRST.get(name, [])
