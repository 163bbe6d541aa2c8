"""Search for the recipe of `mlp_ple`, by validation rows of 13 data sets chosen in advance.

    python benchmarks/recipe_search.py --data-home DIR --groups evidence regularisation
    python benchmarks/recipe_search.py --table

For each seed, rows are split as in imbax's protocol: 60 % training and 20 % validation rows; the 20
% test rows are not used. Two members train on four of five folds of the training rows each; the
fifth fold determines which epoch its loss or its average precision would choose. Variants are
compared by average precision and cross-entropy of the members' mean probability on the validation
rows.

The variants of a group differ in traced numbers only and share one program. Each run is added to
`results/recipe/runs.jsonl`; runs that are there are not repeated. `--table` makes `variants.csv` of
them (means over seeds, the paired difference from a reference variant and its standard error over
seeds) and `summary.csv` (the same over sets). `trials.jsonl` has the first trials, of a prototype
that drew other random numbers.
"""

import argparse
import itertools
import json
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from recipe_network import Numbers, network
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import StratifiedKFold

from imbax.data.splits import stratified_splits
from imbax.data.tabular import imblearn27
from imbax.losses.per_example import cross_entropy, weighted_mean
from imbax.methods import supervised as sv
from imbax.metrics.ranking import average_precision
from imbax.types import Part, Problem, Rows

HERE = Path(__file__).resolve().parent / "results" / "recipe"
SETS = {  # number of seeds by data set; more seeds for fewer minority rows
    "optical_digits": 2,
    "pen_digits": 2,
    "sick_euthyroid": 3,
    "car_eval_34": 3,
    "us_crime": 4,
    "scene": 3,
    "thyroid_sick": 3,
    "arrhythmia": 4,
    "oil": 4,
    "wine_quality": 3,
    "yeast_me2": 6,
    "ozone_level": 3,
    "mammography": 2,
}
FOLDS, MEMBERS = 5, 2

