"""Options of Explicit Gradient against its two equations written by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import oracles
import pytest
import toys
from tiers import asked

from imbax.losses.per_example import OBJECTIVES, binary_cross_entropy
from imbax.methods.explicit_gradient import Config, Hparams, init, program, step
from imbax.training import train

KEY = jax.random.key(0)
NETWORK = toys.network()
THETA_0 = jax.tree.map(lambda leaf: 3 * leaf, jax.jit(NETWORK.init)(jax.random.key(1)))
PROBLEM = toys.problem()
TRAIN, VALID = PROBLEM.train.all(), PROBLEM.valid.all()
MINORITY = TRAIN.x[TRAIN.y > 0.5]
SIZES = {"max_minority": 14, "max_synth": 24}


def loss_fn(params, x, y):
    return binary_cross_entropy(NETWORK.apply(params, x), y)


@functools.cache
def compiled_start(config):
    options = {"config": config}
    return jax.jit(
        lambda key, problem, h: init(key, problem, NETWORK, THETA_0, **options, hparams=h)
    )


def start(hparams=None, problem=PROBLEM, key=KEY, **config):
    return compiled_start(Config(**(SIZES | config)))(key, problem, hparams or Hparams())


@functools.cache
def compiled_step(config):
    def outer_loss_fn(params, rows):
        return OBJECTIVES[config.outer_loss](NETWORK.apply(params, rows.x), rows.y, rows.w)

    static = {"loss_fn": loss_fn, "outer_loss_fn": outer_loss_fn, "config": config}
    return jax.jit(
        lambda hparams, state: step(None, state, TRAIN, VALID, **static, hparams=hparams)
    )


def one_step(hparams=None, state=None, **config):
    """Returns state and info after one step on all training and validation rows."""
    hparams = hparams or Hparams()
    state = start(hparams, **config) if state is None else state
    return compiled_step(Config(**(SIZES | config)))(hparams, state)


def by_hand(hparams=None, inner="union", num_steps=1, outer_loss="ce"):
    """Computes θ' and X_synth after one step from sums over rows, without `imbax`."""
    h = hparams or Hparams()
    points = MINORITY[jax.nn.sigmoid(NETWORK.apply(THETA_0, MINORITY)) <= h.confidence]

    def total(params, x, y):
        p = jax.nn.sigmoid(NETWORK.apply(params, x))
        return -jnp.log(jnp.where(y > 0.5, p, 1 - p)).sum()

    def inner_loss(params, x):
        real, synthetic = total(params, TRAIN.x, TRAIN.y), total(params, x, jnp.ones(len(x)))
        return {
            "union": (real + synthetic) / (len(TRAIN.x) + len(x)),
            "synth": synthetic / len(x),
            "sum_of_means": real / len(TRAIN.x) + synthetic / len(x),
        }[inner]

    def outer(x):
        params = THETA_0
        for _ in range(num_steps):
            slope = jax.grad(inner_loss)(params, x)
            params = jax.tree.map(lambda p, g: p - h.eta1 * g, params, slope)
        logits = NETWORK.apply(params, VALID.x)
        if outer_loss == "ce":
            return total(params, VALID.x, VALID.y) / len(VALID.x), params
        return OBJECTIVES[outer_loss](logits, VALID.y, jnp.ones(len(VALID.x))), params

    (loss, params), gradient = jax.jit(jax.value_and_grad(outer, has_aux=True))(points)
    params = jax.tree.map(lambda old, new: h.damping * old + (1 - h.damping) * new, THETA_0, params)
    return loss, params, points, gradient, points - h.eta2 * gradient


def leaves(*trees):
    return zip(*map(jax.tree.leaves, trees), strict=True)


CHOICES = {
    "default": {},
    "eta1": {"hparams": Hparams(eta1=0.1)},
    "eta2": {"hparams": Hparams(eta2=50.0)},
    "damping": {"hparams": Hparams(damping=0.3)},
    "confidence": {"hparams": Hparams(confidence=0.5)},
    "synth": {"inner": "synth"},
    "sum_of_means": {"inner": "sum_of_means"},
    "num_steps": {"num_steps": 3},
    "balanced_ce": {"outer_loss": "balanced_ce"},
    "focal": {"outer_loss": "focal"},
    "smooth_ap": {"outer_loss": "smooth_ap"},
    "pairwise_ranking": {"outer_loss": "pairwise_ranking"},
    "unrolled": {"method": "unrolled"},
}
SHOWN = ("default", "synth", "num_steps", "smooth_ap", "unrolled")


