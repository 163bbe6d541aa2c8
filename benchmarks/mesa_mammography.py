"""MESA on mammography: test average precision for several sizes of the ensemble.

    python benchmarks/mesa_mammography.py --data-home DIR

The protocol is that of MESA's public notebook: 20 % fixed validation rows, repeated stratified
4-fold cross-validation over the rest, one sampler trained for each run. The notebook's scores (mean
± SD) are .667 ± .049 with 10 trees and .732 ± .039 with 20 (and .521 ± .046 with 5).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from imbax.data.splits import stratified_splits
from imbax.data.tabular import imblearn27
from imbax.estimators.mesa import Mesa
from imbax.experiments.provenance import environment

HERE = Path(__file__).resolve().parent
NOTEBOOK = {5: (0.521, 0.046), 10: (0.667, 0.049), 20: (0.732, 0.039)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="folder with zenodo/x25data.npz; default: download")
    parser.add_argument("--estimators", type=int, nargs="+", default=[10, 20])
    parser.add_argument("--repeats", type=int, default=10, help="each repeat has 4 folds")
    parser.add_argument("--random-steps", type=int, default=500)
    parser.add_argument("--learned-steps", type=int, default=1000)
    default = HERE / "results" / "mesa_mammography.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()

    dataset = imblearn27("mammography", options.data_home)
    results = []
    for n_estimators in options.estimators:
        start, scores = time.perf_counter(), []
        for seed in range(options.repeats):
            for train, valid, test in stratified_splits(dataset.y, seed=seed):
                model = Mesa(
                    n_estimators,
                    random_steps=options.random_steps,
                    learned_steps=options.learned_steps,
                    random_state=seed,
                )
                parts = (part[rows] for rows in (train, valid) for part in (dataset.x, dataset.y))
                probability = model.fit(*parts).predict_proba(dataset.x[test])[:, 1]
                scores.append(average_precision_score(dataset.y[test], probability))
        seconds = (time.perf_counter() - start) / len(scores)
        mean, sd = float(np.mean(scores)), float(np.std(scores))
        results.append(
            {
                "n_estimators": n_estimators,
                "mean": mean,
                "sd": sd,
                "runs": len(scores),
                "seconds_per_run": seconds,
                "notebook": NOTEBOOK.get(n_estimators),
                "scores": scores,
            }
        )
        print(f"{n_estimators} trees: {mean:.3f} ± {sd:.3f} ({len(scores)} runs, {seconds:.1f} s)")
    settings = {"random_steps": options.random_steps, "learned_steps": options.learned_steps}
    content = {"results": results, "settings": settings, "environment": environment()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
