"""Properties that every registered neural method must have.

A cell of four runs (two seeds, two folds) is trained for fifty epochs of one mini-batch each.
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

ALL = [n for n in names() if get(n).is_neural and not get(n).tables.needs_withheld]
# Methods with their own program and settings.
PROGRAMS = [n for n in ALL if len(get(n).tables.settings) == 1 and not get(n).tables.resumes]
# Representatives of all methods in the first tier; `pytest -m thorough` tests the others.
SHOWN = ("ce", "explicit_gradient")
# Representatives in tests that compile their own programs.
FEW = ("ce", "explicit_gradient")
ONE = ("ce",)
# `ce` with another per-example loss or class weights; `vs_loss` and `ldam_drw` represent them in
# tests that compile their own programs.
LOSSES = ("focal", "asymmetric", "class_balanced", "ldam", "logit_adjustment", "weighted")
# Variants of `explicit_gradient` that differ in a traced number, an outer loss or a checkpoint.
VARIANTS = ("eg_eta2_", "eg_damping", "eg_confidence", "eg_outer_balanced", "eg_outer_focal")
VARIANTS += ("eg_last", "eg_outer_train", "eg_synth_batch", "eg_inner_sum")
# Variants with other arithmetic in one place; the tests of `bilevel` and of the method compare it.
VARIANTS += ("eg_box", "eg_outer_ap", "eg_inner_synth", "eg_steps_5", "eg_jitter")
VARIANTS += ("explicit_gradient_moved", "eg_cross_fit_")
NEURAL = [n for n in ALL if not n.startswith(VARIANTS)]
OWN = [n for n in PROGRAMS if n not in LOSSES and not n.startswith(VARIANTS)]
# Variants of one loop, which others represent in tests that compile their own programs; GANs
# compile for long, and adversarial training amplifies rounding.
REPRESENTED = ("ce_refit", "vs_loss", "ldam_drw", "explicit_gradient_frozen", "eg_outer_part")
REPRESENTED += ("eg_cross_fit", "cwgan", "gamo")
FAST = [n for n in OWN if n not in REPRESENTED]
# The GAN's steps take seconds on every call.
AGAIN = [n for n in OWN if n != "cwgan"]


EPOCHS = 50
ONE_DEVICE = (jax.devices()[0],)
MAP = Engine("map", ONE_DEVICE)
VMAP = Engine("vmap", ONE_DEVICE)


@functools.cache
def cut():
    dataset = make_dataset(*toys.table(110, 30), name="toy")
    return plan(dataset, [0, 1], Protocol(folds=2, epochs=EPOCHS))


def shortened(facts, name):
    """Shortens the training of GANs, which takes many times as long as a classifier's."""
    return facts._replace(epochs=4) if name in ("cwgan", "gamo") else facts


def trained(name, engine=MAP, cell=None):
    """Result of a cell, by default `cut`; the method that it starts from is trained first."""
    method, is_whole = get(name), cell is None
    cell = cut() if is_whole else cell
    cell = cell._replace(facts=shortened(cell.facts, name))
    start = None
    if before := method.tables.starts_from:
        before = reference(before) if is_whole else trained(before, cell=cell)
        start = before.progress
    return train_cell(cell, method, start=start, engine=engine)


def reference(name, engine=MAP):
    """Result on `cut`, once for each way of compiling, which affects the last bits."""
    return _reference(name, engine, jax.config.read("jax_disable_most_optimizations"))


@functools.cache
def _reference(name, engine, quickly):
    return trained(name, engine)


@pytest.fixture(scope="module")
def compile_quickly():
    """Returns a function that sets the compiler options and clears compiled programs."""

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
    """Compiles the first tier's methods as for users: the bits depend on compiler options."""
    cell = getattr(request.node, "callspec", None)
    is_shown = cell is not None and cell.params.get("name") in SHOWN
    compile_quickly(not is_shown or request.node.get_closest_marker("thorough") is not None)


def take_run(tree, r):
    return jax.tree.map(lambda leaf: leaf[r], tree)


def outcome(result, r=0):
    """Result of a run without arrays whose length includes padding."""
    progress = result.progress
    if hasattr(progress.state, "outer_part"):
        progress = progress._replace(state=progress.state._replace(outer_part=progress.epoch))
    kept = (progress, result.best_score, result.best_epoch, result.diverged)
    return take_run(kept, r), result.test_score[r], result.curves.valid_score[r]


