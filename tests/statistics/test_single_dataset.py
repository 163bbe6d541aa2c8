"""Statistics on one data set against baycomp, scipy and null experiments."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tiers import asked

from imbax.data.splits import stratified_splits
from imbax.errors import InputError
from imbax.statistics import single_dataset as single
from imbax.statistics.ranks import holm
from imbax.statistics.runs import scores_by_run, size_ratio

RNG = np.random.default_rng(2)
SCORES = pd.DataFrame(
    RNG.normal([0.5, 0.51, 0.7, 0.2], 0.05, (20, 4)), columns=["a", "b", "c", "d"]
)
DIFFERENCES = SCORES["c"] - SCORES["a"]


def test_corrected_t_test_matches_its_formula():
    x = np.array([0.02, 0.05, -0.01, 0.04])
    result = single.corrected_t_test(x, 0.25)
    t = x.mean() / math.sqrt((1 / 4 + 0.25) * x.var(ddof=1))
    assert (result.n, result.mean_difference) == (4, pytest.approx(0.025))
    assert result.t == pytest.approx(t)
    assert result.p_value == pytest.approx(2 * stats.t.sf(t, 3))
    half_width = stats.t.ppf(0.975, 3) * 0.025 / t
    assert (result.low, result.high) == pytest.approx((0.025 - half_width, 0.025 + half_width))


def test_ratio_of_0_gives_the_paired_t_test():
    result = single.corrected_t_test(DIFFERENCES, 0)
    expected = stats.ttest_rel(SCORES["c"], SCORES["a"])
    assert result.t == pytest.approx(expected.statistic)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx(tuple(interval))


@pytest.mark.parametrize("rope", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("runs", [1, 4])
def test_correlated_t_test_matches_baycomp(rope, runs):
    baycomp = pytest.importorskip("baycomp")
    # baycomp uses rho = 1 / folds, so n_test / n_train is 1 / (folds - 1).
    ratio = 1 / (20 / runs - 1)
    for a, b in ("ac", "ca", "ab", "ad"):
        x, y = SCORES[a].to_numpy(), SCORES[b].to_numpy()
        result = single.correlated_t_test(y - x, ratio, rope)
        expected = baycomp.two_on_single(x, y, rope, runs)
        if rope == 0:  # baycomp then returns no probability of equality
            expected = expected[0], 0.0, expected[1]
        np.testing.assert_allclose(result, expected, rtol=1e-7, atol=1e-12)


def test_both_tests_agree_without_a_rope():
    p = single.corrected_t_test(DIFFERENCES, 0.25).p_value
    posterior = single.correlated_t_test(DIFFERENCES, 0.25, 0)
    assert 2 * min(posterior.worse, posterior.better) == pytest.approx(p)


def test_intervals_of_a_mean_match_scipy():
    x = SCORES["a"]
    naive = stats.t.interval(0.95, 19, x.mean(), stats.sem(x))
    assert single.corrected_interval(x, 0) == pytest.approx(naive)
    assert single.corrected_interval(x, 0, confidence=0.5) == pytest.approx(
        stats.t.interval(0.5, 19, x.mean(), stats.sem(x))
    )
    corrected = single.corrected_interval(x, 0.25)
    assert np.diff(corrected) == pytest.approx(np.diff(naive) * math.sqrt(1 + 20 * 0.25))
    low, high = single.bootstrap_interval(x)
    # The bootstrap variance is the sample variance without Bessel's correction.
    normal = stats.norm.interval(0.95, x.mean(), x.std(ddof=0) / math.sqrt(20))
    assert (low, high) == pytest.approx(normal, abs=0.1 * (high - low))
    assert single.bootstrap_interval(x) == (low, high)


@pytest.mark.parametrize(
    "differences", [[], [math.nan], [0.1], [0.1, math.nan], [0.0, 0.0], [0.3, 0.1 + 0.2]]
)
def test_differences_without_spread_give_nan(differences):
    result = single.corrected_t_test(differences, 0.25)
    assert result.n == np.count_nonzero(~np.isnan(differences))
    assert np.isnan(result[2:]).all()
    assert np.isnan(single.correlated_t_test(differences, 0.25)).all()
    assert np.isnan(single.corrected_interval(differences, 0.25)).all()


def test_missing_scores_are_left_out():
    with_gap = [*DIFFERENCES, math.nan]
    for function in (single.corrected_t_test, single.correlated_t_test, single.corrected_interval):
        assert function(with_gap, 0.25) == function(DIFFERENCES, 0.25)
    assert single.bootstrap_interval(with_gap) == single.bootstrap_interval(DIFFERENCES)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: single.corrected_t_test([1, 2], -0.1), "ratio=-0.1, expected n_test / n_train"),
        (lambda: single.corrected_t_test([1, 2], math.nan), "ratio=nan, expected n_test"),
        (lambda: single.corrected_t_test([1, math.inf], 0.25), "an infinite score"),
        (lambda: single.correlated_t_test([1, 2], 0.25, -1), "rope=-1, expected a finite"),
        (lambda: single.correlated_t_test([1, 2], 0.25, math.nan), "rope=nan, expected a finite"),
        (lambda: single.corrected_interval([1, 2], 0.25, confidence=95), "confidence=95, expected"),
        (lambda: single.bootstrap_interval([1, 2], confidence=0), "confidence=0, expected"),
        (lambda: single.bootstrap_interval([1, math.inf]), "an infinite score"),
        (lambda: single.against_control(SCORES, "e", 0.25), "unknown method 'e'"),
    ],
)
def test_invalid_numbers_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_against_control_matches_single_tests():
    table = single.against_control(SCORES, "a", 0.25)
    assert list(table.index) == [("c", "a"), ("b", "a"), ("d", "a")]
    row = table.loc["c", "a"]
    assert tuple(row[: len(single.CorrectedTest._fields)]) == pytest.approx(
        tuple(single.corrected_t_test(DIFFERENCES, 0.25))
    )
    np.testing.assert_allclose(table["p_holm"], holm(table["p_value"]))
    expected = single.correlated_t_test(DIFFERENCES, 0.25)
    assert tuple(row[["worse", "equal", "better"]]) == expected


def test_every_pair_needs_a_common_run():
    table = single.every_pair(SCORES, 0.25)
    assert list(table.index[:3]) == [("c", "b"), ("c", "a"), ("c", "d")] and len(table) == 6
    disjoint = SCORES.copy()
    disjoint.loc[:9, "a"], disjoint.loc[10:, "b"] = math.nan, math.nan
    assert ("b", "a") not in single.every_pair(disjoint, 0.25).index
    assert single.every_pair(SCORES[["a"]], 0.25).empty


def test_methods_not_different_from_the_best():
    assert single.not_different_from_best(SCORES, 0.25) == ["c"]
    with_similar = SCORES.assign(e=SCORES["c"] - 0.001 + RNG.normal(0, 0.01, 20))
    assert single.not_different_from_best(with_similar, 0.25) == ["c", "e"]
    # Methods with equal means and no spread are all best; a constant gap cannot be tested.
    with_ties = SCORES.assign(f=SCORES["c"], g=SCORES["c"] - 0.1, h=math.nan)
    assert single.not_different_from_best(with_ties, 0.25) == ["c", "f"]
    assert single.not_different_from_best(SCORES[["a"]] * math.nan, 0.25) == []
    assert single.not_different_from_best(SCORES[:1], 0.25) == [SCORES.iloc[0].idxmax()]


def test_holm_counts_all_methods():
    # One method lies 2.5 corrected standard errors behind; twenty others are noise.
    noise = RNG.normal(0, 0.05, 12)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    behind = noise + 2.5 * math.sqrt(1 / 12 + 0.25)
    scores = pd.DataFrame({"best": np.zeros(12), "behind": -behind})
    assert single.not_different_from_best(scores, 0.25) == ["best"]
    others = {f"m{i}": RNG.normal(-0.1, 1, 12) for i in range(20)}
    others = {name: x - max(x.mean(), 0) - 0.01 for name, x in others.items()}
    assert "behind" in single.not_different_from_best(scores.assign(**others), 0.25)


def test_few_quickstart_differences_are_significant():
    """Compares every method with `ce` by average precision on three data sets."""
    runs = pd.read_csv(Path(__file__).parents[1] / "stored" / "quickstart.csv")
    significant = {"paired": [], "training rows": [], "learned from": [], "after Holm": []}
    for dataset, rows in runs.groupby("dataset"):
        scores, ratio = scores_by_run(rows), size_ratio(rows)
        assert len(scores) == 12 and ratio == pytest.approx(0.25, abs=0.005)
        ratios = {
            "paired": 0,
            "training rows": size_ratio(rows.drop(columns="n_valid")),
            "learned from": ratio,
        }
        for name, value in ratios.items():
            table = single.against_control(scores, "ce", value)
            assert len(table) == 9
            significant_methods = table.index[table["p_value"] < 0.05].get_level_values("method")
            significant[name] += [(dataset, method) for method in significant_methods]
        significant_methods = table.index[table["p_holm"] < 0.05].get_level_values("method")
        significant["after Holm"] += [(dataset, method) for method in significant_methods]
    assert len(significant["paired"]) == 10
    best = [("digits_8", "ce_long"), ("digits_8", "logistic_regression")]
    assert significant["training rows"] == best
    # Validation rows count as well because they choose checkpoints: p = 0.036 for one more method.
    assert sorted(significant["learned from"]) == [best[0], ("digits_8", "focal"), best[1]]
    assert significant["after Holm"] == [best[1]]


def null_experiments(number, n, minority, seeds):
    """Differences in balanced accuracy between two equally uninformed classifiers.

    Both classify by the nearest class mean, each on its own column of independent noise, with means
    over training and validation rows. Returns `[number, J]` and n_test / n_train.
    """
    y = np.arange(n) < minority * n
    x = np.random.default_rng(0).normal(size=(number, 2, n))
    differences = []
    for seed in range(seeds):
        for split in stratified_splits(y.astype(int), seed=seed):
            learned = np.concatenate([split.train, split.valid])
            mean = [x[..., learned[y[learned] == c]].mean(-1) for c in (False, True)]
            test, is_minority = x[..., split.test], y[split.test]
            distances = [np.abs(test - m[..., None]) for m in mean]
            hits = (distances[1] < distances[0]) == is_minority
            accuracy = (hits[..., is_minority].mean(-1) + hits[..., ~is_minority].mean(-1)) / 2
            differences.append(accuracy[:, 1] - accuracy[:, 0])
    return np.stack(differences, 1), len(split.test) / len(learned)


def share_of_significant_tests(differences, ratio):
    return np.mean([single.corrected_t_test(d, ratio).p_value < 0.05 for d in differences])


@pytest.mark.parametrize(
    "setting",
    asked(
        [(400, 100, 0.2, 3), (2000, 400, 0.1, 3), (2000, 400, 0.5, 3), (2000, 200, 0.1, 5)],
        [(400, 100, 0.2, 3)],
    ),
)
def test_noise_is_rarely_significant(setting):
    differences, ratio = null_experiments(*setting)
    number, _, _, seeds = setting
    assert differences.shape == (number, 4 * seeds) and ratio == pytest.approx(0.25, rel=0.05)
    assert share_of_significant_tests(differences, ratio) <= 0.07
    assert share_of_significant_tests(differences, 0) > 0.25
