"""Performance profiles: values of the paper's tables, examples by hand, and relations."""

import numpy as np
import pandas as pd
import pytest

from imbax.reports.tabular import tables
from imbax.statistics import profiles


@pytest.fixture(scope="module")
def paper() -> pd.DataFrame:
    return tables.paper_figures()["mean"].unstack("method").drop(columns="mesa")


@pytest.mark.parametrize(
    ("method", "at_90", "area"),
    [
        ("explicit_gradient", 0.85, 0.952),
        ("focal", 0.70, 0.886),
        ("ce", 0.63, 0.875),
        ("cwgan", 0.59, 0.850),
        ("borderline_smote", 0.52, 0.849),
        ("ros", 0.52, 0.849),
        ("smote", 0.48, 0.843),
        ("ldam", 0.44, 0.835),
        ("adasyn", 0.44, 0.836),
    ],
)
def test_profiles_match_figure_3(paper, method, at_90, area):
    assert profiles.profile(paper, [0.9])[method].round(2).tolist() == [at_90]
    # The printed areas are means over 101 thresholds, up to 0.004 away from the exact ones.
    assert round(profiles.profile(paper)[method].mean(), 3) == area
    assert area - 1e-3 < profiles.areas(paper)[method] < area + 5e-3


SCORES = pd.DataFrame({"a": [0.8, 0.5, 0.0, 0.9], "b": [0.4, 1.0, 0.0, np.nan]})


def test_example_by_hand_without_the_incomplete_row():
    # Ratios to the best: a 1, 1/2, 1; b 1/2, 1, 1. If all scores are 0, all are best.
    shares = profiles.profile(SCORES, [0, 0.5, 0.6, 1])
    np.testing.assert_allclose(shares["a"], [1, 1, 2 / 3, 2 / 3])
    np.testing.assert_allclose(shares["b"], [1, 1, 2 / 3, 2 / 3])
    np.testing.assert_allclose(profiles.areas(SCORES), 2.5 / 3)
    costs = pd.DataFrame({"a": [1, 4.0], "b": [3, 2.0], "c": [np.inf, 2]})
    classical = profiles.cost_profile(costs, [1, 2, 2.9, 3, 100])
    np.testing.assert_allclose(classical["a"], [0.5, 1, 1, 1, 1])
    np.testing.assert_allclose(classical["b"], [0.5, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(classical["c"], [0.5, 0.5, 0.5, 0.5, 0.5])


def test_cost_profile_matches_profile_at_inverse_factor():
    scores = pd.DataFrame(np.random.default_rng(0).random((40, 5)), columns=list("abcde"))
    scores.iloc[3, 2] = 0.0
    factors = np.array([1, 1.1, 1.7, 3, 30])
    classical = profiles.cost_profile(profiles.costs(scores), factors)
    np.testing.assert_allclose(classical, profiles.profile(scores, 1 / factors))


def test_area_is_the_integral_of_the_profile():
    scores = pd.DataFrame(np.random.default_rng(0).random((30, 4)), columns=list("abcd"))
    fine = profiles.profile(scores, (np.arange(1000) + 0.5) / 1000).mean()
    np.testing.assert_allclose(profiles.areas(scores), fine, atol=1e-3)


def test_scores_equal_up_to_rounding_are_tied():
    scores = pd.DataFrame({"a": [0.1 + 0.2], "b": [0.3]})
    assert profiles.profile(scores, [1]).to_numpy().tolist() == [[1, 1]]


@pytest.mark.parametrize("scores", [[[np.nan, 1]], [[0.5, -0.1]]])
def test_drawable_needs_complete_rows_and_scores_above_0(scores):
    assert not profiles.drawable(pd.DataFrame(scores))
    assert profiles.drawable(SCORES)
