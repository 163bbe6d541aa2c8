"""Pieces that trainings share, and shared initial parameters."""

from functools import partial

import jax
import numpy as np
import pytest
from toys import table

from imbax.catalogue import get
from imbax.data.tabular import make_dataset
from imbax.engine.compiled import programs_of
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.training import begin


@pytest.fixture(scope="module")
def cut():
    return plan(make_dataset(*table(110, 30)), [0], Protocol(folds=2, epochs=4))


def pieces(name, cut):
    return programs_of(get(name).tables.program(cut.facts), 4)


def test_trainings_of_a_network_share_programs(cut):
    ce, focal, meta, ldam = (
        pieces(name, cut) for name in ("ce", "focal", "meta_weight_net", "ldam")
    )
    assert ce.fresh is focal.fresh is meta.fresh is not ldam.fresh
    assert ce.predict is focal.predict is meta.predict is not ldam.predict
    moved, still = pieces("explicit_gradient", cut), pieces("explicit_gradient_frozen", cut)
    assert moved.first is still.first
    assert moved.predict is ce.predict
    assert moved.advance is not still.advance


@pytest.mark.thorough
def test_shared_start_equals_own_start(cut):
    """Half of the columns are padding."""
    method, one = get("meta_weight_net"), lambda tree: jax.tree.map(lambda leaf: leaf[1], tree)
    settings = method.tables.settings[0]
    hparams = jax.tree.map(lambda value: np.full(2, value, np.float32), settings)
    programs, runs = pieces(method.name, cut), cut.runs._replace(hparams=hparams)
    run = one(runs)
    expected = begin(programs.program, run.key, run.problem(cut.shared), run.hparams)
    started = programs.start(cut.shared, runs)
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, one(programs.begin(cut.shared, started)), expected)
    assert programs.start(cut.shared, started) is started, "a given start is kept"
