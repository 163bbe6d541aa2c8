"""Metrics of probabilities against scikit-learn and brute force: weights, ties, padding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from sklearn.metrics import brier_score_loss

from imbax.metrics.calibration import brier_score, expected_calibration_error, reliability

N = 40


def both(probability, y, w=None):
    return jnp.stack(
        [brier_score(probability, y, w), expected_calibration_error(probability, y, w)]
    )


JITTED = jax.jit(both)


def draw(seed, levels=None):
    """Probabilities, targets, and weights that are exact in binary, a quarter of them 0."""
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.5, 3, N) if levels is None else rng.integers(0, levels, N) / levels
    w = rng.choice([0, 0.5, 1, 3], N)
    w[0] = 1
    return (a.astype(np.float32) for a in (probability, rng.random(N) < 0.2, w))


@pytest.mark.parametrize("levels", [None, 1, 4])
def test_metrics_equal_scikit_learn_and_brute_force(levels):
    for seed in range(10):
        probability, y, w = draw(seed, levels)
        brier = brier_score_loss(y, probability, sample_weight=w, pos_label=1)
        error = oracles.expected_calibration_error(probability.astype(float), y, w, 10)
        np.testing.assert_allclose(JITTED(probability, y, w), [brier, error], atol=1e-6)


def test_bins_without_ties_have_equal_size():
    probability, y, _ = draw(0)
    order = np.argsort(probability)
    predicted, observed = (each[order].reshape(8, 5).mean(1) for each in (probability, y))
    bins = jax.jit(partial(reliability, bins=8))(probability, y)
    np.testing.assert_allclose(bins.weight, 1 / 8)
    np.testing.assert_allclose(bins.predicted, predicted, rtol=1e-6)
    np.testing.assert_allclose(bins.observed, observed, rtol=1e-6)
    error = jax.jit(partial(expected_calibration_error, bins=8))(probability, y)
    np.testing.assert_allclose(error, np.abs(predicted - observed).mean(), rtol=1e-6)


def test_tied_rows_share_a_bin():
    probability, y = np.repeat(np.float32([0.1, 0.6]), [30, 10]), np.arange(N) % 10 == 0
    y[30:34] = True
    bins = jax.jit(reliability)(probability, y)
    has_rows = bins.weight > 0
    np.testing.assert_allclose(bins.weight[has_rows], [0.75, 0.25])
    np.testing.assert_allclose(bins.observed[has_rows], [0.1, 0.4])
    assert np.isnan(bins.predicted[~has_rows]).all()
    np.testing.assert_allclose(JITTED(probability, y)[1], 0.25 * 0.2, rtol=1e-5)
    np.testing.assert_array_equal(JITTED(probability[::-1], y[::-1]), JITTED(probability, y))


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -1.0, 0.5])
def test_padding_has_no_effect(garbage):
    probability, y, w = draw(1)
    kept = w > 0
    held = np.where(kept, probability, np.float32(garbage))
    single = JITTED(probability[kept], y[kept], w[kept])
    np.testing.assert_allclose(JITTED(held, np.where(kept, y, np.nan), w), single, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.01, -0.01])
def test_values_outside_0_1_give_nan(bad):
    probability, y, w = draw(2)
    probability[0] = bad
    assert np.isnan(JITTED(probability, y, w)).all()
    assert np.isnan(JITTED(probability, y, np.zeros_like(w))).all()


def test_vmap_agrees_with_one_by_one():
    batch = [np.stack(each) for each in zip(*(draw(seed, 4) for seed in range(3)), strict=True)]
    together = jax.jit(jax.vmap(both))(*batch)
    single = [JITTED(*one) for one in zip(*batch, strict=True)]
    np.testing.assert_allclose(together, single, rtol=1e-6)


def test_broadcasting_shapes_raise_errors():
    with pytest.raises(AssertionError, match="must all be"):
        brier_score(np.ones(3), np.ones((3, 1)))
    with pytest.raises(AssertionError, match="must be"):
        expected_calibration_error(np.ones((3, 1)), np.ones(3))
