"""Losses with class counts against NumPy in float64, and their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from as_programs import as_program, as_programs

from imbax.losses import by_class
from imbax.losses.by_class import reweighted
from imbax.losses.per_example import cross_entropy, focal
from imbax.networks.mlp import mlp

class_losses = as_programs(by_class)
effective_number_weights = class_losses.effective_number_weights

LOGITS = np.random.default_rng(0).normal(0, 3, 24)
Y = (np.arange(24) % 4 == 0).astype(np.float64)
BINARY = (LOGITS, Y, np.array([900, 35]))
THREE = (oracles.LOGITS_3, oracles.Y_3, np.array([500, 20, 90]))
FORMS = pytest.mark.parametrize("form", [BINARY, THREE], ids=["binary", "multi-class"])
# Hyperparameters that differ from the defaults.
NUMBERS = {
    "ldam": {"max_margin": 0.4, "scale": 3.0},
    "logit_adjustment": {"tau": 0.7},
    "vs_loss": {"gamma": 0.2, "tau": 1.3},
}


@FORMS
@pytest.mark.parametrize("name", NUMBERS)
def test_value_and_gradient_follow_the_formula(name, form, assert_follows):
    logits, y, counts = form
    result, formula = getattr(class_losses, name), getattr(oracles, name)
    assert_follows(
        lambda z, y: result(z, y, jnp.asarray(counts), **NUMBERS[name]),
        lambda z, y: formula(z, y, counts, **NUMBERS[name]),
        logits,
        y,
    )


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999, 0.9999, 1.0])
@pytest.mark.parametrize("counts", [(900, 35), (500, 20, 90), (3, 1), (10**5, 10)])
def test_effective_number_weights_follow_the_formula(counts, beta):
    expected = oracles.effective_number_weights(counts, beta)
    result = effective_number_weights(jnp.array(counts), beta)
    np.testing.assert_allclose(result, expected, 2e-3 if beta == 0.9999 else 1e-4)
    assert float(result.sum()) == pytest.approx(len(counts), rel=1e-6)
    with jax.enable_x64(True):
        result = effective_number_weights(jnp.array(counts), beta)
        np.testing.assert_allclose(result, expected, 1e-9)


@FORMS
def test_class_balanced_loss_follows_the_formula(form, assert_follows):
    logits, y, counts = form
    weights = oracles.effective_number_weights(counts, 0.99)
    assert_follows(
        lambda z, y: reweighted(cross_entropy, effective_number_weights(counts, 0.99))(z, y),
        lambda z, y: weights[y.astype(int)] * oracles.cross_entropy(z, y),
        logits,
        y,
    )


@FORMS
def test_limits_equal_cross_entropy(form):
    logits, y, counts = (jnp.asarray(part) for part in form)
    expected = as_program(cross_entropy)(logits, y)
    weights = effective_number_weights(counts, 0.0)
    np.testing.assert_array_equal(weights, jnp.ones(len(counts)))
    for result in (
        as_program(reweighted(cross_entropy, weights))(logits, y),
        class_losses.ldam(logits, y, counts, 0.0, 1.0),
        class_losses.logit_adjustment(logits, y, counts, 0.0),
        class_losses.vs_loss(logits, y, counts, 0.0, 0.0),
        class_losses.logit_adjustment(logits, y, jnp.full(len(counts), 7)),
        class_losses.vs_loss(logits, y, jnp.full(len(counts), 7)),
    ):
        np.testing.assert_allclose(result, expected, 1e-5, 1e-6)


@FORMS
def test_limits_of_vs_loss_and_effective_number_weights(form):
    """VS without scaling is logit adjustment; β = 1 gives inverse frequencies."""
    logits, y, counts = (jnp.asarray(part) for part in form)
    result = class_losses.vs_loss(logits, y, counts, 0.0, 0.8)
    expected = class_losses.logit_adjustment(logits, y, counts, 0.8)
    np.testing.assert_allclose(result, expected, 1e-5, 1e-6)
    inverse = effective_number_weights(counts, 1.0) * counts
    np.testing.assert_allclose(inverse, inverse[0], 1e-6)


def test_ldam_without_margin_is_cross_entropy_of_the_head():
    x = jnp.asarray(np.random.default_rng(3).normal(size=(24, 5)), jnp.float32)
    network = mlp(5, (6,), cosine_scale=1.0)
    params = network.init(jax.random.key(0))
    hidden, head = (params["layers"][i] for i in (0, 1))
    h = np.maximum(np.asarray(x, np.float64) @ np.asarray(hidden["kernel"]) + hidden["bias"], 0)
    unit = lambda a: a / np.linalg.norm(a, axis=1, keepdims=True)
    cosines = unit(h) @ unit(np.asarray(head["kernel"], np.float64)).T
    result = class_losses.ldam(
        as_program(network.apply)(params, x), jnp.asarray(Y), BINARY[2], 0.0, 1.0
    )
    np.testing.assert_allclose(result, oracles.cross_entropy(cosines, Y), 1e-5)
    # With margins and scale, it is the paper's loss of these cosines.
    logits = as_program(mlp(5, (6,), cosine_scale=30.0).apply)(params, x)
    result = class_losses.ldam(logits, jnp.asarray(Y), BINARY[2])
    expected = oracles.ldam(30 * cosines, Y, BINARY[2], 0.5, 30.0)
    np.testing.assert_allclose(result, expected, 1e-4, 1e-5)


def test_two_logits_equal_one_logit_against_zero():
    """VS is excluded: its binary factor depends on the row."""
    logits, y, counts = (jnp.asarray(part) for part in BINARY)
    pair = jnp.stack([0 * logits, logits], 1)
    for name in ("ldam", "logit_adjustment"):
        loss = getattr(class_losses, name)
        np.testing.assert_allclose(loss(pair, y, counts), loss(logits, y, counts), 1e-4, 1e-5)
    differ = class_losses.vs_loss(pair, y, counts) - class_losses.vs_loss(logits, y, counts)
    assert jnp.abs(differ).max() > 0.1


@FORMS
def test_empty_class_does_not_affect_others(form):
    """All values and gradients are finite."""
    logits, y, counts = (jnp.asarray(part) for part in form)
    y, counts = jnp.zeros_like(y), counts.at[1].set(0)
    weights = effective_number_weights(counts)
    assert weights[1] == 0
    assert jnp.isfinite(weights).all()
    assert float(weights.sum()) == pytest.approx(len(counts))
    np.testing.assert_array_equal(
        class_losses.ldam(logits, y, counts), class_losses.ldam(logits, y, counts.at[1].set(10**6))
    )
    for name in NUMBERS:
        value = lambda z, name=name: getattr(class_losses, name)(z, y, counts).sum()
        loss, gradient = jax.jit(jax.value_and_grad(value))(logits)
        assert np.isfinite(loss) and np.isfinite(gradient).all()


@FORMS
@pytest.mark.parametrize("name", NUMBERS)
def test_gradients_are_finite_for_extreme_logits(name, form):
    logits, y, counts = (jnp.asarray(part, jnp.float32) for part in form)
    gradient = jax.grad(lambda z: getattr(class_losses, name)(z, y, counts).sum())
    scaled = jax.jit(jax.vmap(lambda scale: gradient(scale * logits)))
    assert jnp.isfinite(scaled(jnp.array([0.0, 1.0, 1e4]))).all()


def test_counts_and_hparams_may_be_vmapped():
    logits, y = jnp.asarray(LOGITS), jnp.asarray(Y)
    counts, number = jnp.array([[900, 35], [50, 50], [10, 900]]), jnp.array([0.1, 0.5, 0.9])
    for name in NUMBERS:
        loss = getattr(class_losses, name)
        n = jax.jit(jax.vmap(lambda c, v, loss=loss: loss(logits, y, c, v)))(counts, number)
        for r in range(3):
            np.testing.assert_allclose(n[r], loss(logits, y, counts[r], number[r]), 1e-5, 1e-6)
    weights = jax.jit(jax.vmap(effective_number_weights))(counts, number)
    np.testing.assert_allclose(weights[1], 1, 1e-6)


def test_losses_can_be_reweighted():
    logits, y = jnp.asarray(THREE[0]), jnp.asarray(THREE[1])
    result = as_program(reweighted(focal, jnp.array([1.0, 2.0, 0.0])))(logits, y)
    np.testing.assert_allclose(
        result, as_program(focal)(logits, y) * np.array([1, 2, 0])[THREE[1]], 1e-6
    )


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    ("logits", "counts"), [(LOGITS, np.ones(3)), (oracles.LOGITS_3, np.ones(2)), (LOGITS, 4.0)]
)
def test_counts_of_wrong_length_raise_an_error(name, logits, counts):
    with pytest.raises(AssertionError, match="counts must be"):
        getattr(class_losses, name)(
            jnp.asarray(logits), jnp.zeros(len(logits)), jnp.asarray(counts)
        )
