"""Pairwise comparisons of methods over data sets, as tables and as text."""

import math
from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from imbax.reports.tabular.tables import markdown
from imbax.statistics import ranks
from imbax.statistics.bayesian import ROPE, signed_rank
from imbax.statistics.ranks import FEWEST_DATASETS, LEVEL

__all__ = [
    "against_control",
    "count",
    "effect_text",
    "every_pair",
    "interval_text",
    "legend",
    "p_text",
    "ranking",
    "selected_pairs",
    "to_markdown",
]

_PAIR = ["method", "against"]


def ranking(scores: pd.DataFrame) -> str:
    """Paragraph on mean ranks, Friedman's test and Nemenyi's critical difference."""
    test = ranks.friedman(scores)
    if test.n == 0 or test.n_methods < 2:
        return ""
    means = ranks.mean_ranks(scores).sort_values(kind="stable")
    listed = ", ".join(f"`{method}` {rank:.2f}" for method, rank in means.items())
    left_out = f" ({test.dropped} left out because of missing scores)" if test.dropped else ""
    text = f"Mean rank over {count(test.n, 'data set')}{left_out}, 1 = best: {listed}."
    if test.n >= FEWEST_DATASETS and test.n_methods > 2:
        differ = "differ significantly" if test.f_p_value < LEVEL else "do not differ significantly"
        distance = ranks.critical_difference(test.n_methods, test.n)
        best, *others = means.items()
        near = ", ".join(f"`{method}`" for method, rank in others if rank - best[1] <= distance)
        different = "not significantly different from" if near else "significantly better than"
        text += (
            f" Friedman's test with the Iman-Davenport correction gives F = {test.f:.2f}, "
            f"p = {test.f_p_value:.2g}: the methods' ranks {differ}. "
            f"Nemenyi's critical difference at the {LEVEL:.0%} level is {distance:.2f}: "
            f"`{best[0]}` is {different} {near or 'all other methods'}."
        )
    return text


def against_control(scores: pd.DataFrame, control: str, rope: float = ROPE) -> pd.DataFrame:
    """Comparisons of every other method with ``control``, better mean rank first.

    The index is (``method``, ``against``). The columns are the fields of ``ranks.Comparison``,
    ``p_holm`` (Wilcoxon's p-values after Holm's correction for all pairs), ``p_rank`` and
    ``p_rank_holm`` (from ``ranks.rank_test``), and ``worse``, ``equal``, ``better`` (from
    ``bayesian.signed_rank``). Pairs without a common data set are left out. Below six data sets all
    columns except wins, ties, losses and the median difference are NaN.
    """
    others = ranks.mean_ranks(scores).drop(control).sort_values(kind="stable").index
    table = _contrasts(scores, [(method, control) for method in others], rope)
    if len(scores.dropna()) >= FEWEST_DATASETS:
        tested = ranks.rank_test(scores, control).loc[table.index.get_level_values("method")]
        tests = {"p_rank": tested["p_value"].array, "p_rank_holm": tested["p_holm"].array}
    else:
        tests = dict.fromkeys(["p_rank", "p_rank_holm"], math.nan)
    for position, (name, column) in enumerate(tests.items(), list(table).index("p_holm") + 1):
        table.insert(position, name, column)
    return table


def every_pair(scores: pd.DataFrame, rope: float = ROPE) -> pd.DataFrame:
    """Comparisons of every pair of methods, the one with the better mean rank first.

    The columns are those of ``against_control``.
    """
    order = ranks.mean_ranks(scores).sort_values(kind="stable").index
    return _contrasts(scores, list(combinations(order, 2)), rope)


def selected_pairs(
    scores: pd.DataFrame, pairs: Sequence[tuple[str, str]], rope: float = ROPE
) -> pd.DataFrame:
    """Comparisons of the given (method, rival) pairs, in their order; columns of ``every_pair``."""
    return _contrasts(scores, pairs, rope)


