"""
My table
========

This notebook compares methods on a data frame, shows how certain the comparison is, and trains a
classifier for new rows.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split

import imbax

# %%
# A table
# -------
#
# Replace this cell by your own table, for example ``pandas.read_csv("mine.csv")``. The columns may
# be numbers, categories, dates or booleans, and cells may be missing.

rng = np.random.default_rng(0)
n = 1500
table = pd.DataFrame(
    {
        "age": rng.integers(18, 80, n),
        "income": rng.lognormal(3, 0.5, n).round(2),
        "region": pd.Categorical(rng.choice(["north", "south", "west"], n)),
        "product": pd.Categorical(rng.choice(["basic", "plus", "pro"], n)),
    }
)
risk = (table["age"] < 30) + 1.5 * (table["product"] == "pro") - table["income"] / 20
churned = (risk + 0.7 * rng.normal(size=n) > 1.5).map({True: "yes", False: "no"})
table.loc[rng.random(n) < 0.1, "income"] = np.nan
print(churned.value_counts().to_dict())
table.head()

# %%
# A comparison
# ------------
#
# All folds and seeds of a neural method are trained as one compiled program. In each run,
# preprocessing is fitted on the training rows, the epoch is chosen on validation rows, and test
# rows are scored once. Methods may also be scikit-learn estimators and pipelines.

methods = ["ce", "focal", "smote", "logistic_regression", "hist_gradient_boosting"]
results = imbax.evaluate(table, churned, methods, seeds=3, name="churn")
print(results.scores().round(3))

# %%
# The mean differences from plain cross-entropy ``ce``, with p-values of the corrected resampled t
# test after Holm's correction:

print(results.compare("ce")[["mean_difference", "p_holm"]].round(3))

# %%
# In the figure, a dot is a run and a line the corrected 95 % interval of the mean. Methods with a
# hollow marker are significantly different from the best one.

results.plot.scores()

# %%
# ``results.report("folder")`` writes the same as one HTML file, with all details.
#
# A classifier
# ------------
#
# The classifier accepts the same frames. `mlp_ple` is the recommended network and the default since
# version 0.2; naming it silences the warning about the change.

x, x_new, y, y_new = train_test_split(table, churned, stratify=churned, random_state=0)
model = imbax.ImbalancedMLPClassifier(network="mlp_ple", random_state=0).fit(x, y)
probability = model.predict_proba(x_new)[:, list(model.classes_).index("yes")]
print(f"average precision {average_precision_score(y_new == 'yes', probability):.3f}")

# %%
# The new rows with the highest probabilities:

first = np.argsort(-probability)[:5]
x_new.iloc[first].assign(probability=probability[first].round(2), churned=y_new.iloc[first])
