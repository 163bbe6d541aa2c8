"""Outputs of the public packages of RealMLP, TabM and MLP-PLR, as small arrays for tests.

    python -m venv oracle && oracle/bin/pip install torch pytabkit tabm rtdl_num_embeddings
    oracle/bin/python benchmarks/network_oracles.py

The script writes tests/stored/networks.npz with the rows and labels and, for each network, its
initial weights, its logits on the rows, and the cross-entropy after 5 steps on all rows without
dropout. RealMLP is trained by its own package, the others by PyTorch's AdamW with the published
hyperparameters. Arrays have the parameter names of `imbax.networks`. imbax is not imported.
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
    arrays = {"numbers": numbers, "categories": categories, "y": y}
    for name, make in MAKERS.items():
        arrays |= {f"{name}/{key}": value for key, value in make(numbers, categories, y).items()}
    arrays = {key: np.asarray(value) for key, value in arrays.items()}
    np.savez_compressed(out, **arrays)
    print(f"{out}: {len(arrays)} arrays, {out.stat().st_size / 1000:.0f} kB")


def rows():
    """Numeric columns of several distributions, one mostly 0, binary categories and labels."""
    rng = np.random.default_rng(0)
    numbers = np.stack(
        [rng.normal(size=ROWS), np.exp(2 * rng.normal(size=ROWS)), rng.normal(size=ROWS)], 1
    )
    numbers[rng.random(ROWS) < 0.8, 2] = 0
    categories = (rng.random((ROWS, CATEGORIES)) < [0.5, 0.1]).astype(int)
    y = (rng.random(ROWS) < 0.3).astype(int)
    return numbers.astype(np.float32), categories, y


def realmlp(numbers, categories, y):
    """RealMLP-TD with 16-16 units, trained by pytabkit with full batches."""
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
    # The package encodes the first of two values as 1 and the second as -1; 0 means missing.
    x, c = torch.from_numpy(numbers), torch.from_numpy(2 - categories)
    row_numbers = torch.arange(ROWS)[None]
    data = (x, c, [3] * CATEGORIES, torch.from_numpy(y)[:, None], row_numbers)
    model, _ = fit(config, *data, row_numbers, n_classes=2)
    RealMLP.forward = forward
    (start,) = starts
    after = predict(model, x, c)[0]
    model.load_state_dict(start)
    outputs = {
        "logits": difference(predict(model, x, c)[0]),
        "loss": F.cross_entropy(after, torch.from_numpy(y)).item(),
    }
    return outputs | _realmlp_weights(start)


def _light_pytabkit():
    """Makes this part of pytabkit importable without the rest, which takes half a minute."""
    (root,) = importlib.util.find_spec("pytabkit").submodule_search_locations
    for name, path in (("pytabkit", root), ("pytabkit.models", f"{root}/models")):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [path]


def _realmlp_weights(start):
    """RealMLP's weights under imbax's names, with rows in the order of imbax's inputs."""
    columns = NUMBERS + CATEGORIES
    pick = lambda end: [v[0] for k, v in start.items() if k.startswith("mlp.") and k.endswith(end)]
    found = {}
    names = {"plr_weight_1": "frequency", "plr_bias_1": "phase", "plr_weight_2": "weight"}
    for name, ours in (names | {"plr_bias_2": "bias"}).items():
        value = start[name][0].squeeze(1) if start[name].ndim == 4 else start[name][0]
        value = value.numpy()
        zeros = np.zeros((CATEGORIES, *value.shape[1:]), np.float32)
        found[f"embedding/{ours}"] = np.concatenate([value, zeros])
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
    """TabM with 4 members and 8-8 units on normal scores."""
    torch.manual_seed(0)
    sizes = {"k": 4, "n_blocks": 2, "d_block": 8, "dropout": 0.0}
    columns = NUMBERS + CATEGORIES
    model = TabM.make(n_num_features=columns, d_out=2, arch_type=kind, **sizes)
    with torch.no_grad():  # perturbed, so that no parameters are 1 or equal
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    state = {k: v.detach().clone().numpy() for k, v in model.state_dict().items()}
    found = {"head/weight": state["output.weight"], "head/bias": state["output.bias"]}
    for i in range(2):
        prefix = f"backbone.blocks.{i}.0."
        for name in ("weight", "bias", "r", "s"):
            if prefix + name in state:
                value = state[prefix + name]
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
    """MLP-PLR with 8-8 units, and 6 frequencies and 4 outputs for each numeric column."""
    torch.manual_seed(1)
    embed = PeriodicEmbeddings(
        NUMBERS, 4, n_frequencies=6, frequency_init_scale=0.5, activation=True, lite=False
    )
    widths = (4 * NUMBERS + CATEGORIES, 8, 8, 2)
    layers = torch.nn.ModuleList(map(torch.nn.Linear, widths, widths[1:]))
    state = {k: v.detach().clone().numpy() for k, v in embed.state_dict().items()}
    names = {"periodic.weight": "frequency", "linear.weight": "weight", "linear.bias": "bias"}
    pad = lambda v: np.concatenate([v, np.zeros((CATEGORIES, *v.shape[1:]), np.float32)])
    found = {f"embedding/{ours}": pad(state[name]) for name, ours in names.items()}
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
    """Normal scores of numbers, with middle ranks for ties, and categories."""
    quantiles = max(min(ROWS // 30, 1000), 10)
    fitted = QuantileTransformer(n_quantiles=quantiles, output_distribution="normal").fit(numbers)
    return np.concatenate([fitted.transform(numbers), categories], 1).astype(np.float32)


def difference(logits):
    """Logit of class 1 relative to class 0."""
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
    "tabm": lambda *data: tabm("tabm", *data),
    "tabm_mini": lambda *data: tabm("tabm-mini", *data),
    "mlp_plr": mlp_plr,
}

if __name__ == "__main__":
    main()
