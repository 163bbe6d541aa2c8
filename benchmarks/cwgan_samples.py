"""Checks of samples of `cwgan` on imbalanced-learn's data sets: finite, in range, correct means.

    python benchmarks/cwgan_samples.py --data-home DIR

The GAN is trained as in the suite `imblearn27`, on the 4 folds of one seed. The number of generated
rows is the number of minority rows. Data sets that are in the results already are skipped.
"""

import argparse
import csv
import dataclasses
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np

import imbax
from imbax.catalogue.adapters import add_rows
from imbax.data.tabular import DataUnavailable, imblearn27, imblearn27_facts
from imbax.engine.vectorize import Vectorized
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.methods import cwgan
from imbax.training import RESAMPLE

HERE = Path(__file__).resolve().parent
FIELDS = ("dataset", "runs", "fallbacks", "outside", "means_within_1_sd", "seconds")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="folder with zenodo/x1data.npz ...; default: download")
    parser.add_argument("--datasets", nargs="+", default=[f.name for f in imblearn27_facts()])
    parser.add_argument(
        "--epochs", type=int, default=200, help="epochs of the suite, which set the iterations"
    )
    default = HERE / "results" / "cwgan_samples.csv"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()

    options.out.parent.mkdir(parents=True, exist_ok=True)
    imbax.use_cpu_cores()
    done = set()
    if options.out.exists():
        with options.out.open(newline="") as file:
            done = {row["dataset"] for row in csv.DictReader(file)}
    for name in options.datasets:
        if name in done:
            continue
        try:
            dataset = imblearn27(name, options.data_home)
        except DataUnavailable as error:
            print(f"skipped {name}: {error}")
            continue
        row = measured(dataset, options.epochs)
        print(*row.values())
        with options.out.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            if not done:
                writer.writeheader()
            writer.writerow(row)
        done.add(name)


def measured(dataset, epochs):
    """Statistics of the samples in the four runs on a data set."""
    cut = plan(dataset, [0], Protocol(epochs=epochs))
    config = cwgan.Config(iterations=15 * epochs, classifier_steps=5 * epochs)
    config = dataclasses.replace(config, clip=False)
    draw = partial(add_rows, partial(cwgan.sample, config=config))

    def sampled(shared, run):
        key = jax.random.fold_in(run.key, RESAMPLE)
        made = draw(key, run.problem(shared), cut.facts)
        return made.x_synth, made.fallback

    sample = Vectorized(sampled)
    sample.lower(cut.shared, cut.runs)
    sample.compile()
    start = time.perf_counter()
    x_synth, fallback = jax.device_get(sample(cut.shared, cut.runs))
    seconds = time.perf_counter() - start
    outside, within = [], []
    for r, part in enumerate(cut.splits):
        real = cut.features(r, part.train[dataset.y[part.train] == 1])
        x = x_synth[r, : len(real), : real.shape[1]]
        low, high = real.min(0), real.max(0)
        varies = high > low
        outside.append(((x < low - 1e-6) | (x > high + 1e-6))[:, varies].mean())
        shift = np.clip(x, low, high).mean(0) - real.mean(0)
        within.append((np.abs(shift) <= real.std(0))[varies].mean())
    return {
        "dataset": dataset.name,
        "runs": len(cut.splits),
        "fallbacks": int(fallback.sum()),
        "outside": f"{np.mean(outside):.3f}",
        "means_within_1_sd": f"{np.mean(within):.3f}",
        "seconds": f"{seconds:.1f}",
    }


if __name__ == "__main__":
    main()
