"""The Explicit Gradient step in PyTorch, three ways, and the loops that call it.

Parameters are [w1, b1, w2, b2, w3, b3]. Batches are drawn and sliced before a loop begins.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from imbax.bench import BATCH


def loss(params, x, y):
    w1, b1, w2, b2, w3, b3 = params
    hidden = F.relu(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2))
    return F.binary_cross_entropy_with_logits(F.linear(hidden, w3, b3).squeeze(-1), y)


def descend(tensors, gradients, step_size):
    return [torch.sub(t, g, alpha=step_size) for t, g in zip(tensors, gradients, strict=True)]


def eager_step(hparams, params, points, x, y_union, x_outer, y_outer):
    """Through θ' with `create_graph`; the union has the points first."""
    params, points = [p.requires_grad_() for p in params], points.requires_grad_()
    inner = loss(params, torch.cat([points, x]), y_union)
    gradients = torch.autograd.grad(inner, params, create_graph=True)
    adapted = descend(params, gradients, hparams.eta1)
    (move,) = torch.autograd.grad(loss(adapted, x_outer, y_outer), points)
    return [p.detach() for p in adapted], torch.sub(points.detach(), move, alpha=hparams.eta2)


def func_step(hparams, params, points, x, y_union, x_outer, y_outer):
    """The same by nested function transforms, for `torch.func.vmap` over runs."""

    def outer_loss(points):
        gradients = torch.func.grad(loss)(params, torch.cat([points, x]), y_union)
        adapted = descend(params, gradients, hparams.eta1)
        return loss(adapted, x_outer, y_outer), adapted

    move, adapted = torch.func.grad(outer_loss, has_aux=True)(points)
    return adapted, torch.sub(points, move, alpha=hparams.eta2)


class Batches(NamedTuple):
    """What a PyTorch training walks over, one entry per step; runs may be a leading axis."""

    points: list[torch.Tensor]
    """Windows of the points, `[m, d]`."""
    train: list[tuple[torch.Tensor, torch.Tensor]]
    """Rows `[b, d]` and targets `[b]`."""
    y_union: list[torch.Tensor]
    """Targets `[m + b]` of a window and a batch."""
    outer: list[tuple[torch.Tensor, torch.Tensor]]


def explicit_gradient(step, num_steps, params, batches):
    """The final parameters and windows of points."""
    points = [window.detach() for window in batches.points]
    for k in range(num_steps):
        at, batch = k % len(points), k % len(batches.train)
        x, y_union = batches.train[batch][0], batches.y_union[batch]
        outer = batches.outer[k % len(batches.outer)]
        params, points[at] = step(params, points[at], x, y_union, *outer)
    return [*params, *points]


def supervised(num_steps, params, batches):
    """The final parameters, by Adam with imbax's settings."""
    params = [p.clone().requires_grad_() for p in params]
    optimizer = torch.optim.Adam(params, lr=1e-3, betas=(0.5, 0.999), fused=True)
    for k in range(num_steps):
        optimizer.zero_grad()
        loss(params, *batches.train[k % len(batches.train)]).backward()
        optimizer.step()
    return [p.detach() for p in params]


def to_torch(params):
    """Weights [out, in] and biases, layer by layer; imbax keeps a weight's shorter side first."""
    arrays = []
    for _, layer in sorted(params["layers"].items()):
        kernel, bias = layer["kernel"], layer["bias"]
        arrays += [kernel.mT if kernel.shape[-1] == bias.shape[-1] else kernel, bias]
    return [torch.tensor(np.asarray(a)) for a in arrays]


def to_batches(problem, n_runs=None):
    """Full batches in random order; with `n_runs`, stacked, each run in its own order."""
    rng = np.random.default_rng(1)

    def cut(x, y):
        size = min(len(x), BATCH)
        shape = (len(x) // size, n_runs or 1, size)
        orders = [rng.permutation(len(x))[: shape[0] * size] for _ in range(shape[1])]
        rows = np.stack(orders).reshape(shape[1], shape[0], size).swapaxes(0, 1)
        rows = rows if n_runs else rows[:, 0]
        return [(torch.tensor(x[row]), torch.tensor(y[row])) for row in rows]

    parts = [
        (np.asarray(part.data), np.asarray(part.target)) for part in (problem.train, problem.valid)
    ]
    (x, y), outer = parts
    points, train = [window for window, _ in cut(x[y == 1], y[y == 1])], cut(x, y)
    ones = torch.ones(points[0].shape[:-1])
    return Batches(points, train, [torch.cat([ones, y], -1) for _, y in train], cut(*outer))


def one_by_one(train, starts, batches):
    """Train runs one after the other from `starts`, leaves `[runs, ...]`, on the same batches."""
    return [train([p[run] for p in starts], batches) for run in range(len(starts[0]))]
