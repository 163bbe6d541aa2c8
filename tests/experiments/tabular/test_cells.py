"""Tests of training one cell: choice of settings, starting states, methods outside jax."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

from imbax.catalogue import Method, OnTables, get
from imbax.data.preprocess import fit_min_max, scale
from imbax.data.tabular import make_dataset
from imbax.engine.vectorize import Engine, Vectorized
from imbax.experiments.tabular import cells
from imbax.experiments.tabular.cells import host_cell, train_cell
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.training import Fit, Program
from imbax.types import Resampled

ENGINE = Engine(devices=(jax.devices()[0],))


@pytest.fixture(scope="module")
def cut():
    return plan(make_dataset(*toys.table(60, 20), name="toy"), [0, 1], Protocol(2, epochs=4))


class Hparams(NamedTuple):
    tilt: float


def tilted(facts):
    """Network with score `tilt x_0`; `tilt` grows by one in each epoch."""

    def init(key, problem, hparams, start):
        tilt = hparams.tilt if hparams else jnp.zeros(())
        return {"tilt": tilt if start is None else tilt + start["tilt"]}

    return Program(
        apply=lambda params, x: params["tilt"] * x[:, 0],
        init=init,
        epoch=lambda key, state, problem, hparams: ({"tilt": state["tilt"] + 1}, state["tilt"]),
        fit=Fit,
    )


def method(*tilts, **options):
    tables = OnTables(tilted, settings=tuple(map(Hparams, tilts)))
    return Method("tilted", "Tilted", "custom", "all", tables=replace(tables, **options))


def test_every_run_is_trained_and_scored(cut):
    result = train_cell(cut, method(1.0), engine=ENGINE)
    np.testing.assert_array_equal(result.progress.state["tilt"], [5, 5, 5, 5])
    np.testing.assert_array_equal(result.progress.epoch, 4)
    np.testing.assert_array_equal(result.best_epoch, 1)  # all epochs have the same score
    np.testing.assert_array_equal(result.curves.train_loss, [[1, 2, 3, 4]] * 4)
    assert result.curves.valid_score.shape == (4, 4)
    for r, split in enumerate(cut.splits):
        x = scale(cut.x[split.test], fit_min_max(cut.x[split.train]))
        np.testing.assert_allclose(result.test_score[r], 2 * x[:, 0], 1e-5)
    assert not result.diverged.any()
    assert result.compile_seconds > 0
    assert result.run_seconds > 0


def test_each_run_keeps_its_best_setting(cut):
    best = {tilt: train_cell(cut, method(tilt), engine=ENGINE).best_score for tilt in (-9.0, 9.0)}
    assert (best[9.0] > best[-9.0]).all()
    for tilts in ((-9.0, 9.0), (9.0, -9.0), (-9.0, 9.0, 8.0)):
        result = train_cell(cut, method(*tilts), engine=ENGINE)
        np.testing.assert_array_equal(result.best_score, best[9.0])
        # The first of two equal scores is kept.
        np.testing.assert_array_equal(result.progress.state["tilt"], 13)
        assert [score[0] > 0 for score in result.test_score] == [True] * 4
        assert result.curves.train_loss.shape == (4, 4)


def test_best_setting_is_chosen_for_each_run():
    scores = np.array([0.1, 0.5, np.nan, np.nan, 0.3, 0.5, 0.2, np.nan], np.float32)
    np.testing.assert_array_equal(cells._best_setting(scores, 4), [4, 1, 6, 3])


def test_diverged_setting_is_not_chosen(cut):
    result = train_cell(cut, method(np.nan, 9.0), engine=ENGINE)
    assert not result.diverged.any()
    np.testing.assert_array_equal(result.progress.state["tilt"], 13)
    result = train_cell(cut, method(np.nan), engine=ENGINE)
    assert result.diverged.all()


def test_start_initializes_or_resumes_training(cut):
    first = train_cell(cut, method(1.0), engine=ENGINE).progress
    after = train_cell(cut, method(10.0), start=first, engine=ENGINE)
    np.testing.assert_array_equal(after.progress.state["tilt"], 10 + 2 + 4)  # 2 at the best epoch
    np.testing.assert_array_equal(after.progress.epoch, 4)
    resumed = train_cell(cut, method(1.0, resumes=True), start=first, engine=ENGINE)
    np.testing.assert_array_equal(resumed.progress.state["tilt"], 5 + 4)
    np.testing.assert_array_equal(resumed.progress.epoch, 8)


def test_piece_reuses_memory_of_previous_state(monkeypatch):
    cut = plan(make_dataset(*toys.table(60, 20), name="toy"), [0, 1], Protocol(2, epochs=20))
    deleted, original = [], Vectorized._run

    def watched(self, shared, runs):
        result = original(self, shared, runs)
        deleted.extend(leaf.is_deleted() for leaf in jax.tree.leaves(runs.state))
        return result

    monkeypatch.setattr(Vectorized, "_run", watched)
    train_cell(cut, method(1.0), engine=ENGINE)
    (compiled,) = cells._programs(tilted, cut.facts, 10, ENGINE).advance._compiled.values()
    assert compiled.memory_analysis().alias_size_in_bytes > 0
    assert len(deleted) == 2 * 6 and all(deleted)


@pytest.mark.parametrize(("epochs", "done"), [(4, [4]), (30, [10, 20, 30]), (7, [7])])
def test_progress_is_reported_between_pieces(epochs, done):
    cut = plan(make_dataset(*toys.table(60, 20), name="toy"), [0], Protocol(2, epochs=epochs))
    reported = []
    result = train_cell(cut, method(), engine=ENGINE, on_epochs=reported.append)
    assert reported == done
    np.testing.assert_array_equal(result.curves.train_loss[0], np.arange(epochs))


def test_one_epoch_method_ignores_protocol_epochs(cut):
    result = train_cell(cut, method(one_epoch=True), engine=ENGINE)
    np.testing.assert_array_equal(result.progress.epoch, 1)


def test_same_shapes_share_a_program(cut):
    train_cell(cut, method(3.0), engine=ENGINE)
    again = train_cell(cut, method(4.0), engine=ENGINE)
    other = plan(make_dataset(*toys.table(60, 20, seed=9), name="other"), [0, 1], Protocol(2, 4))
    assert again.compile_seconds == 0
    assert train_cell(other, method(3.0), engine=ENGINE).compile_seconds == 0


@pytest.mark.thorough
def test_precision_applies_to_training_not_scores():
    results, dataset = {}, make_dataset(*toys.table(60, 20), name="toy")
    for precision in ("float32", "bfloat16"):
        cut = plan(dataset, [0], Protocol(2, epochs=2, precision=precision))
        results[precision] = train_cell(cut, get("ce"), engine=ENGINE)
        programs = cells._programs(get("ce").tables.program, cut.facts, 2, ENGINE)
        is_bfloat = precision == "bfloat16"
        for stage, expected in ((programs.advance, is_bfloat), (programs.predict, False)):
            compiled = [each.as_text() for each in stage._compiled.values()]
            assert compiled and all(("bf16" in text) == expected for text in compiled)
    exact, rounded = results["float32"], results["bfloat16"]
    assert 0 < np.abs(exact.curves.train_loss - rounded.curves.train_loss).max() < 1e-2
    assert max(map(np.ptp, exact.test_score)) > 0
    for a, b in zip(exact.test_score, rounded.test_score, strict=True):
        np.testing.assert_allclose(a, b, atol=0.05)
        assert (a != b).any()


def test_samplers_share_training_and_report_fallbacks(cut):
    traced = []

    def counted(facts):
        program = tilted(facts)

        def epoch(key, state, problem, hparams):
            traced.append(None)
            return program.epoch(key, state, problem, hparams)

        return program._replace(epoch=epoch)

    def sampler(factor):
        def resample(key, problem, facts):
            train = problem.train
            shares = jax.random.uniform(key, train.w.shape)
            return Resampled(train.index, factor * train.w * shares, fallback=train.w[0] < factor)

        return resample

    one, other = (
        train_cell(
            cut,
            method(1.0, program=counted, resample=sampler(factor)),
            engine=ENGINE,
        )
        for factor in (1.0, 2.0)
    )
    assert len(traced) <= 2  # once for the shapes of its result, once for the program
    assert one.compile_seconds > 0 and other.compile_seconds > 0
    assert not one.fallback.any() and other.fallback.all()
    assert train_cell(cut, method(1.0), engine=ENGINE).fallback is None


def test_recompiling_for_memory_counts_as_compiling(cut, monkeypatch):
    monkeypatch.setattr(Vectorized, "_bytes", lambda self, shared, runs, size: size)
    engine = ENGINE._replace(memory=2)
    result = train_cell(cut, method(1.0), engine=engine)
    again = cells._programs(tilted, cut.facts, 4, engine).stages
    assert all(program.compile_seconds > 0 for program in again)
    assert result.compile_seconds > sum(program.compile_seconds for program in again)
    np.testing.assert_array_equal(result.progress.state["tilt"], [5, 5, 5, 5])


def test_host_method_receives_scaled_rows(cut):
    calls = []

    def host(x, y, x_test, random_state):
        calls.append((x, y, x_test, random_state))
        return x_test[:, 0] if len(calls) != 3 else np.full(len(x_test), np.nan)

    result = host_cell(cut, Method("host", "Host", "peer", "all", tables=OnTables(host=host)))
    assert [call[3] for call in calls] == [0, 0, 1, 1]
    for (x, y, x_test, _), split in zip(calls, cut.splits, strict=True):
        np.testing.assert_allclose(x.min(0), 0, atol=1e-6)
        np.testing.assert_allclose(x.max(0), 1, atol=1e-6)
        np.testing.assert_array_equal(y, cut.dataset.y[split.train])
        scored = np.concatenate([split.test, split.valid])
        expected = scale(cut.x[scored], fit_min_max(cut.x[split.train]))
        np.testing.assert_array_equal(x_test, expected)
    np.testing.assert_array_equal(result.diverged, [False, False, True, False])
    n_test = len(cut.splits[0].test)
    np.testing.assert_array_equal(result.test_score[0], calls[0][2][:n_test, 0])
    np.testing.assert_array_equal(result.valid_score[0], calls[0][2][n_test:, 0])
    assert np.isnan(result.best_score).all()
    assert result.curves is None
