"""Rates of convolutions by layer, pass and algorithm.

    python benchmarks/convolutions.py [--torch] [--limits]

Times the forward pass and the gradients of the input and of the kernel, each on its own inside
`lax.scan` as in a training program, for layers of ResNet-18 and of DeepSMOTE's networks. A rate is
that of the definition's operations, whatever number the algorithm needs. Layers, passes and
algorithms are timed in turns. Writes `rates.csv` and `rates.md`.
"""

import argparse
import itertools
import math
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from imbax.bench.timing import Workload, references, seconds_in_turns
from imbax.networks.convolution import ALGORITHMS, algorithm, conv, conv_transpose
from imbax.reports.tabular.tables import markdown

HERE = Path(__file__).resolve().parent
STEPS = 2
PASSES = ("forward", "input", "kernel")
SLOW = (("native", "input"), ("native", "kernel"))
"""XLA's gradients inside loops, which take seconds to minutes."""


class Layer(NamedTuple):
    """Convolution of n square images."""

    transposed: bool
    n: int
    side: int
    channels: int
    features: int
    k: int
    stride: int
    padding: int


LAYERS = {
    "resnet_64": Layer(False, 128, 28, 64, 64, 3, 1, 1),
    "resnet_64_to_128": Layer(False, 128, 28, 64, 128, 3, 2, 1),
    "resnet_128": Layer(False, 128, 14, 128, 128, 3, 1, 1),
    "resnet_256": Layer(False, 128, 7, 256, 256, 3, 1, 1),
    "resnet_512": Layer(False, 128, 4, 512, 512, 3, 1, 1),
    "encoder_2": Layer(False, 100, 14, 64, 128, 4, 2, 1),
    "encoder_4": Layer(False, 100, 3, 256, 512, 4, 2, 1),
    "decoder_2": Layer(True, 100, 14, 256, 128, 4, 2, 1),
    "reference_decoder_1": Layer(True, 100, 7, 512, 256, 4, 1, 0),
    "reference_decoder_2": Layer(True, 100, 10, 256, 128, 4, 1, 0),
}
# Shapes at the limits of `imbax.networks.winograd.worthwhile`.
LIMITS = {
    f"side_{side}_channels_{c}": Layer(False, 64, side, c, c, 3, 1, 1)
    for side, c in ((28, 16), (28, 32), (14, 16), (14, 32), (7, 32), (7, 64), (4, 64), (3, 128))
} | {"side_2_channels_256": Layer(False, 64, 2, 256, 256, 3, 1, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=list(LAYERS))
    parser.add_argument("--limits", action="store_true", help="small layers in their place")
    parser.add_argument("--rounds", type=int, default=3, help="number of timings")
    parser.add_argument("--small", action="store_true", help="two images, to test the script")
    parser.add_argument("--torch", action="store_true", help="time PyTorch, too")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "convolutions")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    layers = LIMITS if options.limits else {name: LAYERS[name] for name in options.layers}
    for name, layer in layers.items():
        layer = layer._replace(n=2) if options.small else layer
        rows += timed(name, layer, options)
        text = write(pd.DataFrame(rows), options)
    print(text)


def write(rates, options):
    """Writes the rates, and returns the table of the best ones as text."""
    rates.round(2).to_csv(options.out / "rates.csv", index=False)
    table = rates.pivot_table("best", ["layer", "pass"], "algorithm", sort=False)
    shown = table.map(lambda rate: "" if pd.isna(rate) else f"{rate:.0f}").reset_index("pass")
    low, high = (round(rates["matrix_product"].agg(f)) for f in ("min", "max"))
    text = f"GFLOP/s, best of {options.rounds}; matrix products {low} to {high}.\n\n"
    text += markdown(shown) + "\n"
    (options.out / "rates.md").write_text(text)
    return text


def timed(name, layer, options):
    """Rows of the table, GFLOP/s, for all passes and algorithms of a layer."""
    x, kernel, slope = arrays(layer)
    operations = (
        2
        * STEPS
        * math.prod(kernel.shape)
        * math.prod((x if layer.transposed else slope).shape[:3])
    )
    cases, works = [], []
    for each, use in itertools.product(PASSES, ALGORITHMS):
        if (use, each) in SLOW or (use == "winograd" and layer.stride > 1):
            continue
        with algorithm(use):
            program = jax.jit(repeated(layer, each)).lower(x, kernel, slope).compile()
        cases.append((each, use))
        works.append(lambda program=program: jax.block_until_ready(program(x, kernel, slope)))
    if options.torch:
        for each in PASSES:
            cases.append((each, "PyTorch"))
            works.append(torch_pass(layer, each, *map(np.asarray, (x, kernel, slope))))
    for call in works:
        call()
    reference = [r.work for r in references(small=options.small) if r.kind == "float32"]
    seconds = seconds_in_turns([*map(Workload, works), *reference], options.rounds)
    products = [
        w.operations / s.min() for w, s in zip(reference, seconds[len(works) :], strict=True)
    ]
    return [
        {
            "layer": name,
            "pass": each,
            "algorithm": use,
            "best": operations / s.min() / 1e9,
            "median": operations / np.median(s) / 1e9,
            "worst": operations / s.max() / 1e9,
            "matrix_product": max(products) / 1e9,
        }
        for (each, use), s in zip(cases, seconds, strict=False)
    ]


def arrays(layer):
    """Images, kernel and slope of the outputs."""
    rng = np.random.default_rng(0)
    normal = lambda shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    x = normal((layer.n, layer.side, layer.side, layer.channels))
    kernel = normal((layer.k, layer.k, layer.channels, layer.features))
    return x, kernel, normal(jax.eval_shape(function(layer), x, kernel).shape)


def function(layer):
    operation = conv_transpose if layer.transposed else conv
    return lambda x, kernel: operation(x, kernel, stride=layer.stride, padding=layer.padding)


def repeated(layer, each):
    """Program that computes a pass `STEPS` times; no step can be moved out of the loop."""

    def one(x, kernel, slope):
        if each == "forward":
            return function(layer)(x, kernel)
        return jax.vjp(function(layer), x, kernel)[1](slope)[each == "kernel"]

    def program(x, kernel, slope):
        def step(total, _):
            result = one(*jax.lax.optimization_barrier((x, kernel + total, slope + total)))
            return 1e-30 * result.sum(), None

        return jax.lax.scan(step, jnp.float32(0), length=STEPS)[0]

    return program


def torch_pass(layer, each, x, kernel, slope):
    """The same work in PyTorch, with all threads."""
    import torch

    x, slope = (torch.from_numpy(a.transpose(0, 3, 1, 2).copy()) for a in (x, slope))
    axes = (2, 3, 0, 1) if layer.transposed else (3, 2, 0, 1)
    kernel = torch.from_numpy(kernel.transpose(axes).copy())
    operation = torch.nn.functional.conv2d
    if layer.transposed:
        operation = torch.nn.functional.conv_transpose2d
    x.requires_grad_(each == "input")
    kernel.requires_grad_(each == "kernel")
    forward = lambda: operation(x, kernel, stride=layer.stride, padding=layer.padding)
    if each == "forward":
        work = forward
    else:
        y, of = forward(), x if each == "input" else kernel
        work = lambda: torch.autograd.grad(y, of, slope, retain_graph=True)
    return lambda: [work() for _ in range(STEPS)]


if __name__ == "__main__":
    main()
