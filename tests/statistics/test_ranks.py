"""Rank statistics against scipy and values from the paper's tables."""

import math

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats

from imbax.reports.tabular import tables
from imbax.statistics import ranks

TABLE_2 = ["ce", "ros", "smote", "adasyn", "borderline_smote", "explicit_gradient"]


@pytest.fixture(scope="module")
def paper() -> pd.DataFrame:
    return tables.paper_figures()["mean"].unstack("method")


def test_ranks_match_the_papers_table_2(paper):
    means = ranks.mean_ranks(paper[TABLE_2])
    assert means.round(2).tolist() == [3.24, 3.65, 3.87, 4.41, 3.96, 1.87]
    test = ranks.friedman(paper[TABLE_2])
    assert (test.n, test.dropped, test.n_methods) == (27, 0, 6)
    assert (round(test.chi2, 2), round(test.chi2_corrected, 2)) == (30.24, 36.13)
    assert (f"{test.f:.2f}", f"{test.f_p_value:.1e}") == ("7.50", "3.2e-06")
    assert round(ranks.critical_difference(6, 27), 3) == 1.451
    # By Nemenyi's test, the paper's method does not differ from cross-entropy in Table 2.
    assert round(means["ce"] - means["explicit_gradient"], 2) == 1.37


def test_ranks_match_the_papers_nine_methods(paper):
    means = ranks.mean_ranks(paper.drop(columns="mesa"))
    assert means[[*TABLE_2, "cwgan", "focal", "ldam"]].round(2).tolist() == [
        *(4.52, 5.00, 5.26, 6.00, 5.50, 2.50),
        *(5.17, 4.94, 6.11),
    ]
    test = ranks.friedman(paper.drop(columns="mesa"))
    assert (round(test.chi2, 2), round(test.f, 2)) == (32.63, 4.63)
    assert f"{test.f_p_value:.1e}" == "3.2e-05"
    assert round(ranks.critical_difference(9, 27), 3) == 2.312


@pytest.mark.parametrize(
    ("rival", "counts", "median", "p_value", "p_with_noise"),
    [
        ("ce", (27, 19, 3, 5), 0.03, "0.0011", "0.0012"),
        ("focal", (27, 16, 5, 6), 0.02, "0.0042", "0.0038"),
    ],
)
def test_paper_method_against_a_rival(paper, rival, counts, median, p_value, p_with_noise):
    result = ranks.compare(paper, "explicit_gradient", rival)
    assert result[:4] == counts
    # In integer hundredths, equal differences are exactly equal, as they should be.
    hundredths = (100 * (paper["explicit_gradient"] - paper[rival])).round()
    assert result.p_value == pytest.approx(stats.wilcoxon(hundredths).pvalue, rel=1e-9)
    assert f"{result.p_value:.4f}" == p_value
    # As floats, 0.99 - 0.94 and 0.81 - 0.76 get different ranks, so the last digits differ.
    plain = stats.wilcoxon(paper["explicit_gradient"], paper[rival])
    assert f"{plain.pvalue:.4f}" == p_with_noise
    assert result.median_difference == pytest.approx(median)
    assert 0 <= result.low <= median <= result.high
    assert 0 < result.effect_size < 1


def test_friedman_matches_scipy():
    scores = pd.DataFrame(np.random.default_rng(0).random((12, 4)), columns=list("abcd"))
    expected = stats.friedmanchisquare(*scores.to_numpy().T)
    test = ranks.friedman(scores)
    assert test.chi2 == pytest.approx(expected.statistic)
    assert test.chi2_p_value == pytest.approx(expected.pvalue)
    tied = scores.round(1)
    expected = stats.friedmanchisquare(*tied.to_numpy().T)
    assert ranks.friedman(tied).chi2_corrected == pytest.approx(expected.statistic)


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (6, 2.850), (10, 3.164)])
def test_critical_difference_matches_demsar_table_5(k, q):
    assert ranks.critical_difference(k, 14) == pytest.approx(
        q * math.sqrt(k * (k + 1) / (6 * 14)), rel=3e-4
    )
    assert math.isnan(ranks.critical_difference(k, 0))
    assert math.isnan(ranks.critical_difference(1, 14))


def test_critical_difference_matches_scikit_posthocs(paper):
    scores = paper.drop(columns="mesa")
    means = ranks.mean_ranks(scores).to_numpy()
    is_different = np.abs(np.subtract.outer(means, means)) > ranks.critical_difference(9, 27)
    p_values = scikit_posthocs.posthoc_nemenyi_friedman(scores.reset_index(drop=True))
    assert np.array_equal(is_different, p_values.to_numpy() < 0.05)
    assert is_different.any()