def assert_same(cell, expected):
    jax.tree.map(np.testing.assert_array_equal, cell, expected)


def assert_close(cell, expected, tolerance):
    close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(close, cell, expected)


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
    """Otherwise the other tests would not be conclusive."""
    result = reference(name)
    for leaf in jax.tree.leaves(result.progress.state.params):
        assert (leaf[0] != leaf[1]).any()
    assert len(np.unique(result.curves.train_loss)) > 0.9 * 4 * EPOCHS


@pytest.mark.parametrize("name", asked(AGAIN, SHOWN))
def test_same_keys_give_same_bits_without_compilation(name):
    expected = reference(name)
    trained(name)  # the engine caches few programs and may have dropped this one
    again = trained(name)
    assert again.compile_seconds == 0
    assert_same(again.progress, expected.progress)
    assert_same(again.test_score, expected.test_score)
    assert_same(again.curves, expected.curves)


# Samplers change rows beforehand in a separate program and then train `ce`. Every operation of a
# program compiles alone, and `bilevel` has its own tests for `explicit_gradient`.
ALONE = ("ros", *(n for n in FAST if not get(n).tables.resample))
ALONE = [n for n in ALONE if n not in ("ce", "explicit_gradient")]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ALONE)
def test_compiled_program_equals_eager(name):
    tables, run = get(name).tables, take_run(cut().runs, 0)
    problem = jax.tree.map(jnp.asarray, run.problem(cut().shared))
    if tables.resample:
        key = jax.random.fold_in(run.key, RESAMPLE)
        facts = shortened(cut().facts, name)
        changed = jax.jit(lambda problem: tables.resample(key, problem, facts))(problem)
        problem = problem._replace(train=changed.applied(problem.train))
    hparams, start = tables.settings[0], None
    if tables.starts_from:
        before = take_run(reference(tables.starts_from).progress, 0)
        if tables.refits:  # recompiles
            hparams = Refit(hparams, before.best_epoch)
        else:
            start = before.best.params
    actual = (tables.program(cut().facts), run.key, problem, hparams)
    _, curves = advance(*actual, begin(*actual, start), 2)  # without `jit`
    expected = jax.tree.map(lambda leaf: leaf[0, :2], reference(name).curves)
    assert_close(curves, expected, 1e-4)


def assert_same_training(name, engine):
    """Compares trainings after fifty steps; Adam amplifies rounding errors."""
    tolerance = 1e-5 if name.startswith("explicit_gradient") else 1e-3
    actual, expected = reference(name, engine), reference(name)
    if name.startswith("ldam"):
        # With logits of 30 times a cosine, rounding errors grow too fast in float32;
        # losses/test_named.py compares the end of training in float64.
        first = (result.curves.train_loss[:, :10] for result in (actual, expected))
        return assert_close(*first, tolerance)
    assert_close(actual.progress.state.params, expected.progress.state.params, tolerance)
    assert_close(actual.curves.train_loss, expected.curves.train_loss, tolerance)
    if points := actual.progress.best.points:
        assert_close(points, expected.progress.best.points, 1e-4)


# Methods that compute nothing from columns besides the network's outputs.
BY_LOGITS = ("rs", "ros", "random_under", "ldam_drw", "l2rw", "metabalance", "meta_weight_net")
BY_COLUMNS = [n for n in FAST if n not in BY_LOGITS]
# `vmap` of the other methods is compared on a table with more columns, see below.
VMAPPED = [n for n in FAST if n in BY_LOGITS or n in FEW]


@pytest.mark.thorough
@pytest.mark.parametrize("name", VMAPPED)
def test_vmap_equals_map(name):
    assert_same_training(name, VMAP)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        ("ce", "map"),
        ("explicit_gradient", "vmap"),
    ],
)
def test_two_devices_equal_one(name, strategy):
    assert_same_training(name, Engine(strategy, tuple(jax.devices()[:2])))


