"""A training step of DeepSMOTE's autoencoder in imbax, with stock Flax layers, and in PyTorch.

    python benchmarks/deepsmote_step.py

28 x 28 x 1, codes of 300, a batch of 100 images and one of a single class, float32, Adam. imbax is
timed inside its training program: an epoch of `deepsmote.epoch`, with its shuffling and draws, over
its steps. "flax" is that program with `flax.nnx.ConvTranspose` in the decoder and nothing else
changed. PyTorch's eager loop gets batches that were drawn beforehand. Contenders take turns in one
process, each on all cores; parameters are counted to be equal in number. The program with Flax's
layer takes so long that it is timed once, at the end, for one step and without a warm-up.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch import nn

from imbax.experiments.provenance import environment
from imbax.methods import deepsmote as ds
from imbax.networks import autoencoder
from imbax.types import rows
from imbax.vectorize import usable_cores

HERE = Path(__file__).resolve().parent
SHAPE, CLASSES, BATCH = (28, 28, 1), 10, 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--steps", type=int, default=5, help="of each turn")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "deepsmote_step.json")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    n = options.steps * BATCH
    x = rng.uniform(-1, 1, (n, 784)).astype(np.float32)
    y = np.arange(n) % CLASSES
    contenders = {
        "imbax, mirrored": in_jax(x, y, "mirrored"),
        "imbax, reference": in_jax(x, y, "reference"),
        "PyTorch, reference": in_torch(x, y),
    }
    seconds = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    for _ in range(options.rounds):
        for name, call in contenders.items():
            started = time.perf_counter()
            call()
            seconds[name].append((time.perf_counter() - started) / options.steps)
    once = in_jax(x[:BATCH], y[:BATCH], "reference", StockTranspose)
    started = time.perf_counter()
    once()
    seconds["flax, reference"] = [time.perf_counter() - started]
    best = {name: min(taken) for name, taken in seconds.items()}
    middle = {name: float(np.median(taken)) for name, taken in seconds.items()}
    result = {
        "seconds_per_step": {"minimum": best, "median": middle},
        "ratios": {name: ratios(taken) for name, taken in (("minimum", best), ("median", middle))},
        "settings": {"rounds": options.rounds, "steps": options.steps, "cores": usable_cores()},
        "environment": environment() | {"torch": torch.__version__},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def ratios(seconds):
    ours = seconds["imbax, reference"]
    return {
        "imbax over PyTorch": ours / seconds["PyTorch, reference"],
        "flax over imbax": seconds["flax, reference"] / ours,
        "reference over mirrored": ours / seconds["imbax, mirrored"],
    }


class StockTranspose(nnx.ConvTranspose):
    """Flax's layer under our arguments."""

    def __init__(self, channels, features, k, *, stride=1, padding=0, bias=True, rngs):
        edge = (k - 1 - padding,) * 2
        super().__init__(channels, features, (k, k), (stride, stride), padding=[edge, edge],
                         use_bias=bias, rngs=rngs)  # fmt: skip


def in_jax(x, y, decoder, layer=None):
    """A call that trains one epoch and waits for it."""
    config = ds.Config(SHAPE, CLASSES, decoder=decoder, batch_size=BATCH)
    data, hparams, key = rows(x, y.astype(np.int32)), ds.Hparams(), jax.random.key(0)
    ours = autoencoder.ConvTranspose
    autoencoder.ConvTranspose = layer or ours  # read while the program is traced
    try:
        state = jax.jit(lambda: ds.init(key, config, hparams))()
        if decoder == "reference":
            counted = sum(leaf.size for leaf in jax.tree.leaves(state.now.params))
            expected = sum(p.numel() for net in pytorch_networks() for p in net.parameters())
            assert counted == expected, f"{counted} parameters, in PyTorch {expected}"
        run = jax.jit(lambda state, data: ds.epoch(key, config, hparams, state, data))
        run = run.lower(state, data).compile()
    finally:
        autoencoder.ConvTranspose = ours

    def call():
        _, loss = jax.block_until_ready(run(state, data))
        assert jnp.isfinite(loss)

    return call


def pytorch_networks():
    """The public code's encoder and decoder."""
    encoder, channels = [], 1
    for number, features in enumerate((64, 128, 256, 512)):
        encoder.append(nn.Conv2d(channels, features, 4, 2, 1, bias=False))
        encoder += [nn.BatchNorm2d(features)] if number else []
        encoder.append(nn.LeakyReLU(0.2))
        channels = features
    encoder += [nn.Flatten(), nn.Linear(512, 300)]
    decoder = [nn.Linear(300, 7 * 7 * 512), nn.ReLU(), nn.Unflatten(1, (512, 7, 7))]
    for channels, features in ((512, 256), (256, 128)):
        decoder += [nn.ConvTranspose2d(channels, features, 4), nn.BatchNorm2d(features), nn.ReLU()]
    decoder += [nn.ConvTranspose2d(128, 1, 4, 2), nn.Tanh()]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def in_torch(x, y):
    """A call that trains on all batches."""
    torch.set_num_threads(usable_cores())
    encoder, decoder = pytorch_networks()
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 2e-4)
    batches = torch.from_numpy(x).reshape(-1, BATCH, 1, 28, 28)
    of_class = [
        torch.from_numpy(x[np.resize(np.flatnonzero(y == c % CLASSES), BATCH)]).reshape(
            -1, 1, 28, 28
        )
        for c in range(len(batches))
    ]

    def call():
        for batch, one_class in zip(batches, of_class, strict=True):
            loss = ((decoder(encoder(batch)) - batch) ** 2).mean()
            again = decoder(encoder(one_class).detach())
            loss = loss + ((again - one_class) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert torch.isfinite(loss)

    return call


if __name__ == "__main__":
    main()
