"""SMOTE for all runs of a cell, against as many calls of imbalanced-learn's, on the same cores.

    python benchmarks/smote.py

Each run has its own training rows, scaling and key. All give every run's resampled training rows
as float32 arrays and keep none of them: imbax one run per core at a time, or (one device) one run
at a time with less memory; imbalanced-learn one run at a time with all cores. What it is given is
cut and scaled before the clock starts; imbax does that within it. Contenders take turns, each in a
process of its own, since a process's peak memory never falls; the peak before is that with the
data made, the library imported and, for imbax, its program compiled. Afterwards the neighbours of
the first runs are compared with those that scikit-learn finds in float64 among that run's training
rows alone.
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
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--checked", type=int, default=2, help="runs whose neighbours are compared")
    parser.add_argument("--contender", choices=CONTENDERS, help="measure this one, here")
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
    """Asked last, since it starts jax in this process."""
    from imbax.engine.devices import use_cpu_cores
    from imbax.experiments.provenance import environment

    use_cpu_cores()
    return environment()


def settings(options):
    kept = ("rows", "features", "minority", "rounds")
    return {name: getattr(options, name) for name in kept} | {"runs": 4 * options.seeds}


def summary(turns):
    """Medians over rounds; how many times as fast as imbalanced-learn in each round."""
    table = {}
    for name in ("seconds", "peak_mib", "peak_mib_before"):
        table[name] = {who: statistics.median(t[name] for t in turns[who]) for who in CONTENDERS}
    table["mib_of_sampling"] = {
        who: table["peak_mib"][who] - table["peak_mib_before"][who] for who in CONTENDERS
    }
    for name, compiling in (("times_as_fast", 0), ("times_as_fast_with_compiling", 1)):
        table[name] = {
            who: [
                theirs["seconds"] / (ours["seconds"] + compiling * ours["compile_seconds"])
                for ours, theirs in zip(turns[who], turns["imbalanced-learn"], strict=True)
            ]
            for who in OURS
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

    Cut here, because the library's own splits load scikit-learn, whose memory is no part of imbax.
    """
    rng = np.random.default_rng(seed)
    for _ in range(folds):
        classes = (rng.permutation(np.flatnonzero(y == label)) for label in (0, 1))
        yield np.sort(np.concatenate([rows[: int(share * len(rows))] for rows in classes]))


def with_imbalanced_learn(x, y, parts):
    from imblearn.over_sampling import SMOTE

    def sample(r):
        train, scaling = x[parts[r]], fit_min_max(x[parts[r]])
        train -= scaling.shift  # in place, so that its peak is not ours to answer for
        train *= scaling.factor
        targets, n_minority = y[parts[r]], int(y[parts[r]].sum())
        sampler = SMOTE(sampling_strategy={1.0: 2 * n_minority}, k_neighbors=K, random_state=r)
        started = time.perf_counter()
        rows, targets = sampler.fit_resample(train, targets)
        seconds = time.perf_counter() - started
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
        wanted = jax.numpy.stack([0, ((train.y > 0.5) & (train.w > 0)).sum()])
        sampled = smote(run.key, train, wanted, sizes, k_neighbors=K)
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
    at_once = min(len(jax.devices()), len(runs))
    several = [
        jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *runs[r : r + at_once])
        for r in range(0, len(runs), at_once)
    ]
    sample, imported = Vectorized(rows_of), peak_mib()
    shared = sample.replicate((x, y))
    sample.lower(shared, several[0])
    compiling = time.perf_counter()
    sample.compile()
    compile_seconds, before = time.perf_counter() - compiling, peak_mib()
    jax.block_until_ready(sample(shared, several[0]))
    started = time.perf_counter()
    for some in several:
        for leaf in sample(shared, some):
            # On the CPU these are the arrays themselves, seen from NumPy.
            host = [np.asarray(shard.data) for shard in leaf.addressable_shards]
            assert sum(map(len, host)) == at_once
    seconds, peak = time.perf_counter() - started, peak_mib()
    found = np.concatenate([np.asarray(Vectorized(neighbors_of)(shared, some)) for some in several])
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
    """Raise AssertionError unless `found` has scikit-learn's neighbours among these rows alone."""
    from sklearn.neighbors import NearestNeighbors

    scaled = scale(x[part], fit_min_max(x[part]))[y[part] == 1].astype(np.float64)
    expected = NearestNeighbors(n_neighbors=K).fit(scaled).kneighbors(return_distance=False)
    wrong = (np.sort(found[: len(scaled)], 1) != np.sort(expected, 1)).sum()
    assert not wrong, f"{wrong} of {expected.size} neighbours are not scikit-learn's"


def peak_mib():
    """Of this process, so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


if __name__ == "__main__":
    main()
