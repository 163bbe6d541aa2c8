"""Tests of cells that are computed, read from files, and recomputed if files are lost."""

import functools
import io
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import toys
from rich.console import Console
from safetensors.numpy import save
from tiers import asked

import imbax
from imbax import catalogue
from imbax.catalogue import registry
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments import store
from imbax.experiments.neural.ensembles import SINGLE
from imbax.experiments.processes import Share
from imbax.experiments.run import run_cells, with_starts
from imbax.experiments.tabular import lab as lab_module
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.metrics import METRICS
from imbax.experiments.tabular.plan import Protocol
from imbax.experiments.tabular.schema import SCHEMA
from imbax.reports.tabular.calibration import kinds_of_score
from imbax.results.evaluate import evaluate
from imbax.training import Fit, Program

FIRST, SECOND, HOST = "toy_first", "toy_second", "toy_host"


class Hparams(NamedTuple):
    tilt: float = 1.0


def tilted(facts):
    """Network with score `tilt x_0`; `tilt` grows by one in each epoch."""

    def init(key, problem, hparams, start):
        return {"tilt": jnp.float32(hparams.tilt) + (0 if start is None else start["tilt"])}

    return Program(
        apply=lambda params, x: params["tilt"] * x[:, 0],
        init=init,
        epoch=lambda key, state, problem, hparams: ({"tilt": state["tilt"] + 1}, state["tilt"]),
        fit=Fit,
        checkpoint="last",
    )


def first_column(x, y, x_test, random_state):
    return x_test[:, 0]


