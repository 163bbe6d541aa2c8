"""Explicit Gradient: minority points follow the gradient taken through the classifier's step.

From θ₀, the best checkpoint of plain training, each step takes minibatches (X₁, X₂, X_synth) of
training rows, outer rows and synthetic rows and does

    θ'       = θ - η₁ ∇_θ L(X₁ ∪ X_synth | θ)                         (Algorithm 1, step 1)
    X_synth <- X_synth - η₂ ∇_{X_synth} L(X₂ | θ')                    (Algorithm 1, step 2)
    θ       <- α θ + (1 - α) θ'                                       (α = 0 in the paper)

X_synth starts as the training rows of the minority with C_θ₀(x) <= c, has the minority's label,
and persists over epochs. Source: Yasinnik et al. 2022 (arXiv:2202.10550), section 3, Algorithm 1.

Of more than two classes, every one but the largest has points of its own label, and C is that
label's probability; the paper leaves this to future work.

Where the paper is silent or at odds with itself, the fields of `Config` and `Hparams` name the
reading taken. Equation 1 has the inner loss on synthetic rows alone, Algorithm 1 on the union: the
union is the default. The abstract speaks of average precision, the algorithm of the loss:
cross-entropy is the default outer loss. Points are never projected by default. θ₀ itself may be the
chosen checkpoint. η₂ = 0 (`frozen=True`) is the ablation in which only the movement is missing.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imbax.bilevel.gradients import inner_update, outer_gradient
from imbax.errors import Range, one_of
from imbax.losses.per_example import (
    OBJECTIVES,
    cross_entropy,
    supervised_loss,
    training_loss,
    weighted_mean,
)
from imbax.methods.points import (
    bounding_box,
    cycle,
    deviations,
    hold,
    jitter,
    within,
)
from imbax.methods.sampling import slots, smaller_classes
from imbax.metrics.density import log_density
from imbax.minibatches import each_batch, random_order, shuffled_minibatches
from imbax.training import Fit, Points, Program, number_of_classes
from imbax.types import Batch, LossFn, Network, Params, Problem, Rows, Variables

__all__ = ["Config", "Hparams", "Info", "State", "init", "program", "step"]


class Config(NamedTuple):
    """Choices fixed at compile time; the first value named is the default."""

    max_minority: int
    """Upper bound on training rows of all classes but the largest (shapes depend on it)."""
    max_synth: int
    """Upper bound on synthetic rows."""
    n_synth: str = "double"
    """How many: "double" each class but the largest, or "balance" them."""
    frozen: bool = False
    """Leave the points where they start: η₂ = 0 without paying for the outer gradient."""
    inner: str = "union"
    """Inner loss: "union" (Algorithm 1), "synth" (equation 1), or "sum_of_means" of both parts."""
    num_steps: int = 1
    """Inner steps K >= 1."""
    outer: str = "valid"
    """Rows of the outer loss: "valid", "train", or "train_part" (a third of train, held out)."""
    outer_loss: str = "ce"
    """"ce", "balanced_ce", "focal", "smooth_ap" or "pairwise_ranking" (`losses.OBJECTIVES`)."""
    constraint: str = "none"
    """"none", "box" of the training rows, or "trust_region" of radius `Hparams.radius`."""
    fixed_columns: tuple[int, ...] = ()
    """Columns that do not move."""
    batch_size: int = 128
    """Training rows per step."""
    synth_batch_size: int = 128
    """Synthetic rows per step, all when fewer; with `batch_size` it sets the class ratio."""
    outer_batch_size: int = 128
    """Outer rows per step."""
    checkpoint: str = "best"
    """"best" validation average precision over epochs, θ₀ included, or "last"."""
    method: str = "mixed"
    """How the outer gradient is computed, see `bilevel.outer_gradient`."""


class Hparams(NamedTuple):
    """Traced numbers; each may differ from run to run."""

    eta1: float = 1e-2
    """Inner step size η₁."""
    eta2: float = 10.0
    """Step size of the points η₂; the gradient is that of a mean loss."""
    damping: float = 0.0
    """α in [0, 1): share of the old θ that is kept."""
    confidence: float = 1.0
    """c in [0, 1]: only rows with C_θ₀(x) <= c are duplicated; 1 means all."""
    jitter: float = 0.0
    """Gaussian noise on the starting points, in their class's standard deviations per column."""
    radius: float = 0.1
    """Trust region: largest Euclidean distance from the starting point."""
    wanted: Any = None
    """`[K]`: points of each class in place of `Config.n_synth`, also of the largest."""


RANGES = {
    "eta1": Range(0, above=True),
    "eta2": Range(0),
    "damping": Range(0, 1, below=True),
    "confidence": Range(0, 1),
    "jitter": Range(0),
    "radius": Range(0, above=True),
}
"""Of `Hparams`."""


class Info(NamedTuple):
    """Diagnostics of one step."""

    outer_loss: jax.Array
    gradient_norm: jax.Array
    """Euclidean norm of the outer gradient over the batch's points."""


