"""What `evaluate` tells of the data."""

import numpy as np
import pytest
import toys

from imbax import evaluate, search


def test_what_is_noticed_in_the_data_is_a_warning():
    x, y = toys.table(60, 20)
    x[:, 1] = 0
    with pytest.warns(UserWarning, match="^toy: 1 constant column scales to 0: x1$"):
        evaluate(x, y, ["logistic_regression"], seeds=1, folds=2, name="toy")
    copied = np.r_[x[:58, :1], x[:2, :1]]
    space = {"learning_rate": [0.1]}
    with pytest.warns(UserWarning, match="4 of 60 rows have the features of another row"):
        search("ce", copied, y, space, seeds=1, folds=2, epochs=1)
