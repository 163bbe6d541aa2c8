"""What a report of validation scores in place of test scores would have shown.

The best epoch is the one with the highest validation score, so that score is the largest of many
and higher than what unseen rows give, by more the fewer the rows, the more the epochs, and the more
else of a method is fitted to the validation rows.
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
    """Per method, means over datasets of both scores of the runs that have both.

    Indexed by method, those without validation scores left out: ``datasets``; ``test`` and
    ``validation``, the mean average precision on test rows and at the best epoch on validation
    rows; ``inflation``, the mean of validation minus test, and its ``sd`` over datasets;
    ``higher``, on how many datasets validation is higher; ``test_rank`` and ``validation_rank``,
    the mean ranks by either score over the datasets on which all of these methods have both.
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
    """The report's section, with its numbers in ``<out>/tables/selection.csv``."""
    heading = "## Had validation scores been reported\n\n"
    table = inflation(runs)
    if table.empty:
        return f"{heading}No method here has a validation score."
    disk.write_table(Path(out, "tables", "selection.csv"), table)
    shown = pd.DataFrame({"datasets": table["datasets"]})
    for name in ("test", "validation"):
        shown[name] = table[name].map("{:.3f}".format)
    shown["inflation"] = table["inflation"].map("{:+.3f}".format)
    shown["sd over datasets"] = table["sd"].map(_number)
    shown["validation higher on"] = table["higher"]
    shown["rank by test"] = table["test_rank"].map(_number)
    shown["rank by validation"] = table["validation_rank"].map(_number)
    without = in_order(set(runs["method"]) - set(table.index))
    parts = [
        f"{heading}Nothing else in this report uses the numbers of this section. The script "
        "published by the first author of arXiv 2202.10550 chooses the best epoch by validation "
        "rows and then scores training and validation rows only. The same here: the validation "
        "score of the best epoch beside the test score of the same checkpoint, means over runs "
        "and then over datasets. Inflation is validation minus test; the two are of different "
        "rows, so that it also holds chance on any single dataset. By method: "
        "[selection.csv](tables/selection.csv).",
        markdown(shown),
        _the_claim(runs),
    ]
    if without:
        parts.append(f"Without a validation score: {', '.join(without)}.")
    return "\n\n".join(part for part in parts if part)


def _the_claim(runs: pd.DataFrame) -> str:
    """The paper's method against plain cross-entropy, by either score."""
    both = runs.dropna(subset=[_VALIDATION, _TEST])
    if not {_CONTROL, _BASELINE} <= set(both["method"]):
        return ""
    said = []
    for name, metric in (("test", _TEST), ("validation", _VALIDATION)):
        result = ranks.compare(score_table(both, metric), _CONTROL, _BASELINE)
        if not result.n:
            return ""
        said.append(
            f"by {name} scores {count(result.wins, 'win')}, {count(result.ties, 'tie')}, "
            f"{count(result.losses, 'loss', 'losses')}, median difference "
            f"{result.median_difference:+.3f}"
        )
    return f"`{_CONTROL}` against `{_BASELINE}`: {'; '.join(said)}."


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3f}"