def single_run(r, **padding):
    """Cell with run `r` only, with additional padding of the given parts."""
    runs = take_run(cut().runs, np.array([r]))
    for name, more in padding.items():
        padded = Part(*(np.pad(leaf, ((0, 0), (0, more))) for leaf in getattr(runs, name)))
        runs = runs._replace(**{name: padded})
    one = slice(r, r + 1)
    return cut()._replace(
        runs=runs, splits=cut().splits[one], seed=cut().seed[one], fold=cut().fold[one]
    )


# Their programs are bit-equal only with the compiler options of users.
AS_USERS = ("ldam_drw", "metabalance", "meta_weight_net", "sugar", "cwgan", "gamo")


@pytest.mark.parametrize("name", asked(OWN, ONE))
def test_run_alone_with_padding_is_bit_equal(name):
    """Results of `map` depend neither on other runs nor on padding, bit by bit."""
    if QUICKLY and name in AS_USERS:
        pytest.skip("tested in a separate process")
    actual = trained(name, cell=single_run(2, train=128))
    assert_same(outcome(actual), outcome(reference(name), 2))


@pytest.mark.thorough
def test_programs_compiled_as_for_users_are_bit_equal():
    asked_of = "test_run_alone and meta_weight_net"  # all methods take five minutes
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
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("name", asked(FEW, ONE))
def test_padding_of_other_parts_changes_only_rounding(name):
    """Products over more rows have other blocks, which changes the last bit."""
    actual, expected = trained(name, cell=single_run(2, valid=9, test=5)), reference(name)
    params, same = actual.progress.state.params, take_run(expected.progress.state.params, 2)
    assert_close(take_run(params, 0), same, 1e-6)
    curves = actual.curves.valid_score[0]
    assert_close(curves, expected.curves.valid_score[2], 1e-6)
    assert_close(actual.test_score[0], expected.test_score[2], 1e-5)


@pytest.mark.parametrize("name", asked(BY_COLUMNS, ONE))
def test_zero_columns_change_only_rounding(name):
    """Doubles the columns, which would reveal a dependence on their number.

    In the second tier runs are vmapped at the same time.
    """
    wider = lambda leaf: np.pad(leaf, ((0, 0), (0, 8)))
    (x, y), runs = cut().shared, cut().runs
    runs = runs._replace(shift=wider(runs.shift), factor=wider(runs.factor))
    facts = cut().facts._replace(features=16)
    engine = MAP if name in ONE else VMAP
    cell = cut()._replace(shared=(wider(x), y), runs=runs, facts=facts)
    actual = trained(name, engine, cell)
    expected = reference(name)
    assert_close(actual.curves.train_loss[:, :10], expected.curves.train_loss[:, :10], 1e-4)
    if points := actual.progress.best.points:
        assert not points.now[..., 8:].any()
        assert_close(points.start[..., :8], expected.progress.best.points.start, 1e-6)


@pytest.mark.parametrize("name", asked(AGAIN, ONE))
def test_other_runs_change_no_bit(name, engine=MAP):
    """Run 1 is unchanged; the other runs get other keys, rows and scalings."""
    runs = take_run(cut().runs, np.array([2, 1, 0, 2]))
    others = cut()._replace(runs=runs, splits=[cut().splits[r] for r in (2, 1, 0, 2)])
    actual = trained(name, engine, cell=others)
    expected = reference(name, engine)
    assert_same(outcome(actual, 1), outcome(expected, 1))
    assert (actual.curves.train_loss[0] != expected.curves.train_loss[0]).all()


@pytest.mark.thorough
@pytest.mark.parametrize("name", VMAPPED)
def test_other_vmapped_runs_change_no_bit(name):
    test_other_runs_change_no_bit(name, VMAP)


@pytest.mark.parametrize("name", asked(NEURAL, SHOWN))
def test_test_rows_do_not_change_the_fit(name):
    x, y = cut().shared
    x = x.copy()
    x[cut().splits[3].test, :4] += 100
    actual, expected = trained(name, cell=cut()._replace(shared=(x, y))), reference(name)
    assert_same(take_run(actual.progress, 3), take_run(expected.progress, 3))
    assert_same(take_run(actual.curves, 3), take_run(expected.curves, 3))
    assert (actual.test_score[3] != expected.test_score[3]).any()
    # Run 2 is of the other fold and trains on these rows.
    assert (actual.curves.train_loss[2] != expected.curves.train_loss[2]).all()