class State(NamedTuple):
    """What the next step needs."""

    params: Params
    x_synth: jax.Array
    """`[m, d]`."""
    x_start: jax.Array
    """`[m, d]`."""
    y_synth: jax.Array
    """`[m]`."""
    w_synth: jax.Array
    """`[m]`, 0 = padding or too confident at the start."""
    low: jax.Array
    """`[d]`: the box's lower corner (used by `constraint="box"` only)."""
    high: jax.Array
    """`[d]`: the box's upper corner."""
    outer_part: jax.Array
    """`[n]`: 1 for training rows set aside for the outer loss."""
    info: Info
    """Means over the last epoch's steps, by their rows."""


def init(
    key: jax.Array,
    problem: Problem,
    network: Network,
    theta_0: Params,
    *,
    config: Config,
    hparams: Hparams,
) -> State:
    """Duplicate the uncertain rows of every class but the largest and set the stage."""
    train = problem.train
    classes = number_of_classes(network.apply, theta_0, train)
    own = hparams.wanted
    few, largest = smaller_classes(train, classes, own)
    more = few.counts if config.n_synth == "double" else jnp.maximum(largest - few.counts, 0)
    more = more if own is None else own
    c, wanted = slots(jnp.where(few.counts > 0, more, 0), config.max_synth)
    place = jnp.arange(config.max_synth) - jnp.searchsorted(c, c)
    x = train.take(few.row(c, place % jnp.maximum(few.counts[c], 1))).x
    y = c.astype(train.target.dtype)
    certainty = jnp.exp(-cross_entropy(network.apply(theta_0, x), y))
    uncertain = certainty <= hparams.confidence

    noise_key, part_key = jax.random.split(key)
    x = x + hparams.jitter * jitter(noise_key, x, deviations(train, few, config.max_minority)[c])
    low, high = (
        bounding_box(train) if config.constraint == "box" else (jnp.zeros(x.shape[1], x.dtype),) * 2
    )
    part = _random_third(part_key, train.w) if config.outer == "train_part" else 0 * train.w
    w = (wanted & uncertain).astype(x.dtype)
    return State(theta_0, x, x, y, w, low, high, part, Info(*jnp.zeros(2, x.dtype)))


def step(
    key: jax.Array | None,
    state: State,
    batch: Batch,
    outer: Batch,
    *,
    loss_fn: LossFn,
    outer_loss_fn: Callable[[Params, Batch], jax.Array] | None = None,
    config: Config,
    hparams: Hparams,
) -> tuple[State, Info]:
    """Both equations once, for all points of `state`.

    Parameters
    ----------
    key
        Random key; not used, since nothing is drawn.
    state
        Points `[b, d]` and parameters.
    batch
        Training rows X₁.
    outer
        Outer rows X₂.
    loss_fn
        Per-example losses; as in `bilevel.outer_gradient`, also where `state.params` are
        `Variables`.
    config
        Static choices.
    hparams
        Traced numbers.
    outer_loss_fn
        `(params, Batch) -> scalar`; default the weighted mean of `loss_fn`.
    """
    x, y = state.x_synth, state.y_synth
    batch, w, eta1 = _inner_weights(config.inner, batch, state.w_synth, hparams.eta1)
    inner = {"step_size": eta1, "batch": batch, "w_synth": w, "num_steps": config.num_steps}
    if config.frozen:
        adapted = inner_update(loss_fn, state.params, x, y, **inner)
        info = Info(*jnp.zeros(2, x.dtype))
    else:
        loss, gradient, adapted = outer_gradient(
            loss_fn, state.params, x, y, outer,
            outer_loss_fn=outer_loss_fn, method=config.method, **inner,
        )  # fmt: skip
        x = _constrain(config, hparams, state, x - hparams.eta2 * gradient)
        info = Info(loss, jnp.linalg.norm(gradient))
    damp = lambda old, new: new + hparams.damping * (old - new)
    if isinstance(adapted, Variables):
        learned = jax.tree.map(damp, state.params.learned, adapted.learned)
        return state._replace(params=adapted._replace(learned=learned), x_synth=x), info
    return state._replace(params=jax.tree.map(damp, state.params, adapted), x_synth=x), info


