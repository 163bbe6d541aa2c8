"""The Bayesian signed-rank test against closed forms and a sum over all pairs."""

import math

import numpy as np
import pytest

from imbax.statistics import bayesian
from imbax.statistics.bayesian import signed_rank


def test_one_difference_has_a_closed_form():
    # w_0 ~ Beta(1/2, 1) is the prior's weight; better has 1 - w_0^2, equal w_0^2.
    posterior = signed_rank([1.0])
    assert posterior.better == pytest.approx(0.5**0.25, abs=0.007)
    assert posterior.worse == 0
    assert sum(posterior) == pytest.approx(1)


def every_pair(z, rope, n_draws=20_000):
    rng = np.random.default_rng(1)
    z = np.array([0.0, *z])
    w = rng.dirichlet([0.5, *np.ones(len(z) - 1)], n_draws)
    mean = np.add.outer(z, z) / 2
    masses = [
        np.einsum("si,ij,sj->s", w, region.astype(float), w)
        for region in (mean < -rope, np.abs(mean) <= rope, mean > rope)
    ]
    return np.bincount(np.argmax(masses, axis=0), minlength=3) / n_draws


@pytest.mark.parametrize("rope", [0.0, 0.05, 0.15])
def test_matches_sum_over_all_pairs(rope):
    z = np.random.default_rng(0).normal(0.05, 0.3, 9)
    posterior = signed_rank(z, rope)
    np.testing.assert_allclose(posterior, every_pair(z, rope), atol=0.015)
    assert max(posterior) < 0.99, "an uninformative example"


def test_opposite_differences_swap_the_probabilities():
    z = np.random.default_rng(0).normal(0.1, 0.3, 12)
    forward, reversed_signs = signed_rank(z), signed_rank(-z)
    np.testing.assert_allclose(forward, reversed_signs[::-1], atol=0.01)


def test_differences_within_the_rope_are_equal():
    assert signed_rank([0.0] * 5, 0.0) == (0, 1, 0)
    assert signed_rank([0.2, -0.3, 0.25], 0.3) == (0, 1, 0)
    # 0.1 + 0.2 exceeds 0.3 in the last bit but is within the tolerance.
    assert signed_rank([0.1 + 0.2, -0.1 - 0.2], 0.3).equal == 1
    assert signed_rank([1.0] * 8, 0.3).better > 0.99
    assert signed_rank([-1.0] * 8, 0.3).worse > 0.99


def test_nan_are_left_out_and_no_difference_gives_nan():
    z = [0.1, 0.3, -0.2]
    assert signed_rank([*z, math.nan]) == signed_rank(z)
    assert all(map(math.isnan, signed_rank([math.nan])))


def test_result_depends_on_seed_and_not_on_blocks(monkeypatch):
    z = np.random.default_rng(0).normal(0.1, 0.3, 12)
    whole = signed_rank(z)
    assert signed_rank(z, seed=1) != whole
    monkeypatch.setattr(bayesian, "_BLOCK", 1000)
    assert signed_rank(z) == whole


@pytest.mark.parametrize("rope", [-0.1, math.nan, math.inf])
def test_invalid_rope_is_refused(rope):
    with pytest.raises(ValueError, match="rope"):
        signed_rank([0.1], rope)