@pytest.fixture(autouse=True)
def toy_methods(monkeypatch):
    """Methods for one test; `second` starts from `first`."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    catalogue.register(FIRST, tilted, settings=(Hparams(),))
    catalogue.register(SECOND, tilted, settings=(Hparams(10.0),), starts_from=FIRST)
    catalogue.register(HOST, host=first_column)


@pytest.fixture
def computed(monkeypatch):
    """Method and seeds of every cell, recorded when it is trained."""
    calls = []

    def watch(name):
        function = getattr(lab_module, name)

        @functools.wraps(function)  # a result's key comes from the wrapped code
        def watched(cut, method, **options):
            calls.append((method.name, sorted(set(cut.seed.tolist()))))
            return function(cut, method, **options)

        monkeypatch.setattr(lab_module, name, watched)

    watch("train_cell")
    watch("host_cell")
    return calls


DATA = make_dataset(*toys.table(60, 20), name="toy")
PROTOCOL = Protocol(folds=2, epochs=2)


def run(lab, name, seeds):
    cell = lab.cell(DATA, catalogue.get(name))
    lab.run(cell, seeds)
    return lab.rows(cell, seeds)


def missing(lab, name, seeds):
    return lab.missing(lab.cell(DATA, catalogue.get(name)), seeds)


@pytest.fixture(params=["memory", "folder"])
def make_lab(request, tmp_path):
    """A function that returns a lab; with a folder, a new one at each call, as in a new process."""
    if request.param == "folder":
        return lambda: TabularLab(PROTOCOL, out=tmp_path)
    lab = TabularLab(PROTOCOL)
    return lambda: lab


def test_only_missing_runs_are_computed(make_lab, computed):
    first = run(make_lab(), FIRST, range(2))
    assert computed == [(FIRST, [0, 1])]
    assert sorted(zip(first["seed"], first["fold"], strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    again = run(make_lab(), FIRST, range(2))
    pd.testing.assert_frame_equal(again, first)
    more = run(make_lab(), FIRST, range(3))
    assert computed == [(FIRST, [0, 1]), (FIRST, [2])]
    assert len(more) == 6
    columns = ["seed", "fold", "average_precision"]
    pd.testing.assert_frame_equal(more.query("seed < 2")[columns], first[columns])


@pytest.mark.parametrize(("name", "rows"), [("ce", "train"), ("ce_refit", "train_valid")])
def test_cell_fields_are_stored(name, rows, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(store, "write", lambda out, rows, about, schema: kept.append(about))
    lab = TabularLab(PROTOCOL, out=tmp_path, suite="mine")
    cell = lab.cell(DATA, catalogue.get(name))
    assert (cell.dataset, cell.method, cell.suite) == (DATA, catalogue.get(name), "mine")
    assert (cell.network, cell.members, cell.rows) == ("mlp", SINGLE, rows)
    assert (cell.name, cell.place) == (f"toy/{name}", ("toy", name, cell.key))
    assert (
        lab.cell(DATA, catalogue.get(name)).key
        == cell.key
        != lab.cell(DATA, catalogue.get("focal")).key
    )
    lab._keep(cell, 0, [], {"config": {}})
    fields = ("suite", "network", "rows", "key")
    expected = {name: getattr(cell, name) for name in fields}
    expected |= {"dataset": "toy", "method": name, "members": "1", "config": {}}
    assert expected.items() <= kept[0].items()
    assert kept[0]["metrics_key"] == lab._metrics_key() != cell.key


def test_shared_start_is_trained_once(make_lab, computed):
    run(make_lab(), SECOND, [0])
    assert sorted(computed) == [(FIRST, [0]), (SECOND, [0])]
    computed.clear()
    run(make_lab(), FIRST, [0])
    assert computed == []
    run(make_lab(), SECOND, [1, 0])
    assert sorted(computed) == [(FIRST, [1]), (SECOND, [1])]


def final_tilt(lab):
    """Final value of `tilt` of the second method."""
    run(lab, SECOND, [0])
    if lab.out is None:
        (rows,) = (rows for rows in lab._rows.values() if rows[0]["method"] == SECOND)
        return rows[0]["train_curve"][-1] + 1
    rows = store.read([lab.out], SCHEMA, arrays=True, dataset="toy").query("method == @SECOND")
    return rows["train_curve"].iloc[0][-1] + 1


def test_start_is_final_state_of_other_method(make_lab):
    # The terms are the setting, the final tilt of the first method, and two epochs.
    assert final_tilt(make_lab()) == 10 + 3 + 2


DAMAGE = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[:200],
    "text": lambda content: b"garbage\n",
    "one bit": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "another training": lambda content: save({"w": np.zeros(2)}, {"imbax.state": "{}"}),
    "no such header": lambda content: (2**40).to_bytes(8, "little") + content[8:],
}


@pytest.mark.parametrize("damage", ["absent", *DAMAGE])
def test_lost_or_damaged_state_is_computed_again(damage, tmp_path, computed):
    run(TabularLab(PROTOCOL, out=tmp_path), FIRST, [0, 1])
    (path,) = (tmp_path / "states").rglob("*seed0.safetensors")
    computed.clear()
    if damage == "absent":
        path.unlink()
        assert final_tilt(TabularLab(PROTOCOL, out=tmp_path)) == 15
    else:
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
        with pytest.warns(UserWarning, match=f"computed again instead of reading .*{path.name}"):
            assert final_tilt(TabularLab(PROTOCOL, out=tmp_path)) == 15
    assert sorted(computed) == [(FIRST, [0]), (SECOND, [0])]
    computed.clear()
    run(TabularLab(PROTOCOL, out=tmp_path), SECOND, [1])
    assert computed == [(SECOND, [1])]


def test_damaged_result_is_computed_again(tmp_path, computed):
    run(TabularLab(PROTOCOL, out=tmp_path), FIRST, [0, 1])
    (path,) = (tmp_path / "runs").rglob("*seed1.parquet")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="damaged"):
        lab = TabularLab(PROTOCOL, out=tmp_path)
        assert missing(lab, FIRST, [0, 1]) == [1]
        store.read([tmp_path], SCHEMA)
    computed.clear()
    with pytest.warns(UserWarning, match=f"damaged result file .*, computed again: .*{path.name}"):
        run(TabularLab(PROTOCOL, out=tmp_path), FIRST, [0, 1])
    assert computed == [(FIRST, [1])]


@pytest.mark.parametrize(
    "change",
    [{"epochs": 3}, {"folds": 3}, {"n_synth": "balance"}, {"valid_fraction": 0.3}],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_give_another_cell(change, tmp_path):
    run(TabularLab(PROTOCOL, out=tmp_path), FIRST, [0])
    other = TabularLab(Protocol(**({"folds": 2, "epochs": 2} | change)), out=tmp_path)
    assert missing(other, FIRST, [0]) == [0]
    assert missing(TabularLab(PROTOCOL, out=tmp_path), FIRST, [0]) == []


# Metrics from other code are computed again from stored labels and scores.

Y_THREE = np.arange(90) % 3
X_THREE = np.random.default_rng(0).normal(size=(90, 4)) + np.eye(3, 4)[Y_THREE]
THREE = make_dataset(X_THREE, Y_THREE, name="three", several_classes=True)


def probabilities(x, y, x_test, random_state):
    """Probabilities from the columns; NaN for seed 1."""
    if len(np.unique(y)) == 2:
        share = x_test[:, 0] / x_test.max()
    else:
        share = x_test[:, :3] / x_test[:, :3].sum(1, keepdims=True)
    return share if random_state != 1 else share * np.nan


def everything(out):
    """All stored rows and their provenance."""
    return store.read([out], SCHEMA, arrays=True), store.read_provenance([out])


def spoil(lab, cell, seed):
    """Store wrong metrics for a seed, under the key of other code."""
    rows, about = store.load(lab.out, *cell.place, seed, SCHEMA)
    wrong = dict.fromkeys(METRICS, 0.125)
    store.write(lab.out, [row | wrong for row in rows], about | {"metrics_key": "0" * 16}, SCHEMA)


def without_training(monkeypatch):
    for name in ("train_cell", "host_cell"):

        @functools.wraps(getattr(lab_module, name))
        def never(*_, **__):
            raise AssertionError("trained again")

        monkeypatch.setattr(lab_module, name, never)


@pytest.mark.parametrize("data", asked([DATA, THREE], [DATA]), ids=["two classes", "three classes"])
def test_metrics_of_other_code_need_no_training(data, tmp_path, monkeypatch):
    catalogue.register(HOST, host=probabilities, scores="probability", several_classes=True)
    lab = TabularLab(PROTOCOL, out=tmp_path)
    cells = [lab.cell(data, catalogue.get(name)) for name in ("ce", HOST)]
    for cell in cells:
        lab.run(cell, range(2))
    before, abouts = everything(tmp_path)
    assert before["diverged"].sum() == 2
    assert before.loc[~before["diverged"], "average_precision"].between(0.1, 1).all()
    spoiled = [(cells[0], 0), (cells[0], 1), (cells[1], 1)]
    for cell, seed in spoiled:
        spoil(lab, cell, seed)
    assert (everything(tmp_path)[0][list(METRICS)] == 0.125).all(axis=1).sum() == 6
    assert [lab.outdated(cell, range(3)) for cell in cells] == [[0, 1], [1]]
    at = written(tmp_path)

    without_training(monkeypatch)
    for cell in cells:
        lab.run(cell, range(2))
        assert lab.outdated(cell, range(2)) == []
    after, abouts_after = everything(tmp_path)
    pd.testing.assert_frame_equal(after, before, check_exact=True)
    assert abouts_after == abouts
    changed = {path for path, time in written(tmp_path).items() if time != at[path]}
    assert changed == {store.file_path(tmp_path, *cell.place, seed) for cell, seed in spoiled}


def written(out):
    return {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*.parquet")}


def test_seeds_are_added_to_results_with_outdated_metrics(tmp_path, computed):
    lab = TabularLab(PROTOCOL, out=tmp_path)
    expected = run(lab, FIRST, range(3))
    store.file_path(tmp_path, *lab.cell(DATA, catalogue.get(FIRST)).place, 2).unlink()
    spoil(lab, lab.cell(DATA, catalogue.get(FIRST)), 0)
    computed.clear()
    again = run(TabularLab(PROTOCOL, out=tmp_path), FIRST, range(3))
    assert computed == [(FIRST, [2])]
    pd.testing.assert_frame_equal(again, expected, check_exact=True)


def messages(lab, names):
    """Messages about stored results, printed in a run of these methods."""
    shown = io.StringIO()
    methods = [catalogue.get(name) for name in names]
    console = Console(file=shown, width=200)
    run_cells(lab, [("toy", lambda: DATA)], methods, [0], required=True, console=console)
    return [line.strip() for line in shown.getvalue().splitlines() if "computed again" in line]


OTHER_CODE = "computed again, stored with other code or settings: {}; no file is deleted"
OTHER_METRICS = (
    "computed again, stored with metrics of other code; no training is needed: {}; no file "
    "is deleted"
)


def test_run_reports_recomputed_results_and_reasons(tmp_path, computed):
    other = TabularLab(Protocol(folds=2, epochs=1), out=tmp_path)
    assert messages(other, [FIRST, HOST]) == []  # nothing was stored
    lab = TabularLab(PROTOCOL, out=tmp_path)
    files = {path: path.read_bytes() for path in written(tmp_path)}
    assert messages(lab, [FIRST, HOST]) == [OTHER_CODE.format(f"toy/{FIRST}, toy/{HOST}")]
    assert {path: path.read_bytes() for path in files} == files
    assert len(written(tmp_path)) == 4
    spoil(lab, lab.cell(DATA, catalogue.get(HOST)), 0)
    computed.clear()
    assert messages(lab, [FIRST, HOST]) == [OTHER_METRICS.format(f"toy/{HOST}")]
    assert messages(lab, [FIRST, HOST]) == []
    assert computed == []


def test_progress_rises_to_one():
    reported = []
    lab = TabularLab(Protocol(folds=2, epochs=20), on_progress=reported.append)
    run(lab, FIRST, [0])
    assert reported == [0.5, 1.0]


# `evaluate` on a user's arrays.

X, Y = toys.table(60, 20)
OPTIONS = {"seeds": 2, "folds": 2, "epochs": 2}


def test_evaluate_is_equal_with_and_without_folder(tmp_path):
    wanted = [SECOND, HOST]
    without = evaluate(X, Y, wanted, **OPTIONS)
    for _ in range(2):  # computed first, then loaded
        stored = evaluate(X, Y, wanted, out=tmp_path, **OPTIONS)
        pd.testing.assert_frame_equal(stored.frame, without[stored.columns], check_dtype=False)
    assert set(stored.columns) == set(without.columns)
    assert list(stored["method"].unique()) == sorted(wanted)  # without the methods they start from
    assert len(stored) == 2 * 2 * 2
    assert stored["average_precision"].between(0, 1).all()
    assert stored.query("method == @HOST")["validation_average_precision"].isna().all()


@pytest.mark.thorough
def test_states_of_built_in_methods_are_restored(tmp_path):
    """Other methods start from stored parameters and Adam moments."""
    wanted = ["ce_long", "explicit_gradient"]
    without = evaluate(X, Y, wanted, **OPTIONS)
    evaluate(X, Y, ["ce"], out=tmp_path, **OPTIONS)
    stored = evaluate(X, Y, wanted, out=tmp_path, **OPTIONS)
    pd.testing.assert_frame_equal(stored.frame, without[stored.columns], check_dtype=False)
    assert (stored.query("method == 'explicit_gradient'")["x_synth_move"] >= 0).all()
    assert stored.query("method == 'ce_long'")["x_synth_move"].isna().all()


@pytest.mark.filterwarnings("ignore:two settings")
def test_evaluate_shows_requested_settings(tmp_path):
    """The table shows the requested settings even if other results are newer."""
    for epochs in (2, 3, 2):
        table = evaluate(X, Y, [FIRST], out=tmp_path, **(OPTIONS | {"epochs": epochs}))
        assert set(table["epoch"]) == {epochs}


def thirds(seed):
    parts = np.array_split(np.random.default_rng(seed).permutation(60), 3)
    return [(parts[0], parts[1], parts[2])]


def test_other_splits_give_another_cell(tmp_path):
    for seed in (0, 1):
        options = {"splits": thirds(seed), "seeds": 1, "epochs": 2}
        expected = evaluate(X, Y, [HOST], **options)
        stored = evaluate(X, Y, [HOST], out=tmp_path / "results", **options)
        pd.testing.assert_frame_equal(stored.frame, expected[stored.columns], check_dtype=False)


def test_result_stores_kind_of_scores(tmp_path):
    """The kind is needed after the user's method is no longer registered."""
    catalogue.register(HOST, host=first_column, scores="probability")
    run(TabularLab(PROTOCOL, out=tmp_path), HOST, [0])
    del registry._REGISTRY[HOST]
    assert kinds_of_score(store.read_provenance([tmp_path])) == {HOST: "probability"}


