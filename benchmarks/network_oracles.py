"""Outputs of the public packages of RealMLP, TabM and MLP-PLR, as small arrays for tests.

    python -m venv oracle && oracle/bin/pip install torch pytabkit tabm rtdl_num_embeddings
    oracle/bin/python benchmarks/network_oracles.py

writes tests/stored/networks.npz: for each network the rows and labels, the weights it starts from,
its logits on the rows, and the cross-entropy on them after 5 steps on all rows without dropout.
RealMLP is trained by its own package; the others by PyTorch's AdamW with the published numbers. The
arrays are named as `imbax.networks` names its parameters. imbax is not imported.
"""

import argparse
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rtdl_num_embeddings import PeriodicEmbeddings
from sklearn.preprocessing import QuantileTransformer
from tabm import TabM

STEPS, ROWS, NUMBERS, CATEGORIES = 5, 64, 3, 2
OUT = Path(__file__).parents[1] / "tests" / "stored" / "networks.npz"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    numbers, categories, y = rows()
    found = {"numbers": numbers, "categories": categories, "y": y}
    for name, make in MAKERS.items():
        found |= {f"{name}/{key}": value for key, value in make(numbers, categories, y).items()}
    found = {key: np.asarray(value) for key, value in found.items()}
    np.savez_compressed(out, **found)
    print(f"{out}: {len(found)} arrays, {out.stat().st_size / 1000:.0f} kB")


def rows():
    """Numbers of several shapes, one of them mostly 0, and categories of 0 and 1."""
    rng = np.random.default_rng(0)
    numbers = np.stack(
        [rng.normal(size=ROWS), np.exp(2 * rng.normal(size=ROWS)), rng.normal(size=ROWS)], 1
    )
    numbers[rng.random(ROWS) < 0.8, 2] = 0
    categories = (rng.random((ROWS, CATEGORIES)) < [0.5, 0.1]).astype(int)
    y = (rng.random(ROWS) < 0.3).astype(int)
    return numbers.astype(np.float32), categories, y


def realmlp(numbers, categories, y):
    """RealMLP-TD of 16-16 units by pytabkit's own training, a batch being all rows."""
    _light_pytabkit()
    from pytabkit.models.realmlp import RealMLP, RealMLPConfig, fit, predict

    config = RealMLPConfig(
        hidden_sizes=[16, 16], p_drop=0.0, n_epochs=STEPS, batch_size=ROWS, use_best_epoch=False
    )
    starts, forward = [], RealMLP.forward

    def watched(self, *args, init=False, **kwargs):
        result = forward(self, *args, init=init, **kwargs)
        if init:
            starts.append({k: v.detach().clone() for k, v in self.state_dict().items()})
        return result

    RealMLP.forward = watched
    # Of two values the package makes the first 1 and the second -1; 0 would be a missing value.
    x, c = torch.from_numpy(numbers), torch.from_numpy(2 - categories)
    every = torch.arange(ROWS)[None]
    given = (x, c, [3] * CATEGORIES, torch.from_numpy(y)[:, None], every)
    model, _ = fit(config, *given, every, n_classes=2)
    RealMLP.forward = forward
    (start,) = starts
    after = predict(model, x, c)[0]
    model.load_state_dict(start)
    found = {
        "logits": difference(predict(model, x, c)[0]),
        "loss": F.cross_entropy(after, torch.from_numpy(y)).item(),
    }
    return found | _of_realmlp(start)


def _light_pytabkit():
    """Lets this part of pytabkit be imported without the rest, which takes half a minute."""
    (root,) = importlib.util.find_spec("pytabkit").submodule_search_locations
    for name, path in (("pytabkit", root), ("pytabkit.models", f"{root}/models")):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [path]


def _of_realmlp(start):
    """Its state under imbax's names; rows of weights in the order of imbax's inputs."""
    columns = NUMBERS + CATEGORIES
    pick = lambda end: [v[0] for k, v in start.items() if k.startswith("mlp.") and k.endswith(end)]
    found = {}
    names = {"plr_weight_1": "frequency", "plr_bias_1": "phase", "plr_weight_2": "weight"}
    for theirs, ours in (names | {"plr_bias_2": "bias"}).items():
        value = start[theirs][0].squeeze(1) if start[theirs].ndim == 4 else start[theirs][0]
        value = value.numpy()
        more = np.zeros((CATEGORIES, *value.shape[1:]), np.float32)
        found[f"embedding/{ours}"] = np.concatenate([value, more])
    order = [*range(3 * NUMBERS), *range(3 * columns, 4 * columns)]
    scale = np.ones(4 * columns, np.float32)
    scale[order] = pick("scale")[0].numpy().reshape(-1)
    found["scale"] = scale
    weights = [v for v in pick("weight") if v.ndim == 2 and v.shape[0] > 1]
    slopes = [v.reshape(-1) for v in pick("weight") if v.ndim < 2 or v.shape[0] == 1]
    for i, (weight, bias) in enumerate(zip(weights, pick("bias"), strict=True)):
        weight = weight.numpy()
        if i == 0:
            whole = np.zeros((4 * columns, weight.shape[1]), np.float32)
            whole[order] = weight
            weight = whole
        found |= {f"layers/{i}/weight": weight, f"layers/{i}/bias": bias.numpy().reshape(-1)}
        if i < len(slopes):
            found[f"layers/{i}/slope"] = slopes[i].numpy()
    return found