def to_markdown(table: pd.DataFrame) -> str:
    """Markdown of a table of comparisons, without columns that are all NaN."""
    shown = table[["n", "wins", "ties", "losses"]].rename(columns={"n": "data sets"})
    shown["median difference"] = table["median_difference"].map("{:+.3f}".format)
    if table["p_value"].notna().any():
        shown["95% interval"] = [interval_text(*ends) for ends in _rows(table, "low", "high")]
        shown["effect"] = table["effect_size"].map(effect_text)
    for name in ("p_value", "p_holm", "p_rank", "p_rank_holm"):
        if name in table and table[name].notna().any():
            shown[name.removesuffix("_value")] = table[name].map(p_text)
    if table["better"].notna().any():
        shown["worse, equal, better"] = [
            ", ".join(_text(p, "{:.2f}") for p in row)
            for row in _rows(table, "worse", "equal", "better")
        ]
    against = shown.index.get_level_values("against")
    shown = shown.droplevel("against")
    if against.nunique() > 1:
        shown.insert(0, "against", against)
    return markdown(shown)


def legend(table: pd.DataFrame, rope: float = ROPE) -> str:
    """Explanation of the columns of ``to_markdown(table)``."""
    if not table["p_value"].notna().any():
        return "Differences are method minus rival."
    rank_columns = (
        " `p_rank` is the p-value of the difference of mean ranks, which depends on the other "
        "methods in the comparison, and `p_rank_holm` is its Holm-corrected value."
        if "p_rank" in table and table["p_rank"].notna().any()
        else ""
    )
    return (
        "Differences are method minus rival. The interval of their median is a bootstrap over "
        "data sets; the effect is the rank-biserial correlation (1: only wins, -1: only losses). "
        "`p` is the two-sided p-value of Wilcoxon's signed-rank test, `p_holm` is Holm-corrected "
        f"for {count(int(table['p_value'].count()), 'comparison')}.{rank_columns} The last column "
        "gives the Bayesian signed-rank test's probabilities that the method is worse, "
        f"practically equivalent (within ±{rope:g}), or better."
    )


def interval_text(low: float, high: float) -> str:
    """Interval as ``+0.010 to +0.040``, or a dash for NaN."""
    return "–" if math.isnan(low) else f"{low:+.3f} to {high:+.3f}"


def effect_text(effect_size: float) -> str:
    """Effect size as ``+0.76``, or a dash for NaN, when all data sets are tied."""
    return _text(effect_size, "{:+.2f}")


def p_text(p_value: float) -> str:
    """p-value with two significant digits, or a dash for NaN."""
    return _text(p_value, "{:.2g}")


def count(n: int, one: str, many: str | None = None) -> str:
    """Number with its noun, such as ``2 data sets`` and ``1 data set``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def _contrasts(scores: pd.DataFrame, pairs: Sequence[tuple[str, str]], rope: float) -> pd.DataFrame:
    rows = {}
    for a, b in pairs:
        result = ranks.compare(scores, a, b)
        if result.n:
            posterior = signed_rank(scores[a] - scores[b], rope)
            rows[a, b] = result._asdict() | {"p_holm": math.nan} | posterior._asdict()
    columns = [*ranks.Comparison._fields, "p_holm", "worse", "equal", "better"]
    index = pd.MultiIndex.from_tuples(rows, names=_PAIR) if rows else _empty_index()
    table = pd.DataFrame(list(rows.values()), index=index, columns=columns)
    tests = columns[columns.index("low") :]
    table[tests] = table[tests].astype(float).where(table["n"] >= FEWEST_DATASETS)
    table["p_holm"] = ranks.holm(table["p_value"])
    return table


def _empty_index() -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[], []], names=_PAIR)


def _rows(table: pd.DataFrame, *names: str) -> list[tuple[float, ...]]:
    return list(table[list(names)].itertuples(index=False, name=None))


def _text(value: float, form: str) -> str:
    return "–" if math.isnan(value) else form.format(value)
