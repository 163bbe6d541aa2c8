"""Column statistics of networks against NumPy and scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.preprocessing import QuantileTransformer

from imbax.networks.columns import FittedRows, kinds_of, robust_scale, smooth_clip
from imbax.networks.normal_scores import Scores
from imbax.types import rows

N = 90
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=N).astype(np.float32)
X = np.stack(
    [
        NORMAL,
        np.where(RNG.random(N) < 0.8, 0, NORMAL),  # equal quartiles
        (RNG.random(N) < 0.1).astype(np.float32),
        (RNG.random(N) < 0.5).astype(np.float32),
        np.full(N, 3, np.float32),
        np.append(NORMAL[1:], np.float32(1e6)),
    ],
    1,
)
CONSTANT = 4


def padded():
    """View of the rows with different weights, mixed with padding that holds garbage."""
    where = np.sort(RNG.permutation(N + 20)[:N])
    x, w = np.full((N + 20, X.shape[1]), 1e9, np.float32), np.zeros(N + 20, np.float32)
    x[::2] *= -1
    x[where], w[where] = X, np.where(np.arange(N) % 3, 1, 0.2)
    return rows(x, np.zeros(N + 20, np.float32), w)


@pytest.fixture(scope="module")
def fitted():
    @jax.jit
    def fit(view):
        fitted = FittedRows.of(view)
        scores = Scores.of(X.shape[1], view)
        return kinds_of(fitted), robust_scale(fitted), scores, scores.transform(jnp.asarray(X))

    return jax.device_get(fit(padded()))


def test_kinds_depend_on_the_number_of_values(fitted):
    kinds = fitted[0]
    assert kinds.varies.tolist() == [True] * 4 + [False, True]
    assert kinds.is_numeric.tolist() == [True, True, False, False, False, True]


def test_robust_scale_uses_median_and_quartiles(fitted):
    shift, factor = fitted[1]
    low, median, high = np.quantile(X.astype(np.float64), [0.25, 0.5, 0.75], axis=0)
    half, whole = high - low, np.ptp(X, axis=0).astype(np.float64)
    expected = np.divide(2, whole, where=whole > 0, out=np.zeros_like(whole))
    expected = np.divide(1, half, where=half > 0, out=expected)
    np.testing.assert_allclose(factor, expected, 1e-6)
    np.testing.assert_allclose(np.delete(shift, CONSTANT), np.delete(median, CONSTANT), 1e-6, 1e-7)
    assert shift[CONSTANT] == 0


def test_smooth_clip_is_bounded():
    x = np.array([0, 1e-3, 2, -2, 1e6, 1e30, -1e38], np.float32)
    expected = x / np.sqrt(1 + (x.astype(np.float64) / 3) ** 2)
    np.testing.assert_allclose(jax.jit(smooth_clip)(x), expected, 1e-6)


def test_normal_scores_equal_scikit_learn(fitted):
    columns = [0, 1, 5]
    reference = QuantileTransformer(n_quantiles=10, output_distribution="normal")
    expected = reference.fit_transform(X[:, columns].astype(np.float64))
    np.testing.assert_allclose(fitted[3][:, columns], expected, 2e-5, 2e-5)


def test_categories_are_0_and_1(fitted):
    np.testing.assert_array_equal(fitted[3][:, 2:4], X[:, 2:4])
    np.testing.assert_array_equal(fitted[3][:, CONSTANT], 0)


def test_tied_extreme_has_the_middle_of_its_ranks():
    x = np.where(np.arange(N) < 60, 0, NORMAL**2 + 1).astype(np.float32)[:, None]
    score = jax.jit(lambda view, x: Scores.of(1, view).transform(x))(rows(x, x[:, 0]), x[:1])
    noisy = np.linspace(0, 1, 10)
    tied = noisy[noisy < 60 / N - 1e-9]
    expected = QuantileTransformer(n_quantiles=3, output_distribution="normal")
    expected = expected.fit([[0.0], [0.5], [1.0]]).transform([[tied.mean()]])
    np.testing.assert_allclose(score, expected, 1e-4)