BASE = {"learning_rate": 5e-3, "evidence": 20.0, "power": 2.0}
ROBUST = BASE | {"dropout": 0.7}
MIDDLE = BASE | {"dropout": 0.55, "learning_rate": 1e-2}
FLOOR = MIDDLE | {"floor": 0.1, "spread": 2.0}
REFERENCES = "base", "trial: learning rate 0.005, evidence 20, power 2, 40 epochs"
GROUPS = {
    # Initial factors of columns by gain: first relative to the best column, then by evidence.
    "gain": {
        "variants": {
            "no codes start": {"power": 0.0},
            "power 0.5": {},
            "power 1": {"power": 1.0},
            "power 2": {"power": 2.0},
            "power 1, floor 0.1": {"power": 1.0, "floor": 0.1},
            "power 1, dropout 0.4": {"power": 1.0, "dropout": 0.4},
            "power 1, decay 1": {"power": 1.0, "weight_decay": 1.0},
            "power 1, rate 5e-3": {"power": 1.0, "learning_rate": 5e-3},
        }
    },
    "evidence": {
        "variants": {
            "base": BASE,
            "power 0.5, rate 5e-3": {"learning_rate": 5e-3},
            "dropout 0.4": BASE | {"dropout": 0.4},
            "c 60": BASE | {"evidence": 60.0},
            "power 1, c 20": BASE | {"power": 1.0},
            "gain of a cut 5": BASE | {"min_gain": 5.0},
            "rate 1e-2": BASE | {"learning_rate": 1e-2},
        }
    },
    "regularisation": {
        "variants": {
            "decay 5": BASE | {"weight_decay": 5.0},
            "decay 20": BASE | {"weight_decay": 20.0},
            "smoothing 0.1": BASE | {"label_smoothing": 0.1},
            "input dropout 0.3": BASE | {"input_dropout": 0.3},
            "dropout 0.5, decay 5": BASE | {"dropout": 0.5, "weight_decay": 5.0},
        }
    },
    "robust": {
        "variants": {
            "dropout 0.7": ROBUST,
            "dropout 0.7, rate 1e-2": ROBUST | {"learning_rate": 1e-2},
            "base": BASE,
            "dropout 0.85, rate 1e-2": BASE | {"dropout": 0.85, "learning_rate": 1e-2},
            "dropout 0.7, decay 5": ROBUST | {"weight_decay": 5.0},
            "dropout 0.7, power 1": ROBUST | {"power": 1.0},
            "dropout 0.7, gain of a cut 1": ROBUST | {"min_gain": 1.0},
            "dropout 0.7, input dropout 0.3": ROBUST | {"input_dropout": 0.3},
        }
    },
    # Dropout and rate of members that are then mixed, see MIXTURES.
    "mixed": {
        "variants": {
            "base": BASE,
            "dropout 0.4": BASE | {"dropout": 0.4},
            "dropout 0.7": ROBUST,
            "rate 1e-2": BASE | {"learning_rate": 1e-2},
            "dropout 0.4, rate 1e-2": BASE | {"dropout": 0.4, "learning_rate": 1e-2},
            "dropout 0.7, rate 1e-2": ROBUST | {"learning_rate": 1e-2},
            "power 1, c 20": BASE | {"power": 1.0},
            "dropout 0.7, power 1": ROBUST | {"power": 1.0},
        }
    },
    # Columns without evidence of their own may matter together with others.
    "spread": {
        "variants": {
            f"dropout 0.55, rate 1e-2, spread {spread}": MIDDLE | {"floor": 1.0, "spread": spread}
            for spread in (0.0, 2.0, 5.0, 10.0)
        }
        | {
            f"dropout 0.55, rate 1e-2, floor {floor}, spread {spread}": MIDDLE
            | {"floor": floor, "spread": spread}
            for floor, spread in ((0.05, 2.0), (0.1, 2.0), (0.1, 5.0), (0.05, 5.0))
        }
    },
    "spread, leaves 16": {"variants": {"floor 0.1, spread 2, leaves 16": FLOOR}, "leaves": 16},
    "spread, steps": {
        "variants": {"floor 0.1, spread 2, steps": FLOOR},
        "codes": ("linear", "step"),
    },
    "spread, wider": {"variants": {"floor 0.1, spread 2, 256-128": FLOOR}, "hidden": (256, 128)},
    "spread, deeper": {
        "variants": {"floor 0.1, spread 2, 128-128-64": FLOOR},
        "hidden": (128, 128, 64),
    },
    "spread, smaller batches": {
        "variants": {"floor 0.1, spread 2, batches of 64": FLOOR},
        "batch_size": 64,
    },
    "leaves 16": {"variants": {"dropout 0.7, leaves 16": ROBUST}, "leaves": 16},
    "steps": {"variants": {"dropout 0.7, steps": ROBUST}, "codes": ("linear", "step")},
    "longer": {
        "variants": {
            "dropout 0.7, 80 epochs": ROBUST,
            "dropout 0.4, 80 epochs": BASE | {"dropout": 0.4},
        },
        "epochs": 80,
    },
    "wider": {"variants": {"dropout 0.7, 256-128": ROBUST}, "hidden": (256, 128)},
    "small": {
        "variants": {"32": BASE, "32, decay 5": BASE | {"weight_decay": 5.0}},
        "hidden": (32,),
    },
    "linear": {
        "variants": {"linear": BASE, "linear, decay 5": BASE | {"weight_decay": 5.0}},
        "hidden": (),
        "skip": False,
    },
}
MIXTURES = list(
    itertools.combinations([*GROUPS["mixed"]["variants"], *GROUPS["longer"]["variants"]], 2)
)
"""Pairs of variants of which an ensemble takes one member each."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", default="../shared/data")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--groups", nargs="+", default=list(GROUPS), choices=GROUPS)
    parser.add_argument("--variants", nargs="+", help="variants of the groups; default all")
    parser.add_argument("--epochs", type=int, help="replaces the number of epochs of each group")
    parser.add_argument(
        "--table", action="store_true", help="write the table of the stored runs without training"
    )
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.table:
        table(options.out)
        return
    path = options.out / "runs.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    stored = {(run["set"], run["variant"]) for run in map(json.loads, lines)}
    for name in options.sets:
        for group in options.groups:
            asked = {**GROUPS[group]}
            if options.epochs:
                asked |= {"epochs": options.epochs, "looks": min(options.epochs, 8)}
            asked["variants"] = {
                label: numbers
                for label, numbers in asked["variants"].items()
                if not options.variants or label in options.variants
                if (name, label) not in stored
            }
            if not asked["variants"]:
                continue
            for run in runs(name, options.data_home, options.out, **asked):
                with open(path, "a") as file:
                    file.write(json.dumps({"set": name, **run}) + "\n")
                keys = ("variant", "ap_last", "ap_loss", "seconds")
                print(name, *(run[key] for key in keys), flush=True)
        with open(path, "a") as file:
            for run in mixtures(name, options.data_home, options.out):
                if (name, run["variant"]) not in stored:
                    file.write(json.dumps({"set": name, **run}) + "\n")


def runs(name, data_home, out, variants, epochs=40, looks=8, **static):
    """Yields validation scores of each variant of a group, for all seeds of a data set.

    Writes each run's logits of the last epoch to `out`/logits for `mixtures`.
    """
    data = imblearn27(name, data_home)
    x, y = jnp.asarray(data.x, jnp.float32), jnp.asarray(data.y, jnp.float32)
    parts, valid = [], []
    for seed, (train, held_out) in enumerate(splits(name, data)):
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        for inner, outer in list(folds.split(train, data.y[train]))[:MEMBERS]:
            parts.append((train[inner], train[outer], held_out))
        valid.append(held_out)
    rows = [padded(part) for part in zip(*parts, strict=True)]
    program = jax.jit(partial(members, epochs=epochs, looks=looks, static=static))
    as_numbers = lambda options: Numbers(*map(jnp.float32, Numbers(**options)))
    started = time.process_time()
    program = program.lower(x, y, rows, as_numbers({})).compile()
    compile_seconds = time.process_time() - started
    for variant, options in variants.items():
        started = time.process_time()
        loss, score, logits = map(np.asarray, program(x, y, rows, as_numbers(options)))
        seconds = time.process_time() - started
        store = out / "logits" / name
        store.mkdir(parents=True, exist_ok=True)
        np.save(store / f"{variant}.npy", logits[:, -1])
        yield {
            "variant": variant,
            "options": {**options, **static, "epochs": epochs},
            "compile_seconds": round(compile_seconds, 1),
            "seconds": round(seconds, 1),
            **judged(data.y, valid, loss, score, logits),
        }


def splits(name, data):
    """Training and validation rows of each seed."""
    return [stratified_splits(data.y, seed=seed)[seed % 4][:2] for seed in range(SETS[name])]


def mixtures(name, data_home, out):
    """Yields validation scores of ensembles of one member each of two variants with logits."""
    data = imblearn27(name, data_home)
    valid = [rows for _, rows in splits(name, data)]
    for pair in MIXTURES:
        paths = [out / "logits" / name / f"{variant}.npy" for variant in pair]
        if not all(path.exists() for path in paths):
            continue
        first, second = map(np.load, paths)
        found = {"ap_last": [], "log_loss_last": []}
        for seed, rows in enumerate(valid):
            logits = np.stack([first[seed * MEMBERS], second[seed * MEMBERS + 1]])
            p = 1 / (1 + np.exp(-logits[:, : len(rows)].astype(float)))
            for score, value in zip(found, scores(data.y[rows], p), strict=True):
                found[score].append(round(float(value), 4))
        yield {"variant": f"mixture: {pair[0]} | {pair[1]}", **found}


def scores(y, p):
    """Average precision and cross-entropy of the members' mean probability; `p [members, n]`."""
    mean = np.clip(p.mean(0), 1e-7, 1 - 1e-7)
    return average_precision_score(y, mean), log_loss(y, mean)


