"""Training steps of GAMO in PyTorch; see `imbax.networks.gamo`.

Each generated class has a linear layer of the right length, without padding.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from imbax.bench.generators import generated
from imbax.bench.images import CLASSES
from imbax.bench.sizes import Size
from imbax.bench.torch_images import Training, follow

__all__ = ["gamo", "gamo_step"]


def gamo(size: Size, device: str, noise: int = 100) -> Training:
    """Training of generator, classifier and discriminator on random rows."""
    counts, each = generated(size), -(-size.batch // CLASSES)
    pool = {c: torch.rand(n, size.features, device=device) * 2 - 1 for c, n in counts.items()}
    generator, *adversaries = (
        _Combinations(pool, noise),
        _perceptron(size.features, CLASSES),
        _perceptron(CLASSES + size.features, 1),
    )
    nets = nn.ModuleList([generator, *adversaries]).to(device)
    optimizers = tuple(
        torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), fused=True)
        for net in (generator, nn.ModuleList(adversaries))
    )
    y_synth = torch.tensor(list(counts), device=device).repeat_interleave(each)
    batches = []
    for _ in range(size.steps):
        y = torch.cat([torch.randint(CLASSES, (size.batch,), device=device), y_synth])
        x = torch.rand(size.batch, size.features, device=device) * 2 - 1
        z = torch.randn(len(counts), each, noise, device=device)
        weight, noisy = torch.rand(2, len(y), device=device)
        batches.append((x, y, z, weight / weight.sum(), noisy))
    return Training(gamo_step, nets, optimizers, batches)


def gamo_step(
    networks: Sequence[nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    x: torch.Tensor,
    y: torch.Tensor,
    z: torch.Tensor,
    weight: torch.Tensor,
    realness: torch.Tensor,
) -> torch.Tensor:
    """Makes one step of both adversaries and one of the generator; returns the latter's loss.

    Parameters
    ----------
    networks
        Generator, classifier and discriminator.
    optimizers
        Optimizers of the generator and of the adversaries.
    x
        Real rows `[n, d]`.
    y
        Classes `[n + m]` of the real and of the synthetic rows.
    z
        Noise `[g, s, noise]` for s rows of each of g classes, m = g s.
    weight
        Weights `[n + m]` of the errors in the adversaries' loss.
    realness
        Targets `[n + m]` of the discriminator.
    """
    generator, classifier, discriminator = networks
    label = F.one_hot(y, CLASSES).float()
    x_synth = generator(z)
    both = torch.cat([x, x_synth.detach()])
    loss = weight @ _errors(classifier, discriminator, both, label, label, realness)
    follow(nn.ModuleList([classifier, discriminator]), optimizers[1], loss)
    label = label[len(x) :]
    loss = _errors(classifier, discriminator, x_synth, label, 1 - label, 1).mean()
    follow(generator, optimizers[0], loss)
    return loss.detach()


class _Combinations(nn.Module):
    def __init__(self, rows, noise):
        super().__init__()
        widths = (CLASSES + noise, 256, 64)
        layers = [
            (nn.Linear(*pair), nn.ReLU(), nn.BatchNorm1d(pair[1]))
            for pair in itertools.pairwise(widths)
        ]
        self.trunk = nn.Sequential(*itertools.chain(*layers))
        self.heads = nn.ModuleList(nn.Linear(64, len(x)) for x in rows.values())
        label = F.one_hot(torch.tensor(list(rows)), CLASSES).float()
        self.register_buffer("label", label[:, None])
        for number, x in enumerate(rows.values()):
            self.register_buffer(f"rows_{number}", x)

    def forward(self, z):
        group, each, _ = z.shape
        inputs = torch.cat([self.label.expand(-1, each, -1), z], 2)
        features = self.trunk(inputs.flatten(0, 1)).unflatten(0, (group, each))
        shares = [head(x).softmax(1) for head, x in zip(self.heads, features, strict=True)]
        return torch.cat(
            [share @ getattr(self, f"rows_{number}") for number, share in enumerate(shares)]
        )


def _perceptron(columns, outputs):
    first, second = (
        (nn.Linear(columns, 256), nn.LeakyReLU(0.1)),
        (nn.Linear(256, 128), nn.LeakyReLU(0.1)),
    )
    return nn.Sequential(*first, *second, nn.Linear(128, outputs))


def _errors(classifier, discriminator, x, label, goal, realness):
    probability = classifier(x).softmax(1)
    real = discriminator(torch.cat([label, x], 1)).squeeze(1).sigmoid()
    return ((probability - goal) ** 2).mean(1) + (real - realness) ** 2
