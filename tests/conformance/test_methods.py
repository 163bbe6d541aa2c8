"""Every registered neural method keeps the same promises.

A cell of four runs (two seeds, two folds) is trained for fifty epochs, of one batch each.
"""

import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from tiers import QUICKLY, asked

from imbax.catalogue import get, names
from imbax.data.tabular import make_dataset
from imbax.engine import compiled
from imbax.engine.vectorize import Engine
from imbax.experiments.tabular import cells
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.methods.refit import Hparams as Refit
from imbax.training import RESAMPLE, advance, begin
from imbax.types import Part

NEURAL = [n for n in names() if get(n).is_neural and not get(n).tables.needs_withheld]
# Those with a program and settings of their own.
PROGRAMS = [n for n in NEURAL if len(get(n).tables.settings) == 1 and not get(n).tables.resumes]
# What these show, the others share; `pytest -m thorough` asks them too.
SHOWN = ("ce", "explicit_gradient")
# For what compiles a program of its own.
FEW = ("ce", "explicit_gradient")
ONE = ("ce",)
# `ce` with a loss of each row alone, or by the rows of its class; `vs_loss` and `ldam_drw` stand
# for these in what asks for a program of its own.
LOSSES = ("focal", "asymmetric", "class_balanced", "ldam", "logit_adjustment", "weighted")
OWN = [n for n in PROGRAMS if n not in LOSSES]


# Two players amplify rounding until their paths part; its own test compares its first iterations.
CHAOTIC = ("cwgan",)
EPOCHS = 50
ONE_DEVICE = (jax.devices()[0],)
MAP = Engine("map", ONE_DEVICE)
VMAP = Engine("vmap", ONE_DEVICE)


@functools.cache
def cut():
    dataset = make_dataset(*toys.table(110, 30), name="toy")
    return plan(dataset, [0, 1], Protocol(folds=2, epochs=EPOCHS))


def shortened(facts, name):
    """GANs train many times as long as the classifier that they make rows for."""
    return facts._replace(epochs=4) if name in ("cwgan", "gamo") else facts


def trained(name, engine=MAP, given=None):
    """The cell's result; what the method starts from is trained in turn, once for all of `cut`."""
    method, whole = get(name), given is None
    given = cut() if whole else given
    given = given._replace(facts=shortened(given.facts, name))
    start = None
    if before := method.tables.starts_from:
        before = reference(before) if whole else trained(before, given=given)
        start = before.progress
    return train_cell(given, method, start=start, engine=engine)


def reference(name, engine=MAP):
    """Once for each way of compiling, which decides the last bits."""
    return _reference(name, engine, jax.config.read("jax_disable_most_optimizations"))


@functools.cache
def _reference(name, engine, quickly):
    return trained(name, engine)


@pytest.fixture(scope="module")
def compile_quickly():
    """Says how programs are compiled from now on, and forgets those compiled otherwise."""

    def choose(answer):
        if jax.config.read("jax_disable_most_optimizations") != answer:
            jax.config.update("jax_disable_most_optimizations", answer)
            for kept in (cells._programs, compiled._first, compiled._fresh, compiled._predict):
                kept.cache_clear()

    before = jax.config.read("jax_disable_most_optimizations")
    yield choose
    choose(before)


@pytest.fixture(autouse=True)
def compiled_as_users_do(request, compile_quickly):
    """Bits depend on how XLA compiles: those that are shown are not compiled quickly."""
    given = getattr(request.node, "callspec", None)
    compile_quickly(given is None or given.params.get("name") not in SHOWN)


def of_run(tree, r):
    return jax.tree.map(lambda leaf: leaf[r], tree)


def outcome(result, r=0):
    """All that a run's result is, but what is as long as its padding."""
    progress = result.progress
    if hasattr(progress.state, "outer_part"):
        progress = progress._replace(state=progress.state._replace(outer_part=progress.epoch))
    kept = (progress, result.best_score, result.best_epoch, result.diverged)
    return of_run(kept, r), result.test_score[r], result.curves.valid_score[r]


def assert_same(given, expected):
    jax.tree.map(np.testing.assert_array_equal, given, expected)


def assert_close(given, expected, tolerance):
    close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(close, given, expected)


