"""Tree codes of single columns against scikit-learn's trees."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from imbax.networks.columns import FittedRows
from imbax.networks.tree_codes import column_trees
from imbax.types import rows

N, LEAVES, MIN_ROWS, MIN_GAIN = 120, 6, 4, 2.0
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=N).astype(np.float32)
X = np.stack(
    [
        NORMAL,
        np.round(NORMAL, 1),  # ties
        (NORMAL > 1).astype(np.float32),
        RNG.normal(size=N).astype(np.float32),  # unrelated to the labels
        np.full(N, 3, np.float32),
    ],
    1,
)
Y = np.digitize(NORMAL**2 + 0.2 * RNG.normal(size=N), [0.5, 2.0])
RARE = (Y == 2).astype(int)


def padded(x, y):
    """View of the rows with different weights, mixed with padding that holds garbage."""
    n, where = len(x) + 20, np.sort(RNG.permutation(len(x) + 20)[: len(x)])
    data, target = np.full((n, x.shape[1]), 1e9, np.float32), np.ones(n, np.float32)
    data[::2] *= -1
    w = np.zeros(n, np.float32)
    data[where], target[where], w[where] = x, y, np.where(np.arange(len(x)) % 3, 1, 0.2)
    return rows(data, target, w)


@partial(jax.jit, static_argnums=1)
def fitted(view, classes):
    options = {"leaves": LEAVES, "min_rows": MIN_ROWS, "min_gain": MIN_GAIN}
    return column_trees(FittedRows.of(view), view.y, classes, **options)


def peer(x, y):
    tree = DecisionTreeClassifier(
        criterion="log_loss",
        max_leaf_nodes=LEAVES,
        min_samples_leaf=MIN_ROWS,
        min_impurity_decrease=MIN_GAIN / len(x) / np.log(2),
    )
    return tree.fit(x[:, None], y)


def gain_of(x, y):
    """Gain in log-likelihood of the reference tree over the class prior."""
    probability = peer(x, y).predict_proba(x[:, None])[np.arange(len(y)), y]
    return np.log(probability).sum() - np.log(np.bincount(y)[y] / len(y)).sum()


@pytest.mark.parametrize(("y", "classes"), [(RARE, 2), (Y, 3)])
def test_thresholds_equal_scikit_learn(y, classes):
    trees = jax.device_get(fitted(padded(X, y), classes))
    for column, (x, edges, gain) in enumerate(zip(X.T, *trees, strict=True)):
        tree = peer(x, y).tree_
        threshold = np.sort(tree.threshold[tree.feature >= 0])
        expected = np.pad(threshold, (1, LEAVES - len(threshold)), constant_values=x.max())
        expected[0] = x.min()
        np.testing.assert_allclose(edges, expected, 1e-5, err_msg=f"column {column}")
        np.testing.assert_allclose(gain, gain_of(x, y), 1e-4, 1e-3)


def test_codes_are_the_shares_of_each_leaf():
    trees = fitted(padded(X, RARE), 2)
    edges = np.asarray(trees.edges[0])
    inside = np.unique(edges)
    x = np.concatenate([(inside[1:] + inside[:-1]) / 2, inside[[0, -1]] + [-9, 9]])
    codes = trees.piecewise_linear(jnp.tile(jnp.float32(x)[:, None], X.shape[1]))
    leaves = len(inside) - 1
    expected = np.tri(leaves, LEAVES, -1) + 0.5 * np.eye(leaves, LEAVES)
    expected = np.concatenate([expected, np.zeros((1, LEAVES)), np.arange(LEAVES)[None] < leaves])
    np.testing.assert_allclose(codes[:, 0], expected, atol=1e-5)
    assert (codes[:, 3:] == 0).all()


def test_cuts_of_many_rows_are_nearly_optimal():
    n = 2000
    x = RNG.normal(size=n).astype(np.float32)
    y = (np.abs(x - 1.5) + 0.2 * RNG.normal(size=n) < 0.2).astype(int)
    trees = fitted(rows(x[:, None], y.astype(np.float32)), 2)
    assert 0.98 < trees.gain[0] / gain_of(x, y) < 1.02


def test_single_class_and_empty_tables_have_no_cuts():
    for w in (1, 0):
        view = rows(X, np.zeros(N, np.float32), np.full(N, w, np.float32))
        trees = fitted(view, 2)
        assert np.isfinite(trees.edges).all()
        assert (trees.gain == 0).all() and (trees.piecewise_linear(view.data) == 0).all()
