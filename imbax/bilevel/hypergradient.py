r"""Gradient of an outer loss through gradient steps on an inner loss.

A classifier with parameters θ takes K steps θ <- θ - η₁ ∇_θ L_in(θ, m) on a loss that depends on m:
synthetic rows, weights of real rows, or parameters of a network that outputs the weights. With
v = ∇L_out(θ'), the chain rule gives a mixed derivative, for K = 1

    ∇_m L_out(θ'(m)) = -η₁ ∂/∂ε ∇_m L_in(θ + ε v, m) at ε = 0,

which is one forward-mode derivative of one gradient with respect to m only. For K inner steps, the
same product is computed for the last step first, with v <- v - η₁ ∇²_θ L_in v after each step. The
final v is ∇_θ L_out(θ'(θ)), the gradient with respect to the classifier's initial parameters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imbax.types import Params

__all__ = ["BilevelGradient", "bilevel_gradient", "check_method", "check_steps", "descend"]
__all__ += ["descended", "exact_matmul"]


class BilevelGradient(NamedTuple):
    """Outer loss after the inner update, and its gradients."""

    loss: jax.Array
    """Outer loss at θ', a scalar."""
    meta_grad: Any
    """Gradient of the loss with respect to m."""
    params_grad: Params
    """Gradient of the loss with respect to θ, through the update."""
    params: Params
    """Updated parameters θ'."""


def bilevel_gradient(
    inner_loss_fn: Callable[[Params, Any], jax.Array],
    params: Params,
    meta: Any,
    outer_loss_fn: Callable[[Params], jax.Array],
    *,
    step_size: float | jax.Array,
    num_steps: int = 1,
    fixed_loss_fn: Callable[[Params], jax.Array] | None = None,
    method: str = "mixed",
) -> BilevelGradient:
    """Computes the outer loss after the inner update and its gradients with respect to m and θ.

    Parameters
    ----------
    inner_loss_fn
        Inner loss `(params, meta) -> scalar`.
    params
        Parameters θ, any pytree of floating arrays.
    meta
        Variables m, any pytree of floating arrays, possibly empty.
    outer_loss_fn
        Outer loss `params -> scalar`.
    step_size
        Inner step size η₁ > 0, traced or static.
    num_steps
        Number of inner steps K >= 1, static.
    fixed_loss_fn
        `params -> scalar`, the part of the inner loss that does not depend on m; added to it.
    method
        "mixed" or "unrolled", equal up to rounding. "unrolled" is `jax.grad` through the steps;
        "mixed" is the product in this module's docstring.

    Returns
    -------
    BilevelGradient
        Loss, gradients and updated parameters; unused fields cost nothing under `jit`.

    Raises
    ------
    ValueError
        If the method is unknown or `num_steps` is less than 1.
    """
    check_method(method)
    check_steps(num_steps)
    fixed: Callable[[Params], Any] = fixed_loss_fn or (lambda theta: 0.0)
    route = _mixed if method == "mixed" else _unrolled
    with exact_matmul():
        return route(inner_loss_fn, fixed, params, meta, step_size, num_steps, outer_loss_fn)


def _unrolled(moving, fixed, params, meta, step_size, num_steps, outer_loss_fn):
    def loss_at(params, meta):
        inner_loss = lambda theta, m: moving(theta, m) + fixed(theta)
        adapted = descended(inner_loss, params, meta, step_size, num_steps)
        return outer_loss_fn(adapted), adapted

    both = jax.value_and_grad(loss_at, argnums=(0, 1), has_aux=True)
    (loss, adapted), (params_grad, meta_grad) = both(params, meta)
    return BilevelGradient(loss, meta_grad, params_grad, adapted)


def _mixed(moving, fixed, params, meta, step_size, num_steps, outer_loss_fn):
    def gradients(theta):
        """Returns ∇_θ of each part, and ∇_m of the part that depends on m."""
        by_params, by_meta = jax.grad(moving, argnums=(0, 1))(theta, meta)
        return by_params, jax.grad(fixed)(theta), by_meta

    # `linearize` stores the intermediates of each gradient, so that the derivative along v, which
    # is known only at the end, does not repeat a forward pass.
    theta, pushes = params, []
    for _ in range(num_steps):
        (*by_params, _), push = jax.linearize(gradients, theta)
        theta = descend(theta, jax.tree.map(jnp.add, *by_params), step_size)
        pushes.append(push)
    loss, v = jax.value_and_grad(outer_loss_fn)(theta)

    meta_grad = jax.tree.map(jnp.zeros_like, meta)
    for push in reversed(pushes):
        *along_v, by_meta = push(v)
        meta_grad = descend(meta_grad, by_meta, step_size)
        v = descend(v, jax.tree.map(jnp.add, *along_v), step_size)
    return BilevelGradient(loss, meta_grad, v, theta)


def descended(inner_loss, params, meta, step_size, num_steps):
    for _ in range(num_steps):
        params = descend(params, jax.grad(inner_loss)(params, meta), step_size)
    return params


def descend(params, gradient, step_size):
    return jax.tree.map(lambda p, g: p - jnp.asarray(step_size, p.dtype) * g, params, gradient)


def exact_matmul():
    """Context of full float32 matrix products, which accelerators do not use by default."""
    return jax.default_matmul_precision("float32")


def check_method(method):
    if method not in ("mixed", "unrolled"):
        raise ValueError(f'method is "mixed" or "unrolled", got {method!r}')


def check_steps(num_steps):
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}")
