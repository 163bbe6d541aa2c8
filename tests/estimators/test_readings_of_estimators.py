"""Options of estimators that select a reading of a paper."""

import numpy as np
import pytest

import imbax
from imbax.estimators.deepsmote import DeepSMOTE

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
Y = (np.arange(60) < 15).astype(int)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("class_recon", False, 1.0)),
        ({"penalty": "permuted"}, ("permuted", True, 1.0)),
        ({"penalty": "permuted", "encoder_gradient": False}, ("permuted", False, 1.0)),
        ({"encoder_gradient": True, "penalty_weight": 0.5}, ("class_recon", True, 0.5)),
    ],
)
def test_deepsmote_penalty_follows_its_source(options, expected):
    sampler = DeepSMOTE(**options)
    sampler.scale_ = type("Scale", (), {"shape": (3,)})
    sampler.classes_, sampler._y = np.arange(2), Y
    config, hparams = sampler._config(), sampler._hparams()
    assert (config.penalty, config.encoder_gradient, hparams.penalty_weight) == expected


@pytest.mark.thorough
def test_confidence_that_leaves_no_row_warns():
    model = imbax.ExplicitGradientClassifier(confidence=0.0, max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match="confidence=0.0 leaves no synthetic row"):
        model.fit(X, Y)
    assert len(model.x_synth_) == 0


@pytest.mark.thorough
def test_number_of_inner_steps_changes_the_update():
    fits = [
        imbax.ExplicitGradientClassifier(num_steps=steps, eta1=0.1, max_iter=2, random_state=0).fit(
            X, Y
        )
        for steps in (1, 2)
    ]
    assert fits[0].loss_curve_[:2] == fits[1].loss_curve_[:2]
    assert fits[0].loss_curve_[2:] != fits[1].loss_curve_[2:]
