"""Time and memory of SMOTE for all runs of a cell, in imbax and in imbalanced-learn.

    python benchmarks/smote.py

Each run has its own training rows, scaling and random key. All contenders compute the resampled
training rows of every run as float32 arrays and discard them: imbax one run per core at a time, or
(one device) one run at a time with less memory; imbalanced-learn one run at a time on all cores.
Rows for imbalanced-learn are selected and scaled before timing; imbax's timing includes this.
Contenders take turns, each in its own process, since the peak memory of a process never falls. The
peak before sampling includes the data, the imported library and, for imbax, its compiled program.
Finally, the neighbours of the first runs are compared with those that scikit-learn finds in float64
among the training rows of that run.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from imbax.data.preprocess import fit_min_max, scale

HERE = Path(__file__).resolve().parent
OURS = ("imbax", "imbax, one device")
CONTENDERS = (*OURS, "imbalanced-learn")
K = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--minority", type=float, default=0.1, help="share of rows")
    parser.add_argument("--seeds", type=int, default=5, help="each gives 4 runs")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each contender")
    parser.add_argument("--checked", type=int, default=2, help="runs whose neighbours are compared")
    parser.add_argument("--contender", choices=CONTENDERS, help="measure this one, in this process")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "smote.json")
    options = parser.parse_args()
    if options.contender:
        print(json.dumps(measure(options)))
        return
    turns = {name: [] for name in CONTENDERS}
    for _ in range(options.rounds):
        for name in CONTENDERS:
            turns[name].append(in_new_process(name))
            print(name, turns[name][-1], flush=True)
    result = {"settings": settings(options), "summary": summary(turns), "turns": turns}
    result["environment"] = environment_of_imbax()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(result["summary"])


def environment_of_imbax():
    """Environment of the measurements; called last, since it starts jax in this process."""
    from imbax.engine.devices import use_cpu_cores
    from imbax.experiments.provenance import environment

    use_cpu_cores()
    return environment()


def settings(options):
    kept = ("rows", "features", "minority", "rounds")
    return {name: getattr(options, name) for name in kept} | {"runs": 4 * options.seeds}


def summary(turns):
    """Medians over rounds, and speed relative to imbalanced-learn in each round."""
    table = {}
    for name in ("seconds", "peak_mib", "peak_mib_before"):
        table[name] = {c: statistics.median(t[name] for t in turns[c]) for c in CONTENDERS}
    table["mib_of_sampling"] = {
        c: table["peak_mib"][c] - table["peak_mib_before"][c] for c in CONTENDERS
    }
    for name, compiling in (("times_as_fast", 0), ("times_as_fast_with_compiling", 1)):
        table[name] = {
            c: [
                other["seconds"] / (ours["seconds"] + compiling * ours["compile_seconds"])
                for ours, other in zip(turns[c], turns["imbalanced-learn"], strict=True)
            ]
            for c in OURS
        }
    return table


def in_new_process(name):
    command = [sys.executable, __file__, *sys.argv[1:], "--contender", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(options):
    rng = np.random.default_rng(0)
    x = rng.random((options.rows, options.features), np.float32)
    y = (rng.permutation(options.rows) < options.minority * options.rows).astype(np.float32)
    parts = [part for seed in range(options.seeds) for part in training_parts(y, seed)]
    if options.contender == "imbalanced-learn":
        return with_imbalanced_learn(x, y, parts)
    return with_imbax(options, x, y, parts, None if options.contender == "imbax" else 1)


def training_parts(y, seed, folds=4, share=0.6):
    """Row numbers of each fold's training part: a random 60 % of either class.

    The library's splits are not used because they import scikit-learn and its memory.
    """
    rng = np.random.default_rng(seed)
    for _ in range(folds):
        classes = (rng.permutation(np.flatnonzero(y == label)) for label in (0, 1))
        yield np.sort(np.concatenate([rows[: int(share * len(rows))] for rows in classes]))


def with_imbalanced_learn(x, y, parts):
    from imblearn.over_sampling import SMOTE

    def sample(r):
        train, scaling = x[parts[r]], fit_min_max(x[parts[r]])
        train -= scaling.shift  # in place, so that scaling does not add to the peak
        train *= scaling.factor
        targets, n_minority = y[parts[r]], int(y[parts[r]].sum())
        sampler = SMOTE(sampling_strategy={1.0: 2 * n_minority}, k_neighbors=K, random_state=r)
        start = time.perf_counter()
        rows, targets = sampler.fit_resample(train, targets)
        seconds = time.perf_counter() - start
        assert rows.dtype == np.float32 and len(rows) == len(targets) == len(train) + n_minority
        return seconds

    before = peak_mib()
    sample(0)
    seconds = sum(sample(r) for r in range(len(parts)))
    return {"seconds": seconds, "peak_mib": peak_mib(), "peak_mib_before": before}


def with_imbax(options, x, y, parts, n_devices):
    import jax

    from imbax.engine.devices import use_cpu_cores
    from imbax.engine.vectorize import Vectorized
    from imbax.methods.sampling import Sizes, minority_of, own_neighbors
    from imbax.methods.smote import sample as smote
    from imbax.types import Part, Run

    use_cpu_cores(n_devices)
    most = max(map(len, parts))
    max_minority = max(int(y[part].sum()) for part in parts)
    sizes = Sizes(max_minority, max_minority)

    def rows_of(shared, run):
        train = run.rows(shared, "train")
        n_synth = jax.numpy.stack([0, ((train.y > 0.5) & (train.w > 0)).sum()])
        sampled = smote(run.key, train, n_synth, sizes, k_neighbors=K)
        batch = sampled.applied(train).all()
        return batch.x, batch.y, batch.w

    def neighbors_of(shared, run):
        return own_neighbors(minority_of(run.rows(shared, "train"), max_minority), K)[0]

    runs = [
        Run(
            key=jax.random.key(r),
            train=Part(
                np.pad(part, (0, most - len(part))).astype(np.int32),
                (np.arange(most) < len(part)).astype(np.float32),
            ),
            **fit_min_max(x[part])._asdict(),
        )
        for r, part in enumerate(parts)
    ]
    chunk_size = min(len(jax.devices()), len(runs))
    chunks = [
        jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *runs[r : r + chunk_size])
        for r in range(0, len(runs), chunk_size)
    ]
    sample, imported = Vectorized(rows_of), peak_mib()
    shared = sample.replicate((x, y))
    sample.lower(shared, chunks[0])
    start = time.perf_counter()
    sample.compile()
    compile_seconds, before = time.perf_counter() - start, peak_mib()
    jax.block_until_ready(sample(shared, chunks[0]))
    start = time.perf_counter()
    for chunk in chunks:
        for leaf in sample(shared, chunk):
            # On a CPU these are NumPy views of the same memory.
            host = [np.asarray(shard.data) for shard in leaf.addressable_shards]
            assert sum(map(len, host)) == chunk_size
    seconds, peak = time.perf_counter() - start, peak_mib()
    found = np.concatenate([np.asarray(Vectorized(neighbors_of)(shared, c)) for c in chunks])
    for r in range(min(options.checked, len(parts))):
        check_neighbors(x, y, parts[r], found[r])
    return {
        "seconds": seconds,
        "compile_seconds": compile_seconds,
        "peak_mib": peak,
        "peak_mib_imported": imported,
        "peak_mib_before": before,
    }


def check_neighbors(x, y, part, found):
    """Checks that `found` holds scikit-learn's neighbours among the rows `part`."""
    from sklearn.neighbors import NearestNeighbors

    scaled = scale(x[part], fit_min_max(x[part]))[y[part] == 1].astype(np.float64)
    expected = NearestNeighbors(n_neighbors=K).fit(scaled).kneighbors(return_distance=False)
    wrong = (np.sort(found[: len(scaled)], 1) != np.sort(expected, 1)).sum()
    assert not wrong, f"{wrong} of {expected.size} neighbours are not scikit-learn's"


def peak_mib():
    """Peak memory of this process in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


if __name__ == "__main__":
    main()
