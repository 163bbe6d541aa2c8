"""
SMOTE for numbers and categories
================================

``SMOTENC`` over-samples a mixed table before gradient-boosted trees.
"""

import numpy as np
import pandas as pd
from imblearn.pipeline import make_pipeline
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import OneHotEncoder

import imbax

# %%
# A table with numbers and categories
# -----------------------------------
#
# Young customers with an expensive product and a low income leave more often.

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
churned = (risk + rng.normal(size=n) > 1.7).map({True: "yes", False: "no"})

# %%
# Synthetic rows
# --------------
#
# A synthetic row has the most frequent category of its neighbours.

smote = imbax.SMOTENC(categorical_features="auto", random_state=0)
resampled, labels = smote.fit_resample(table, churned)
print(resampled[smote.is_synthetic_].head(3))
print(labels.value_counts().to_dict(), "of", churned.value_counts().to_dict())

# %%
# Boosted trees with and without synthetic rows
# ---------------------------------------------
#
# In a pipeline, only training rows are over-sampled.

encode = make_column_transformer(
    (OneHotEncoder(sparse_output=False), ["region", "product"]), remainder="passthrough"
)
boosting = HistGradientBoostingClassifier(max_iter=50, random_state=0)
for name, steps in {"without SMOTENC": (), "with SMOTENC": (smote,)}.items():
    model = make_pipeline(*steps, encode, boosting)
    scores = cross_val_score(model, table, churned == "yes", cv=3, scoring="average_precision")
    print(f"{name}: average precision {scores.mean():.3f} ± {scores.std():.3f}")
