"""
Search, ensemble and threshold
==============================

``imbax.search`` trains many settings, folds and seeds as one program.
"""

from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.metrics import classification_report
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split

import imbax

# %%
# A search
# --------
#
# By successive halving, the better half of the settings is trained twice as long, and so on.

x, y = make_classification(1500, 12, n_informative=5, weights=[0.93], random_state=0)
x, x_test, y, y_test = train_test_split(x, y, stratify=y, random_state=0)

space = {"learning_rate": loguniform(1e-4, 1e-2), "weight_decay": [0.0, 0.1]}
table = imbax.search("ce", x, y, space, n_iter=8, seeds=2, epochs=40, halving=2)
chosen = table[table["chosen"]]
print(f"nested average precision {chosen['average_precision'].mean():.3f}")
full = table[table["epochs"] == 40].groupby(["learning_rate", "weight_decay"])
rate, decay = full["validation_average_precision"].mean().idxmax()
print(f"learning_rate={rate:.2g}, weight_decay={decay:g}")

# %%
# An ensemble with a tuned threshold
# ----------------------------------
#
# The members validate on different folds; the threshold maximises F1 in cross-validation.

ensemble = imbax.ImbalancedMLPClassifier(
    network="mlp", learning_rate_init=rate, alpha=decay, n_estimators=5, fold_ensemble=True,
    max_iter=40, random_state=0,
)  # fmt: skip
model = TunedThresholdClassifierCV(ensemble, scoring="f1", cv=3).fit(x, y)
print(f"threshold {model.best_threshold_:.2f}")
print(classification_report(y_test, model.predict(x_test)))
