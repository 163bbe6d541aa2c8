"""Explicit Gradient on a sine wave: regression from a few points; a seed is one pure function.

The true function is sin(ω x) on [-5, 5]. Training and validation points lie on it; synthetic points
start uniformly in [-5, 5] x [-1, 1]. θ₀ is trained on the training points only. Then, each step is

    θ <- θ' = θ - η₁ ∇_θ L(train ∪ synth | θ),    x_synth <- x_synth - η₂ ∇_{x_synth} L(valid | θ'),

with L the mean squared error. Source: Yasinnik et al. 2022 (arXiv:2202.10550), section 4, figure 1
and appendix A: 5 + 5 points, 20 synthetic, one tanh layer of 10, η₁ = 0.1, η₂ = 1.

Choices that the paper leaves open:

- "Frequency π/2" is ω, in radians per unit of x. The first author's published demo has sin(2x).
- In the text all points are uniform on [-5, 5], in the caption of Figure 1 synthetic points are
  uniform on [-1, 1]. Here [-5, 5] is the range of x, and [-1, 1] the range of the synthetic
  targets, which therefore do not lie on the sine.
- Equation 2 moves only x, so targets are fixed; `move="both"` also moves the targets.
- Equation 1 has the inner loss on synthetic points only, Algorithm 1 on the union with the
  training points: the union is the default, as in `methods.explicit_gradient`.
- θ continues from step to step ("fine-tune"); with `restart` each step starts from θ₀ again.
- The paper does not state the optimizer and the length of each training. The defaults of `epochs`
  and `steps` keep a run short; `Result.curve` has the test error at other lengths.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imbax.bilevel.gradients import inner_update, outer_gradient
from imbax.errors import InputError, Range, check_ranges, one_of
from imbax.losses.per_example import weighted_mean
from imbax.networks.mlp import mlp
from imbax.types import Batch

__all__ = ["METHODS", "Config", "Result", "grid", "run"]

METHODS = ("explicit_gradient", "explicit_gradient_frozen", "train_valid", "train", "theta_0")
"""Explicit Gradient; the same with η₂ = 0; the network trained on training and validation points
(the paper's baseline); trained on the training points only; θ₀, the start of the first two."""

_HALF_WIDTH = 5.0
_TEST_ROWS = 501


_COUNTS = ("n_train", "n_valid", "n_synth", "hidden", "num_steps", "records")
RANGES = dict.fromkeys(_COUNTS, Range(1, whole=True))
"""Ranges of the fields of `Config`."""


class Config(NamedTuple):
    """Static configuration of an experiment; defaults are the paper's values if it states any."""

    n_train: int = 5
    n_valid: int = 5
    n_synth: int = 20
    hidden: int = 10
    """Width of the hidden layer."""
    frequency: float = math.pi / 2
    """Angular frequency ω."""
    eta1: float = 0.1
    """Step size η₁ > 0 of the network."""
    eta2: float = 1.0
    """Step size η₂ >= 0 of the points."""
    epochs: int = 1000
    """Number of full-batch updates of θ₀ on the training points."""
    steps: int = 5000
    """Number of steps of Explicit Gradient; baselines get `epochs + steps` updates."""
    optimizer: str = "adam"
    """Optimizer of θ₀ and the baselines: "adam", or "sgd" with step size η₁."""
    learning_rate: float = 1e-2
    """Adam's learning rate."""
    inner: str = "union"
    """Inner loss: "union" with the training points, or "synth"."""
    num_steps: int = 1
    """Number of inner steps K >= 1."""
    move: str = "x"
    """Moving part of a synthetic point: "x", or "both" x and target."""
    restart: bool = False
    """Whether each step starts from θ₀, so that only the points change over steps."""
    records: int = 20
    """Number of points of the curve in each phase; divides `epochs` and `steps`."""


class Result(NamedTuple):
    """Results of one seed, for M methods in the order of `METHODS`; points are `(x, target)`."""

    error: jax.Array
    """Mean squared error on the test rows, `[M]`."""
    valid_error: jax.Array
    """Error on the validation points, `[M]`; only `train` and `theta_0` do not use these points."""
    curve: jax.Array
    """Test error during training, `[M, 2 records]`: first `epochs`, then `steps`."""
    prediction: jax.Array
    """Predictions for the test rows, `[M, 501]`."""
    train: jax.Array
    """Training points `[n_train, 2]`."""
    valid: jax.Array
    """Validation points `[n_valid, 2]`."""
    start: jax.Array
    """Synthetic points before the first step, `[n_synth, 2]`."""
    end: jax.Array
    """Synthetic points after the last step, `[n_synth, 2]`."""


def grid(config: Config) -> jax.Array:
    """Evenly spaced points `(x, sin(ω x))` over [-5, 5], `[501, 2]`."""
    return _on_sine(jnp.linspace(-_HALF_WIDTH, _HALF_WIDTH, _TEST_ROWS, dtype=jnp.float32), config)


def run(key: jax.Array, config: Config) -> Result:
    """Train all methods on the points and the initial network of one random key; pure.

    Raises
    ------
    InputError
        An invalid option, a size below 1, or a length that `records` does not divide.
    """
    _check(config)
    network = mlp(1, (config.hidden,), jnp.tanh)
    init_key, points_key = jax.random.split(key)
    train, valid, start = _draw(points_key, config)
    test = grid(config)

    def loss_fn(params, rows, _):
        # A row includes its target, so that the gradient for moving targets is included.
        return (network.apply(params, rows[:, :1]) - rows[:, 1]) ** 2

    def test_error(params):
        return loss_fn(params, test, None).mean()

    optimizer = _optimizer(config)

    def supervised(state, batch, updates):
        def update(state):
            params, memory = state
            gradient = jax.grad(lambda p: weighted_mean(loss_fn(p, batch.x, None), batch.w))(params)
            change, memory = optimizer.update(gradient, memory)
            return optax.apply_updates(params, change), memory

        return _repeat(update, state, updates, config.records, test_error)

    def explicit_gradient(theta_0, eta2):
        batch = _batch(train) if config.inner == "union" else None
        inner = {"step_size": config.eta1, "batch": batch, "num_steps": config.num_steps}
        scale = eta2 * jnp.array([1.0, 1.0 if config.move == "both" else 0.0], jnp.float32)

        def step(state):
            params, synth = state
            params = theta_0 if config.restart else params
            if eta2 == 0:
                return inner_update(loss_fn, params, synth, synth[:, 1], **inner), synth
            look = outer_gradient(loss_fn, params, synth, synth[:, 1], _batch(valid), **inner)
            return look.params, synth - scale * look.x_synth_grad

        return _repeat(step, (theta_0, start), config.steps, config.records, test_error)

    with jax.default_matmul_precision("float32"):
        both = _batch(jnp.concatenate([train, valid]))
        # Training on `train` and on both sets is one program with different row weights.
        w = jnp.stack([both.w * (jnp.arange(both.w.size) < config.n_train), both.w])
        params = network.init(init_key)
        fresh = params, optimizer.init(params)
        early, first = jax.vmap(
            lambda w: supervised(fresh, both._replace(w=w), config.epochs)
        )(w)  # fmt: skip
        late, second = jax.vmap(
            lambda state, w: supervised(state, both._replace(w=w), config.steps)
        )(early, w)  # fmt: skip
        theta_0 = jax.tree.map(lambda leaf: leaf[0], early[0])
        (moved, end), moved_curve = explicit_gradient(theta_0, config.eta2)
        (still, _), still_curve = explicit_gradient(theta_0, 0.0)

        train_fit, joint_fit = (jax.tree.map(lambda leaf, i=i: leaf[i], late[0]) for i in (0, 1))
        fits = jax.tree.map(lambda *a: jnp.stack(a), moved, still, joint_fit, train_fit, theta_0)
        stays = jnp.full(config.records, first[0, -1])
        before = first[jnp.array([0, 0, 1, 0, 0])]
        after = jnp.stack([moved_curve, still_curve, second[1], second[0], stays])
        return Result(
            error=jax.vmap(test_error)(fits),
            valid_error=jax.vmap(lambda params: loss_fn(params, valid, None).mean())(fits),
            curve=jnp.concatenate([before, after], axis=1),
            prediction=jax.vmap(lambda params: network.apply(params, test[:, :1]))(fits),
            train=train,
            valid=valid,
            start=start,
            end=end,
        )


def _draw(key, config):
    """Training, validation and synthetic points; the size of one set does not change the others."""
    train_key, valid_key, x_key, target_key = jax.random.split(key, 4)

    def uniform(key, n, bound):
        return jax.random.uniform(key, (n,), jnp.float32, minval=-bound, maxval=bound)

    x_synth = uniform(x_key, config.n_synth, _HALF_WIDTH)
    return (
        _on_sine(uniform(train_key, config.n_train, _HALF_WIDTH), config),
        _on_sine(uniform(valid_key, config.n_valid, _HALF_WIDTH), config),
        jnp.stack([x_synth, uniform(target_key, config.n_synth, 1.0)], axis=1),
    )


def _on_sine(x, config):
    return jnp.stack([x, jnp.sin(config.frequency * x)], axis=1)


def _batch(rows):
    return Batch(rows, rows[:, 1], jnp.ones(rows.shape[0], rows.dtype))


def _optimizer(config):
    if config.optimizer == "sgd":
        return optax.sgd(config.eta1)
    return optax.adam(config.learning_rate)


def _repeat(
    update: Callable[[Any], Any],
    state: Any,
    number: int,
    records: int,
    error: Callable[[Any], jax.Array],
):
    """State after `number` updates, and the error of its parameters after each of equal pieces."""

    def piece(state, _):
        state, _ = jax.lax.scan(
            lambda state, _: (update(state), None), state, length=number // records
        )
        return state, error(state[0])

    return jax.lax.scan(piece, state, length=records)


def _check(config):
    one_of(config, optimizer=("adam", "sgd"), inner=("union", "synth"), move=("x", "both"))
    check_ranges(config)
    for field in ("epochs", "steps"):
        value = getattr(config, field)
        if value < 1 or value % config.records:
            raise InputError(
                f"{field} is {value}, expected a multiple of records = {config.records}"
            )