@pytest.mark.parametrize("name", asked(CHOICES, SHOWN))
def test_step_equals_the_equations(name):
    options = CHOICES[name]
    state, info = one_step(**options)
    by = {k: v for k, v in options.items() if k != "method"}
    loss, params, points, gradient, moved = by_hand(**by)
    real = state.w_synth > 0
    np.testing.assert_array_equal(state.x_start[real], points)
    np.testing.assert_allclose(info.outer_loss, loss, 1e-5)
    np.testing.assert_allclose(info.gradient_norm, jnp.linalg.norm(gradient), 1e-4)
    assert oracles.relative_error(state.x_synth[real] - points, moved - points) < 1e-3
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), state.params, params)
    np.testing.assert_array_equal(state.x_synth[~real], state.x_start[~real])
    # The option has an effect that the comparison above would detect.
    if name not in ("default", "unrolled"):
        usual = one_step()[0]
        moves = (state.x_synth - state.x_start, usual.x_synth - usual.x_start)
        same = [np.allclose(a, b, 1e-5, 1e-6) for a, b in leaves(state.params, usual.params)]
        assert oracles.relative_error(*moves) > 1e-2 or not all(same)


def test_sum_of_means_without_synthetic_rows():
    """The synthetic part contributes nothing; the real part keeps its step size."""
    state, _ = one_step(Hparams(confidence=0.0), inner="sum_of_means")
    assert state.w_synth.sum() == 0
    slope = jax.jit(jax.grad(lambda params: loss_fn(params, TRAIN.x, TRAIN.y).mean()))(THETA_0)
    expected = jax.tree.map(lambda p, g: p - 0.01 * g, THETA_0, slope)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), state.params, expected)


@pytest.mark.parametrize("confidence", [0.0, 0.5, 0.6, 1.0])
def test_confidence_selects_uncertain_rows(confidence):
    state = start(Hparams(confidence=confidence))
    probability = jax.nn.sigmoid(NETWORK.apply(THETA_0, MINORITY))
    expected = MINORITY[probability <= confidence]
    np.testing.assert_array_equal(state.x_synth[state.w_synth > 0], expected)
    assert len(expected) == {0.0: 0, 1.0: 10}.get(confidence, len(expected))
    if confidence in (0.5, 0.6):
        assert 0 < len(expected) < 10


@pytest.mark.parametrize("padding", [0, 10])
@pytest.mark.parametrize(("n_synth", "count"), [("double", 10), ("balance", 20)])
def test_n_synth_sets_the_number_of_synthetic_rows(n_synth, count, padding):
    problem = toys.problem(padding=padding, garbage=7.0)
    state = start(problem=problem, n_synth=n_synth)
    points = state.x_synth[state.w_synth > 0]
    assert len(points) == count
    np.testing.assert_array_equal(points, jnp.tile(MINORITY, (2, 1))[:count])


@pytest.mark.thorough
def test_jitter_scales_with_minority_deviations():
    sizes = {"n_synth": "balance", "max_synth": 5000}
    plain, noisy = (start(Hparams(jitter=j), **sizes) for j in (0.0, 0.5))
    noise = (noisy.x_start - plain.x_start) / (0.5 * np.std(MINORITY, axis=0))
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(noise.std(0), 1, atol=0.04)
    np.testing.assert_array_equal(noisy.x_synth, noisy.x_start)
    other = start(Hparams(jitter=0.5), key=jax.random.key(5), **sizes)
    assert (other.x_start != noisy.x_start).all()
    # The bound on the number of synthetic rows does not change them.
    fewer = start(Hparams(jitter=0.5), max_synth=10)
    np.testing.assert_array_equal(fewer.x_start, noisy.x_start[:10])


def box():
    return TRAIN.x.min(0), TRAIN.x.max(0)


FAR = Hparams(eta2=3e4, radius=0.05)


def test_unconstrained_rows_leave_the_box():
    low, high = box()
    x = one_step(FAR)[0].x_synth
    assert ((x < low) | (x > high)).any()
    assert jnp.linalg.norm(x - start().x_start, axis=1).max() > 1


