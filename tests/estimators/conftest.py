"""Fixture with digits of three classes."""

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="module")
def digits():
    """Returns 8 x 8 uint8 images with values up to 16, of three classes named by letters."""
    x, y = load_digits(return_X_y=True)
    chosen = [np.flatnonzero(y == c)[:n] for c, n in enumerate((40, 12, 4))]
    rows = np.random.default_rng(0).permutation(np.concatenate(chosen))
    return x[rows].reshape(-1, 8, 8).astype(np.uint8), np.array(["a", "b", "c"])[y[rows]]