def program(network: Network, config: Config) -> Program:
    """The whole training; its `start` is θ₀, the best checkpoint of `supervised`.

    Raises
    ------
    ValueError
        An option that is none of those its field names.
    """
    one_of(
        config,
        n_synth=("double", "balance"),
        inner=("union", "synth", "sum_of_means"),
        outer=("valid", "train", "train_part"),
        outer_loss=OBJECTIVES,
        constraint=("none", "box", "trust_region"),
        checkpoint=("best", "last"),
        method=("mixed", "unrolled"),
    )
    loss_fn = training_loss(network)

    def outer_loss_fn(params, rows):
        logits = network.apply(network.without_key(params), rows.x)
        return OBJECTIVES[config.outer_loss](logits, rows.y, rows.w)

    def epoch(key, state, problem, hparams):
        train_key, outer_key, synth_key = jax.random.split(key, 3)
        dropping = jax.random.fold_in(key, _DROPOUT)
        train = problem.train._replace(w=problem.train.w * (1 - state.outer_part))
        batches = shuffled_minibatches(train_key, train, config.batch_size)
        outer_rows = _outer_rows(config.outer, problem, state.outer_part)
        outer_order, outer_window = cycle(outer_key, outer_rows.w, config.outer_batch_size)
        # The points are put in this epoch's order once, so that each batch of them is a slice.
        order, window = cycle(synth_key, state.w_synth, config.synth_batch_size)
        kept = [leaf[order] for leaf in (state.x_start, state.y_synth, state.w_synth)]

        def one_batch(carry, number, drawn):
            params, x_synth = carry
            points, at = window(number)
            x_start, y_synth, w_synth = map(points, kept)
            now = state._replace(
                params=network.with_key(params, jax.random.fold_in(dropping, number)),
                x_synth=points(x_synth),
                x_start=x_start,
                y_synth=y_synth,
                w_synth=w_synth,
            )
            outer = outer_rows.take(outer_window(number)[0](outer_order))
            batch = Batch(train.features(drawn.row), drawn.y, drawn.w)
            after, info = step(
                None, now, batch, outer,
                loss_fn=loss_fn, outer_loss_fn=outer_loss_fn, config=config, hparams=hparams,
            )  # fmt: skip
            x_synth = jax.lax.dynamic_update_slice_in_dim(x_synth, after.x_synth, at, 0)
            return (network.without_key(after.params), x_synth), info

        with jax.default_matmul_precision("float32"):
            carry = (state.params, state.x_synth[order])
            (params, x_synth), info = each_batch(one_batch, carry, batches)
            predicted = supervised_loss(network.apply)
            loss = _loss_of_first_batches(predicted, params, train, batches)
        x_synth = x_synth[jnp.argsort(order)]
        return state._replace(params=params, x_synth=x_synth, info=info), loss

    return Program(
        apply=network.apply,
        init=_begin(network, config._replace(frozen=False)),
        epoch=epoch,
        fit=_fit,
        checkpoint=config.checkpoint,
        start_admissible=True,
        monitor=None if config.frozen else _watched,
    )


# The name of an epoch's random stream beside those of its batches.
_DROPOUT = 3


@functools.lru_cache
def _begin(network, config):
    """The same function for the same arguments, so that it is compiled once."""

    def begin(key, problem, hparams, theta_0):
        if theta_0 is None:
            raise ValueError("explicit_gradient starts from θ₀: give `start` (trained parameters)")
        return init(key, problem, network, theta_0, config=config, hparams=hparams)

    return begin


def _fit(state):
    return Fit(state.params, Points(state.x_start, state.x_synth, state.y_synth, state.w_synth))


def _random_third(key, w):
    """1 for a random third of the rows with weight, `[n]`: the published code's split."""
    place = jnp.argsort(random_order(key, w))
    return (place * 3 < (w > 0).sum()).astype(w.dtype)


def _outer_rows(outer, problem, part) -> Rows:
    if outer == "valid":
        return problem.valid
    if outer == "train":
        return problem.train
    return problem.train._replace(w=problem.train.w * part)


def _inner_weights(inner, batch, w_synth, eta1):
    """The batch, weights and step size by which one weighted mean is each reading of L_in."""
    if inner == "union":
        return batch, w_synth, eta1
    if inner == "synth":
        return None, w_synth, eta1
    # With weights that sum to 1 in each part that has rows, the union's mean is the sum of the
    # parts' means divided by the number of such parts.
    of_batch, of_synth = (w / jnp.where(w.sum() > 0, w.sum(), 1) for w in (batch.w, w_synth))
    return batch._replace(w=of_batch), of_synth, eta1 * (of_batch.sum() + of_synth.sum())


def _constrain(config, hparams, state, x):
    if config.fixed_columns:
        x = hold(x, state.x_start, config.fixed_columns)
    if config.constraint == "box":
        x = jnp.clip(x, state.low, state.high)
    if config.constraint == "trust_region":
        x = within(x, state.x_start, hparams.radius)
    # Again, for a jittered start may lie outside the box, and sums round.
    return hold(x, state.x_start, config.fixed_columns) if config.fixed_columns else x


def _watched(state, problem):
    """The convergence of the points (appendix C of the paper)."""
    move = ((state.x_synth - state.x_start) ** 2).sum(1)
    count = state.w_synth.sum()
    mean = lambda values: jnp.where(state.w_synth > 0, values, 0).sum() / count
    watched = {
        "outer_loss": state.info.outer_loss,
        "outer_gradient_norm": state.info.gradient_norm,
        "x_synth_move": jnp.sqrt(mean(move)),
    }
    if problem.withheld is not None:
        real = problem.withheld.all()
        watched["x_synth_log_density"] = mean(log_density(state.x_synth, real.x, real.w))
    return watched


def _loss_of_first_batches(loss_fn, params, train, batches, most=4):
    """Training loss after the epoch, on its first four batches (a random sample of the rows)."""
    row, y, w = (leaf[:most].reshape(-1) for leaf in batches)
    return weighted_mean(loss_fn(params, train.features(row), y), w)