@pytest.mark.parametrize("name", asked(NEURAL, SHOWN))
def test_shapes_and_ranges(name):
    result, method = reference(name), get(name)
    epochs = EPOCHS * (2 if method.tables.resumes else 1)
    assert [len(score) for score in result.test_score] == [len(part.test) for part in cut().splits]
    assert result.curves.train_loss.shape == (4, EPOCHS)
    assert result.curves.valid_score.shape == (4, EPOCHS)
    for leaf in jax.tree.leaves(result):
        assert not isinstance(leaf, np.ndarray) or np.isfinite(leaf).all()
    assert not result.diverged.any()
    assert (result.progress.epoch == epochs).all()
    assert ((result.best_epoch >= 0) & (result.best_epoch <= epochs)).all()
    assert ((result.best_score > 0) & (result.best_score <= 1)).all()
    points = result.progress.best.points
    if points is not None:
        assert points.now.shape == points.start.shape == (4, cut().facts.max_synth, 8)
        count = [int(cut().dataset.y[part.train].sum()) for part in cut().splits]
        np.testing.assert_array_equal(points.w.sum(1), count)


@pytest.mark.parametrize("name", asked(NEURAL, SHOWN))
def test_runs_and_epochs_differ(name):
    """Or all that follows would say little."""
    result = reference(name)
    for leaf in jax.tree.leaves(result.progress.state.params):
        assert (leaf[0] != leaf[1]).any()
    assert len(np.unique(result.curves.train_loss)) > 0.9 * 4 * EPOCHS


@pytest.mark.parametrize("name", asked(NEURAL, SHOWN))
def test_the_same_keys_give_the_same_bits_and_compile_nothing(name):
    expected = reference(name)
    trained(name)  # the engine keeps few programs, and may have dropped this one since
    again = trained(name)
    assert again.compile_seconds == 0
    assert_same(again.progress, expected.progress)
    assert_same(again.test_score, expected.test_score)
    assert_same(again.curves, expected.curves)


# Rows are changed before any of this, in a program; what then is trained on them is `ce`.
ALONE = ("ros", *(n for n in OWN if not get(n).tables.resample))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", [n for n in ALONE if n not in ("explicit_gradient_frozen", "vs_loss")]
)
def test_the_compiled_program_equals_the_eager_one(name):
    tables, run = get(name).tables, of_run(cut().runs, 0)
    problem = jax.tree.map(jnp.asarray, run.problem(cut().shared))
    if tables.resample:
        key = jax.random.fold_in(run.key, RESAMPLE)
        facts = shortened(cut().facts, name)
        changed = jax.jit(lambda problem: tables.resample(key, problem, facts))(problem)
        problem = problem._replace(train=changed.applied(problem.train))
    hparams, start = tables.settings[0], None
    if tables.starts_from:
        before = of_run(reference(tables.starts_from).progress, 0)
        if tables.refits:  # anew
            hparams = Refit(hparams, before.best_epoch)
        else:
            start = before.best.params
    given = (tables.program(cut().facts), run.key, problem, hparams)
    _, curves = advance(*given, begin(*given, start), 2)  # no `jit` around it
    expected = jax.tree.map(lambda leaf: leaf[0, :2], reference(name).curves)
    assert_close(curves, expected, 1e-4)


def assert_same_training(name, engine):
    """Where training goes after fifty steps; Adam's steps amplify what rounding leaves."""
    tolerance = 1e-5 if name.startswith("explicit_gradient") else 1e-3
    given, expected = reference(name, engine), reference(name)
    if name.startswith("ldam"):
        # Logits of 30 times a cosine let rounding grow too fast to compare where training ends in
        # float32; losses/test_named.py does so in float64.
        first = (result.curves.train_loss[:, :10] for result in (given, expected))
        return assert_close(*first, tolerance)
    assert_close(given.progress.state.params, expected.progress.state.params, tolerance)
    assert_close(given.curves.train_loss, expected.curves.train_loss, tolerance)
    if points := given.progress.best.points:
        assert_close(points, expected.progress.best.points, 1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("name", [n for n in OWN if n not in (*CHAOTIC, "gamo")])
def test_batched_runs_equal_runs_in_turn(name):
    assert_same_training(name, VMAP)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        ("ce", "map"),
        ("explicit_gradient", "map"),
        ("explicit_gradient", "vmap"),
    ],
)
def test_two_devices_equal_one(name, strategy):
    assert_same_training(name, Engine(strategy, tuple(jax.devices()[:2])))


