r"""Gradients through a classifier's update: the two equations of Explicit Gradient.

A classifier with parameters θ takes gradient steps on a loss that includes synthetic rows,

    θ'(X_synth) = θ - η₁ ∇_θ L_in(θ, X_synth),                                         (1)

and the synthetic rows follow the gradient of a validation loss through that update,

    X_synth <- X_synth - η₂ ∇_{X_synth} L_out(θ'(X_synth)).                            (2)

Source: Yasinnik, Salhov, Lindenbaum and Averbuch 2022, "Imbalanced Classification via Explicit
Gradient Learning From Augmented Data" (arXiv:2202.10550), equations 1 and 2 and Algorithm 1.
Equation 1 evaluates L_in on the synthetic rows only, Algorithm 1 on their union with a training
batch. Omit `batch` for the former and give it for the latter.

The losses of synthetic rows may have factors, one for each row; their gradient is computed in the
same pass. X_synth is one example of variables that the inner loss depends on.
`hypergradient.bilevel_gradient` accepts any and documents how the gradient is computed.

A network may have state s that a step updates without a gradient, such as batch statistics or
dropout keys. With params `Variables(θ, s)`, a step maps (θ, s) to (θ', s'), L_out depends on both,
and the gradient with respect to X_synth is taken through both by reverse mode. A network may stop
gradients at s', as NNX's BatchNorm does at running statistics.
"""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.bilevel.hypergradient import (
    bilevel_gradient,
    check_method,
    check_steps,
    descend,
    descended,
    exact_matmul,
)
from imbax.bilevel.row_independence import rows_are_independent
from imbax.losses.per_example import weighted_mean
from imbax.types import Batch, LossFn, Params, Variables

__all__ = ["OuterGradient", "inner_update", "outer_gradient"]


class OuterGradient(NamedTuple):
    """Outer loss after the inner update and its gradient with respect to synthetic rows."""

    loss: jax.Array
    """Validation loss at θ', a scalar."""
    x_synth_grad: jax.Array
    """Gradient of the loss with respect to the synthetic rows, in their shape."""
    params: Params
    """Updated parameters θ'."""
    scale_grad: jax.Array | None = None
    """Gradient of the loss with respect to the factors `[m]`, if they are given."""


def inner_update(
    loss_fn: LossFn,
    params: Params,
    x_synth: jax.Array,
    y_synth: jax.Array,
    *,
    step_size: float | jax.Array,
    batch: Batch | None = None,
    w_synth: jax.Array | None = None,
    num_steps: int = 1,
) -> Params:
    """Computes θ'(X_synth) by `num_steps` steps of gradient descent from θ (equation 1).

    Parameters
    ----------
    loss_fn
        `(params, x, y) -> per-example losses [n]`; called once per step on the union of synthetic
        and real rows, synthetic rows first.
    params
        Parameters θ, any pytree of floating arrays; or `Variables(θ, s)`, for which `loss_fn` is
        `(θ, s, x, y, w) -> (losses [n], s)` with row weights w, 0 for padding.
    x_synth
        Synthetic rows `[m, ...]`.
    y_synth
        Targets `[m, ...]` of the synthetic rows.
    step_size
        Inner step size η₁ > 0, traced or static.
    batch
        Training rows. If given, the inner loss is one weighted mean over all rows (Algorithm 1),
        otherwise the weighted mean over the synthetic rows (equation 1 of the paper).
    w_synth
        Weights `[m]` of the synthetic rows, 0 for padding; default 1.
    num_steps
        Number of steps K >= 1, static.

    Returns
    -------
    Params
        Updated parameters θ', a pytree like `params`.

    Raises
    ------
    AssertionError
        If shapes are inconsistent; the message names them.
    """
    synth, batch = _checked(x_synth, y_synth, w_synth, batch, num_steps)
    with exact_matmul():
        if isinstance(params, Variables):
            return _updated_with_state(loss_fn, params, synth, batch, step_size, num_steps)
        inner_loss, meta = _inner_loss(loss_fn, synth, batch), (synth.x, None)
        return descended(inner_loss, params, meta, step_size, num_steps)


