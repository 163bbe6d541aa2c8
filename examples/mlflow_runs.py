"""
Results in MLflow
=================

A folder of results becomes runs in MLflow: one for the folder, with its report as an artifact, and
below it one for each data set and method, with the means of all metrics.

Install with ``pip install "imbax[interop]"``, and open the results with
``mlflow ui --backend-store-uri sqlite:///mlflow.db``.
"""

import json
from pathlib import Path

import mlflow
import pandas as pd

import imbax

# %%
# A folder of results
# -------------------
#
# ``imbax run`` on the command line writes the same files.

folder = Path("results", "for_mlflow")
results = imbax.run(
    "quickstart", datasets="moons_20", methods=["ce", "logistic_regression"],
    seeds=1, folds=2, epochs=40, out=folder,
)  # fmt: skip
results.report()

# %%
# Runs of MLflow
# --------------


def log_folder(folder):
    """Logs commands, metrics and the report of a folder of results."""
    manifest = json.loads((folder / "manifest.json").read_text())
    summary = pd.read_csv(folder / "tables" / "summary.csv").set_index(["dataset", "method"])
    with mlflow.start_run(run_name=folder.name):
        mlflow.log_params({f"command_{i}": text for i, text in enumerate(manifest["commands"])})
        mlflow.log_artifact(folder / "report.html")
        for (dataset, method), row in summary.iterrows():
            with mlflow.start_run(run_name=f"{method} on {dataset}", nested=True):
                mlflow.log_params({"dataset": dataset, "method": method})
                mlflow.log_metrics(row.dropna().to_dict())


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("imbax")
log_folder(folder)

# %%
# The same, read back from MLflow:

runs = mlflow.search_runs()
names = ["params.method", "metrics.mean", "metrics.sd"]
print(runs.dropna(subset="params.method")[names].round(3).to_string(index=False))
