"""The section on the gap to `potential`, with the paper's figures."""

import numpy as np
import pandas as pd

from imbax.experiments.tabular.metrics import METRICS
from imbax.reports.tabular.ceiling import ceiling_section, gaps


def runs(dataset, **scores):
    return pd.DataFrame(
        {"dataset": dataset, "method": m, "seed": i, **dict.fromkeys(METRICS, s + 0.1 * i)}
        for m, s in scores.items()
        for i in (-1, 1)
    )


def test_gaps_refer_to_potential_on_the_same_dataset():
    all_runs = pd.concat(
        [
            runs("adult_50", ce=0.3, potential=0.4, mine=0.5),
            runs("adult_100", ce=0.2, potential=0.8),
            runs("ecoli", ce=0.5),
        ]
    )
    table = gaps(all_runs)
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
    page = ceiling_section(all_runs)
    (line,) = (line for line in page.splitlines() if "-25 %" in line)
    assert line == (
        "| ce | 0.300 ± 0.141 | 0.300 ± 0.141 | 0.300 ± 0.141 | 0.300 ± 0.141 | 0.300 ± 0.141 "
        "| -25 % | 0.333 | -18 % |"
    )
    assert "ecoli" not in page


def test_section_is_empty_without_potential():
    assert ceiling_section(runs("ecoli", ce=0.5, ros=0.4)) == ""