def members(x, y, rows, numbers, *, epochs, looks, static):
    """Scores of the members after every epochs/looks epochs.

    Returns losses and average precisions `[R, looks]` on each member's held-out fold, and logits
    `[R, looks, n]` on validation rows.
    """
    shift, factor = jnp.zeros(x.shape[1]), jnp.ones(x.shape[1])

    def member(args):
        number, (train, fold, valid) = args
        train, fold, valid = (Rows(x, y, *part, shift, factor) for part in (train, fold, valid))
        problem, key = Problem(train, fold), jax.random.fold_in(jax.random.key(7), number)
        epsilon = numbers.label_smoothing / 2

        def smoothed(logits, y):
            return (1 - epsilon) * cross_entropy(logits, y) + epsilon * cross_entropy(logits, 1 - y)

        program = sv.program(
            network(x.shape[1], numbers, **static), epochs=epochs, loss_for=lambda _: smoothed
        )
        hparams = sv.Hparams(numbers.learning_rate, numbers.weight_decay)

        def epoch(state, number):
            return program.epoch(jax.random.fold_in(key, 1000 + number), state, problem, hparams)

        def look(state, number):
            each = epochs // looks
            state, _ = jax.lax.scan(epoch, state, number * each + jnp.arange(each))
            batch = fold.all()
            logits = program.apply(state.params, batch.x)
            loss = weighted_mean(cross_entropy(logits, batch.y), batch.w)
            score = average_precision(logits, batch.y, batch.w)
            return state, (loss, score, program.apply(state.params, valid.all().x))

        state = program.init(key, problem, hparams, None)
        return jax.lax.scan(look, state, jnp.arange(looks))[1]

    return jax.lax.map(member, (jnp.arange(len(rows[0].index)), rows))


