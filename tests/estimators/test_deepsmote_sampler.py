"""DeepSMOTE: codes, parents and collapse; see `test_over_samplers` for other properties."""

import jax
import joblib
import numpy as np
import pytest

from imbax import DeepSMOTE, InputError
from imbax.estimators import generative

QUICK = {"max_iter": 1, "latent_dim": 4, "batch_size": 32, "random_state": 0}


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:reconstructions of class")
def test_synthetic_row_interpolates_codes_of_its_parents(digits):
    x = digits[0].reshape(len(digits[0]), -1)
    sampler = DeepSMOTE(**QUICK)
    resampled, _ = sampler.fit_resample(x, digits[1])
    z, gap = sampler.codes_, sampler.interpolation_weights_[:, None]
    i, j = sampler.parent_indices_.T
    np.testing.assert_array_equal(resampled[len(x) :], sampler.decode(z[i] + gap * (z[j] - z[i])))
    np.testing.assert_allclose(sampler.encode(x), z, 1e-4, 1e-5)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:reconstructions of class")
def test_training_lowers_the_loss(digits):
    options = QUICK | {"max_iter": 6, "learning_rate_init": 2e-3, "value_range": (0, 16)}
    one = DeepSMOTE(**options).fit(*digits)
    assert one.loss_curve_[-1] < 0.8 * one.loss_curve_[0]
    assert one.n_iter_ == 6
    assert one.variance_kept_.shape == (3,)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:reconstructions of class")
def test_epochs_donate_their_state(digits, monkeypatch):
    states, epoch = [], generative._epoch

    def watched(*resampled):
        states.append(resampled[4])
        return epoch(*resampled)

    monkeypatch.setattr(generative, "_epoch", watched)
    DeepSMOTE(**QUICK | {"max_iter": 6}).fit(*digits)
    assert len(states) == 6
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(states))


@pytest.mark.thorough
def test_collapse_gives_a_warning(digits):
    x, y = digits
    noise = np.random.default_rng(0).choice([0, 16], x.shape).astype(np.uint8)
    x = np.where((y == "b")[:, None, None], noise, x)  # uses the only dimension of the code
    options = {"max_iter": 30, "learning_rate_init": 2e-3, "latent_dim": 1, "penalty": "permuted"}
    sampler = DeepSMOTE(**QUICK | options, value_range=(0, 16))
    with pytest.warns(UserWarning, match="class a.* have less than a tenth of its variance"):
        sampler.fit(x, y)
    assert sampler.variance_kept_[0] < 0.1


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:reconstructions of class")
def test_saved_sampler_has_equal_codes(digits, tmp_path):
    x, y = digits
    sampler = DeepSMOTE(**QUICK, value_range=(0, 16)).fit(x, y)
    joblib.dump(sampler, tmp_path / "a.joblib")
    sampler.save(tmp_path / "a.safetensors")
    for again in (
        joblib.load(tmp_path / "a.joblib"),
        DeepSMOTE.load(tmp_path / "a.safetensors"),
    ):
        np.testing.assert_array_equal(again.sample(6, "b"), sampler.sample(6, "b"))
        np.testing.assert_array_equal(again.encode(x), sampler.encode(x))
        np.testing.assert_array_equal(again.codes_, sampler.codes_)
        np.testing.assert_array_equal(again.variance_kept_, sampler.variance_kept_)


@pytest.mark.thorough
def test_invalid_input_is_refused(digits):
    with pytest.raises(ValueError, match="must be a str among"):
        DeepSMOTE(**QUICK, penalty="both").fit_resample(*digits)
    sampler = DeepSMOTE(**QUICK, value_range=(0, 16)).fit(*digits)
    with pytest.raises(InputError, match=r"rows of shape \(7, 7\), expected \(8, 8\)"):
        sampler.encode(np.zeros((2, 7, 7)))
