"""Aggregates over data sets against rliable, scipy and scikit-learn."""

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
FEW = {"resamples": 50}


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


def test_the_interquartile_mean_is_rliables():
    metrics = pytest.importorskip("rliable.metrics")
    ours = aggregates.interquartile_mean(RUNS)
    for name, x in SCORES.items():
        assert ours.loc[name, "mean"] == pytest.approx(metrics.aggregate_iqm(x), rel=1e-12)


def test_the_probability_of_improvement_is_rliables():
    metrics = pytest.importorskip("rliable.metrics")
    ours = aggregates.probability_of_improvement(RUNS, "a")
    assert list(ours.index) == ["b", "c"]
    for name in "bc":
        expected = metrics.probability_of_improvement(SCORES[name], SCORES["a"])
        assert ours.loc[name, "probability"] == pytest.approx(expected, rel=1e-12)


def mean_u(*strata):
    half = len(strata) // 2
    pairs = zip(strata[:half], strata[half:], strict=True)
    # scipy.stats.bootstrap hands over blocks of resamples, one per row.
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
    """scipy resamples every sample on its own, which is the stratified bootstrap."""
    return stats.bootstrap(
        strata,
        lambda *x, axis: statistic(*x),
        n_resamples=4000,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(8),
    )


def test_the_stratified_bootstrap_agrees_with_scipys():
    ours = aggregates.interquartile_mean(RUNS, resamples=4000).loc["a", ["low", "high"]]
    theirs = independent_bootstrap(list(SCORES["a"].T), pooled_iqm)
    near = 0.15 * theirs.standard_error
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=near)
    ours = aggregates.probability_of_improvement(RUNS, "a", resamples=4000).loc["b"]
    theirs = independent_bootstrap([*SCORES["b"].T, *SCORES["a"].T], mean_u)
    near = 0.15 * theirs.standard_error
    np.testing.assert_allclose(ours[["low", "high"]], theirs.confidence_interval, atol=near)


def test_the_win_rate_counts_ties_half():
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
    ours = aggregates.elo(TABLE)
    np.testing.assert_allclose(ours["elo"], expected, atol=0.1)
    assert ours["elo"].mean() == pytest.approx(1000)
    assert (ours["low"] <= ours["elo"]).all() and (ours["elo"] <= ours["high"]).all()


def test_elo_of_two_methods_is_their_log_odds():
    scores = pd.DataFrame({"a": np.arange(10.0), "b": [-1.0] * 8 + [99] * 2})
    lead = 400 * np.log10(8.5 / 2.5)
    ratings = aggregates.elo(scores)["elo"]
    assert ratings["a"] - ratings["b"] == pytest.approx(lead)


@pytest.mark.parametrize("n_datasets", [2, 400])
def test_elo_of_a_method_that_always_wins_is_finite(n_datasets):
    levels = np.arange(30.0) + np.zeros((n_datasets, 1))
    ratings = aggregates.elo(pd.DataFrame(levels), resamples=20)
    assert np.isfinite(ratings).all(axis=None)
    assert ratings["elo"].is_monotonic_increasing
    np.testing.assert_allclose(ratings["low"], ratings["high"])  # all resamples are alike


def test_results_depend_on_the_seed_alone():
    for function in (
        lambda seed: aggregates.elo(TABLE, seed=seed, **FEW),
        lambda seed: aggregates.interquartile_mean(RUNS, seed=seed, **FEW),
        lambda seed: aggregates.probability_of_improvement(RUNS, "a", seed=seed, **FEW),
    ):
        pd.testing.assert_frame_equal(function(1), function(1))
        assert not function(1).equals(function(2))


def test_datasets_without_a_score_of_every_method_are_dropped():
    runs = RUNS.copy()
    lost = (runs["dataset"] == "d1") & (runs["method"] == "b")
    runs.loc[lost, "average_precision"] = np.nan
    kept = RUNS[RUNS["dataset"] != "d1"]
    for function in (
        lambda runs: aggregates.interquartile_mean(runs, **FEW),
        lambda runs: aggregates.probability_of_improvement(runs, "a", **FEW),
    ):
        pd.testing.assert_frame_equal(function(runs), function(kept))
        pd.testing.assert_frame_equal(function(runs[~lost]), function(kept))


def test_a_diverged_run_is_left_out():
    runs = RUNS.copy()
    runs.loc[0, "average_precision"] = np.nan
    ours = aggregates.interquartile_mean(runs, **FEW)
    pd.testing.assert_frame_equal(ours, aggregates.interquartile_mean(RUNS.drop(index=0), **FEW))


def test_too_little_gives_nan_and_no_error():
    nothing = TABLE.assign(d=np.nan)
    tables = aggregates.win_rates(nothing), aggregates.elo(nothing), aggregates.elo(TABLE[["a"]])
    for table in tables:
        assert table.isna().all(axis=None)
    runs = pd.concat([RUNS, RUNS[:1].assign(method="z", average_precision=np.nan)])
    assert aggregates.interquartile_mean(runs).isna().all(axis=None)
    assert aggregates.probability_of_improvement(runs, "a").isna().all(axis=None)
    single = aggregates.interquartile_mean(RUNS[RUNS["seed"] == 0])
    assert single["mean"].notna().all() and single["low"].isna().all()
    assert aggregates.elo(TABLE[:1])["low"].isna().all()


def test_unknown_names_are_told():
    with pytest.raises(InputError, match="no method 'aa'"):
        aggregates.probability_of_improvement(RUNS, "aa")
    with pytest.raises(InputError, match=r"no metric 'average_precison'.*average_precision"):
        aggregates.interquartile_mean(RUNS, "average_precison")
