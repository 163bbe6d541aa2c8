"""Report section on validation scores reported in place of test scores.

The best epoch is the one with the highest validation score. That score is the maximum over many
epochs and therefore biased upwards. The bias grows with fewer validation rows, with more epochs and
with every other part of a method that is fitted to the validation rows.
"""

from pathlib import Path

import pandas as pd

from imbax.experiments import disk
from imbax.reports.comparisons import count
from imbax.reports.tabular.tables import in_order, markdown, score_table
from imbax.statistics import ranks

__all__ = ["inflation", "optimistic_page"]

_VALIDATION, _TEST = "validation_average_precision", "average_precision"
_CONTROL, _BASELINE = "explicit_gradient", "ce"


def inflation(runs: pd.DataFrame) -> pd.DataFrame:
    """Test and validation scores by method, from the runs that have both.

    Methods without validation scores are left out. The columns are ``datasets`` (their number);
    ``test`` and ``validation``, average precision on test rows and at the best epoch on validation
    rows, averaged over data sets; ``inflation``, the mean of validation minus test, and its ``sd``
    over data sets; ``higher``, the number of data sets with a higher validation score; and
    ``test_rank`` and ``validation_rank``, mean ranks over the data sets on which all these methods
    have both scores.
    """
    both = runs.dropna(subset=[_VALIDATION, _TEST])
    if both.empty:
        return pd.DataFrame()
    test, validation = score_table(both, _TEST), score_table(both, _VALIDATION)
    difference = validation - test
    table = pd.DataFrame(
        {
            "datasets": difference.count(),
            "test": test.mean(),
            "validation": validation.mean(),
            "inflation": difference.mean(),
            "sd": difference.std(ddof=1),
            "higher": (difference.round(ranks.TIE_DECIMALS) > 0).sum(),
            "test_rank": ranks.mean_ranks(test),
            "validation_rank": ranks.mean_ranks(validation),
        }
    )
    return table.loc[in_order(table.index)].rename_axis("method")


def optimistic_page(runs: pd.DataFrame, out: Path) -> str:
    """Section on validation scores; writes its numbers to ``<out>/tables/selection.csv``."""
    heading = "## Validation scores in place of test scores\n\n"
    table = inflation(runs)
    if table.empty:
        return f"{heading}No method has a validation score."
    disk.write_table(Path(out, "tables", "selection.csv"), table)
    shown = pd.DataFrame({"data sets": table["datasets"]})
    for name in ("test", "validation"):
        shown[name] = table[name].map("{:.3f}".format)
    shown["inflation"] = table["inflation"].map("{:+.3f}".format)
    shown["sd over data sets"] = table["sd"].map(_number)
    shown["validation higher on"] = table["higher"]
    shown["rank by test"] = table["test_rank"].map(_number)
    shown["rank by validation"] = table["validation_rank"].map(_number)
    unscored = in_order(set(runs["method"]) - set(table.index))
    parts = [
        f"{heading}No other section of this report uses these numbers. The script published by the "
        "first author of arXiv 2202.10550 chooses the best epoch by validation rows and then "
        "scores training and validation rows only. This section shows the effect: the validation "
        "score of the best epoch and the test score of the same checkpoint, averaged over runs "
        "and then over data sets. Inflation is validation minus test. The two scores are computed "
        "on different rows, so on a single data set it also contains random variation. By method: "
        "[selection.csv](tables/selection.csv).",
        markdown(shown),
        _claim_by_score(runs),
    ]
    if unscored:
        parts.append(f"Methods without a validation score: {', '.join(unscored)}.")
    return "\n\n".join(part for part in parts if part)


def _claim_by_score(runs: pd.DataFrame) -> str:
    """Comparison of the paper's method with plain cross-entropy, by either score."""
    both = runs.dropna(subset=[_VALIDATION, _TEST])
    if not {_CONTROL, _BASELINE} <= set(both["method"]):
        return ""
    results = []
    for name, metric in (("test", _TEST), ("validation", _VALIDATION)):
        result = ranks.compare(score_table(both, metric), _CONTROL, _BASELINE)
        if not result.n:
            return ""
        results.append(
            f"by {name} scores {count(result.wins, 'win')}, {count(result.ties, 'tie')}, "
            f"{count(result.losses, 'loss', 'losses')}, median difference "
            f"{result.median_difference:+.3f}"
        )
    return f"`{_CONTROL}` against `{_BASELINE}`: {'; '.join(results)}."


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3f}"
