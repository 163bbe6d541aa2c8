"""Statistics against scipy and against known values of the paper's printed tables."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from imbax.experiments import statistics, tables

TABLE_2 = ["ce", "ros", "smote", "adasyn", "borderline_smote", "explicit_gradient"]


@pytest.fixture(scope="module")
def paper() -> pd.DataFrame:
    return tables.paper_figures()["mean"].unstack("method")


def test_known_values_of_the_papers_table_2(paper):
    ranks = statistics.mean_ranks(paper[TABLE_2])
    assert ranks.round(2).tolist() == [3.24, 3.65, 3.87, 4.41, 3.96, 1.87]
    test = statistics.friedman(paper[TABLE_2])
    assert (test.n, test.dropped, test.n_methods) == (27, 0, 6)
    assert test.chi2 == pytest.approx(30.24, abs=0.005)
    assert test.f == pytest.approx(7.50, abs=0.005)
    assert test.f_p_value == pytest.approx(3.2e-6, rel=0.02)


def test_known_values_of_the_papers_nine_methods(paper):
    ranks = statistics.mean_ranks(paper.drop(columns="mesa"))
    assert ranks[[*TABLE_2, "cwgan", "focal", "ldam"]].round(2).tolist() == [
        *(4.52, 5.00, 5.26, 6.00, 5.50, 2.50),
        *(5.17, 4.94, 6.11),
    ]
    test = statistics.friedman(paper.drop(columns="mesa"))
    assert (round(test.chi2, 2), round(test.f, 2)) == (32.63, 4.63)


def test_the_papers_method_against_its_cross_entropy(paper):
    result = statistics.compare(paper, "explicit_gradient", "ce")
    assert result[:4] == (27, 19, 3, 5)
    # In whole hundredths equal differences are exactly equal, as they should count here.
    hundredths = (100 * (paper["explicit_gradient"] - paper["ce"])).round()
    assert result.p_value == pytest.approx(stats.wilcoxon(hundredths).pvalue, rel=1e-9)
    assert result.p_value == pytest.approx(0.0011, abs=5e-5)
    assert result.median_difference == pytest.approx(0.03)
    assert statistics.compare(paper, "explicit_gradient", "focal")[:4] == (27, 16, 5, 6)


def test_friedman_agrees_with_scipy_where_nothing_is_tied():
    scores = pd.DataFrame(np.random.default_rng(0).random((12, 4)), columns=list("abcd"))
    expected = stats.friedmanchisquare(*scores.to_numpy().T)
    test = statistics.friedman(scores)
    assert test.chi2 == pytest.approx(expected.statistic)
    assert test.chi2_p_value == pytest.approx(expected.pvalue)


def test_datasets_without_every_score_are_dropped_and_counted(paper):
    test = statistics.friedman(paper)
    assert (test.n, test.dropped) == (5, 22)
    assert statistics.compare(paper, "explicit_gradient", "mesa").n == 5
    assert statistics.mean_ranks(paper).sum() == pytest.approx(55)


def test_full_agreement_is_no_division_by_zero():
    scores = pd.DataFrame({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.4, 0.3], "c": [0.1, 0.1, 0.1]})
    test = statistics.friedman(scores)
    assert (test.f, test.f_p_value) == (math.inf, 0.0)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_datasets_give_nan(n):
    scores = pd.DataFrame({"a": [0.9], "b": [0.8]}).head(n)
    assert math.isnan(statistics.friedman(scores).f)
    result = statistics.compare(scores, "a", "b")
    assert result.n == n and math.isnan(result.p_value)
    assert len(statistics.mean_ranks(scores)) == 2


def test_equal_methods_are_ties_whatever_their_last_bits():
    scores = pd.DataFrame({"a": [0.1 + 0.2, 0.5, 0.7], "b": [0.3, 0.5, 0.7]})
    result = statistics.compare(scores, "a", "b")
    assert result[:4] == (3, 0, 3, 0) and math.isnan(result.p_value)
    assert statistics.mean_ranks(scores).tolist() == [1.5, 1.5]


def test_holm_steps_down_keeps_order_and_skips_nan():
    corrected = statistics.holm([0.01, 0.04, math.nan, 0.03, 0.9])
    np.testing.assert_allclose(corrected, [0.04, 0.09, math.nan, 0.09, 0.9])
    assert statistics.holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert statistics.holm([]).tolist() == []


def test_differences_are_paired_by_fold_and_seed():
    runs = pd.DataFrame(
        [
            ("d", method, fold, 0, score)
            for method, scores in {"a": [0.5, 0.9, 0.4], "b": [0.4, 0.6, np.nan]}.items()
            for fold, score in enumerate(scores)
        ],
        columns=["dataset", "method", "fold", "seed", "average_precision"],
    ).sample(frac=1, random_state=0)
    pair = statistics.paired_differences(runs, "a", "b").loc["d"]
    assert (pair["n"], pair["higher"]) == (2, 2)
    assert pair["mean"] == pytest.approx(0.2)
    assert pair["sd"] == pytest.approx(np.std([0.1, 0.3], ddof=1))
