"""Multiclass tables in the common engine: splits, cells, records and report."""

import jax
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from imblearn.metrics import sensitivity_specificity_support

from imbax.catalogue import get, names
from imbax.data.splits import stratified_splits
from imbax.data.tabular import make_dataset
from imbax.engine.vectorize import Engine
from imbax.experiments import store
from imbax.experiments.tabular import baselines  # noqa: F401  registers peers
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.experiments.tabular.schema import SCHEMA
from imbax.reports.tabular.report import write_report

COUNTS = {"b": 60, "a": 130, "c": 25}
ENGINE = Engine(devices=(jax.devices()[0],))
SEVERAL = [name for name in names() if get(name).tables.several_classes]
# Losses that others represent here; losses/test_named.py tests each.
REPRESENTED = ("ce_tuned", "class_balanced", "asymmetric", "ldam", "focal", "vs_loss")
NEURAL = [n for n in SEVERAL if get(n).is_neural and not get(n).tables.starts_from]
# `smote` stands for all samplers; tests/catalogue tests the rows of each.
SAMPLERS = [n for n in NEURAL if get(n).tables.resample and n != "smote"]
TRAINED = [n for n in NEURAL if n not in (*REPRESENTED, *SAMPLERS)]
SHOWN = ("ce", "explicit_gradient", "smote", "logistic_regression")


def clouds(counts=COUNTS):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(list(counts), list(counts.values())))
    x = rng.normal(size=(len(y), 4)) + 1.5 * np.eye(3, 4)[np.searchsorted(sorted(counts), y)]
    return make_dataset(x, y, name="clouds", several_classes=True)


DATA = clouds()


def test_splits_are_stratified_over_all_classes():
    for split in stratified_splits(DATA.y, seed=0):
        for part, share in zip(split, (0.6, 0.2, 0.2), strict=True):
            counts = np.bincount(DATA.y[part], minlength=3)
            np.testing.assert_allclose(counts, share * np.array([130, 60, 25]), atol=1.01)


@pytest.mark.parametrize("counts", [COUNTS, {"b": 400, "a": 2000, "c": 416}])  # 2,816 in all
def test_padded_shapes_have_room_for_every_row(counts):
    data = clouds(counts)
    for n_synth in ("double", "balance"):
        cut = plan(data, range(3), Protocol(folds=3, n_synth=n_synth))
        assert (cut.facts.classes, cut.facts.features) == (3, 8)
        for r, split in enumerate(cut.splits):
            for part, rows in zip(split._fields, split, strict=True):
                assert (getattr(cut.runs, part).w[r] > 0).sum() == len(rows)
            class_counts = np.bincount(data.y[split.train])
            minority = class_counts.sum() - class_counts.max()
            assert minority <= cut.facts.max_minority
            wanted = (
                minority if n_synth == "double" else 3 * class_counts.max() - class_counts.sum()
            )
            assert wanted <= cut.facts.max_synth


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = TabularLab(Protocol(folds=2, epochs=20), ENGINE, tmp_path_factory.mktemp("several"))
    for name in SHOWN:
        made.run(made.cell(DATA, get(name)), [0])
    return made


@pytest.mark.thorough
@pytest.mark.parametrize("name", TRAINED)
def test_methods_predict_all_classes_above_chance(name):
    cut = plan(DATA, [0], Protocol(folds=2, epochs=40))
    result = train_cell(cut, get(name), engine=ENGINE)
    assert [score.shape for score in result.test_score] == [(86, 3)] * 2
    assert not result.diverged.any()
    assert (result.best_score > 0.5).all()  # chance level is 1/3


@pytest.mark.thorough
def test_metrics_match_scikit_learn_and_imbalanced_learn(lab):
    rows = store.read([lab.out], SCHEMA, arrays=True)
    assert set(rows["method"]) == set(SHOWN)
    for _, row in rows.iterrows():
        y, scores = row["test_y"], row["test_score"].reshape(-1, 3).astype(float)
        proba = np.exp(scores - scores.max(1, keepdims=True))
        proba /= proba.sum(1, keepdims=True)
        chosen = proba.argmax(1)
        recall, specificity, _ = sensitivity_specificity_support(y, chosen)
        expected = {
            "average_precision": sk.average_precision_score(np.eye(3)[y], proba, average="macro"),
            "roc_auc": sk.roc_auc_score(y, proba, multi_class="ovr", average="macro"),
            "balanced_accuracy": sk.balanced_accuracy_score(y, chosen),
            "g_mean": np.sqrt(recall.mean() * specificity.mean()),
            "macro_f1": sk.f1_score(y, chosen, average="macro"),
        }
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, abs=1e-5), name
        assert np.isnan(row["precision_at_recall_50"])
        assert row["average_precision"] > 0.45  # chance level is 1/3
    assert set(rows["n_minority"]) == {10}  # 25 rows: 5 validation rows, half of the others train


@pytest.mark.thorough
def test_multiclass_report_has_its_own_sections(lab):
    text = write_report([lab.out], lab.out).read_text(encoding="utf-8")
    assert "## Balanced accuracy" in text
    assert "| clouds | 215 | 4 | 3 | 25 | 5.2 | 86 |" in text
    assert (
        "| method | average precision | roc auc | balanced accuracy | g mean | macro f1 |" in text
    )
    assert "## Movement of synthetic points" in text
    assert "## Probabilities" not in text and "precision and recall on clouds" not in text
    table = pd.read_csv(lab.out / "tables" / "balanced_accuracy.csv", index_col="dataset")
    rows = store.read([lab.out], SCHEMA)
    for method, mean in rows.groupby("method")["balanced_accuracy"].mean().items():
        assert table.loc["clouds", method] == pytest.approx(mean)
