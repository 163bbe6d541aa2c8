"""Kernel density against scipy."""

import numpy as np
from scipy.stats import norm

from imbax.metrics.density import log_density

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)) * [1, 10, 0.1]
POINTS = RNG.normal(size=(5, 3)) * [1, 10, 0.1]


def expected(points, x):
    bandwidth = x.std(0) * len(x) ** (-1 / (x.shape[1] + 4))
    return np.log(norm.pdf(points[:, None], x, bandwidth).prod(-1).mean(1))


def test_log_density_equals_scipy():
    np.testing.assert_allclose(log_density(POINTS, X, np.ones(40)), expected(POINTS, X), 1e-4)


def test_padding_and_constant_columns_are_ignored():
    x, w = np.concatenate([X, np.full((4, 3), 99.0)]), np.repeat([1.0, 0.0], [40, 4])
    x, points = (np.column_stack([z, np.full(len(z), 7.0)]) for z in (x, POINTS))
    np.testing.assert_allclose(log_density(points, x, w), expected(POINTS, X), 1e-4)
