"""How far from the ceiling: gaps, and the paper's figures beside them."""

import numpy as np
import pandas as pd

from imbax.experiments.tabular.metrics import METRICS
from imbax.reports.tabular.ceiling import beside_the_ceiling, gaps


def runs(dataset, **scores):
    return pd.DataFrame(
        {"dataset": dataset, "method": m, "seed": i, **dict.fromkeys(METRICS, s + 0.1 * i)}
        for m, s in scores.items()
        for i in (-1, 1)
    )


def test_gaps_are_against_the_ceiling_of_the_same_data_set():
    given = pd.concat(
        [
            runs("adult_50", ce=0.3, potential=0.4, mine=0.5),
            runs("adult_100", ce=0.2, potential=0.8),
            runs("ecoli", ce=0.5),
        ]
    )
    table = gaps(given)
    expected = {
        ("adult_100", "ce"): -75,
        ("adult_100", "potential"): np.nan,
        ("adult_50", "ce"): -25,
        ("adult_50", "mine"): 25,
        ("adult_50", "potential"): np.nan,
    }
    pd.testing.assert_series_equal(
        table["gap_percent"], pd.Series(expected), check_names=False, check_dtype=False
    )
    assert table.loc[("adult_50", "ce"), "paper"] == 0.333
    assert table.loc[("adult_50", "ce"), "paper_gap_percent"] == -18.1
    assert np.isnan(table.loc[("adult_50", "mine"), "paper"])
    page = beside_the_ceiling(given)
    (line,) = (line for line in page.splitlines() if "-25 %" in line)
    assert line == (
        "| ce | 0.300 ± 0.141 | 0.300 ± 0.141 | 0.300 ± 0.141 | 0.300 ± 0.141 | 0.300 ± 0.141 "
        "| -25 % | 0.333 | -18 % |"
    )
    assert "ecoli" not in page


def test_without_a_ceiling_there_is_no_section():
    assert beside_the_ceiling(runs("ecoli", ce=0.5, ros=0.4)) == ""
