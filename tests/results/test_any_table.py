"""Mixed tables with missing values in `evaluate`, `search` and `imbax run custom`."""

import warnings

import numpy as np
import pandas as pd
import pytest
import tables
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)
from sklearn.preprocessing import StandardScaler, label_binarize

import imbax
from imbax.catalogue import get, register
from imbax.cli import main
from imbax.data.tables import as_dataset
from imbax.errors import InputError
from imbax.experiments.tabular.plan import Protocol
from imbax.experiments.tabular.preprocessing import planned

pytestmark = pytest.mark.usefixtures("quick_figures")

FRAME, Y = tables.churn(200)
HOST = ["logistic_regression"]
FEW = {"seeds": 1, "folds": 2, "epochs": 1}
SEVERAL = ["average_precision", "roc_auc", "balanced_accuracy", "g_mean", "macro_f1"]

quiet = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def table():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return imbax.evaluate(FRAME, Y, HOST, **FEW)


def test_multiclass_scores_match_scikit_learn(table):
    data = as_dataset(FRAME, Y)
    cut = planned(data, [0], Protocol(folds=2))
    for r, (train, _, test) in enumerate(cut.splits):
        model = LogisticRegression(max_iter=2000, random_state=0)
        model.fit(cut.features(r, train), data.y[train])
        p, y = model.predict_proba(cut.features(r, test)), data.y[test]
        one_hot = label_binarize(y, classes=[0, 1, 2])
        expected = {
            "average_precision": average_precision_score(one_hot, p, average="macro"),
            "roc_auc": roc_auc_score(one_hot, p, average="macro"),
            "balanced_accuracy": balanced_accuracy_score(y, p.argmax(1)),
            "macro_f1": f1_score(y, p.argmax(1), average="macro"),
        }
        row = table.iloc[r]
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, abs=1e-5), name
        assert np.isfinite(row[SEVERAL].astype(float)).all()
        assert row["n_minority"] == np.bincount(data.y[train]).min()


@quiet
@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_all_libraries_give_the_same_results(table, library):
    pytest.importorskip(library)
    frame = tables.to_library(FRAME, library)
    labels = tables.to_library(pd.DataFrame({"y": Y}), library)["y"]
    again = imbax.evaluate(frame, labels, HOST, **FEW)
    pd.testing.assert_frame_equal(again.frame, table.frame)


def test_notices_are_issued_once():
    with pytest.warns(UserWarning) as caught:
        imbax.evaluate(FRAME, Y, HOST, name="churn", **FEW)
    messages = [str(one.message) for one in caught]
    assert len(messages) == len(set(messages)) == 3
    assert (
        "churn: 2 columns one-hot encoded in each run, fitted on its training rows: plan (3"
        in messages[1]
    )
    assert {one.filename for one in caught} == {__file__}


@quiet
def test_minority_selects_one_class_against_the_rest():
    table = imbax.evaluate(FRAME, Y, HOST, minority="leave", **FEW)
    assert table["precision_at_recall_50"].notna().all()
    assert table["balanced_accuracy"].isna().all()


def test_two_class_methods_are_left_out_or_rejected(own_registry, monkeypatch):
    register("two", host=lambda x, y, x_test, random_state: x_test[:, 0])
    default = ("two", *HOST)
    monkeypatch.setattr("imbax.results.evaluate.METHODS", default)
    x = FRAME[["spend"]]
    with pytest.warns(
        UserWarning, match="two supports only two classes, and y has 3 .*: left out$"
    ):
        table = imbax.evaluate(x, Y, default, **FEW)
    assert set(table["method"]) == set(HOST)
    with pytest.raises(
        InputError, match=r"two supports only two .*; these run: logistic_regression$"
    ):
        imbax.evaluate(x, Y, list(default), **FEW)
    register("mine", build=get("ce").tables.program, settings=get("ce").tables.settings)
    with pytest.raises(InputError, match="mine supports only two classes"):
        imbax.search("mine", x, Y, {"learning_rate": [0.1]}, **FEW)


