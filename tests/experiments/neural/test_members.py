"""Ensembles in suites: training rows of the members, and scores of the runs."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tables as made_up
import toys
from scipy.special import expit, logit, softmax

from imbax import catalogue
from imbax.catalogue import registry
from imbax.cli.arguments import parser
from imbax.cli.run import _parsed
from imbax.data.frame_dataset import FrameDataset
from imbax.data.tables import as_dataset
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments import store
from imbax.experiments.neural import members as members_module
from imbax.experiments.neural.ensembles import SINGLE, Ensemble
from imbax.experiments.neural.members import all_rows, deep_ensemble, fold_ensemble, mean_score
from imbax.experiments.run import run_cells
from imbax.experiments.suites.own import read_suite
from imbax.experiments.tabular import suite as tabular_suite
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.experiments.tabular.schema import SCHEMA
from imbax.results.evaluate import evaluate
from imbax.training import Fit, Program

X, Y = toys.table(60, 20)
DATA = make_dataset(X, Y, name="toy")
PROTOCOL = Protocol(folds=2, epochs=1)
SAME, FOLDS, REPEATED = Ensemble(3), Ensemble(3, 3), Ensemble(6, 3)


def remembering(facts):
    """Network with logit 9 for its training rows and -9 for other rows."""

    def init(key, problem, hparams, start):
        train = problem.train.all()
        return {"x": train.x, "w": train.w}

    def apply(params, x):
        is_near = (jnp.abs(x[:, None] - params["x"]).max(-1) < 1e-6) & (params["w"] > 0)
        return jnp.where(is_near.any(1), 9.0, -9.0)

    return Program(apply, init, epoch, Fit, checkpoint="last")


def drawn(facts):
    """Network with logit `u x_0`, where u is drawn from the key."""

    def init(key, problem, hparams, start):
        return jax.random.normal(key)

    return Program(lambda params, x: params * x[:, 0], init, epoch, Fit, checkpoint="last")


def epoch(key, state, problem, hparams):
    return state, jnp.float32(0)


def first_column(x, y, x_test, random_state):
    return x_test[:, 0]


@pytest.fixture(autouse=True)
def toy_methods(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    catalogue.register("memory", remembering)
    catalogue.register("drawn", drawn)
    catalogue.register("ranks", drawn, scores="rank")
    catalogue.register("host", host=first_column)


def results(name, members, seeds=(0,)):
    """Stored rows, with their arrays."""
    lab = TabularLab(PROTOCOL)
    cell = lab.cell(DATA, catalogue.get(name), None, members)
    lab.run(cell, seeds)
    return lab.rows(cell, seeds, arrays=True)


def test_member_0_equals_the_single_network():
    cut, method = plan(DATA, [0], PROTOCOL), catalogue.get("drawn")
    single, members = train_cell(cut, method), train_cell(deep_ensemble(cut, SAME), method)
    assert len(members.test_score) == 3 * len(single.test_score) == 6
    for r, score in enumerate(single.test_score):
        first, *others = members.test_score[3 * r : 3 * r + 3]
        np.testing.assert_array_equal(first, score)
        assert not any(np.allclose(other, score) for other in others)
    by_hand = [expit(np.stack(members.test_score[at : at + 3])).mean(0) for at in (0, 3)]
    found = results("drawn", SAME)
    for score, expected in zip(found["test_score"], by_hand, strict=True):
        np.testing.assert_allclose(expit(score), expected, rtol=1e-5)
    assert found["n_valid"].tolist() == list(map(len, found["valid_score"]))


@pytest.mark.parametrize("members", [FOLDS, REPEATED], ids=str)
def test_validation_scores_are_out_of_fold(members):
    """A member trained on a validation row would raise its mean probability to at least 1/3."""
    found = results("memory", members)
    for _, row in found.iterrows():
        assert len(row["valid_score"]) == row["n_valid"] == row["n_train"] == 36
        assert row["n_test"] == 24
        assert np.max(row["valid_score"]) < -7
        assert np.max(row["test_score"]) < -7
    assert (found["members"] == str(members)).all()
    assert (found["method"] == f"memory {members}").all()


def test_every_row_is_used_for_training_and_validation():
    cut = fold_ensemble(DATA, 0, PROTOCOL, None, REPEATED)
    (runs,) = {len(plan(DATA, [0], PROTOCOL).splits)}
    assert len(cut.splits) == len(cut.runs.train.w) == len(cut.scalings) == runs * 6
    assert cut.fold.tolist() == [0] * 6 + [1] * 6
    for r in range(runs):
        parts = cut.splits[6 * r : 6 * r + 6]
        single = plan(DATA, [0], PROTOCOL).splits[r]
        labelled = np.sort(np.concatenate(single[:2]))
        for part in parts:
            np.testing.assert_array_equal(np.sort(np.concatenate(part[:2])), labelled)
            np.testing.assert_array_equal(part.test, single.test)
            assert DATA.y[part.valid].sum() == DATA.y[labelled].sum() / 3
        for first in (0, 3):
            validated = np.concatenate([part.valid for part in parts[first : first + 3]])
            np.testing.assert_array_equal(np.sort(validated), labelled)
        assert not all((a.valid == b.valid).all() for a, b in zip(parts, parts[3:], strict=False))


def test_preprocessing_is_fitted_on_training_rows_of_members():
    cut = fold_ensemble(DATA, 0, PROTOCOL, None, FOLDS)
    for part, scaling in zip(cut.splits, cut.scalings, strict=True):
        np.testing.assert_array_equal(scaling.shift, cut.x[part.train].min(0))
    assert len({scaling.shift.tobytes() for scaling in cut.scalings}) > 2
    frame, y = made_up.churn(80)
    dataset = as_dataset(frame, y == "stay", name="churn")
    assert isinstance(dataset, FrameDataset)
    cut = fold_ensemble(dataset, 0, PROTOCOL, None, FOLDS)
    for r, part in enumerate(cut.splits):
        train = cut.x[r][part.train]
        assert (train.min(), train.max()) == (0, 1)
        np.testing.assert_array_equal(
            cut.shared[0][cut.runs.train.index[r, : len(train)], : train.shape[1]], train
        )


def test_groups_are_not_divided():
    groups = np.arange(60) // 4
    dataset = make_dataset(X, Y, name="grouped", groups=groups)
    cut = fold_ensemble(dataset, 0, PROTOCOL, None, Ensemble(2, 2))
    for part in cut.splits:
        assert not set(groups[part.train]) & set(groups[part.valid])


@pytest.mark.parametrize("members", [SAME, FOLDS], ids=str)
def test_results_do_not_depend_on_other_seeds(members):
    separate, together = (results("drawn", members, seeds) for seeds in ((1,), (0, 1)))
    columns = ["fold", "test_score", "valid_score", "average_precision", "epoch"]
    together = together[together["seed"] == 1]
    for name in columns:
        for one, other in zip(separate[name], together[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_old_results_are_read_as_single_networks(tmp_path):
    lab = TabularLab(PROTOCOL, out=tmp_path)
    cell, old = lab.cell(DATA, catalogue.get("drawn")), SCHEMA
    old = old.remove(old.get_field_index("members"))
    lab.run(cell, [0])
    rows, about = store.load(tmp_path, *cell.place, 0, old)
    for members in ({}, {"members": 1}):  # earlier versions wrote the number
        old_about = {name: value for name, value in about.items() if name != "members"} | members
        store.write(tmp_path, rows, old_about, old)
        path = store.file_path(tmp_path, *cell.place, 0)
        assert "members" not in pq.read_schema(path).names
        assert lab.missing(cell, [0]) == []
        assert lab.rows(cell, [0])["members"].tolist() == ["1", "1"]


def test_suite_runs_every_ensemble_and_baselines_once(tmp_path):
    """A fold ensemble with too few rows fails without affecting other cells."""
    ensembles = (SINGLE, SAME, FOLDS, Ensemble(30, 30))
    lab = TabularLab(PROTOCOL, out=tmp_path, ensembles=ensembles)
    methods = [catalogue.get(name) for name in ("drawn", "ranks", "host")]
    outcome = run_cells(lab, [("toy", lambda: DATA)], methods, [0], required=True)
    rows = store.read([tmp_path], SCHEMA)
    assert sorted(set(zip(rows["method"], rows["members"], strict=True))) == [
        ("drawn", "1"),
        ("drawn 3-fold", "3-fold"),
        ("drawn x3", "x3"),
        ("host", "1"),
        ("ranks", "1"),
    ]
    assert set(outcome.failed) == {
        "toy/drawn 30-fold",
        *(f"toy/ranks {members}" for members in ensembles[1:]),
    }
    assert "30 folds of 36 training and validation rows" in outcome.failed["toy/drawn 30-fold"]
    assert "its scores only rank" in outcome.failed["toy/ranks x3"]
    provenance = {one["method"]: one for one in store.read_provenance([tmp_path])}
    assert provenance["drawn x3"]["rows"] == "train"
    assert provenance["drawn 3-fold"]["rows"] == "train_valid"
    assert len({one["key"] for one in provenance.values()}) == 5


def test_ensembles_are_equal_for_all_entry_points(tmp_path):
    found = evaluate(
        X, Y, ["drawn"], n_estimators=[1, 3], fold_ensemble=[False, True], seeds=1, folds=2,
        epochs=1,
    )  # fmt: skip
    expected = ("1", "x3", "3-fold")
    assert set(found.frame["members"]) == set(expected)
    pd.DataFrame(X).assign(y=Y).to_csv(tmp_path / "t.csv", index=False)
    file = tmp_path / "s.toml"
    head = "n_estimators = [1, 3]\nfold_ensemble = [false, true]\n"
    file.write_text(f'{head}[[datasets]]\nfile = "t.csv"\ntarget = "y"\n')

    def ensembles(suite, *words, **changes):
        options = vars(parser().parse_args(["run", *words])) | _parsed(changes)
        return set(map(str, tabular_suite._ensembles(suite, argparse.Namespace(**options))))

    suite = read_suite(file)
    assert ensembles(suite) == set(expected)
    flags = ["--n-estimators", "6", "--fold-ensemble"]
    assert ensembles(suite, *flags) == {"6-fold"}
    assert ensembles(suite, *flags, "0", "3") == {"x6", "2x3-fold"}
    for value, text in ((True, "6-fold"), (3, "2x3-fold"), (False, "x6"), ([True], "6-fold")):
        assert ensembles(suite, n_estimators=6, fold_ensemble=value) == {text}
    file.write_text('fold_ensemble = true\n[[datasets]]\nfile = "t.csv"\ntarget = "y"\n')
    with pytest.raises(InputError, match=r"fold_ensemble needs several members"):
        read_suite(file)


def test_mean_score_averages_probabilities():
    scores = np.array([[-200.0, 0.3, 5.0], [-100.0, -2.0, 7.0]])
    mean = expit(scores).mean(0)
    np.testing.assert_allclose(expit(mean_score(scores, "logit"))[1:], mean[1:], rtol=1e-12)
    assert mean_score(scores, "logit")[0] == pytest.approx(-100 - np.log(2))
    several = np.stack([scores, scores[:, ::-1]])
    expected = softmax(several, -1).mean(0)
    np.testing.assert_allclose(softmax(mean_score(several, "logit"), -1), expected, rtol=1e-12)
    p = np.array([[0.2, 0.9], [0.4, 0.1]])
    np.testing.assert_allclose(mean_score(p, "probability"), [0.3, 0.5])
    assert logit(p.mean(0)).shape == (2,)
    with pytest.raises(InputError, match="scores of kind 'rank' have no mean"):
        mean_score(p, "rank")


def test_rows_are_scored_by_members_not_trained_on_them():
    rows = np.array([3, 5, 8, 9])
    parts = [np.array([5, 9]), np.array([3, 8]), np.array([3, 9]), np.array([5, 8])]
    scores = list(np.arange(0.1, 0.9, 0.1).reshape(4, 2))
    found = members_module._out_of_fold(rows, parts, scores, "probability")
    np.testing.assert_allclose(found, [0.4, 0.4, 0.6, 0.4])


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["explicit_gradient", "ce_refit"])
def test_built_in_methods_run_as_ensembles(name):
    """A member continues the training of the member with the same number."""
    lab = TabularLab(Protocol(folds=2, epochs=2))
    method = catalogue.get(name)
    for members in (Ensemble(2), Ensemble(2, 2)):
        cell = lab.cell(DATA, method, None, members)
        lab.run(cell, [0])
        found = lab.rows(cell, [0], arrays=True)
        assert not found["diverged"].any() and np.isfinite(found["average_precision"]).all()
        before = {key for key, _ in lab._provenance if lab._provenance[key, 0]["members"] != "1"}
        assert cell.key in before
        held_out = 0 if name == "ce_refit" else found["n_valid"].tolist()
        assert (found["valid_score"].map(len) == held_out).all()


def test_all_rows_methods_train_on_validation_rows():
    """Validation scores are not stored, since the method was trained on these rows."""
    found = evaluate(
        X, Y, ["memory_all_rows"], n_estimators=[1, 2], metrics=["f1"], seeds=1, folds=2, epochs=2
    )
    frame, (rows, _) = found.frame, found._source.read()
    assert set(frame["method"]) == {"memory_all_rows", "memory_all_rows x2"}
    assert (frame["epoch"] == 2).all() and frame["validation_average_precision"].isna().all()
    assert (frame["threshold_from"] == "0.5").all()
    assert (frame["n_train"] == 36).all()
    assert (rows["valid_score"].map(len) == 0).all()
    assert (rows["valid_curve"].map(len) == 0).all()
    cut = all_rows(DATA, 0, PROTOCOL, None)
    for part, single in zip(cut.splits, plan(DATA, [0], PROTOCOL).splits, strict=True):
        np.testing.assert_array_equal(part.train, np.sort(np.concatenate(single[:2])))
        np.testing.assert_array_equal(part.test, single.test)
    lab = TabularLab(PROTOCOL)
    with pytest.raises(InputError, match="memory_all_rows cannot be run as a fold ensemble"):
        lab.cell(DATA, catalogue.get("memory_all_rows"), None, FOLDS)