def test_rank_test_of_two_methods_matches_friedman(paper):
    two = ranks.rank_test(paper[["ce", "explicit_gradient"]], "ce")
    chi2 = ranks.friedman(paper[["ce", "explicit_gradient"]])
    assert two.loc["explicit_gradient", "z"] ** 2 == pytest.approx(chi2.chi2)
    assert two.loc["explicit_gradient", "p_value"] == pytest.approx(chi2.chi2_p_value)
    six = ranks.rank_test(paper[TABLE_2], "explicit_gradient")
    assert list(six.index) == [name for name in TABLE_2 if name != "explicit_gradient"]
    # (1.87 - 3.24) / sqrt(6 * 7 / (6 * 27)), negative because it ranks below the control.
    assert six.loc["ce", "z"] == pytest.approx((50.5 - 87.5) / 27 / math.sqrt(42 / 162))
    np.testing.assert_allclose(six["p_holm"], ranks.holm(six["p_value"]))
    assert (six["p_holm"] < 0.05).all()


@pytest.mark.parametrize(
    ("differences", "effect"),
    [([1, 2, -3], 0), ([3, 2, -1], 2 / 3), ([1, 1, 0], 1), ([-1, -5], -1), ([2, -2, 1], 1 / 6)],
)
def test_effect_size_by_hand(differences, effect):
    scores = pd.DataFrame({"a": differences, "b": 0.0})
    assert ranks.compare(scores, "a", "b").effect_size == pytest.approx(effect)
    assert ranks.compare(scores, "b", "a").effect_size == pytest.approx(-effect)


def test_median_interval_is_reproducible_and_covers():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        scores = pd.DataFrame({"a": rng.normal(0.3, 1, 25), "b": 0.0})
        result = ranks.compare(scores, "a", "b")
        covered += result.low <= 0.3 <= result.high
    assert 88 <= covered <= 100
    assert ranks.compare(scores, "a", "b") == result


def test_small_samples_with_a_tie_use_the_exact_test():
    scores = pd.DataFrame({"a": [0.0, 1, 2, 3, 4, 5], "b": 0.0})
    assert ranks.compare(scores, "a", "b").p_value == pytest.approx(2 / 2**5)


def test_incomplete_datasets_are_dropped_and_counted(paper):
    test = ranks.friedman(paper)
    assert (test.n, test.dropped) == (5, 22)
    assert ranks.compare(paper, "explicit_gradient", "mesa").n == 5
    assert ranks.mean_ranks(paper).sum() == pytest.approx(55)


def test_full_agreement_gives_infinite_f():
    scores = pd.DataFrame({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.4, 0.3], "c": [0.1, 0.1, 0.1]})
    test = ranks.friedman(scores)
    assert (test.f, test.f_p_value) == (math.inf, 0.0)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_datasets_give_nan(n):
    scores = pd.DataFrame({"a": [0.9], "b": [0.8]}).head(n)
    assert math.isnan(ranks.friedman(scores).f)
    result = ranks.compare(scores, "a", "b")
    assert result.n == n and math.isnan(result.p_value)
    assert len(ranks.mean_ranks(scores)) == 2


def test_scores_equal_up_to_rounding_are_ties():
    scores = pd.DataFrame({"a": [0.1 + 0.2, 0.5, 0.7], "b": [0.3, 0.5, 0.7]})
    result = ranks.compare(scores, "a", "b")
    assert result[:4] == (3, 0, 3, 0) and math.isnan(result.p_value)
    assert ranks.mean_ranks(scores).tolist() == [1.5, 1.5]


def test_holm_steps_down_keeps_order_and_skips_nan():
    corrected = ranks.holm([0.01, 0.04, math.nan, 0.03, 0.9])
    np.testing.assert_allclose(corrected, [0.04, 0.09, math.nan, 0.09, 0.9])
    assert ranks.holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert ranks.holm([]).tolist() == []


def test_differences_are_paired_by_fold_and_seed():
    runs = pd.DataFrame(
        [
            ("d", method, fold, 0, score)
            for method, scores in {
                "a": [0.5, 0.9, 0.4, 0.3, 0.2],
                "b": [0.4, 0.6, np.nan, 0.3, 0.4],
            }.items()
            for fold, score in enumerate(scores)
        ],
        columns=["dataset", "method", "fold", "seed", "average_precision"],
    ).sample(frac=1, random_state=0)
    pair = ranks.paired_differences(runs, "a", "b").loc["d"]
    assert (pair["n"], pair["higher"], pair["lower"]) == (4, 2, 1)
    assert pair["mean"] == pytest.approx(0.05)
    assert pair["sd"] == pytest.approx(np.std([0.1, 0.3, 0, -0.2], ddof=1))
