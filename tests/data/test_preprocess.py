"""Scaling against scikit-learn, and columns that float32 cannot represent."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from imbax.data.preprocess import (
    condition,
    fit_min_max,
    fit_principal_axes,
    fit_z_score,
    identity,
    scale,
    unscale,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)) * [1, 100, 1e-3, 5] + [0, 7, 0, -3]


@pytest.mark.parametrize(
    ("fit", "peer"), [(fit_min_max, MinMaxScaler()), (fit_z_score, StandardScaler())]
)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_scaling_matches_scikit_learn(fit, peer, dtype, rtol):
    train, test = X[:40].astype(dtype), X[40:].astype(dtype)
    scaled = scale(test, fit(train))
    assert scaled.dtype == dtype
    expected = peer.fit(X[:40]).transform(X[40:])
    np.testing.assert_allclose(scaled, expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("fit", [fit_min_max, fit_z_score])
def test_unscale_inverts_scale(fit):
    x = np.insert(X, 2, 7.5, axis=1)  # a constant column, which gets its value back
    scaling = fit(x)
    np.testing.assert_allclose(unscale(scale(x, scaling), scaling), x, rtol=1e-12, atol=1e-12)
    moved = scale(x, scaling) + 3
    assert (unscale(moved, scaling)[:, 2] == 7.5).all()


def test_min_max_maps_training_rows_to_unit_interval():
    scaled = scale(X, fit_min_max(X))
    np.testing.assert_allclose(scaled.min(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.max(0), 1, atol=1e-12)


@pytest.mark.parametrize("fit", [fit_min_max, fit_z_score])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constant_column_becomes_zero(fit, dtype):
    # 0.1 has no exact mean in floating point, so a deviation of about 1e-17 must not count.
    train = np.c_[X, np.full(50, 0.1)].astype(dtype)
    scaling = fit(train)
    assert scaling.factor[-1] == 0
    assert (scaling.factor[:-1] > 0).all()
    np.testing.assert_array_equal(scale(train + 3, scaling)[:, -1], 0)


@pytest.mark.parametrize("fit", [fit_min_max, fit_z_score])
def test_span_with_overflowing_inverse_is_constant(fit):
    train = np.array([[0.0], [1e-45]], dtype=np.float32)
    assert train[1] > 0
    assert fit(train).factor[0] == 0


def test_identity_changes_nothing():
    x = X.astype(np.float32)
    np.testing.assert_array_equal(scale(x, identity(4)), x)
    assert scale(x, identity(4)).dtype == np.float32


def test_conditioning_keeps_the_digits_of_a_large_offset():
    x = np.c_[1e9 + RNG.uniform(size=50), X]
    assert len(np.unique(x[:, 0].astype(np.float32))) == 1
    conditioned = condition(x)
    assert conditioned.dtype == np.float32
    train = slice(0, 40)
    scaled = scale(conditioned, fit_min_max(conditioned[train]))
    np.testing.assert_allclose(scaled, scale(x, fit_min_max(x[train])), atol=2e-6)


def test_conditioning_maps_columns_to_unit_interval():
    x = np.c_[X, np.full(50, 1e9), np.linspace(-1e300, 1e300, 50)]
    conditioned = condition(x)
    np.testing.assert_array_equal(conditioned.min(0), 0)
    np.testing.assert_array_equal(conditioned.max(0), [1, 1, 1, 1, 0, 1])


@pytest.mark.parametrize(
    ("fit", "peer"), [(fit_min_max, MinMaxScaler()), (fit_z_score, StandardScaler())]
)
def test_principal_axes_match_scikit_learn(fit, peer):
    x = np.random.default_rng(0).normal(size=(50, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    x[:, 2] = 7
    scaling = fit_principal_axes(x, fit(x), 3)
    expected = make_pipeline(peer, PCA(3, svd_solver="covariance_eigh")).fit(x)
    new = x[:5] + 1
    new[:, 2] = 7
    np.testing.assert_allclose(scale(new, scaling), expected.transform(new), atol=1e-10)
