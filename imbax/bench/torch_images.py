"""Image training steps in PyTorch: the networks of the public DeepSMOTE code, and a ResNet-18."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from imbax.bench.images import CLASSES, image_shape
from imbax.bench.sizes import Size

__all__ = [
    "Training",
    "deepsmote",
    "deepsmote_step",
    "follow",
    "random_images",
    "resnet",
    "resnet18",
    "resnet_step",
]


class Training(NamedTuple):
    """Steps of one training, with batches that are drawn beforehand."""

    step: Callable[..., torch.Tensor]
    """Function `(networks, optimizer, *batch) -> loss`."""
    networks: nn.ModuleList
    optimizer: Any
    """Optimizer, or tuple of optimizers."""
    batches: Sequence[tuple[torch.Tensor, ...]]
    """Arguments of each step."""


def deepsmote(decoder: str, size: Size, device: str) -> Training:
    """Training of encoder and decoder on square greyscale images; see `imbax.networks.autoencoder`.

    `decoder` is "mirrored" or "reference".
    """
    make = {"mirrored": _mirrored, "reference": _reference}[decoder]
    side = image_shape(size)[0]
    nets = nn.ModuleList([_encoder(side, size.width), make(side, size.width)]).to(device)
    x = random_images(size, device)
    optimizer = torch.optim.Adam(nets.parameters(), 2e-4)
    return Training(deepsmote_step, nets, optimizer, list(zip(x, x.flip(0), strict=True)))


def resnet(size: Size, device: str) -> Training:
    """Training of a ResNet-18 on square greyscale images."""
    nets = nn.ModuleList([resnet18(size.width)]).to(device)
    optimizer = torch.optim.SGD(
        nets.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    x = random_images(size, device)
    y = torch.randint(CLASSES, x.shape[:2], device=device)
    return Training(resnet_step, nets, optimizer, list(zip(x, y, strict=True)))


def random_images(size: Size, device: str) -> torch.Tensor:
    """Batches of images `[steps, batch, 1, h, w]` in [-1, 1]."""
    shape = (size.steps, size.batch, 1, *image_shape(size)[:2])
    return torch.rand(shape, device=device) * 2 - 1


def follow(network: nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Makes one step of the optimizer for the parameters of a network alone."""
    params = list(network.parameters())
    for p, gradient in zip(params, torch.autograd.grad(loss, params), strict=True):
        p.grad = gradient
    optimizer.step()


def deepsmote_step(
    networks: Sequence[nn.Module],
    optimizer: torch.optim.Optimizer,
    x: torch.Tensor,
    x_class: torch.Tensor,
) -> torch.Tensor:
    """Makes one Adam step; returns the loss.

    `x` holds images of all classes and `x_class` images of one class, both `[n, 1, h, w]`.
    """
    encoder, decoder = networks
    loss = ((decoder(encoder(x)) - x) ** 2).mean()
    loss = loss + ((decoder(encoder(x_class).detach()) - x_class) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def resnet18(width: int) -> nn.Module:
    """ResNet-18 (He et al. 2016) for small images, with a 3 x 3 stem."""
    blocks, channels = [], width
    for level in range(4):
        features = width * 2**level
        blocks += [_Block(channels, features, 1 if level == 0 else 2), _Block(features, features)]
        channels = features
    stem = [nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*stem, *blocks, *head)


def resnet_step(
    networks: Sequence[nn.Module],
    optimizer: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
) -> torch.Tensor:
    """Makes one step of gradient descent on images `[n, 1, h, w]` and classes; returns the loss."""
    (network,) = networks
    loss = nn.functional.cross_entropy(network(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


class _Block(nn.Module):
    def __init__(self, channels, features, stride=1):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, features, 3, stride, 1, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, 1, 1, bias=False),
            nn.BatchNorm2d(features),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != features:
            projection = nn.Conv2d(channels, features, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(features))

    def forward(self, x):
        return torch.relu(self.inner(x) + self.shortcut(x))


def _encoder(side, latent):
    layers, channels, features = [], 1, 64
    while features <= 512 and side > 1:
        stride, padding = (1, 0) if side == 4 else (2, 1)
        layers.append(nn.Conv2d(channels, features, 4, stride, padding, bias=False))
        layers += [nn.BatchNorm2d(features)] if channels > 1 else []
        layers.append(nn.LeakyReLU(0.2))
        side = (side + 2 * padding - 4) // stride + 1
        channels, features = features, 2 * features
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, latent))


def _mirrored(side, latent):
    steps = 0
    while steps < 4 and side % 2 == 0 and side > 2:
        side, steps = side // 2, steps + 1
    channels = min(512, 64 * 2**steps)
    widths = [channels // 2**step for step in range(1, steps)] + [1]
    return _decoder(side, latent, channels, [(width, 4, 2, 1) for width in widths])


def _reference(side, latent):
    if side == 28:
        return _decoder(7, latent, 512, [(256, 4, 1, 0), (128, 4, 1, 0), (1, 4, 2, 0)])
    widths = [(256, 4, 2, 1), (128, 4, 2, 1)]
    return _decoder(side // 4, latent, 512, widths, nn.Conv2d(128, 1, 3, 1, 1))


def _decoder(side, latent, channels, transposed, last=None):
    head = nn.Linear(latent, channels * side * side)
    layers = [head, nn.ReLU(), nn.Unflatten(1, (channels, side, side))]
    for features, *options in transposed:
        layers.append(nn.ConvTranspose2d(channels, features, *options))
        if features > 1:
            layers += [nn.BatchNorm2d(features), nn.ReLU()]
        channels = features
    return nn.Sequential(*layers, *([last] if last else []), nn.Tanh())
