"""Inputs of MLP-PLE: scaled columns, their codes and initial factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_tree_codes import RARE, X, padded

from imbax.networks.columns import FittedRows
from imbax.networks.mlp_ple import mlp_ple
from imbax.networks.tree_codes import column_trees
from imbax.types import Variables

COLUMNS, EVIDENCE = 2, 10.0
FLOOR = 0.2
NETWORK = mlp_ple(X.shape[1], hidden=(3,), columns=COLUMNS, evidence=EVIDENCE, floor=FLOOR)


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
        trees = column_trees(FittedRows.of(view), view.y, 2)
        return params.state, weight, logits, again, trees.gain

    state, weight, logits, again, gain = jax.device_get(first(jax.random.key(0)))
    worth = (gain / (gain + EVIDENCE)) ** 2
    assert gain[0] > gain[1] > 0 and gain[3:].max() == 0
    start = np.where(state.factor != 0, np.maximum(worth / worth.max(), FLOOR), 0)
    np.testing.assert_allclose(state.start, start, 1e-4)
    assert (state.factor == 0).any() and ((start == FLOOR).any())
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


@pytest.mark.thorough
def test_each_member_draws_its_dropout_rate():
    """`init` draws a rate from the range; training drops units at that rate, and `apply` none."""
    spread = mlp_ple(3, hidden=(4000,), columns=1, dropout=(0.2, 0.9))
    keys = jax.random.split(jax.random.key(0), 200)
    rates = jax.vmap(lambda key: mlp_ple(3, dropout=(0.2, 0.9)).init(key).state.dropout)(keys)
    assert 0.2 <= rates.min() < 0.25 and 0.85 < rates.max() < 0.9
    assert mlp_ple(3, dropout=0.6).init(keys[0]).state.dropout == np.float32(0.6)

    params = spread.init(keys[1])
    # Each unit contributes 1 to the logit, so that the logit of a row counts the units kept.
    layers = [
        {
            "weight": jnp.zeros_like(params.learned["layers"][0]["weight"]),
            "bias": jnp.full(4000, 9.0),
        },
        {"weight": jnp.tile(jnp.array([0, 1 / 9]), (4000, 1)), "bias": jnp.zeros(2)},
    ]
    learned, x = params.learned | {"layers": layers}, jnp.zeros((5, 3))
    for rate in (0.2, 0.7):
        state = params.state._replace(dropout=jnp.float32(rate))
        kept, _ = spread.train(learned, state, x, jnp.ones(5), keys[2])
        np.testing.assert_allclose(kept * (1 - rate) / 4000, 1 - rate, atol=0.03)
        assert len(set(np.asarray(kept))) > 1
    np.testing.assert_allclose(spread.apply(Variables(learned, params.state), x), 4000, rtol=1e-4)