@pytest.mark.parametrize("garbage", [0.0, 1e3])
def test_box_constraint(garbage):
    low, high = box()
    state = start(problem=toys.problem(padding=10, garbage=garbage), constraint="box")
    np.testing.assert_array_equal(state.low, low)
    np.testing.assert_array_equal(state.high, high)
    x = one_step(FAR, state, constraint="box")[0].x_synth
    np.testing.assert_array_equal(x, jnp.clip(one_step(FAR)[0].x_synth, low, high))


def test_trust_region_constraint():
    free, held = (one_step(FAR, constraint=c)[0] for c in ("none", "trust_region"))
    free, held = (s.x_synth - s.x_start for s in (free, held))
    length = jnp.linalg.norm(held, axis=1)
    assert length.max() <= 0.05 * (1 + 1e-5)
    far = jnp.linalg.norm(free, axis=1) > 0.05
    assert far.sum() > 3
    np.testing.assert_allclose(length[far], 0.05, 1e-4)
    cosine = (free * held).sum(1)[far] / (jnp.linalg.norm(free, axis=1) * length)[far]
    np.testing.assert_allclose(cosine, 1, 1e-5)
    near = one_step(Hparams(radius=10.0), constraint="trust_region")[0].x_synth
    np.testing.assert_array_equal(near, one_step()[0].x_synth)


@pytest.mark.parametrize("constraint", ["none", "box", "trust_region"])
@pytest.mark.parametrize("jitter", [0.0, 3.0])
def test_fixed_columns_do_not_change(constraint, jitter):
    hparams = FAR._replace(jitter=jitter)
    state, _ = one_step(hparams, constraint=constraint, fixed_columns=(0, 2))
    real = state.w_synth > 0
    moved = (state.x_synth != state.x_start)[real]
    np.testing.assert_array_equal(moved.any(0), [False, True, False, True])


# Whole epochs.


@functools.cache
def compiled_training(config, epochs):
    made = program(NETWORK, config)
    return jax.jit(lambda hparams, problem: train(made, KEY, problem, hparams, epochs, THETA_0))


def run(hparams=None, problem=PROBLEM, epochs=1, **config):
    """Returns final progress and curves; mini-batches of 16 rows are three per epoch."""
    sizes = SIZES | {"batch_size": 16, "synth_batch_size": 4, "outer_batch_size": 8}
    return compiled_training(Config(**(sizes | config)), epochs)(hparams or Hparams(), problem)


@pytest.mark.thorough
def test_epoch_visits_every_synthetic_row():
    """Three mini-batches of four cover all ten rows; the last one overlaps the second."""
    state = run()[0].state
    moved = (state.x_synth != state.x_start).any(1)
    np.testing.assert_array_equal(moved, np.arange(24) < 10)
    state = run(batch_size=20)[0].state  # two batches
    assert (state.x_synth != state.x_start).any(1).sum() == 8


@pytest.mark.thorough
@pytest.mark.parametrize(
    "config", [{"batch_size": 20}, {"outer_batch_size": 20}, {"synth_batch_size": 10}], ids=str
)
def test_batch_sizes_have_an_effect(config):
    result, usual = run(**config)[0].state, run()[0].state
    assert (result.x_synth != usual.x_synth).any()


@pytest.mark.thorough
def test_padding_changes_no_bit():
    plain, padded = run(), run(problem=toys.problem(padding=60, garbage=1e3))
    plain, padded = (
        (p._replace(state=p.state._replace(outer_part=0)), c) for p, c in (plain, padded)
    )
    jax.tree.map(np.testing.assert_array_equal, padded[0], plain[0])
    result, expected = padded[1], plain[1]
    np.testing.assert_array_equal(result.valid_score, expected.valid_score)
    # A mean over rows with more padding is summed in another order.
    np.testing.assert_allclose(result.train_loss, expected.train_loss, 1e-6)


def test_convergence_is_monitored():
    progress, curves = run()
    state, watched = progress.state, curves.monitored
    assert set(watched) == {"outer_loss", "outer_gradient_norm", "x_synth_move"}
    move = jnp.linalg.norm(state.x_synth - state.x_start, axis=1)[state.w_synth > 0]
    np.testing.assert_allclose(watched["x_synth_move"][-1], jnp.sqrt((move**2).mean()), 1e-5)
    assert (np.diff(watched["x_synth_move"]) != 0).all()
    assert (watched["outer_gradient_norm"] > 0).all()
    # An epoch has one mini-batch here, so the mean over steps is that of the step.
    assert 0.1 < watched["outer_loss"][0] < 2