@quiet
def test_preprocess_accepts_a_transformer():
    numbers = FRAME[["spend"]]
    plain = imbax.evaluate(numbers, Y, HOST, **FEW)
    scaled = imbax.evaluate(numbers, Y, HOST, preprocess=StandardScaler(), **FEW)
    np.testing.assert_allclose(scaled["roc_auc"], plain["roc_auc"], atol=1e-3)
    with pytest.raises(InputError, match="preprocess, StandardScaler, fails in fit_transform"):
        imbax.evaluate(FRAME, Y, HOST, preprocess=StandardScaler(), **FEW)
    with pytest.raises(InputError, match=r"column 'plan' holds .*, expected numbers"):
        imbax.evaluate(FRAME, Y, HOST, preprocess=None, **FEW)


@quiet
@pytest.mark.thorough
def test_search_on_three_classes():
    space = {"learning_rate": [0.1, 0.001]}
    found = imbax.search("ce", FRAME, Y, space, seeds=1, folds=2, epochs=3)
    trained = imbax.evaluate(FRAME, Y, ["ce"], seeds=1, folds=2, epochs=3)
    default = found[found["learning_rate"] == 0.001]
    np.testing.assert_allclose(
        default["average_precision"], trained["average_precision"], atol=1e-5
    )
    assert found["chosen"].sum() == 2


def run_custom(folder, frame, y, *options):
    frame.assign(churn=y).to_csv(folder / "churn.csv", index=False)
    flags = ["--data", str(folder / "churn.csv"), "--target", "churn", "--out", str(folder / "out")]
    assert main(["run", "custom", *flags, *options]) == 0
    return pd.read_csv(folder / "out" / "tables" / "runs.csv")


def test_run_custom_writes_runs_and_report(tmp_path, capsys, table):
    options = ["--methods", *HOST, "--seeds", "1", "--folds", "2", "--epochs", "1"]
    runs = run_custom(tmp_path, FRAME, Y, *options)
    np.testing.assert_allclose(runs[SEVERAL], table[SEVERAL], atol=1e-12)
    output = " ".join(capsys.readouterr().out.split())
    assert output.count("churn: 2 columns one-hot encoded") == 1
    assert output.index("one-hot") < output.index("report: ")
    report = (tmp_path / "out" / "report.md").read_text()
    assert "balanced accuracy" in report.lower() and "| churn |" in report


def test_run_custom_rejects_two_class_methods_by_name(tmp_path, capsys):
    FRAME.assign(churn=Y).to_csv(tmp_path / "churn.csv", index=False)
    flags = ["--data", str(tmp_path / "churn.csv"), "--target", "churn", "--out", str(tmp_path)]
    assert main(["run", "custom", *flags, "--methods", "mesa", *HOST]) == 2
    error = capsys.readouterr().err
    assert "error: churn: mesa supports only two classes, and y has 3 (leave, pause, stay)" in error
    assert "these run: logistic_regression" in error and not (tmp_path / "runs").exists()


@quiet
@pytest.mark.thorough
def test_evaluates_fifty_thousand_rows(tmp_path, capsys):
    frame, y = tables.churn(50_000, 20)
    assert frame.shape == (50_000, 20)
    methods = ["ce", "focal", *HOST]
    table = imbax.evaluate(frame, y, methods, seeds=1, folds=2, epochs=1)
    assert np.isfinite(table[SEVERAL]).all(axis=None) and (table["roc_auc"] > 0.55).all()
    options = ["--methods", *HOST, "--seeds", "1", "--folds", "2", "--epochs", "1"]
    runs = run_custom(tmp_path, frame, y, *options)
    host = table[table["method"].isin(HOST)]
    np.testing.assert_allclose(runs[SEVERAL], host[SEVERAL], atol=1e-6)
