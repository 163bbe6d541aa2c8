"""Tabular training steps in PyTorch, and the loops that call them.

Parameters are the list [w1, b1, w2, b2, w3, b3]; those of several runs are stacked. Batches are
drawn and sliced before a loop starts.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from imbax.types import Problem

__all__ = [
    "Batches",
    "explicit_gradient",
    "explicit_gradient_step",
    "explicit_gradient_step_by_func",
    "loss_gradient",
    "supervised",
    "supervised_by_func",
    "to_batches",
    "to_torch",
]


class Batches(NamedTuple):
    """Batches of a training, one entry per step; runs may be a leading axis."""

    points: list[torch.Tensor]
    """Windows of the synthetic points `[m, d]`."""
    train: list[tuple[torch.Tensor, torch.Tensor]]
    """Training rows `[b, d]` and targets `[b]`."""
    y_union: list[torch.Tensor]
    """Targets `[m + b]` of a window and a batch."""
    outer: list[tuple[torch.Tensor, torch.Tensor]]
    """Rows `[b, d]` and targets `[b]` of the outer loss."""


def explicit_gradient(
    step: Callable[..., Any], num_steps: int, params: list[torch.Tensor], batches: Batches
) -> list[torch.Tensor]:
    """Trains with Explicit Gradient; returns the final parameters and windows of points.

    `step` is one of the step functions below, possibly mapped over runs.
    """
    points = [window.detach() for window in batches.points]
    for k in range(num_steps):
        window, batch = k % len(points), k % len(batches.train)
        x, y_union = batches.train[batch][0], batches.y_union[batch]
        outer = batches.outer[k % len(batches.outer)]
        params, points[window] = step(params, points[window], x, y_union, *outer)
    return [*params, *points]


def explicit_gradient_step(hparams, params, points, x, y_union, x_outer, y_outer):
    """Makes one step with a gradient through θ' by `create_graph`.

    The union consists of the points followed by the batch.
    """
    params, points = [p.requires_grad_() for p in params], points.requires_grad_()
    inner = _loss(params, torch.cat([points, x]), y_union)
    gradients = torch.autograd.grad(inner, params, create_graph=True)
    adapted = _descend(params, gradients, hparams.eta1)
    (move,) = torch.autograd.grad(_loss(adapted, x_outer, y_outer), points)
    return [p.detach() for p in adapted], torch.sub(points.detach(), move, alpha=hparams.eta2)


def explicit_gradient_step_by_func(hparams, params, points, x, y_union, x_outer, y_outer):
    """Makes the same step by nested function transforms, for `torch.func.vmap` over runs."""

    def outer_loss(points):
        gradients = torch.func.grad(_loss)(params, torch.cat([points, x]), y_union)
        adapted = _descend(params, gradients, hparams.eta1)
        return _loss(adapted, x_outer, y_outer), adapted

    move, adapted = torch.func.grad(outer_loss, has_aux=True)(points)
    return adapted, torch.sub(points, move, alpha=hparams.eta2)


def supervised(num_steps: int, params: list[torch.Tensor], batches: Batches) -> list[torch.Tensor]:
    """Trains with the usual eager loop; returns the final parameters."""
    params = [p.clone().requires_grad_() for p in params]
    optimizer = _adam(params)
    for k in range(num_steps):
        optimizer.zero_grad()
        _loss(params, *batches.train[k % len(batches.train)]).backward()
        optimizer.step()
    return [p.detach() for p in params]


def supervised_by_func(
    gradient: Callable[..., Any], num_steps: int, params: list[torch.Tensor], batches: Batches
) -> list[torch.Tensor]:
    """Trains with `loss_gradient`, possibly mapped over runs; returns the final parameters.

    Adam is element-wise, so it needs no mapping.
    """
    params = [p.clone() for p in params]
    optimizer = _adam(params)
    for k in range(num_steps):
        grads = gradient(params, *batches.train[k % len(batches.train)])
        for p, grad in zip(params, grads, strict=True):
            p.grad = grad
        optimizer.step()
    return params


def loss_gradient(params, x, y):
    """Gradient of the loss with respect to the parameters, as a function transform."""
    return torch.func.grad(_loss)(params, x, y)


def to_torch(params: Any) -> list[torch.Tensor]:
    """Converts parameters to weights [out, in] and biases, layer by layer.

    imbax stores a weight matrix with its shorter side first.
    """
    arrays = []
    for _, layer in sorted(params["layers"].items()):
        kernel, bias = layer["kernel"], layer["bias"]
        arrays += [kernel.mT if kernel.shape[-1] == bias.shape[-1] else kernel, bias]
    return [torch.tensor(np.asarray(a)) for a in arrays]


def to_batches(
    problem: Problem, batch: int, n_runs: int | None = None, device: str = "cpu"
) -> Batches:
    """Full batches in random order; with `n_runs`, stacked over runs with different orders."""
    rng = np.random.default_rng(1)

    def cut(x, y):
        size = min(len(x), batch)
        shape = (len(x) // size, n_runs or 1, size)
        orders = [rng.permutation(len(x))[: shape[0] * size] for _ in range(shape[1])]
        rows = np.stack(orders).reshape(shape[1], shape[0], size).swapaxes(0, 1)
        rows = rows if n_runs else rows[:, 0]
        return [tuple(torch.tensor(a[row], device=device) for a in (x, y)) for row in rows]

    parts = [
        (np.asarray(part.data), np.asarray(part.target)) for part in (problem.train, problem.valid)
    ]
    (x, y), outer = parts
    points, train = [window for window, _ in cut(x[y == 1], y[y == 1])], cut(x, y)
    ones = torch.ones(points[0].shape[:-1], device=device)
    return Batches(points, train, [torch.cat([ones, y], -1) for _, y in train], cut(*outer))


def _loss(params, x, y):
    w1, b1, w2, b2, w3, b3 = params
    hidden = F.relu(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2))
    return F.binary_cross_entropy_with_logits(F.linear(hidden, w3, b3).squeeze(-1), y)


def _descend(tensors, gradients, step_size):
    return [torch.sub(t, g, alpha=step_size) for t, g in zip(tensors, gradients, strict=True)]


def _adam(params):
    return torch.optim.Adam(params, lr=1e-3, betas=(0.5, 0.999), fused=True)
