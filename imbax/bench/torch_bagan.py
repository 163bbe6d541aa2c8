"""Training steps of BAGAN's GAN in PyTorch; see `imbax.networks.bagan`.

They take as many operations as imbax's: doubling and the 5 x 5 convolution after it are the one
3 x 3 convolution to which they are equal, and each loss is differentiated only with respect to the
parameters that change.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from imbax.bench.images import CLASSES, image_shape
from imbax.bench.sizes import Size
from imbax.bench.torch_images import Training, follow, random_images

__all__ = ["bagan", "bagan_step", "doubled"]


def bagan(size: Size, device: str, width: int = 32) -> Training:
    """Training of generator and discriminator on square greyscale images."""
    side, latent = image_shape(size)[0], size.width
    nets = nn.ModuleList([_generator(side, latent, width), _discriminator(side, width)]).to(device)
    optimizers = tuple(
        torch.optim.Adam(net.parameters(), 5e-5, (0.5, 0.999), fused=True) for net in nets
    )
    fakes = -(-size.batch // CLASSES)
    classes = partial(torch.randint, CLASSES, device=device)
    batches = [
        (
            x,
            classes((size.batch,)),
            torch.randn(fakes, latent, device=device),
            torch.randn(size.batch + fakes, latent, device=device),
            classes((size.batch + fakes,)),
        )
        for x in random_images(size, device)
    ]
    return Training(bagan_step, nets, optimizers, batches)


def bagan_step(
    networks: Sequence[nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    x: torch.Tensor,
    y: torch.Tensor,
    z: torch.Tensor,
    z_next: torch.Tensor,
    y_next: torch.Tensor,
) -> torch.Tensor:
    """Makes one step of the discriminator and one of the generator; returns the latter's loss.

    `x [n, 1, h, w]` of classes `y [n]` are real images. `z [m, latent]` and, of classes `y_next`,
    `z_next [n + m, latent]` are codes of synthetic images.
    """
    generator, discriminator = networks
    with torch.no_grad():
        x_synth = generator(z)
    label = torch.cat([y, y.new_full((len(z),), CLASSES)])
    loss = F.cross_entropy(discriminator(torch.cat([x, x_synth])), label)
    follow(discriminator, optimizers[1], loss)
    loss = F.cross_entropy(discriminator(generator(z_next)), y_next)
    follow(generator, optimizers[0], loss)
    return loss.detach()


def doubled(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Doubles images `[n, c, h, w]` by repetition and convolves them with `weight [f, c, 5, 5]`."""
    y = F.conv2d(x, _summed(_summed(weight).mT).mT.flatten(0, 2), padding=1)
    n, _, height, width = y.shape
    # The channels are the number of a column, the number of a row, and the features.
    y = y.view(n, 2, 2, -1, height, width).permute(0, 3, 4, 2, 5, 1)
    return y.reshape(n, -1, 2 * height, 2 * width)


def _summed(weight):
    """Sums five weights `[..., 5, k]` to three for each of two outputs, `[2, ..., 3, k]`."""
    pairs = torch.stack([F.pad(weight, (0, 0, 0, 1)), F.pad(weight, (0, 0, 1, 0))])
    return pairs.unflatten(-2, (3, 2)).sum(-2)


class _Doubling(nn.Module):
    def __init__(self, channels, features):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features, channels, 5, 5))
        nn.init.xavier_normal_(self.weight)

    def forward(self, x):
        return doubled(x, self.weight)


def _discriminator(side, width):
    halvings = max(_doublings(side), 2)
    layers, channels = [], 1
    for number in range(2 * halvings):
        features, stride = width * 2 ** min(number, 3), 2 - number % 2
        layers += [nn.Conv2d(channels, features, 3, stride, 1), nn.LeakyReLU(0.3), nn.Dropout(0.3)]
        side, channels = -(-side // stride), features
    head = nn.Linear(channels * side * side, CLASSES + 1)
    return nn.Sequential(*layers, nn.Flatten(), head)


def _generator(side, latent, width):
    doublings = _doublings(side)
    first, channels = -(-side // 2**doublings), 4 * width
    layers = [nn.Linear(latent, 32 * width, bias=False), nn.ReLU()]
    layers += [nn.Linear(32 * width, channels * first * first, bias=False), nn.ReLU()]
    layers += [nn.Unflatten(1, (channels, first, first))]
    for number in range(doublings):
        features = (4 if number == doublings - 1 else 8) * width
        layers += [_Doubling(channels, features), nn.ReLU()]
        channels = features
    last = nn.Conv2d(channels, 1, 2, bias=False)
    return nn.Sequential(*layers, nn.ZeroPad2d((0, 1, 0, 1)), last, nn.Tanh())


def _doublings(side):
    doublings = 0
    while -(-side // 2**doublings) > 8:
        doublings += 1
    return doublings
