"""
Any estimator and any metric in one table
=========================================

``imbax.evaluate`` accepts names, estimators and pipelines side by side.

Install with ``pip install "imbax[baselines]"``. If torch and skorch are installed, a PyTorch
network is included.
"""

import importlib.util

from catboost import CatBoostClassifier
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

import imbax


def torch_network(features):
    """PyTorch network with two layers, as an estimator."""
    import torch
    from skorch import NeuralNetClassifier

    class Network(torch.nn.Sequential):
        def __init__(self, width=32):
            hidden, output = torch.nn.Linear(features, width), torch.nn.Linear(width, 2)
            super().__init__(hidden, torch.nn.ReLU(), output, torch.nn.Softmax(-1))

    options = {"optimizer": torch.optim.Adam, "lr": 0.01, "max_epochs": 20, "verbose": 0}
    return NeuralNetClassifier(Network, train_split=None, **options)


def top_tenth(y_true, y_score):
    """Minority share among the 10 % of rows with the highest scores."""
    return y_true[(-y_score).argsort()[: len(y_score) // 10]].mean()


# %%
# Estimators and metrics
# ----------------------
#
# Names select imbax's methods. The third item of a tuple selects the rows that an estimator trains
# on. A metric is a name, with numbers if it needs some, or a function.

x, y = make_classification(600, 8, n_informative=5, weights=[0.9], random_state=0)
trees = CatBoostClassifier(iterations=50, thread_count=1, verbose=False, allow_writing_files=False)
methods = [
    "ce",
    "explicit_gradient",
    make_pipeline(SMOTE(), LogisticRegression()),
    ("catboost_50", trees),
    ("catboost_50_all_rows", trees, "train_valid"),
]
if all(map(importlib.util.find_spec, ("torch", "skorch"))):
    methods.append(("skorch", torch_network(x.shape[1])))

metrics = ["f1", "expected_cost=0,1,10,0", top_tenth]
table = imbax.evaluate(x, y, methods, seeds=1, folds=2, epochs=50, metrics=metrics)
columns = ["average_precision", "f1_at_valid", "expected_cost_at_valid", "top_tenth"]
print(table.groupby("method")[columns].mean().round(3).to_string())
