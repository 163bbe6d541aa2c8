"""Explicit Gradient for several classes, on ten real tables with long tails.

    python benchmarks/long_tail.py --data-home DIR
    imbax compare benchmarks/results/long_tail/scores.csv --control ce

Five sets of images, as pixels on their 64 first principal axes, and five columns of Adult foretold
from the others. Of each table at most 3,000 rows; each seed cuts it into two folds. Every row of
`runs.csv` is written at once, and the same command goes on where it stopped.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track
from sklearn.decomposition import PCA
from sklearn.metrics import recall_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import imbax
from imbax.data.adult import adult_frame
from imbax.data.images import images
from imbax.metrics import macro_average_precision

OUT = Path(__file__).resolve().parent / "results" / "long_tail"
MOST, RATIO = 3000, 50
IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10", "svhn")
COLUMNS = ("workclass", "marital-status", "occupation", "relationship", "race")
mlp = partial(imbax.ImbalancedMLPClassifier, early_stopping=True)
eg = partial(imbax.ExplicitGradientClassifier, early_stopping=True)
METHODS = {
    "ce": mlp,
    "balanced": partial(mlp, class_weight="balanced"),
    "ldam_drw": partial(mlp, loss="ldam_drw"),
    "smote": partial(mlp, sampler="smote"),
    "eg": eg,
    "eg_still": partial(eg, eta2=0.0),
    "eg_balance": partial(eg, n_synth="balance"),
    "eg_balance_still": partial(eg, n_synth="balance", eta2=0.0),
}


def of_images(name, data_home):
    """Flat images of a long tail: sizes fall geometrically to one RATIO-th of the first, or 8."""
    data = images(name, data_home)
    y = np.asarray(data.y)
    largest = np.bincount(y).min() if name == "digits" else MOST // 4
    wanted = np.geomspace(largest, max(largest / RATIO, 8), len(data.classes)).round().astype(int)
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(y == c))[:n] for c, n in enumerate(wanted)]
    rows = np.concatenate(rows)
    return np.asarray(data.x)[rows].reshape(len(rows), -1).astype(float), y[rows]


def of_adult(column, data_home):
    """The other columns, categories as indicators, and the values of one."""
    frame = adult_frame(data_home)
    counts = frame[column].value_counts()
    frame = frame[frame[column].isin(counts.index[counts >= 100])]
    _, frame = train_test_split(frame, test_size=MOST, stratify=frame[column], random_state=0)
    y = np.unique(frame[column], return_inverse=True)[1]
    return pd.get_dummies(frame.drop(columns=column)).to_numpy(float), y


def run(dataset, x, y, method, seed):
    """Rows of both folds."""
    axes = [StandardScaler(), PCA(64, random_state=seed)] if dataset in IMAGES else []
    folds = StratifiedKFold(2, shuffle=True, random_state=seed).split(x, y)
    for fold, (train, test) in enumerate(folds):
        model = make_pipeline(*axes, METHODS[method](random_state=seed))
        proba = model.fit(x[train], y[train]).predict_proba(x[test])
        chosen = proba.argmax(1)
        yield {
            "dataset": dataset,
            "method": method,
            "seed": seed,
            "fold": fold,
            "macro_average_precision": float(macro_average_precision(proba, y[test])),
            "balanced_accuracy": recall_score(y[test], chosen, average="macro"),
            "rows": len(train),
            "classes": len(np.unique(y)),
            "rarest": int(np.bincount(y[train]).min()),
            "largest": int(np.bincount(y[train]).max()),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--datasets", nargs="+", choices=IMAGES + COLUMNS, default=IMAGES + COLUMNS)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    imbax.use_cpu_cores()
    options.out.mkdir(parents=True, exist_ok=True)
    stored = options.out / "runs.csv"
    rows = pd.read_csv(stored).to_dict("records") if stored.exists() else []
    done = {(row["dataset"], row["method"], row["seed"]) for row in rows}
    for dataset in options.datasets:
        load = of_images if dataset in IMAGES else of_adult
        x, y = load(dataset, options.data_home)
        wanted = [(m, s) for m in METHODS for s in range(options.seeds)]
        missing = [(m, s) for m, s in wanted if (dataset, m, s) not in done]
        for method, seed in track(missing, dataset):
            rows += run(dataset, x, y, method, seed)
            pd.DataFrame(rows).to_csv(stored, index=False, float_format="%.6f")
    for metric, file in {
        "macro_average_precision": "scores.csv",
        "balanced_accuracy": "balanced_accuracy.csv",
    }.items():
        means = pd.DataFrame(rows).pivot_table(metric, "dataset", "method")[list(METHODS)]
        means.to_csv(options.out / file, float_format="%.6f")
        print(f"{metric}\n{means.round(3).to_string()}")


if __name__ == "__main__":
    main()
