"""Inputs of MLP-PLE: scaled columns, their codes and initial factors."""

import jax
import jax.numpy as jnp
import numpy as np
from test_tree_codes import RARE, X, fitted, padded

from imbax.networks.mlp_ple import mlp_ple

LEAVES, COLUMNS, EVIDENCE = 8, 2, 10.0
NETWORK = mlp_ple(X.shape[1], hidden=(3,), columns=COLUMNS, evidence=EVIDENCE)


def test_columns_start_at_their_evidence_and_the_best_have_codes():
    view = padded(X, RARE)

    @jax.jit
    def first(key):
        params = NETWORK.init(key, view)
        learned = jax.tree.map(jnp.zeros_like, params.learned) | {
            "scale": params.learned["scale"],
            "skip": jnp.zeros_like(params.learned["skip"]).at[:, 1].set(1.0),
        }
        weight = params.learned["layers"][0]["weight"]
        logits = NETWORK.apply(params._replace(learned=learned), view.data)
        again = NETWORK.init(key, view).learned["layers"][0]["weight"]
        return params.state, weight, logits, again

    state, weight, logits, again = jax.device_get(first(jax.random.key(0)))
    gain = np.asarray(fitted(view, 2).gain)
    worth = (gain / (gain + EVIDENCE)) ** 2
    np.testing.assert_allclose(state.start > 0, gain > 0)
    assert state.start.max() == 1 and state.start[np.argmax(gain)] == 1
    # The peer's trees have fewer leaves, which columns with few thresholds do not need.
    columns = [1, 2, 3, 4]
    np.testing.assert_allclose(
        state.start[columns] / state.start[1], worth[columns] / worth[1], 1e-3
    )
    assert set(state.coded) == set(np.argsort(-gain)[:COLUMNS])

    # With a linear path of ones the logits are the sums of the inputs.
    z = np.clip((np.asarray(view.data) - state.shift) * state.factor, -1e18, 1e18)
    z = z / np.sqrt(1 + (z / 3) ** 2)
    codes = np.asarray(state.trees.piecewise_linear(view.data[:, state.coded])).sum(2)
    expected = z @ state.start + codes @ state.start[state.coded]
    np.testing.assert_allclose(logits, expected, 1e-4, 1e-4)

    # Weights of inputs that are always 0 start at 0; the same key gives the same weights.
    is_leaf = np.asarray(state.trees.is_leaf()).reshape(-1)
    varies = np.concatenate([state.factor != 0, is_leaf])
    np.testing.assert_array_equal((weight != 0).any(1), varies)
    np.testing.assert_array_equal(weight, again)
