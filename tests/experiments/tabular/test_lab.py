"""What is computed, what is found stored, and what is computed again because it was lost."""

import pickle
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import toys

import imbax
from imbax import methods
from imbax.catalogue import registry
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments import lab as lab_module
from imbax.experiments import store
from imbax.experiments.lab import Lab
from imbax.experiments.processes import Share
from imbax.experiments.run import evaluate, run_suite, with_starts
from imbax.experiments.tabular.plan import Protocol
from imbax.reports.tabular.calibration import kinds_of_score
from imbax.training import Fit, Program

FIRST, SECOND, HOST = "toy_first", "toy_second", "toy_host"


class Hparams(NamedTuple):
    tilt: float = 1.0


def tilted(facts):
    """The score is `tilt x_0`; `tilt` grows by one with each epoch."""

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
    """Registered for one test; `second` starts from `first`."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    methods.register(FIRST, tilted, settings=(Hparams(),))
    methods.register(SECOND, tilted, settings=(Hparams(10.0),), starts_from=FIRST)
    methods.register(HOST, host=first_column)


@pytest.fixture
def computed(monkeypatch):
    """The (method, seeds) of every cell trained, as it is trained."""
    calls = []

    def watch(name):
        function = getattr(lab_module, name)

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
    lab.run(DATA, methods.get(name), seeds)
    return lab.rows(DATA, methods.get(name), seeds)


@pytest.fixture(params=["memory", "folder"])
def make_lab(request, tmp_path):
    """A lab; in a folder every call gives a new one, as a new process would have it."""
    if request.param == "folder":
        return lambda: Lab(PROTOCOL, out=tmp_path)
    lab = Lab(PROTOCOL)
    return lambda: lab


def test_only_what_is_missing_is_computed(make_lab, computed):
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


def test_a_start_is_trained_once_and_shared(make_lab, computed):
    run(make_lab(), SECOND, [0])
    assert sorted(computed) == [(FIRST, [0]), (SECOND, [0])]
    computed.clear()
    run(make_lab(), FIRST, [0])
    assert computed == []
    run(make_lab(), SECOND, [1, 0])
    assert sorted(computed) == [(FIRST, [1]), (SECOND, [1])]


def final_tilt(lab):
    """What training of the second method came to."""
    lab.run(DATA, methods.get(SECOND), [0])
    if lab.out is None:
        (rows,) = (rows for rows in lab._rows.values() if rows[0]["method"] == SECOND)
        return rows[0]["train_curve"][-1] + 1
    rows = store.read([lab.out], arrays=True, dataset="toy").query("method == @SECOND")
    return rows["train_curve"].iloc[0][-1] + 1


def test_a_start_is_where_the_other_method_ended(make_lab):
    assert final_tilt(make_lab()) == 10 + 3 + 2  # its own, the first's last, two epochs


DAMAGE = {
    "absent": None,
    "empty": b"",
    "cut short": pickle.dumps(np.arange(1000))[:200],
    "text": b"garbage\n",
    "a stray stop": b".",
    "a stray byte": b"0",
    "another class": b"cimbax.training\nNoSuchThing\n.",
    "another module": b"cimbax.no_such_module\nThing\n.",
    "fewer fields": b"cimbax.training\nCurves\n(I1\ntR.",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_lost_or_damaged_state_is_computed_again(damage, tmp_path, computed):
    run(Lab(PROTOCOL, out=tmp_path), FIRST, [0, 1])
    (path,) = (tmp_path / "states").rglob("*seed0.pickle")
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(DAMAGE[damage])
    computed.clear()
    assert final_tilt(Lab(PROTOCOL, out=tmp_path)) == 15
    assert sorted(computed) == [(FIRST, [0]), (SECOND, [0])]
    computed.clear()
    run(Lab(PROTOCOL, out=tmp_path), SECOND, [1])
    assert computed == [(SECOND, [1])]


def test_a_damaged_result_is_computed_again(tmp_path, computed):
    run(Lab(PROTOCOL, out=tmp_path), FIRST, [0, 1])
    (path,) = (tmp_path / "runs").rglob("*seed1.parquet")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="damaged"):
        lab = Lab(PROTOCOL, out=tmp_path)
        assert lab.missing(DATA, methods.get(FIRST), [0, 1]) == [1]
        store.read([tmp_path])
    computed.clear()
    run(Lab(PROTOCOL, out=tmp_path), FIRST, [0, 1])
    assert computed == [(FIRST, [1])]


@pytest.mark.parametrize(
    "change",
    [{"epochs": 3}, {"folds": 3}, {"n_synth": "balance"}, {"valid_fraction": 0.3}],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_are_another_cell(change, tmp_path):
    run(Lab(PROTOCOL, out=tmp_path), FIRST, [0])
    other = Lab(Protocol(**({"folds": 2, "epochs": 2} | change)), out=tmp_path)
    assert other.missing(DATA, methods.get(FIRST), [0]) == [0]
    assert Lab(PROTOCOL, out=tmp_path).missing(DATA, methods.get(FIRST), [0]) == []


def test_progress_rises_to_one():
    told = []
    lab = Lab(Protocol(folds=2, epochs=20), on_progress=told.append)
    run(lab, FIRST, [0])
    assert told == [0.5, 1.0]


# `evaluate`, the way in for one's own arrays.

X, Y = toys.table(60, 20)
OPTIONS = {"seeds": 2, "folds": 2, "epochs": 2}


def test_evaluate_gives_the_same_table_with_and_without_a_folder(tmp_path):
    wanted = [SECOND, HOST]
    without = evaluate(X, Y, wanted, **OPTIONS)
    for _ in range(2):  # computed, then found
        stored = evaluate(X, Y, wanted, out=tmp_path, **OPTIONS)
        pd.testing.assert_frame_equal(stored, without[stored.columns], check_dtype=False)
    assert set(stored.columns) == set(without.columns)
    assert list(stored["method"].unique()) == sorted(wanted)  # not what they start from
    assert len(stored) == 2 * 2 * 2
    assert stored["average_precision"].between(0, 1).all()
    assert stored.query("method == @HOST")["validation_average_precision"].isna().all()


def test_real_states_survive_the_disk(tmp_path):
    """Adam's moments and parameters, which others go on from."""
    wanted = ["ce_long", "explicit_gradient"]
    without = evaluate(X, Y, wanted, **OPTIONS)
    evaluate(X, Y, ["ce"], out=tmp_path, **OPTIONS)
    stored = evaluate(X, Y, wanted, out=tmp_path, **OPTIONS)
    pd.testing.assert_frame_equal(stored, without[stored.columns], check_dtype=False)
    assert (stored.query("method == 'explicit_gradient'")["x_synth_move"] >= 0).all()
    assert stored.query("method == 'ce_long'")["x_synth_move"].isna().all()


