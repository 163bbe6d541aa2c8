"""Estimators and `evaluate` give the same bits with and without jax's 64-bit mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiers import asked

import imbax
from imbax.engine.float32 import in_float32

Y = np.repeat([0, 1], [60, 20])
X = np.random.default_rng(0).normal(size=(80, 3)) + Y[:, None]


def rows_of(name, **options):
    return getattr(imbax, name)(random_state=0, **options).fit_resample(X, Y)[0]


def probabilities():
    fitted = imbax.ImbalancedMLPClassifier(
        network="mlp", max_iter=2, hidden_layer_sizes=(4,), random_state=0
    )
    return fitted.fit(X, Y).predict_proba(X)


def scores():
    table = imbax.evaluate(X, Y, ["ce"], seeds=1, folds=2, epochs=2)
    return table[["average_precision", "roc_auc"]].to_numpy()


SAME = {
    "SMOTE": lambda: rows_of("SMOTE"),
    "AMDO": lambda: rows_of("AMDO"),
    "SUGAR": lambda: rows_of("SUGAR"),
    "GAMO": lambda: rows_of("GAMO", max_iter=2, noise_dim=4),
    "ImbalancedMLPClassifier": probabilities,
    "evaluate": scores,
}


@pytest.mark.parametrize("name", asked(SAME, ("SMOTE", "ImbalancedMLPClassifier", "evaluate")))
def test_64_bit_mode_does_not_change_results(name):
    results = []
    for on in (False, True):
        with jax.enable_x64(on):
            results.append(SAME[name]())
    assert results[0].dtype == results[1].dtype
    np.testing.assert_array_equal(*results)


def test_in_float32_restores_the_users_mode():
    inner = in_float32(lambda: jnp.zeros(1).dtype)
    outer = in_float32(lambda: (inner(), inner()))
    with jax.enable_x64(True):
        assert outer() == (np.float32, np.float32)
        assert jnp.zeros(1).dtype == np.float64


@pytest.mark.parametrize("name", asked(["smote", "amdo", "mc_rbo", "sugar"], ("smote",)))
def test_draws_have_an_explicit_dtype(name):
    """Functions outside estimators keep float32 rows and draw the same numbers."""
    from imbax.methods.sampling import Sizes

    sample = __import__(f"imbax.methods.{name}", fromlist=[name]).sample
    results = []
    for on in (False, True):
        with jax.enable_x64(on):
            view = imbax.rows(X.astype(np.float32), Y.astype(np.float32))
            draw = jax.jit(sample, static_argnums=3)
            wanted = np.array([0, 40], np.int32)
            x = draw(jax.random.key(0), view, wanted, Sizes(20, 40, 60)).x_synth[-40:]
            results.append(np.asarray(x))
    assert results[0].dtype == results[1].dtype
    np.testing.assert_allclose(*results, atol=1e-4)
