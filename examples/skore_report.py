"""
A report with skore
===================

skore's ``EstimatorReport`` evaluates a classifier on held-out rows. imbax's classifiers follow
scikit-learn's contract and need no adapter.

Install with ``pip install "imbax[interop]"``.
"""

from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from skore import EstimatorReport

import imbax

# %%
# Parts of the data
# -----------------

x, y = make_classification(1500, 12, n_informative=5, weights=[0.93], random_state=0)
x_train, x_test, y_train, y_test = train_test_split(x, y, stratify=y, random_state=0)

# %%
# The report
# ----------
#
# skore fits the classifier on the training rows and computes metrics of the minority, class 1.

report = EstimatorReport(
    imbax.ImbalancedMLPClassifier(loss="focal", network="mlp", max_iter=40, random_state=0),
    X_train=x_train,
    y_train=y_train,
    X_test=x_test,
    y_test=y_test,
    pos_label=1,
)
print(report.metrics.summarize().frame())

# %%
# Precision and recall at every threshold:

report.metrics.precision_recall().plot()
