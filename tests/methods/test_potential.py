"""The ceiling: withheld rows join the training rows, and only they."""

import jax
import numpy as np
import pytest
import toys

from imbax.errors import InputError
from imbax.methods.potential import potential

KEY = jax.random.key(0)


def test_withheld_rows_join_the_training_rows():
    problem = toys.problem(40, 4)
    withheld = problem.valid._replace(w=problem.valid.w.at[3].set(0))
    given = potential(KEY, problem._replace(withheld=withheld)).applied(problem.train)
    batch, train, added = given.all(), problem.train.all(), withheld.all()
    np.testing.assert_array_equal(batch.x, np.concatenate([train.x, added.x]))
    np.testing.assert_array_equal(batch.y, np.concatenate([train.y, added.y]))
    np.testing.assert_array_equal(batch.w, np.concatenate([train.w, added.w]))


def test_where_nothing_is_withheld_it_says_so():
    with pytest.raises(InputError, match="rows that were withheld, and here none are"):
        potential(KEY, toys.problem(40))