def judged(y, valid, loss, score, logits):
    """Scores of each seed, for several choices of the epoch.

    The epochs are the last one and the best ones on each member's fold by loss and by average
    precision. `ap_single` is the average precision of single members after the last epoch.
    """
    found = {}
    for number, rows in enumerate(valid):
        rows_of_seed = slice(number * MEMBERS, (number + 1) * MEMBERS)
        p = 1 / (1 + np.exp(-logits[rows_of_seed, :, : len(rows)].astype(float)))
        each, last = np.arange(MEMBERS), p.shape[1] - 1
        chosen = {
            "last": p[:, -1],
            "loss": p[each, loss[rows_of_seed].argmin(1)],
            "precision": p[each, last - score[rows_of_seed, ::-1].argmax(1)],
        }
        for name, members in chosen.items():
            precision, entropy = scores(y[rows], members)
            found.setdefault(f"ap_{name}", []).append(precision)
            found.setdefault(f"log_loss_{name}", []).append(entropy)
        single = np.mean([average_precision_score(y[rows], one) for one in p[:, -1]])
        found.setdefault("ap_single", []).append(single)
    return {name: [round(float(value), 4) for value in values] for name, values in found.items()}


def padded(parts):
    size = max(map(len, parts))
    pad = lambda values: np.pad(values, (0, size - len(values)))
    index = np.stack([pad(rows) for rows in parts]).astype(np.int32)
    return Part(index, np.stack([pad(np.ones(len(rows), np.float32)) for rows in parts]))


def table(folder):
    """`variants.csv`, each variant on each set, and `summary.csv`, each over its sets; with the
    difference from the reference variant on the same seeds, or sets, and its standard error."""
    lines = [
        line
        for file in (folder / "runs.jsonl", folder / "trials.jsonl")
        if file.exists()
        for line in file.read_text().split("\n")
    ]
    found = pd.DataFrame(json.loads(line) for line in lines if line)
    found = found.drop_duplicates(["set", "variant"], keep="last")
    columns = [name for name in found if name.startswith(("ap_", "log_loss_"))]
    reference = found[found["variant"].isin(REFERENCES)].sort_values("variant")
    reference = reference.groupby("set")["ap_last"].first()  # of this script, if any
    rows = []
    for run in found.to_dict("records"):
        row = {"set": run["set"], "variant": run["variant"], "seeds": len(run["ap_last"])}
        row |= {name: np.mean(run[name]) for name in columns}
        if run["set"] in reference and len(reference[run["set"]]) == row["seeds"]:
            difference = np.subtract(run["ap_last"], reference[run["set"]])
            row["gain"] = difference.mean()
            row["gain_se"] = difference.std(ddof=1) / np.sqrt(len(difference))
        rows.append(row | {"seconds": run["seconds"], "compile_seconds": run["compile_seconds"]})
    rows = pd.DataFrame(rows).sort_values(["set", "variant"])
    rows.round(4).to_csv(folder / "variants.csv", index=False)
    groups = rows.groupby("variant")
    summary = pd.DataFrame(
        {
            "sets": groups.size(),
            "sets_compared": groups["gain"].count(),
            "gain": groups["gain"].mean(),
            "gain_se": groups["gain"].sem(),
            **{
                f"{first}_less_{second}": groups.apply(
                    lambda g, first=first, second=second: (g[first] - g[second]).mean()
                )
                for first, second in (
                    ("ap_last", "ap_loss"),
                    ("ap_last", "ap_precision"),
                    ("log_loss_last", "log_loss_precision"),
                )
            },
        }
    )
    summary.round(4).sort_values("gain", ascending=False).to_csv(folder / "summary.csv")


if __name__ == "__main__":
    main()
