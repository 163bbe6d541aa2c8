"""Over-samplers of K classes as changes to a table's rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from imbax.methods.class_duplicate import class_duplicate
from imbax.methods.class_smote import class_smote

from imbax.catalogue import Facts, get
from imbax.types import Problem, Rows

KEY = jax.random.key(0)
COUNTS = (9, 20, 4)  # the largest class is in the middle
FACTS = Facts(4, max_minority=16, max_synth=64, n_synth="double", epochs=2, classes=3)
THOROUGH = [
    pytest.param(name, marks=pytest.mark.thorough) for name in ("amdo", "mc_ccr", "mc_rbo", "gamo")
]
ADDED = {"double": [9, 0, 4], "balance": [11, 0, 16]}


def view():
    """33 rows of three classes in three columns, one of zeros, and two rows of padding."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.float32([0, 1, 2]), COUNTS))
    x = (rng.normal(size=(40, 4)) * [1, 1, 1, 0]).astype(np.float32)
    index, w = np.append(np.arange(33), [0, 0]), np.repeat(np.float32([1, 0]), [33, 2])
    ones = np.float32([1, 1, 1, 0])
    return Rows(*map(jnp.array, (x, np.pad(y, (0, 7)), index, w, 0 * ones, ones)))


@pytest.mark.parametrize("n_synth", ADDED)
@pytest.mark.parametrize("name", ["ros", "smote", *THOROUGH])
def test_every_class_but_the_largest_gets_rows(name, n_synth):
    train, method = view(), get(name)
    facts = FACTS._replace(n_synth=n_synth)
    given = jax.jit(lambda train: method.resample(KEY, Problem(train, train), facts))(train)
    after = given.applied(train).all()
    real = np.asarray(after.w) > 0
    y = np.asarray(after.y).astype(int)
    np.testing.assert_array_equal(y[:33], train.y[:33])
    np.testing.assert_array_equal(np.bincount(y[35:][real[35:]], minlength=3), ADDED[n_synth])
    assert real[:33].all() and not real[33:35].any()
    assert np.isfinite(after.x).all() and not after.x[:, 3].any()


def test_the_rows_are_the_cores():
    train, facts = view(), FACTS._replace(n_synth="balance")

    @jax.jit
    def both(train):
        x, y, w = train.all()
        y, wanted = y.astype(int), jnp.array(ADDED["balance"])
        made = class_smote(KEY, x, y, w, wanted, max_rows=16, max_synth=64)
        drawn, _ = class_duplicate(KEY, y, w, wanted, max_synth=64)
        problem = Problem(train, train)
        given = {n: get(n).resample(KEY, problem, facts).applied(train) for n in ("smote", "ros")}
        return made.x, given["smote"].all().x, train.index[drawn], given["ros"].index

    made, x, drawn, index = both(train)
    np.testing.assert_allclose(x[35:62], made[:27], 1e-6)
    np.testing.assert_array_equal(index[35:62], drawn[:27])