def test_evaluate_reports_unknown_values():
    with pytest.raises(InputError, match="unknown method 'toy_frist'; did you mean 'toy_first'"):
        evaluate(X, Y, ["toy_frist"])
    with pytest.raises(InputError, match="precision='half', expected 'float32' or 'bfloat16'"):
        evaluate(X, Y, [FIRST], precision="half")
    assert imbax.evaluate is evaluate


def test_starting_methods_run_first_and_once():
    order = with_starts([SECOND, HOST, FIRST, SECOND])
    assert order == (FIRST, SECOND, HOST)


def test_data_sets_of_equal_shape_run_in_succession(tmp_path):
    """Programs would be compiled again in another order, since the cache is small."""
    sizes = {"a": (60, 12), "b": (60, 3), "c": (80, 10), "d": (4000, 2), "e": (90, 4)}

    def loader(name):
        n, columns = sizes[name]
        x = np.random.default_rng(0).normal(size=(n, columns))
        return lambda: make_dataset(x, np.arange(n) % 4 == 0, name=name)

    class Recorder(TabularLab):
        def run(self, cell, seeds):
            ran.append(cell.dataset.name)

    ran, lab = [], Recorder(PROTOCOL, out=tmp_path)
    run_cells(lab, [(n, loader(n)) for n in sizes], [catalogue.get("ce")], [0], required=True)
    assert ran == ["b", "e", "d", "a", "c"]


def test_process_0_computes_units_of_failed_processes(tmp_path, computed):
    """The other process has claimed a unit, failed, and finished."""
    folder = tmp_path / "processes"
    folder.mkdir()
    list(Share(1, 2, folder).turns([f"toy/{FIRST}"]))
    (folder / "done-1").touch()
    cells = [catalogue.get(name) for name in (HOST, FIRST, SECOND)]
    share = Share(0, 2, folder)
    lab = TabularLab(PROTOCOL, out=tmp_path / "out")
    run_cells(lab, [("toy", lambda: DATA)], cells, [0], required=True, share=share)
    assert computed == [(HOST, [0]), (FIRST, [0]), (SECOND, [0])]
    assert (tmp_path / "out" / "manifest.json").exists()
