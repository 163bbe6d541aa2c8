"""Losses and their averages against NumPy in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from imbax import losses
from imbax.losses import OBJECTIVES

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, 40)
Y = (np.arange(40) % 4 == 0).astype(np.float64)
W = RNG.uniform(0, 2, 40) * (np.arange(40) % 5 != 1)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def arrays(request):
    """Logits, targets, weights, and the relative tolerance of their precision."""
    with jax.enable_x64(request.param is np.float64):
        tolerance = 1e-12 if request.param is np.float64 else 1e-5
        yield *(jnp.asarray(a, request.param) for a in (LOGITS, Y, W)), tolerance


def test_cross_entropy_and_focal_follow_their_formulas(arrays):
    logits, y, _, tolerance = arrays
    expected = oracles.binary_cross_entropy(LOGITS, Y)
    np.testing.assert_allclose(losses.binary_cross_entropy(logits, y), expected, tolerance)
    np.testing.assert_allclose(losses.focal(logits, y, gamma=0.0), expected, tolerance)
    for gamma, alpha in itertools.product((1.0, 2.0), (None, 0.25)):
        expected = oracles.focal(LOGITS, Y, gamma, alpha)
        # (1 - p)^γ loses digits where p is near 1.
        given = losses.focal(logits, y, gamma, alpha)
        np.testing.assert_allclose(given, expected, 100 * tolerance, tolerance)


def test_means_follow_their_formulas(arrays):
    logits, y, w, tolerance = arrays
    given = losses.binary_cross_entropy(logits, y)
    reference = oracles.binary_cross_entropy(LOGITS, Y)
    expected = oracles.weighted_mean(reference, W)
    np.testing.assert_allclose(losses.weighted_mean(given, w), expected, tolerance)
    halves = [oracles.weighted_mean(reference, W * (c == Y)) for c in (0, 1)]
    np.testing.assert_allclose(losses.balanced_mean(given, y, w), np.mean(halves), tolerance)


def test_smooth_average_precision_follows_its_formula(arrays):
    logits, y, w, tolerance = arrays
    for temperature in (0.1, 1.0):
        expected = oracles.smooth_average_precision(LOGITS, Y, W, temperature)
        given = losses.smooth_average_precision(logits, y, w, temperature)
        np.testing.assert_allclose(given, expected, 10 * tolerance)


def test_smooth_average_precision_tends_to_the_exact_one():
    exact = 1 - oracles.average_precision(LOGITS, Y)
    with jax.enable_x64(True):
        errors = [
            abs(float(losses.smooth_average_precision(LOGITS, Y, np.ones(40), t)) - exact)
            for t in (1.0, 0.1, 1e-5)
        ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-9


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_gradients_are_finite_however_far_the_logits(scale):
    """Ties, ordinary values, and scores far past where a sigmoid saturates."""
    logits, y, w = (jnp.asarray(a, jnp.float32) for a in (scale * LOGITS, Y, W))
    for objective in OBJECTIVES.values():
        assert jnp.isfinite(jax.grad(objective)(logits, y, w)).all()


def test_the_gradient_of_smooth_average_precision_is_right():
    with jax.enable_x64(True):
        value = lambda logits: losses.smooth_average_precision(logits, Y, W, 0.5)  # noqa: E731
        expected = oracles.central_differences(value, LOGITS)
        assert oracles.relative_error(jax.grad(value)(LOGITS), expected) < 1e-6


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf])
def test_averages_ignore_what_padding_holds(garbage):
    values, y = jnp.array([1.0, 3.0, garbage]), jnp.array([1.0, 0.0, 1.0])
    w = jnp.array([1.0, 3.0, 0.0])
    assert losses.weighted_mean(values, w) == 2.5
    assert losses.balanced_mean(values, y, w) == 2.0
    np.testing.assert_array_equal(jax.grad(losses.weighted_mean)(values, w), [0.25, 0.75, 0])


@pytest.mark.parametrize("garbage", [1e30, np.nan])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_ignore_padding(name, garbage):
    logits, y, w = (jnp.asarray(a, jnp.float32) for a in (LOGITS, Y, W))
    expected = OBJECTIVES[name](logits[w > 0], y[w > 0], w[w > 0])
    assert expected > 0
    for target in (0.0, 1.0):
        held = jnp.where(w > 0, logits, garbage)
        given = OBJECTIVES[name](held, jnp.where(w > 0, y, target), w)
        np.testing.assert_allclose(given, expected, 1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_of_nothing_are_zero(name):
    zero = jnp.zeros(5)
    value, gradient = jax.value_and_grad(OBJECTIVES[name])(jnp.arange(5.0), jnp.ones(5), zero)
    assert value == 0
    np.testing.assert_array_equal(gradient, zero)


def test_smooth_average_precision_without_minority_rows_is_zero():
    value = jax.value_and_grad(losses.smooth_average_precision)
    loss, gradient = value(jnp.arange(5.0), jnp.zeros(5), jnp.ones(5))
    assert loss == 0
    np.testing.assert_array_equal(gradient, np.zeros(5))


def test_an_absent_class_counts_zero_in_the_balanced_mean():
    assert losses.balanced_mean(jnp.array([2.0, 4.0]), jnp.zeros(2), jnp.ones(2)) == 1.5


def test_objectives_differ_and_are_what_they_are_called():
    with jax.enable_x64(True):
        values = {name: float(f(LOGITS, Y, W)) for name, f in OBJECTIVES.items()}
    assert len(set(values.values())) == len(OBJECTIVES) == 4
    reference = oracles.binary_cross_entropy(LOGITS, Y)
    expected = {
        "bce": oracles.weighted_mean(reference, W),
        "balanced_bce": np.mean([oracles.weighted_mean(reference, W * (c == Y)) for c in (0, 1)]),
        "focal": oracles.weighted_mean(oracles.focal(LOGITS, Y, 2.0), W),
        "smooth_ap": oracles.smooth_average_precision(LOGITS, Y, W, 0.1),
    }
    assert values == pytest.approx(expected, rel=1e-10)


def test_supervised_loss_joins_network_and_loss():
    loss_fn = losses.supervised_loss(lambda params, x: x @ params, losses.focal)
    params, x, y = jnp.array([1.0, -2.0]), jnp.array([[1.0, 0.5], [2.0, 0.0]]), jnp.array([0.0, 1])
    np.testing.assert_allclose(loss_fn(params, x, y), losses.focal(x @ params, y))


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.binary_cross_entropy(jnp.ones((3, 1)), jnp.ones(3)),
        lambda: losses.binary_cross_entropy(jnp.ones(3), jnp.ones((3, 1))),
        lambda: losses.focal(jnp.ones((3, 1)), jnp.ones((3, 1))),
        lambda: losses.weighted_mean(jnp.ones((3, 1)), jnp.ones(3)),
        lambda: losses.weighted_mean(jnp.ones(3), jnp.ones(2)),
        lambda: losses.smooth_average_precision(jnp.ones(3), jnp.ones(3), jnp.ones((3, 1))),
    ],
)
def test_shapes_that_would_broadcast_are_refused(call):
    with pytest.raises(AssertionError, match=r"must (all |both )?be"):
        call()