def outer_gradient(
    loss_fn: LossFn,
    params: Params,
    x_synth: jax.Array,
    y_synth: jax.Array,
    valid: Batch,
    *,
    step_size: float | jax.Array,
    batch: Batch | None = None,
    w_synth: jax.Array | None = None,
    scale: jax.Array | None = None,
    num_steps: int = 1,
    outer_loss_fn: Callable[[Params, Batch], jax.Array] | None = None,
    method: str = "mixed",
) -> OuterGradient:
    """Computes the loss at θ'(X_synth) and its gradient with respect to X_synth (equation 2).

    Parameters
    ----------
    loss_fn, params, x_synth, y_synth, step_size, batch, w_synth, num_steps
        As in `inner_update`.
    valid
        Rows of the outer loss.
    scale
        Factors `[m]` of the losses of synthetic rows; the sum of weights, by which the inner loss
        is divided, does not depend on them. Default 1, without a gradient.
    outer_loss_fn
        `(params, batch) -> scalar`; default the weighted mean of `loss_fn`. For `Variables`, it
        gets θ' and s' and may evaluate the network in prediction mode.
    method
        "mixed" or "unrolled", equal up to rounding; see `bilevel_gradient`. "mixed" is 1.3 to 2
        times faster: it differentiates only the synthetic rows twice if `loss_fn` is proved to
        treat rows independently (`row_independence.rows_are_independent`). If rows interact, as
        under batch normalisation, it differentiates the union and stays exact. `Variables` are
        always unrolled.

    Returns
    -------
    OuterGradient
        Loss, gradient and updated parameters. The gradient of a row of weight 0 is 0 unless rows
        interact.

    Raises
    ------
    AssertionError
        If shapes are inconsistent; the message names them.
    ValueError
        If the method is unknown.
    """
    synth, batch = _checked(x_synth, y_synth, w_synth, batch, num_steps)
    chex.assert_equal_shape_prefix(
        [valid.x, valid.y, valid.w], 1, custom_message=_unequal_rows("valid")
    )
    check_method(method)
    meta = (synth.x, scale)
    if isinstance(params, Variables):
        steps = (loss_fn, params, synth, batch, step_size, num_steps)
        return _through_state(steps, meta, valid, outer_loss_fn)
    if outer_loss_fn is None:

        def outer_loss_fn(params, rows):
            return weighted_mean(loss_fn(params, rows.x, rows.y), rows.w)

    if method == "mixed":
        inner_loss, fixed_loss = _parts(loss_fn, params, synth, batch)
    else:
        inner_loss, fixed_loss = _inner_loss(loss_fn, synth, batch), None
    result = bilevel_gradient(
        inner_loss, params, meta, lambda theta: outer_loss_fn(theta, valid),
        step_size=step_size, num_steps=num_steps, fixed_loss_fn=fixed_loss, method=method,
    )  # fmt: skip
    x_synth_grad, scale_grad = result.meta_grad
    return OuterGradient(result.loss, x_synth_grad, result.params, scale_grad)


def _parts(loss_fn, params, synth, batch):
    """Splits the inner loss into a part that depends on `(θ, meta)` and a part in θ only.

    If rows are independent, only the synthetic rows are in the first part and are differentiated
    twice. Otherwise all rows are in the first part.
    """
    loss_of_rows = lambda x, y: loss_fn(params, x, y)
    if batch is None or not rows_are_independent(loss_of_rows, synth.x, synth.y):
        return _inner_loss(loss_fn, synth, batch), None
    weight = synth.w.sum() + batch.w.sum()
    total = jnp.where(weight > 0, weight, 1)

    def part(rows, theta, x, scale=None):
        losses = _scaled(loss_fn(theta, x, rows.y), scale)
        return jnp.where(rows.w > 0, rows.w * losses, 0).sum() / total

    return lambda theta, meta: part(synth, theta, *meta), lambda theta: part(batch, theta, batch.x)


def _inner_loss(loss_fn, synth, batch):
    """Returns `(params, meta) -> scalar`, the weighted mean over synthetic and real rows.

    `meta` is (x_synth, factors or None).
    """

    def inner_loss(params, meta):
        x, scale = meta
        union = _union(synth._replace(x=x), batch)
        return weighted_mean(_scaled(loss_fn(params, union.x, union.y), scale), union.w)

    return inner_loss


def _scaled(losses, scale):
    """Multiplies the first losses, those of the synthetic rows, by their factors."""
    if scale is None:
        return losses
    return losses * jnp.concatenate([scale, jnp.ones(len(losses) - len(scale), losses.dtype)])


def _union(synth, batch):
    if batch is None:
        return synth
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), synth, batch)


def _through_state(steps, meta, valid, outer_loss_fn):
    """Computes `outer_gradient` for `Variables`; `steps` are arguments of `_updated_with_state`."""
    loss_fn, before, synth, *rest = steps

    def training_loss(params, rows):
        return weighted_mean(loss_fn(*params, *rows)[0], rows.w)

    def loss_at(meta):
        x, scale = meta
        after = _updated_with_state(loss_fn, before, synth._replace(x=x), *rest, scale)
        return (outer_loss_fn or training_loss)(after, valid), after

    with exact_matmul():
        (loss, after), (x_grad, scale_grad) = jax.value_and_grad(loss_at, has_aux=True)(meta)
    return OuterGradient(loss, x_grad, after, scale_grad)


def _updated_with_state(loss_fn, variables, synth, batch, step_size, num_steps, scale=None):
    """Runs the inner steps on `Variables`."""
    rows = _union(synth, batch)

    def inner_loss(learned, state):
        losses, state = loss_fn(learned, state, *rows)
        return weighted_mean(_scaled(losses, scale), rows.w), state

    for _ in range(num_steps):
        gradient, state = jax.grad(inner_loss, has_aux=True)(*variables)
        variables = Variables(descend(variables.learned, gradient, step_size), state)
    return variables


def _checked(x_synth, y_synth, w_synth, batch, num_steps):
    check_steps(num_steps)
    w_synth = jnp.ones(jnp.shape(x_synth)[:1], x_synth.dtype) if w_synth is None else w_synth
    chex.assert_equal_shape_prefix(
        [x_synth, y_synth, w_synth], 1, custom_message=_unequal_rows("x_synth, y_synth and w_synth")
    )
    if batch is not None:
        chex.assert_equal_shape_prefix(
            [batch.x, batch.y, batch.w], 1, custom_message=_unequal_rows("batch")
        )
        chex.assert_equal_shape_suffix(
            [x_synth, batch.x],
            x_synth.ndim - 1,
            custom_message="x_synth [m, ...] and batch.x [n, ...] must have the same features",
        )
    return Batch(x_synth, y_synth, w_synth), batch


def _unequal_rows(name):
    return f"{name}: x [n, ...], y [n, ...] and w [n] must have the same number of rows"
