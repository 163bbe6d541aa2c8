"""The ceiling: withheld rows join the training rows, and only they."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

from imbax.errors import InputError
from imbax.methods import potential
from imbax.methods.sampling import Sizes

KEY = jax.random.key(0)


@pytest.mark.parametrize("wanted", [(0, 0), (0, 3)])
def test_withheld_rows_join_the_training_rows(wanted):
    """Whatever number is wanted."""
    problem = toys.problem(40, 4)
    train, withheld = problem.train, problem.valid._replace(w=problem.valid.w.at[3].set(0))
    given = potential.sample(KEY, train, jnp.array(wanted), Sizes(14, 40), withheld=withheld)
    batch, before, added = given.applied(train).all(), train.all(), withheld.all()
    np.testing.assert_array_equal(batch.x, np.concatenate([before.x, added.x]))
    np.testing.assert_array_equal(batch.y, np.concatenate([before.y, added.y]))
    np.testing.assert_array_equal(batch.w, np.concatenate([before.w, added.w]))


def test_where_nothing_is_withheld_it_says_so():
    given = toys.problem(40).train, jnp.array([0, 10]), Sizes(14, 40)
    with pytest.raises(InputError, match="needs withheld minority rows, and there are none"):
        potential.sample(KEY, *given, withheld=None)
