"""Artificial results in the format of real ones, without training."""

import io
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from imbax.experiments import store
from imbax.experiments.tabular.metrics import METRICS
from imbax.experiments.tabular.schema import SCHEMA

SKILL = {"explicit_gradient": 2.0, "explicit_gradient_frozen": 1.9, "ce": 1.6, "unknown_trees": 1.8}
DATASETS = ("ecoli", "mammography", "oil", "my data/1.csv", "abalone_19", "isolet", "scene")


def make_plane(rng: np.random.Generator) -> bytes:
    x = np.concatenate([rng.normal(size=(400, 2)), rng.normal(1.3, 0.6, size=(40, 2))])
    start = x[400:]
    end = start + 0.5 * rng.normal(size=start.shape) + 0.3
    grid_x, grid_y = np.linspace(-4, 4, 60), np.linspace(-4, 4, 60)
    score = 2 * (grid_x[None, :] + grid_y[:, None]) - 4
    file = io.BytesIO()
    np.savez(
        file,
        x=x,
        y=np.repeat([0, 1], [400, 40]),
        start=start,
        end=end,
        grid_x=grid_x,
        grid_y=grid_y,
        probability=1 / (1 + np.exp(-score)),
    )
    return file.getvalue()


def make_rows(
    dataset: str, method: str, seed: int, folds=2, diverged: bool = False, fell_back: bool = False
):
    """Rows of one result file; ``diverged`` and ``fell_back`` affect the first fold."""
    rng = np.random.default_rng([*f"{dataset}/{method}".encode(), seed])
    neural, moving = method != "unknown_trees", method == "explicit_gradient"
    rows = []
    for fold in range(folds):
        test_y = np.repeat(np.array([0, 1], np.int8), [190, 10])
        score = (rng.normal(size=200) + SKILL.get(method, 1.5) * test_y).astype(np.float32)
        lost = diverged and fold == 0
        epochs = np.arange(1, 31)
        pace = 8 * SKILL.get(method, 1.5) + fold
        rows.append(
            {
                "suite": "made_up",
                "dataset": dataset,
                "method": method,
                "network": "mlp" if neural else "",
                "members": "1",
                "fold": fold,
                "seed": seed,
                "average_precision": np.nan if lost else average_precision_score(test_y, score),
                "roc_auc": np.nan if lost else roc_auc_score(test_y, score),
                "precision_at_recall_75": np.nan if lost else 0.3,
                "precision_at_recall_50": np.nan if lost else 0.5,
                "precision_at_recall_25": np.nan if lost else 0.8,
                **dict.fromkeys(list(METRICS)[5:], np.nan),
                "diverged": lost,
                "fallback": fell_back and fold == 0,
                "epoch": 0 if method.startswith("explicit") and fold == 0 else 17,
                "validation_average_precision": np.nan if lost else 0.6,
                "n_train": 600,
                "n_valid": 200,
                "n_test": 200,
                "n_minority": 30,
                "test_rows_in_train": 3 + fold,
                "x_synth_move": 0.4 + 0.1 * fold if moving else np.nan,
                "x_synth_outside": 0.02 if moving else np.nan,
                "test_y": test_y,
                "test_score": np.full(200, np.nan, np.float32) if lost else score,
                "valid_y": [],
                "valid_score": [],
                "train_curve": 0.6 * np.exp(-epochs / pace) + 0.02 if neural else [],
                "monitored": {},
                "valid_curve": 0.6 - 0.4 * np.exp(-epochs / pace) if neural else [],
                "plane": make_plane(rng) if moving and fold == 0 and seed == 0 else None,
            }
        )
    return rows


def make_provenance(dataset: str, method: str, key: str = "0a1b") -> dict:
    return {
        "suite": "made_up",
        "dataset": dataset,
        "method": method,
        "key": key,
        "config": {"epochs": 30},
        "method_facts": {
            "title": method.replace("_", " "),
            "paper": "arXiv 2202.10550" if method.startswith("explicit") else "",
            "kind": "tree ensemble" if method == "unknown_trees" else "network",
            "sees": "training rows; validation rows for the checkpoint",
            "neural": method != "unknown_trees",
            "note": "",
            "fallback": "smote" if method == "adasyn" else "",
        },
        "dataset_facts": {
            "n_rows": 1000,
            "n_features": 7,
            "n_minority": 50,
            "imbalance_ratio": 19.0,
            "notices": ["column 'a|b' is constant"] if dataset.startswith("my") else [],
            "fingerprint": "f" * 64,
        },
        "timing": {"compile_seconds": 1.5, "run_seconds": 4.0, "n_runs": 2},
        "environment": {"imbax": "0.1.0", "jax": "0.10.2", "device": "cpu", "commit": "abc1234"},
        "settings": {"folds": 2, "valid_share": 0.2},
    }


@pytest.fixture(scope="session")
def make_results():
    """Writes results into a folder: ``make_results(folder, datasets=..., methods=..., ...)``."""

    def make(
        folder: Path,
        datasets=DATASETS,
        methods=tuple(SKILL),
        seeds=2,
        key="0a1b",
        lost=(),
        fell_back=(),
    ):
        for dataset in datasets:
            for method in methods:
                for seed in range(seeds):
                    cell = (dataset, method)
                    rows = make_rows(
                        *cell, seed, diverged=cell in lost, fell_back=cell in fell_back
                    )
                    store.write(folder, rows, make_provenance(dataset, method, key), SCHEMA)
        return folder

    return make


@pytest.fixture(scope="session")
def results(make_results, tmp_path_factory) -> Path:
    """Seven datasets, four methods, two seeds, two folds; ``ce`` diverged on ``oil`` (fold 0)."""
    return make_results(tmp_path_factory.mktemp("results"), lost=[("oil", "ce")])
