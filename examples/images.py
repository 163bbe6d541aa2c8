"""
DeepSMOTE on rare digits
========================

DeepSMOTE generates images of rare classes. A classifier is trained with and without them.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

import imbax

# %%
# Training images with rare classes
# ---------------------------------
#
# The number of images halves every two classes, from 130 zeros to 8 nines.

x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, stratify=y, random_state=0)
kept = [np.flatnonzero(y_train == c)[: 130 >> (c // 2)] for c in range(10)]
x_train, y_train = (a[np.concatenate(kept)] for a in (x_train, y_train))

# %%
# A classifier with and without generated images
# ----------------------------------------------
#
# Each class is filled up to the size of the largest one.

sampler = imbax.DeepSMOTE(image_shape=(8, 8), max_iter=40, random_state=0)
tables = {
    "without DeepSMOTE": (x_train, y_train),
    "with DeepSMOTE": sampler.fit_resample(x_train, y_train),
}
for name, (rows, labels) in tables.items():
    model = imbax.ImbalancedMLPClassifier(network="mlp", max_iter=40, random_state=0)
    model.fit(rows, labels)
    score = balanced_accuracy_score(y_test, model.predict(x_test))
    print(f"{name}: {len(rows)} training images, test balanced accuracy {score:.3f}")

# %%
# A generated image
# -----------------
#
# The fitted sampler draws further images of any class.

nine = sampler.sample(1, label=9).reshape(8, 8)
print("a generated nine:", *("".join(" ░▒▓█"[int(v) // 4] for v in row) for row in nine), sep="\n")
