"""Over-samplers of the image suites on a table: what the classifier is given is what they make."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imbax.catalogue import Facts, get
from imbax.methods.amdo import amdo
from imbax.methods.mc_ccr import mc_ccr
from imbax.methods.mc_rbo import mc_rbo
from imbax.types import Problem, Rows

KEY = jax.random.key(0)
FACTS = Facts(features=4, max_minority=16, max_synth=32, n_synth="double", epochs=2)
CORES = {"amdo": amdo, "mc_ccr": mc_ccr, "mc_rbo": mc_rbo}
NAMES = (*CORES, "gamo")


def view():
    """30 majority and 12 minority rows in three columns of which one is constant; one of zeros, and
    two rows of padding."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    x[:, 1] = 0.5
    x[:, 3] = 0
    y = (np.arange(60) % 5 < 2).astype(np.float32)
    index = np.concatenate([np.flatnonzero(y == 0)[:30], np.flatnonzero(y == 1)[:12], [0, 0]])
    w = np.repeat(np.float32([1, 0]), [42, 2])
    factor = np.array([0.5, 0, 0.5, 0], np.float32)
    return Rows(*map(jnp.array, (x, y, index, w, x.min(0), factor)))


def resampled(name, **facts):
    method, train = get(name), view()
    run = jax.jit(
        lambda train: method.resample(KEY, Problem(train, train), FACTS._replace(**facts))
    )
    return train, run(train)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n_synth", "added"), [("double", 12), ("balance", 18)])
def test_minority_rows_are_added(name, n_synth, added):
    train, given = resampled(name, n_synth=n_synth)
    after = given.applied(train).all()
    real = after.w > 0
    assert real.sum() == 42 + added
    assert (after.y[real] == 1).sum() == 12 + added
    assert np.isfinite(after.x).all()
    assert not after.x[:, jnp.array([1, 3])].any()  # neither varies on these rows
    assert len(np.unique(after.x[44:][real[44:]], axis=0)) > 2
    moved = (after.x[:42] != train.all().x[:42]).any(1)
    assert moved[:30].any() == (name == "mc_ccr")
    assert not moved[30:].any()


@pytest.mark.parametrize("name", CORES)
@pytest.mark.parametrize(("n_synth", "added"), [("double", 12), ("balance", 18)])
def test_the_rows_are_the_cores(name, n_synth, added):
    train, given = resampled(name, n_synth=n_synth)
    x, y, w = train.all()
    more = {"max_rows": 16, "max_synth": 32}
    more |= {} if name == "amdo" else {"live": train.live, "max_class": 76}
    core = jax.jit(lambda *rows: CORES[name](KEY, *rows, jnp.array([0, added]), **more))
    made = core(x, y.astype(int), w)
    after = given.applied(train).all()
    if name == "mc_ccr":
        moved, made = made
        np.testing.assert_allclose(after.x[:42], moved[:42], 1e-5, 1e-5)
    np.testing.assert_allclose(after.x[44 : 44 + added], made.x[:added], 1e-5, 1e-5)
