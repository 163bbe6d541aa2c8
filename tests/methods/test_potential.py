"""Upper bound `potential`: only withheld rows are added to the training rows."""

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
def test_withheld_rows_are_added(wanted):
    """The wanted numbers are ignored."""
    problem = toys.problem(40, 4)
    train, withheld = problem.train, problem.valid._replace(w=problem.valid.w.at[3].set(0))
    result = potential.sample(KEY, train, jnp.array(wanted), Sizes(14, 40), withheld=withheld)
    batch, before, added = result.applied(train).all(), train.all(), withheld.all()
    np.testing.assert_array_equal(batch.x, np.concatenate([before.x, added.x]))
    np.testing.assert_array_equal(batch.y, np.concatenate([before.y, added.y]))
    np.testing.assert_array_equal(batch.w, np.concatenate([before.w, added.w]))


def test_missing_withheld_rows_raise_an_error():
    result = toys.problem(40).train, jnp.array([0, 10]), Sizes(14, 40)
    with pytest.raises(InputError, match="needs withheld minority rows, and there are none"):
        potential.sample(KEY, *result, withheld=None)
