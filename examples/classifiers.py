"""
Classifiers and ensembles
=========================

Classifiers follow scikit-learn's contract. This example compares losses, an ensemble of five folds
and Explicit Gradient, and trains boosted trees on the rows of Explicit Gradient.
"""

import numpy as np
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_wine, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score

import imbax

# %%
# Losses, ensembles and moved rows
# --------------------------------
#
# Every classifier is an estimator, so that cross-validation and pipelines accept it.

x, y = make_classification(1000, 12, weights=[0.93], class_sep=0.8, random_state=0)
points = imbax.ExplicitGradientClassifier(max_iter=40, random_state=0)
models = {
    "cross-entropy": imbax.ImbalancedMLPClassifier(network="mlp", max_iter=40, random_state=0),
    "class-dependent margins": imbax.ImbalancedMLPClassifier(
        loss="ldam_drw", network="mlp", max_iter=40, random_state=0
    ),
    "fold ensemble with SMOTE": imbax.ImbalancedMLPClassifier(
        network="mlp",
        sampler="smote",
        n_estimators=5,
        fold_ensemble=True,
        max_iter=40,
        random_state=0,
    ),
    "Explicit Gradient": points,
    "boosting with its rows": make_pipeline(
        imbax.ExplicitGradientOverSampler(points, random_state=0),
        HistGradientBoostingClassifier(max_iter=30, random_state=0),
    ),
}
for name, model in models.items():
    scores = cross_val_score(model, x, y, cv=3, scoring="average_precision")
    print(f"{name}: average precision {scores.mean():.3f} ± {scores.std():.3f}")

# %%
# Several classes
# ---------------
#
# With three classes, each class except the largest gets synthetic rows.

wine = imbax.ExplicitGradientClassifier(n_synth="balance", max_iter=40, random_state=0)
wine.fit(*load_wine(return_X_y=True))
print("synthetic rows of each class of wine:", np.bincount(wine.y_synth_, minlength=3))