@pytest.mark.filterwarnings("ignore:two settings")
def test_evaluate_shows_the_settings_it_was_given(tmp_path):
    """Also when it goes back to settings whose results are older than others'."""
    for epochs in (2, 3, 2):
        table = evaluate(X, Y, [FIRST], out=tmp_path, **(OPTIONS | {"epochs": epochs}))
        assert set(table["epoch"]) == {epochs}


def thirds(seed):
    parts = np.array_split(np.random.default_rng(seed).permutation(60), 3)
    return [(parts[0], parts[1], parts[2])]


def test_other_splits_are_another_cell(tmp_path):
    for seed in (0, 1):
        options = {"splits": thirds(seed), "seeds": 1, "epochs": 2}
        expected = evaluate(X, Y, [HOST], **options)
        stored = evaluate(X, Y, [HOST], out=tmp_path / "results", **options)
        pd.testing.assert_frame_equal(stored, expected[stored.columns], check_dtype=False)


def test_a_result_says_what_its_scores_are(tmp_path):
    """Which is not known of a user's own method once it is not registered any more."""
    methods.register(HOST, host=first_column, scores="probability")
    run(Lab(PROTOCOL, out=tmp_path), HOST, [0])
    del registry._REGISTRY[HOST]
    assert kinds_of_score(store.read_provenance([tmp_path])) == {HOST: "probability"}


def test_evaluate_names_what_is_not_there():
    with pytest.raises(InputError, match="unknown method 'toy_frist'; did you mean 'toy_first'"):
        evaluate(X, Y, ["toy_frist"])
    with pytest.raises(InputError, match="precision='half', expected 'float32' or 'bfloat16'"):
        evaluate(X, Y, [FIRST], precision="half")
    assert imbax.evaluate is evaluate


def test_starts_come_first_and_once():
    order = with_starts([SECOND, HOST, FIRST, SECOND])
    assert order == (FIRST, SECOND, HOST)


def test_data_sets_of_one_shape_come_one_after_the_other(tmp_path):
    """Or their programs would be compiled again, since few are kept."""
    sizes = {"a": (60, 12), "b": (60, 3), "c": (80, 10), "d": (4000, 2), "e": (90, 4)}

    def loader(name):
        n, columns = sizes[name]
        x = np.random.default_rng(0).normal(size=(n, columns))
        return lambda: make_dataset(x, np.arange(n) % 4 == 0, name=name)

    class Recorder:
        out, ran = tmp_path, []
        unit = Lab.unit

        def missing(self, *cell):
            return True

        def run(self, dataset, method, seeds):
            self.ran.append(dataset.name)

    run_suite(Recorder(), [(n, loader(n)) for n in sizes], [methods.get("ce")], [0], required=True)
    assert Recorder.ran == ["b", "e", "d", "a", "c"]


def test_process_0_computes_what_another_could_not(tmp_path, computed):
    """The other has taken a unit, failed, and is done."""
    folder = tmp_path / "processes"
    folder.mkdir()
    list(Share(1, 2, folder).turns([f"toy/{FIRST}"]))
    (folder / "done-1").touch()
    cells = [methods.get(name) for name in (HOST, FIRST, SECOND)]
    share = Share(0, 2, folder)
    lab = Lab(PROTOCOL, out=tmp_path / "out")
    run_suite(lab, [("toy", lambda: DATA)], cells, [0], required=True, share=share)
    assert computed == [(HOST, [0]), (FIRST, [0]), (SECOND, [0])]
    assert (tmp_path / "out" / "manifest.json").exists()
