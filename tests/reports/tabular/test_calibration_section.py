"""Probabilities from stored scores: availability, metrics and the report's section."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import brier_score_loss

from imbax.experiments import store
from imbax.experiments.tabular.schema import SCHEMA
from imbax.reports.tabular import tables
from imbax.reports.tabular.calibration import (
    by_method,
    kinds_of_score,
    probabilities,
    probabilities_page,
    with_calibration,
)

KINDS = {"ce": "logit", "unknown_trees": "rank"}


def one(method, **facts):
    return {"method": method, "method_facts": {"neural": False, "kind": "peer", **facts}}


def test_old_results_have_the_registered_kind_of_score():
    stored = [
        one("mine", scores="probability"),
        one("balanced_random_forest"),
        one("hist_gradient_boosting"),
        one("easy_ensemble"),
        one("smote", neural=True),
        one("unknown_network", neural=True),
        one("unknown_trees"),
    ]
    kinds = ["probability", "probability", "logit", "rank", "logit", "logit", "rank"]
    assert list(kinds_of_score(stored).values()) == kinds


def test_probabilities_follow_the_kind_of_score():
    rows = pd.DataFrame({"method": ["l", "p", "r", "l", "p"], "diverged": [False] * 5})
    rows.loc[3, "diverged"] = True
    rows["test_y"] = [np.zeros(3)] * 5
    rows["test_score"] = [np.float32([-200, 0, 1]), *[np.float32([0, 0.5, 1])] * 3, np.ones(3) + 1]
    computed = probabilities(rows, {"l": "logit", "p": "probability", "r": "rank"})
    np.testing.assert_allclose(computed[0], [0, 0.5, 1 / (1 + np.exp(-1))], rtol=1e-6)
    np.testing.assert_array_equal(computed[1], [0, 0.5, 1])
    assert computed[2:].isna().all()
    assert probabilities(rows, {"l": "logit"})[1:].isna().all(), "p has no kind"
    rows["test_y"] = [np.zeros(1)] * 5
    assert probabilities(rows, {"l": "logit"}).isna().all(), "three classes"


@pytest.fixture(scope="module")
def runs(make_results, tmp_path_factory):
    """Results of two data sets in the old format without kinds of score; ce diverged once."""
    folder = make_results(
        tmp_path_factory.mktemp("runs"), ("ecoli", "oil"), tuple(KINDS), lost=[("oil", "ce")]
    )
    kinds = kinds_of_score(store.read_provenance([folder]))
    assert kinds == KINDS
    return folder, with_calibration(store.read([folder], SCHEMA), [folder], kinds)


def test_calibration_metrics_use_each_runs_test_rows(runs):
    folder, table = runs
    before = store.read([folder], SCHEMA, arrays=True)
    pd.testing.assert_series_equal(table["average_precision"], before["average_precision"])
    for i, row in before.iterrows():
        if row["method"] == "unknown_trees" or row["diverged"]:
            assert table.loc[i, list(tables.CALIBRATION)].isna().all()
            continue
        probability = expit(row["test_score"].astype(float))
        brier = brier_score_loss(row["test_y"], probability)
        assert table.loc[i, "brier_score"] == pytest.approx(brier, abs=1e-6)
        assert table.loc[i, "mean_probability"] == pytest.approx(probability.mean(), abs=1e-6)
        assert 0 < table.loc[i, "expected_calibration_error"] < 1


def test_tables_include_calibration_metrics_and_gaps(runs, tmp_path):
    folder, table = runs
    written = tables.write_tables(table, store.read_provenance([folder]), tmp_path)
    stored = pd.read_csv(written / "runs.csv")
    assert list(stored.columns[-2:]) == ["brier_score", "expected_calibration_error"]
    summary = pd.read_csv(written / "summary.csv").set_index(["dataset", "method"])
    mean = table.query("dataset == 'oil' and method == 'ce'")["brier_score"].mean()
    assert summary.loc[("oil", "ce"), "brier_score_mean"] == pytest.approx(mean)
    assert np.isnan(summary.loc[("oil", "unknown_trees"), "brier_score_mean"])
    shown = tables.dataset_table(table[table["dataset"] == "oil"])
    assert shown.loc["ce", "brier score"].startswith(f"{mean:.4f} ± ")
    assert shown.loc["ce", "brier score"].endswith("(n=2)")
    assert shown.loc["unknown_trees", "expected calibration error"] == "–"


def made_up(brier, probability, datasets=("a", "b")):
    """One run per data set and method, with a minority share of 0.1."""
    return pd.DataFrame(
        [
            {"dataset": d, "method": m, "brier_score": brier[m], "expected_calibration_error": 0.1}
            | {"mean_probability": probability[m], "minority_share": 0.1}
            for d in datasets
            for m in brier
        ]
    )


BRIER = {"ce": 0.05, "ros": 0.08, "random_under": 0.2, "trees": np.nan}
PROBABILITY = {"ce": 0.11, "ros": 0.2, "random_under": 0.5, "trees": np.nan}


def test_methods_are_averaged_over_common_datasets():
    runs = made_up(BRIER, PROBABILITY)
    lost = (runs["dataset"] == "b") & (runs["method"] == "ros")
    table = by_method(runs.mask(lost, runs.assign(brier_score=np.nan)))
    assert list(table.index) == ["ce", "ros", "random_under"]
    assert table["datasets"].tolist() == [1, 1, 1]
    np.testing.assert_allclose(table["ratio"], [1.1, 2, 5])
    assert table["worse"].tolist() == [0, 0, 1]
    np.testing.assert_allclose(table["share_brier_score"], 0.09)
    assert by_method(runs.assign(brier_score=np.nan)).empty


def test_calibration_section_states_the_computed_values():
    network = {"neural": True}
    provenance = [one("ce", **network), one("trees")]
    provenance += [one(m, kind="sampling", **network) for m in ("ros", "random_under")]
    text = probabilities_page(made_up(BRIER, PROBABILITY), provenance)
    assert "| ros | 0.0800 | 0.1000 | 2.00 | 0 |" in text
    assert "Methods without probabilities (ranks only): trees." in text
    assert "`ce` has the lowest Brier score (0.0500) and `random_under` the highest" in text
    assert "for 2 of 3 methods; `random_under` has the largest ratio (5.00)" in text
    assert "3.50 (median of 2 sampling methods) and 1.10 for `ce`" in text
    assert "less than" not in text and "nan" not in text
    low = made_up({"ce": 0.05}, {"ce": 0.05})
    text = probabilities_page(low, provenance[:1])
    assert "less than 1/1.5 of the minority share for 1 of 1 method;" in text
    assert "`ce` has the smallest ratio (0.50)" in text
    assert "recalibrate" not in text
    assert probabilities_page(low.assign(brier_score=np.nan), provenance[:1]) == ""
