"""Aggregates over data sets against rliable and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from imbax.errors import InputError
from imbax.statistics import aggregates

RNG = np.random.default_rng(3)
# [method, run, dataset]; in tenths, so that some runs tie.
SCORES = {
    name: (RNG.normal(skill, 0.2, (9, 6)) + np.arange(6) / 10).round(1)
    for name, skill in (("a", 0.5), ("b", 0.6), ("c", 0.4))
}
TABLE = pd.DataFrame(RNG.normal([0, 0.3, 0.6], 1, (20, 3)), columns=list("abc")).round(1)
FEW_RESAMPLES = {"resamples": 50}


def runs_of(scores):
    return pd.DataFrame(
        [
            {"dataset": f"d{d}", "method": method, "seed": seed, "average_precision": value}
            for method, table in scores.items()
            for seed, row in enumerate(table)
            for d, value in enumerate(row)
        ]
    )


RUNS = runs_of(SCORES)


def test_interquartile_mean_matches_rliable():
    metrics = pytest.importorskip("rliable.metrics")
    result = aggregates.interquartile_mean(RUNS)
    for name, x in SCORES.items():
        assert result.loc[name, "mean"] == pytest.approx(metrics.aggregate_iqm(x), rel=1e-12)


def test_probability_of_improvement_matches_rliable():
    metrics = pytest.importorskip("rliable.metrics")
    result = aggregates.probability_of_improvement(RUNS, "a")
    assert list(result.index) == ["b", "c"]
    for name in "bc":
        expected = metrics.probability_of_improvement(SCORES[name], SCORES["a"])
        assert result.loc[name, "probability"] == pytest.approx(expected, rel=1e-12)


def mean_u(*strata):
    half = len(strata) // 2
    pairs = zip(strata[:half], strata[half:], strict=True)
    # scipy.stats.bootstrap passes blocks of resamples, one per row.
    return np.mean(
        [
            (np.sign(x[..., :, None] - y[..., None, :]) / 2 + 0.5).mean((-2, -1))
            for x, y in ((np.asarray(x), np.asarray(y)) for x, y in pairs)
        ],
        axis=0,
    )


def pooled_iqm(*strata):
    return stats.trim_mean(np.concatenate(strata, axis=-1), 0.25, axis=-1)


def independent_bootstrap(strata, statistic):
    """scipy resamples every sample independently, which is the stratified bootstrap."""
    return stats.bootstrap(
        strata,
        lambda *x, axis: statistic(*x),
        n_resamples=4000,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(8),
    )


def test_stratified_bootstrap_matches_scipy():
    result = aggregates.interquartile_mean(RUNS, resamples=4000).loc["a", ["low", "high"]]
    expected = independent_bootstrap(list(SCORES["a"].T), pooled_iqm)
    tolerance = 0.15 * expected.standard_error
    np.testing.assert_allclose(result, expected.confidence_interval, atol=tolerance)
    result = aggregates.probability_of_improvement(RUNS, "a", resamples=4000).loc["b"]
    expected = independent_bootstrap([*SCORES["b"].T, *SCORES["a"].T], mean_u)
    tolerance = 0.15 * expected.standard_error
    np.testing.assert_allclose(
        result[["low", "high"]], expected.confidence_interval, atol=tolerance
    )


def test_win_rate_counts_ties_as_half():
    scores = pd.DataFrame({"a": [1.0, 2, 3, 9], "b": [1.0, 1, 4, np.nan]})
    rates = aggregates.win_rates(scores)
    assert rates.loc["a", "b"] == rates.loc["b", "a"] == 0.5
    scores.loc[0, "a"] = 2
    assert aggregates.win_rates(scores).loc["a", "b"] == pytest.approx(2 / 3)
    assert np.isnan(aggregates.win_rates(scores).loc["a", "a"])


def test_elo_maximises_the_likelihood():
    scores = TABLE.to_numpy()

    def loss(r):
        p = 1 / (1 + 10 ** ((r[None, :] - r[:, None]) / 400))
        total = 0.0
        for a in range(3):
            for b in range(3):
                if a != b:
                    wins = 0.5 + np.sum((scores[:, a] > scores[:, b]) + 0.0)
                    wins += np.sum(np.isclose(scores[:, a], scores[:, b])) / 2
                    total -= wins * np.log(p[a, b])
        return total + (r.mean() / 100) ** 2

    expected = 1000 + optimize.minimize(loss, np.zeros(3), tol=1e-10).x
    result = aggregates.elo(TABLE)
    np.testing.assert_allclose(result["elo"], expected, atol=0.1)
    assert result["elo"].mean() == pytest.approx(1000)
    assert (result["low"] <= result["elo"]).all() and (result["elo"] <= result["high"]).all()


def test_elo_of_two_methods_matches_log_odds():
    scores = pd.DataFrame({"a": np.arange(10.0), "b": [-1.0] * 8 + [99] * 2})
    lead = 400 * np.log10(8.5 / 2.5)
    ratings = aggregates.elo(scores)["elo"]
    assert ratings["a"] - ratings["b"] == pytest.approx(lead)


@pytest.mark.parametrize("n_datasets", [2, 400])
def test_elo_is_finite_if_a_method_always_wins(n_datasets):
    levels = np.arange(30.0) + np.zeros((n_datasets, 1))
    ratings = aggregates.elo(pd.DataFrame(levels), resamples=20)
    assert np.isfinite(ratings).all(axis=None)
    assert ratings["elo"].is_monotonic_increasing
    np.testing.assert_allclose(ratings["low"], ratings["high"])  # all resamples are equal


def test_results_depend_only_on_the_seed():
    for function in (
        lambda seed: aggregates.elo(TABLE, seed=seed, **FEW_RESAMPLES),
        lambda seed: aggregates.interquartile_mean(RUNS, seed=seed, **FEW_RESAMPLES),
        lambda seed: aggregates.probability_of_improvement(RUNS, "a", seed=seed, **FEW_RESAMPLES),
    ):
        pd.testing.assert_frame_equal(function(1), function(1))
        assert not function(1).equals(function(2))


def test_datasets_with_missing_scores_are_dropped():
    runs = RUNS.copy()
    is_missing = (runs["dataset"] == "d1") & (runs["method"] == "b")
    runs.loc[is_missing, "average_precision"] = np.nan
    kept = RUNS[RUNS["dataset"] != "d1"]
    for function in (
        lambda runs: aggregates.interquartile_mean(runs, **FEW_RESAMPLES),
        lambda runs: aggregates.probability_of_improvement(runs, "a", **FEW_RESAMPLES),
    ):
        pd.testing.assert_frame_equal(function(runs), function(kept))
        pd.testing.assert_frame_equal(function(runs[~is_missing]), function(kept))


def test_diverged_run_is_left_out():
    runs = RUNS.copy()
    runs.loc[0, "average_precision"] = np.nan
    result = aggregates.interquartile_mean(runs, **FEW_RESAMPLES)
    pd.testing.assert_frame_equal(
        result, aggregates.interquartile_mean(RUNS.drop(index=0), **FEW_RESAMPLES)
    )


def test_too_few_scores_give_nan():
    without_scores = TABLE.assign(d=np.nan)
    tables = (
        aggregates.win_rates(without_scores),
        aggregates.elo(without_scores),
        aggregates.elo(TABLE[["a"]]),
    )
    for table in tables:
        assert table.isna().all(axis=None)
    runs = pd.concat([RUNS, RUNS[:1].assign(method="z", average_precision=np.nan)])
    assert aggregates.interquartile_mean(runs).isna().all(axis=None)
    assert aggregates.probability_of_improvement(runs, "a").isna().all(axis=None)
    single = aggregates.interquartile_mean(RUNS[RUNS["seed"] == 0])
    assert single["mean"].notna().all() and single["low"].isna().all()
    assert aggregates.elo(TABLE[:1])["low"].isna().all()


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="unknown method 'aa'"):
        aggregates.probability_of_improvement(RUNS, "aa")
    with pytest.raises(InputError, match=r"unknown metric 'average_precison'.*average_precision"):
        aggregates.interquartile_mean(RUNS, "average_precison")