def tabm(kind, numbers, categories, y):
    """TabM of 4 members with 8-8 units on normal scores."""
    torch.manual_seed(0)
    sizes = {"k": 4, "n_blocks": 2, "d_block": 8, "dropout": 0.0}
    columns = NUMBERS + CATEGORIES
    model = TabM.make(n_num_features=columns, d_out=2, arch_type=kind, **sizes)
    with torch.no_grad():  # as after some training, so that nothing is 1 or the same for all
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    state = {k: v.detach().clone().numpy() for k, v in model.state_dict().items()}
    found = {"head/weight": state["output.weight"], "head/bias": state["output.bias"]}
    for i in range(2):
        of_block = f"backbone.blocks.{i}.0."
        for name in ("weight", "bias", "r", "s"):
            if of_block + name in state:
                value = state[of_block + name]
                found[f"layers/{i}/{name}"] = value.T if name == "weight" else value
    if kind == "tabm-mini":
        found["layers/0/r"] = state["backbone.affine.weight"]
    x, target = torch.from_numpy(scores(numbers, categories)), torch.from_numpy(y)
    average = lambda logits: torch.log_softmax(logits, -1).logsumexp(1)

    def loss():
        logits = model(x)
        return F.cross_entropy(logits.flatten(0, 1), target.repeat_interleave(logits.shape[1]))

    found["logits"] = difference(average(model(x)))
    _train(model, loss, 2e-3, 3e-4, max_norm=1.0)
    return found | {"loss": loss().item()}


def mlp_plr(numbers, categories, y):
    """MLP-PLR of 8-8 units with 6 frequencies and 4 outputs for each number."""
    torch.manual_seed(1)
    embed = PeriodicEmbeddings(
        NUMBERS, 4, n_frequencies=6, frequency_init_scale=0.5, activation=True, lite=False
    )
    widths = (4 * NUMBERS + CATEGORIES, 8, 8, 2)
    layers = torch.nn.ModuleList(map(torch.nn.Linear, widths, widths[1:]))
    state = {k: v.detach().clone().numpy() for k, v in embed.state_dict().items()}
    names = {"periodic.weight": "frequency", "linear.weight": "weight", "linear.bias": "bias"}
    pad = lambda v: np.concatenate([v, np.zeros((CATEGORIES, *v.shape[1:]), np.float32)])
    found = {f"embedding/{ours}": pad(state[theirs]) for theirs, ours in names.items()}
    columns = NUMBERS + CATEGORIES
    order = [*range(4 * NUMBERS), *range(4 * columns + NUMBERS, 5 * columns)]
    for i, layer in enumerate(layers):
        weight = layer.weight.detach().numpy().T.copy()
        if i == 0:
            whole = np.zeros((5 * columns, 8), np.float32)
            whole[order] = weight
            weight = whole
        found[f"layers/{i}/weight"] = weight
        found[f"layers/{i}/bias"] = layer.bias.detach().numpy().copy()
    x, target = torch.from_numpy(scores(numbers, categories)), torch.from_numpy(y)

    def logits():
        h = torch.cat([embed(x[:, :NUMBERS]).flatten(1), x[:, NUMBERS:]], 1)
        for layer in layers[:-1]:
            h = torch.relu(layer(h))
        return layers[-1](h)

    model = torch.nn.ModuleList([embed, layers])
    loss = lambda: F.cross_entropy(logits(), target)
    found["logits"] = difference(logits())
    _train(model, loss, 1e-3, 0.01, decays_all=True)
    return found | {"loss": loss().item()}


def scores(numbers, categories):
    """Normal scores of numbers, the value that is tied at its middle rank, and categories."""
    quantiles = max(min(ROWS // 30, 1000), 10)
    fitted = QuantileTransformer(n_quantiles=quantiles, output_distribution="normal").fit(numbers)
    return np.concatenate([fitted.transform(numbers), categories], 1).astype(np.float32)


def difference(logits):
    """The logit of class 1 of two."""
    return (logits[:, 1] - logits[:, 0]).detach().numpy()


def _train(model, loss, rate, decay, max_norm=None, decays_all=False):
    groups = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups[decays_all or not name.endswith("bias")].append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": groups[True]}, {"params": groups[False], "weight_decay": 0.0}],
        lr=rate,
        weight_decay=decay,
    )
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss().backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()


MAKERS = {
    "realmlp": realmlp,
    "tabm": lambda *given: tabm("tabm", *given),
    "tabm_mini": lambda *given: tabm("tabm-mini", *given),
    "mlp_plr": mlp_plr,
}

if __name__ == "__main__":
    main()
