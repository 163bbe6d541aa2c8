"""Losses and their averages against NumPy in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from as_programs import as_program, as_programs

from imbax.losses import per_example

losses = as_programs(per_example)
OBJECTIVES = {name: as_program(objective) for name, objective in losses.OBJECTIVES.items()}

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
        result = losses.focal(logits, y, gamma, alpha)
        np.testing.assert_allclose(result, expected, 100 * tolerance, tolerance)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "weighted focal", "asymmetric"])
@pytest.mark.parametrize("form", ["binary", "multi-class"])
def test_value_and_gradient_of_each_loss_follow_its_formula(form, name, assert_follows):
    alpha = 0.25 if form == "binary" else np.array([0.2, 0.5, 1.0])
    options = {
        "cross_entropy": {},
        "focal": {"gamma": 1.5},
        "weighted focal": {"gamma": 2.0, "alpha": alpha},
        "asymmetric": {"gamma_positive": 1.0, "gamma_negative": 3.0, "shift": 0.05},
    }[name]
    function = name.split()[-1]
    assert_follows(
        lambda logits, y: getattr(losses, function)(logits, y, **options),
        lambda logits, y: getattr(oracles, function)(logits, y, **options),
        *((LOGITS, Y) if form == "binary" else (oracles.LOGITS_3, oracles.Y_3)),
    )


@pytest.mark.parametrize(("logits", "y"), [(LOGITS, Y), (oracles.LOGITS_3, oracles.Y_3)])
def test_losses_without_focus_equal_cross_entropy(logits, y):
    with jax.enable_x64(True):
        expected = losses.cross_entropy(jnp.asarray(logits), jnp.asarray(y))
        plain = losses.focal(logits, jnp.asarray(y), gamma=0.0)
        np.testing.assert_allclose(plain, expected, 1e-12)
        if logits.ndim == 1:
            result = losses.asymmetric(jnp.asarray(logits), jnp.asarray(y), 0.0, 0.0, 0.0)
        else:  # only the positive term remains
            result = losses.asymmetric(jnp.asarray(logits), jnp.asarray(y), 0.0, 4.0, 1.0)
        np.testing.assert_allclose(result, expected, 1e-12)


def test_two_logits_equal_one_logit_against_zero():
    with jax.enable_x64(True):
        pair = jnp.stack([jnp.zeros(40), jnp.asarray(LOGITS)], 1)
        for loss in (losses.cross_entropy, losses.focal):
            np.testing.assert_allclose(loss(pair, Y), loss(jnp.asarray(LOGITS), Y), 1e-10)


@pytest.mark.thorough
@pytest.mark.parametrize(("logits", "y"), [(LOGITS, Y), (oracles.LOGITS_3, oracles.Y_3)])
def test_hyperparameters_of_the_asymmetric_loss_have_effects(logits, y):
    """Includes γ₋ in the softmax form and `detached`."""
    value = lambda *numbers, **options: losses.asymmetric(logits, y, *numbers, **options)
    logits, y = jnp.asarray(logits, jnp.float32), jnp.asarray(y)
    plain = value(1.0, 4.0, 0.05)
    for other in ((2.0, 4.0, 0.05), (1.0, 2.0, 0.05), (1.0, 4.0, 0.2)):
        assert jnp.abs(value(*other) - plain).max() > 1e-3
    assert (plain >= 0).all()
    np.testing.assert_array_equal(value(detached=True), plain)
    full, detached = (
        jax.grad(lambda z, d=d: losses.asymmetric(z, y, detached=d).sum())(logits)
        for d in (False, True)
    )
    assert jnp.abs(full - detached).max() > 1e-2


@pytest.mark.parametrize("name", ["focal", "asymmetric"])
@pytest.mark.parametrize(("logits", "y"), [(LOGITS, Y), (oracles.LOGITS_3, oracles.Y_3)])
def test_focus_is_finite_for_extreme_logits(name, logits, y):
    def both(scale, gamma, shift):
        numbers = (gamma,) if name == "focal" else (gamma, gamma, shift)
        value = lambda z: getattr(losses, name)(z, jnp.asarray(y), *numbers).sum()
        return jax.value_and_grad(value)(scale * jnp.asarray(logits, jnp.float32))

    grid = np.array(list(itertools.product((0, 1, 1e4), (0, 0.5, 2), (0, 0.05))), np.float32)
    values, gradients = jax.jit(jax.vmap(both))(*grid.T)
    assert jnp.isfinite(values).all()
    assert jnp.isfinite(gradients).all()


def test_hyperparameters_may_be_vmapped():
    gammas, (logits, y) = jnp.array([0.0, 1.0, 3.0]), map(jnp.asarray, (LOGITS, Y))
    for loss in (losses.focal, lambda z, y, g: losses.asymmetric(z, y, 1.0, g)):
        swept = jax.jit(jax.vmap(lambda g, loss=loss: loss(logits, y, g)))(gammas)
        for result, gamma in zip(swept, gammas, strict=True):
            np.testing.assert_allclose(result, loss(logits, y, gamma), 1e-5, 1e-7)


def test_pairwise_ranking_follows_its_formula(arrays):
    logits, y, w, tolerance = arrays
    expected = oracles.pairwise_ranking(LOGITS, Y, W)
    np.testing.assert_allclose(losses.pairwise_ranking(logits, y, w), expected, 10 * tolerance)
    with jax.enable_x64(True):
        result = jax.jit(jax.grad(lambda z: losses.pairwise_ranking(z, Y, W)))(LOGITS)
        expected = oracles.central_differences(lambda z: oracles.pairwise_ranking(z, Y, W), LOGITS)
    assert oracles.relative_error(result, expected) < 1e-6


def test_pairwise_ranking_bounds_the_area_under_the_roc_curve():
    bound = losses.pairwise_ranking(LOGITS, Y, np.ones(40)) / np.log(2)
    assert 0 < 1 - oracles.roc_auc(LOGITS, Y) < bound
    far = losses.pairwise_ranking(jnp.where(Y > 0.5, 1000.0, -1000.0), Y, np.ones(40))
    assert far == 0


def test_means_follow_their_formulas(arrays):
    logits, y, w, tolerance = arrays
    result = losses.binary_cross_entropy(logits, y)
    reference = oracles.binary_cross_entropy(LOGITS, Y)
    expected = oracles.weighted_mean(reference, W)
    np.testing.assert_allclose(losses.weighted_mean(result, w), expected, tolerance)
    halves = [oracles.weighted_mean(reference, W * (c == Y)) for c in (0, 1)]
    np.testing.assert_allclose(losses.balanced_mean(result, y, w), np.mean(halves), tolerance)


def test_smooth_average_precision_follows_its_formula(arrays):
    logits, y, w, tolerance = arrays
    for temperature in (0.1, 1.0):
        expected = oracles.smooth_average_precision(LOGITS, Y, W, temperature)
        result = losses.smooth_average_precision(logits, y, w, temperature)
        np.testing.assert_allclose(result, expected, 10 * tolerance)


def test_smooth_average_precision_converges_to_exact():
    exact = 1 - oracles.average_precision(LOGITS, Y)
    with jax.enable_x64(True):
        errors = [
            abs(float(losses.smooth_average_precision(LOGITS, Y, np.ones(40), t)) - exact)
            for t in (1.0, 0.1, 1e-5)
        ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-9


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_gradients_are_finite_for_extreme_logits(scale):
    """Ties, ordinary values, and scores for which a sigmoid saturates."""
    logits, y, w = (a.astype(np.float32) for a in (scale * LOGITS, Y, W))
    for objective in OBJECTIVES.values():
        assert np.isfinite(jax.jit(jax.grad(objective))(logits, y, w)).all()


def test_gradient_of_smooth_average_precision():
    with jax.enable_x64(True):
        value = lambda logits: losses.smooth_average_precision(logits, Y, W, 0.5)
        expected = oracles.central_differences(value, LOGITS)
        assert oracles.relative_error(jax.jit(jax.grad(value))(LOGITS), expected) < 1e-6


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf])
def test_averages_ignore_padding(garbage):
    values, y, w = np.float32([[1, 3, garbage], [1, 0, 1], [1, 3, 0]])
    assert losses.weighted_mean(values, w) == 2.5
    assert losses.balanced_mean(values, y, w) == 2.0
    np.testing.assert_array_equal(
        jax.jit(jax.grad(losses.weighted_mean))(values, w), [0.25, 0.75, 0]
    )


@pytest.mark.parametrize("garbage", [1e30, np.nan])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_ignore_padding(name, garbage):
    logits, y, w = (a.astype(np.float32) for a in (LOGITS, Y, W))
    expected = OBJECTIVES[name](logits[w > 0], y[w > 0], w[w > 0])
    assert expected > 0
    for target in np.float32([0.0, 1.0]):
        held = np.where(w > 0, logits, np.float32(garbage))
        result = OBJECTIVES[name](held, np.where(w > 0, y, target), w)
        np.testing.assert_allclose(result, expected, 1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_without_rows_are_zero(name):
    zero = np.zeros(5, np.float32)
    result = (np.arange(5, dtype=np.float32), np.ones(5, np.float32), zero)
    value, gradient = jax.jit(jax.value_and_grad(OBJECTIVES[name]))(*result)
    assert value == 0
    np.testing.assert_array_equal(gradient, zero)


def test_smooth_average_precision_without_minority_rows_is_zero():
    value = jax.jit(jax.value_and_grad(losses.smooth_average_precision))
    loss, gradient = value(jnp.arange(5.0), jnp.zeros(5), jnp.ones(5))
    assert loss == 0
    np.testing.assert_array_equal(gradient, np.zeros(5))


def test_absent_class_contributes_zero_to_the_balanced_mean():
    assert losses.balanced_mean(jnp.array([2.0, 4.0]), jnp.zeros(2), jnp.ones(2)) == 1.5


def test_objectives_by_name_equal_their_functions():
    with jax.enable_x64(True):
        values = {name: float(f(LOGITS, Y, W)) for name, f in OBJECTIVES.items()}
    assert len(set(values.values())) == len(OBJECTIVES) == 5
    reference = oracles.binary_cross_entropy(LOGITS, Y)
    expected = {
        "ce": oracles.weighted_mean(reference, W),
        "balanced_ce": np.mean([oracles.weighted_mean(reference, W * (c == Y)) for c in (0, 1)]),
        "focal": oracles.weighted_mean(oracles.focal(LOGITS, Y, 2.0), W),
        "smooth_ap": oracles.smooth_average_precision(LOGITS, Y, W, 0.1),
        "pairwise_ranking": oracles.pairwise_ranking(LOGITS, Y, W),
    }
    assert values == pytest.approx(expected, rel=1e-10)


def test_supervised_loss_composes_network_and_loss():
    loss_fn = per_example.supervised_loss(lambda params, x: x @ params, losses.focal)
    params, x, y = jnp.array([1.0, -2.0]), jnp.array([[1.0, 0.5], [2.0, 0.0]]), jnp.array([0.0, 1])
    np.testing.assert_allclose(loss_fn(params, x, y), losses.focal(x @ params, y))


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.binary_cross_entropy(jnp.ones((3, 1)), jnp.ones(3)),
        lambda: losses.binary_cross_entropy(jnp.ones(3), jnp.ones((3, 1))),
        lambda: losses.focal(jnp.ones((3, 1)), jnp.ones((3, 1))),
        lambda: losses.focal(jnp.ones(3), jnp.ones((3, 1))),
        lambda: losses.asymmetric(jnp.ones(3), jnp.ones((3, 1))),
        lambda: losses.asymmetric(jnp.ones((3, 2)), jnp.ones(2)),
        lambda: losses.cross_entropy(jnp.ones((3, 2, 2)), jnp.ones(3)),
        lambda: losses.pairwise_ranking(jnp.ones(3), jnp.ones(3), jnp.ones((3, 1))),
        lambda: losses.weighted_mean(jnp.ones((3, 1)), jnp.ones(3)),
        lambda: losses.weighted_mean(jnp.ones(3), jnp.ones(2)),
        lambda: losses.smooth_average_precision(jnp.ones(3), jnp.ones(3), jnp.ones((3, 1))),
    ],
)
def test_broadcasting_shapes_raise_errors(call):
    with pytest.raises(AssertionError, match=r"must (all |both )?be"):
        call()