def test_frozen_equals_eta2_zero():
    frozen, still = run(frozen=True), run(Hparams(eta2=0.0))
    np.testing.assert_array_equal(frozen[0].state.x_synth, frozen[0].state.x_start)
    np.testing.assert_array_equal(still[0].state.x_synth, still[0].state.x_start)
    # The frozen form does not evaluate the outer loss.
    assert frozen[1].monitored == {}
    same = [(p._replace(state=p.state._replace(info=())), c.train_loss) for p, c in (frozen, still)]
    for a, b in leaves(*same):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)
    usual = run()[0].state
    assert (usual.x_synth != usual.x_start).any()


def test_unit_steps_have_equal_length():
    state, _ = one_step(Hparams(eta2=0.3), move="unit")
    real = state.w_synth > 0
    moved = jnp.linalg.norm(state.x_synth - state.x_start, axis=1)
    np.testing.assert_allclose(moved[real], 0.3, 1e-5)
    np.testing.assert_array_equal(moved[~real], 0)
    gradient = by_hand()[3]
    along = (gradient * (state.x_start - state.x_synth)[real]).sum(1)
    np.testing.assert_allclose(along, 0.3 * jnp.linalg.norm(gradient, axis=1), 1e-3)


def test_adam_moves_each_row_as_optax_does():
    """Three steps; the second and third use the moments of the earlier ones."""
    hparams, state = Hparams(eta2=0.1), start(move="adam")
    optimizer = optax.adam(0.1)
    x, moments = state.x_synth, optimizer.init(state.x_synth)
    for _ in range(3):
        plain = one_step(Hparams(eta2=1.0), state._replace(moments=None))[0]
        gradient = state.x_synth - plain.x_synth
        update, moments = optimizer.update(gradient, moments)
        x = optax.apply_updates(x, update)
        state, _ = one_step(hparams, state, move="adam")
        np.testing.assert_allclose(state.x_synth, x, 1e-3, 1e-4)
    real = state.w_synth > 0
    assert abs(state.x_synth - state.x_start)[real].max() > 0.2
    np.testing.assert_array_equal(state.moments.steps, 3)
    np.testing.assert_array_equal(state.x_synth[~real], state.x_start[~real])


@pytest.mark.thorough
def test_factors_of_synthetic_losses_follow_the_outer_loss():
    hparams = Hparams(eta2=0.0, eta3=50.0)
    state, _ = one_step(hparams, learned_weights=True)
    real = state.w_synth > 0

    def loss(factor):
        return one_step(hparams, start(learned_weights=True)._replace(scale=factor),
                        learned_weights=True)[1].outer_loss  # fmt: skip

    ones = jnp.ones(24)
    slope = (loss(ones.at[0].set(1.5)) - loss(ones.at[0].set(0.5))) / 1
    assert slope != 0
    expected = np.exp(-50 * real.sum() * slope)
    np.testing.assert_allclose(state.scale[0], expected, 2e-2)
    np.testing.assert_array_equal(state.scale[~real], 1)
    np.testing.assert_array_equal(one_step(hparams)[0].x_synth, state.x_synth)
    again = run(Hparams(eta3=50.0), learned_weights=True)[0].state
    assert len(set(np.asarray(again.scale[again.w_synth > 0]))) > 5
    assert ((again.scale >= 0) & (again.scale <= 100)).all()


def test_cross_fit_holds_out_another_third_in_each_epoch():
    made = program(NETWORK, Config(**SIZES, outer="cross_fit", frozen=True))
    state, parts = start(outer="cross_fit", frozen=True), []
    epoch = jax.jit(lambda key, state, problem: made.epoch(key, state, problem, Hparams())[0])
    for number in range(12):
        state = epoch(jax.random.fold_in(KEY, number), state, PROBLEM)
        parts.append(state.outer_part)
    parts = np.array(parts)
    assert (parts.sum(1) == 14).all()  # a third of 40
    assert (parts.sum(0)[:40] > 0).all() and not parts[:, 40:].any()

    # The rows held out in an epoch do not train the parameters.
    before, held_out = start(outer="cross_fit", frozen=True), parts[0] > 0
    held_out &= np.asarray(PROBLEM.train.y < 0.5)  # minority rows are starting points
    data = PROBLEM.train.data.at[:40].add(9.0 * held_out[:40, None])
    other = PROBLEM._replace(train=PROBLEM.train._replace(data=data))
    key = jax.random.fold_in(KEY, 0)
    pair = (epoch(key, before, problem).params for problem in (PROBLEM, other))
    assert all(np.array_equal(a, b) for a, b in leaves(*pair))