def alone(r, **padding):
    """The cell of run `r` only; the parts named get so many more rows of weight 0."""
    runs = of_run(cut().runs, np.array([r]))
    for name, more in padding.items():
        padded = Part(*(np.pad(leaf, ((0, 0), (0, more))) for leaf in getattr(runs, name)))
        runs = runs._replace(**{name: padded})
    one = slice(r, r + 1)
    return cut()._replace(
        runs=runs, splits=cut().splits[one], seed=cut().seed[one], fold=cut().fold[one]
    )


# Their programs are the same to the bit only as XLA compiles them for users.
AS_USERS = ("ldam_drw", "metabalance", "meta_weight_net", "sugar", "cwgan", "gamo")


@pytest.mark.parametrize("name", asked(OWN, ONE))
def test_a_run_alone_with_more_padding_is_the_run_among_others(name):
    """Bit for bit, taken in turn: neither company nor padding is part of the result."""
    if QUICKLY and name in AS_USERS:
        pytest.skip("asked in a process of its own")
    given = trained(name, given=alone(2, train=128))
    assert_same(outcome(given), outcome(reference(name), 2))


@pytest.mark.thorough
def test_programs_compiled_as_users_do_keep_their_bits():
    asked_of = "test_a_run_alone and (sugar or meta_weight_net)"  # all take five minutes
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "0",
        "-m",
        "thorough",
        "-k",
        asked_of,
        __file__,
    ]
    flags = os.environ.get("XLA_FLAGS", "").replace("--xla_cpu_use_fusion_emitters=false", "")
    environment = {**os.environ, "IMBAX_TESTS_AS_USERS": "1", "XLA_FLAGS": flags}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("name", asked(FEW, ONE))
def test_more_padding_of_other_parts_is_rounding(name):
    """A product over more rows is cut into blocks elsewhere, which shows in the last bit."""
    given, expected = trained(name, given=alone(2, valid=9, test=5)), reference(name)
    params, same = given.progress.state.params, of_run(expected.progress.state.params, 2)
    assert_close(of_run(params, 0), same, 1e-6)
    curves = given.curves.valid_score[0]
    assert_close(curves, expected.curves.valid_score[2], 1e-6)
    assert_close(given.test_score[0], expected.test_score[2], 1e-5)


@pytest.mark.parametrize("name", asked((n for n in OWN if n not in CHAOTIC), ONE))
def test_columns_of_zeros_are_rounding(name):
    """As many again: what starts by their number or moves along them would show at once."""
    wider = lambda leaf: np.pad(leaf, ((0, 0), (0, 8)))
    (x, y), runs = cut().shared, cut().runs
    runs = runs._replace(shift=wider(runs.shift), factor=wider(runs.factor))
    facts = cut().facts._replace(features=16)
    given = trained(name, given=cut()._replace(shared=(wider(x), y), runs=runs, facts=facts))
    expected = reference(name)
    assert_close(given.curves.train_loss[:, :10], expected.curves.train_loss[:, :10], 1e-4)
    if points := given.progress.best.points:
        assert not points.now[..., 8:].any()
        assert_close(points.start[..., :8], expected.progress.best.points.start, 1e-6)


@pytest.mark.parametrize("engine", asked([MAP, VMAP], [MAP]), ids=lambda engine: engine.strategy)
@pytest.mark.parametrize("name", asked(OWN, ONE))
def test_other_company_changes_no_bit(name, engine):
    """Run 1 stays where it is; the others become runs of other keys, rows and scalings."""
    runs = of_run(cut().runs, np.array([2, 1, 0, 2]))
    others = cut()._replace(runs=runs, splits=[cut().splits[r] for r in (2, 1, 0, 2)])
    given = trained(name, engine, given=others)
    expected = reference(name, engine)
    assert_same(outcome(given, 1), outcome(expected, 1))
    assert (given.curves.train_loss[0] != expected.curves.train_loss[0]).all()


@pytest.mark.parametrize("name", asked(NEURAL, SHOWN))
def test_test_rows_cannot_change_what_is_fitted(name):
    x, y = cut().shared
    x = x.copy()
    x[cut().splits[3].test, :4] += 100
    given, expected = trained(name, given=cut()._replace(shared=(x, y))), reference(name)
    assert_same(of_run(given.progress, 3), of_run(expected.progress, 3))
    assert_same(of_run(given.curves, 3), of_run(expected.curves, 3))
    assert (given.test_score[3] != expected.test_score[3]).any()
    # Run 2, of the other fold, trains on these rows.
    assert (given.curves.train_loss[2] != expected.curves.train_loss[2]).all()