@pytest.mark.parametrize("outer", asked(["valid", "train", "train_part"], ["valid", "train_part"]))
def test_outer_selects_the_rows_of_the_outer_loss(outer):
    other = PROBLEM._replace(valid=PROBLEM.valid._replace(index=PROBLEM.train.index[:20]))
    result, other = (run(problem=problem, outer=outer)[0].state for problem in (PROBLEM, other))
    assert (result.x_synth != result.x_start).any()
    assert (result.x_synth == other.x_synth).all() == (outer != "valid")


@pytest.mark.parametrize("outer", asked(["valid", "train_part"], ["train_part"]))
def test_held_out_rows_are_not_trained_on(outer):
    """Synthetic rows are frozen, so only training mini-batches change the parameters."""
    result = run(outer=outer, frozen=True)[0].state
    part = run(outer="train_part", frozen=True)[0].state.outer_part
    assert part.sum() == 14  # a third of 40
    assert result.outer_part.sum() == (14 if outer == "train_part" else 0)
    held_out = (part > 0) & (PROBLEM.train.y < 0.5)  # minority rows are starting points
    data = PROBLEM.train.data.at[:40].add(9.0 * held_out[:, None])
    other = PROBLEM._replace(train=PROBLEM.train._replace(data=data))
    other = run(problem=other, outer=outer, frozen=True)[0].state
    same = [np.array_equal(a, b) for a, b in leaves(result.params, other.params)]
    assert all(same) == (outer == "train_part")


@pytest.mark.thorough
def test_held_out_third_excludes_padding():
    problem = toys.problem(padding=60)
    plain, padded = (start(problem=p, outer="train_part").outer_part for p in (PROBLEM, problem))
    real = problem.train.w > 0
    np.testing.assert_array_equal(padded[real], plain)
    assert padded[~real].sum() == 0


def test_theta_0_is_the_checkpoint_if_best():
    still, curves = run(Hparams(eta1=0.0), epochs=12)
    assert still.best_epoch == 0
    jax.tree.map(np.testing.assert_array_equal, still.best.params, THETA_0)
    np.testing.assert_array_equal(curves.valid_score, still.best_score)
    np.testing.assert_array_equal(still.best.points.now, still.best.points.start)
    better, curves = run(Hparams(eta1=0.3), epochs=12)
    assert better.best_epoch == 1 + np.argmax(curves.valid_score) > 0
    assert better.best_score > still.best_score


@pytest.mark.thorough
def test_last_checkpoint_ignores_the_score():
    last, curves = run(Hparams(eta1=0.0), checkpoint="last")
    assert last.best_epoch == 1
    assert last.best_score == curves.valid_score[-1]
    np.testing.assert_array_equal(last.best.points.now, last.state.x_synth)


def test_missing_start_raises_an_error():
    made = program(NETWORK, Config(**SIZES))
    with pytest.raises(ValueError, match="starts from θ₀"):
        train(made, KEY, PROBLEM, Hparams(), 1)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"n_synth": "triple"}, "n_synth='triple', expected 'double' or 'balance'"),
        ({"inner": "real"}, "inner='real', expected 'union' or 'synth' or 'sum_of_means'"),
        (
            {"outer": "test"},
            "outer='test', expected 'valid' or 'train' or 'train_part' or 'cross_fit'",
        ),
        ({"move": "sign"}, "move='sign', expected 'gradient' or 'unit' or 'adam'"),
        (
            {"outer_loss": "ap"},
            "outer_loss='ap', expected 'ce' or 'balanced_ce' or 'focal' or 'smooth_ap' or "
            "'pairwise_ranking'",
        ),
        ({"constraint": "ball"}, "constraint='ball', expected 'none' or 'box' or 'trust_region'"),
        ({"checkpoint": "first"}, "checkpoint='first', expected 'best' or 'best_moved' or 'last'"),
        ({"method": "exact"}, "method='exact', expected 'mixed' or 'unrolled'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_unknown_option_raises_an_error(option, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        program(NETWORK, Config(**SIZES, **option))
