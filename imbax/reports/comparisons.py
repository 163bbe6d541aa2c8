"""Methods against each other over datasets: the numbers of every pair wanted, and their words."""

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
    "of_pairs",
    "p_text",
    "ranking",
    "to_read",
]

_PAIR = ["method", "against"]


def ranking(scores: pd.DataFrame) -> str:
    """A paragraph on mean ranks, Friedman's test and Nemenyi's critical difference."""
    test = ranks.friedman(scores)
    if test.n == 0 or test.n_methods < 2:
        return ""
    means = ranks.mean_ranks(scores).sort_values(kind="stable")
    listed = ", ".join(f"`{method}` {rank:.2f}" for method, rank in means.items())
    left_out = f" ({test.dropped} left out for want of a score)" if test.dropped else ""
    text = f"Mean rank over {count(test.n, 'dataset')}{left_out}, 1 = best: {listed}."
    if test.n >= FEWEST_DATASETS and test.n_methods > 2:
        differ = "differ by more" if test.f_p_value < LEVEL else "do not differ by more"
        apart = ranks.critical_difference(test.n_methods, test.n)
        best, *others = means.items()
        near = ", ".join(f"`{method}`" for method, rank in others if rank - best[1] <= apart)
        verdict = f"not told apart from {near}" if near else "ahead of all"
        text += (
            f" Friedman's test in Iman and Davenport's form gives F = {test.f:.2f}, "
            f"p = {test.f_p_value:.2g}: the methods' ranks {differ} than chance would give. "
            f"Nemenyi's critical difference at the {LEVEL:.0%} level is {apart:.2f}: by it "
            f"`{best[0]}` is {verdict}."
        )
    return text


def against_control(scores: pd.DataFrame, control: str, rope: float = ROPE) -> pd.DataFrame:
    """Every other method against ``control``, better mean rank first.

    Indexed by ``method`` and ``against``: the fields of ``ranks.Comparison``, ``p_holm``
    (Wilcoxon's p-values, corrected together), ``p_rank`` and ``p_rank_holm`` (of
    ``ranks.rank_test``), and ``worse``, ``equal``, ``better`` (of ``bayesian.signed_rank``).
    Pairs without a common dataset are left out; below six datasets only wins, ties, losses and the
    median difference are given and the rest is NaN.
    """
    others = ranks.mean_ranks(scores).drop(control).sort_values(kind="stable").index
    table = _contrasts(scores, [(method, control) for method in others], rope)
    if len(scores.dropna()) >= FEWEST_DATASETS:
        found = ranks.rank_test(scores, control).loc[table.index.get_level_values("method")]
        tests = {"p_rank": found["p_value"].array, "p_rank_holm": found["p_holm"].array}
    else:
        tests = dict.fromkeys(["p_rank", "p_rank_holm"], math.nan)
    for place, (name, column) in enumerate(tests.items(), list(table).index("p_holm") + 1):
        table.insert(place, name, column)
    return table


def every_pair(scores: pd.DataFrame, rope: float = ROPE) -> pd.DataFrame:
    """Every pair of methods, the better mean rank first; columns as in ``against_control``."""
    order = ranks.mean_ranks(scores).sort_values(kind="stable").index
    return _contrasts(scores, list(combinations(order, 2)), rope)


def of_pairs(
    scores: pd.DataFrame, pairs: Sequence[tuple[str, str]], rope: float = ROPE
) -> pd.DataFrame:
    """These pairs of a method and its rival, in their order; columns as in ``every_pair``."""
    return _contrasts(scores, pairs, rope)


def to_read(table: pd.DataFrame) -> str:
    """A table of contrasts in Markdown, without columns that hold nothing."""
    shown = table[["n", "wins", "ties", "losses"]].rename(columns={"n": "datasets"})
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
    """What the columns of ``to_read(table)`` say."""
    if not table["p_value"].notna().any():
        return "Differences are method minus rival."
    of_ranks = (
        " `p_rank` is that of the difference of mean ranks, which the company of other methods "
        "influences, and `p_rank_holm` corrects it likewise."
        if "p_rank" in table and table["p_rank"].notna().any()
        else ""
    )
    return (
        "Differences are method minus rival; the interval of their median is a bootstrap over "
        "datasets, the effect is the rank-biserial correlation (1: all ranks are wins, -1: all are "
        "losses). `p` is Wilcoxon's signed-rank test, two-sided, `p_holm` corrected for "
        f"{count(int(table['p_value'].count()), 'comparison')}.{of_ranks} The last column is the "
        "Bayesian signed-rank test: the probabilities that the method is worse, equal within "
        f"±{rope:g}, or better."
    )


def interval_text(low: float, high: float) -> str:
    """``+0.010 to +0.040``."""
    return "–" if math.isnan(low) else f"{low:+.3f} to {high:+.3f}"


def effect_text(effect_size: float) -> str:
    """``+0.76``, or a dash for NaN: everything is tied."""
    return _text(effect_size, "{:+.2f}")


def p_text(p_value: float) -> str:
    """Two digits, or a dash for NaN."""
    return _text(p_value, "{:.2g}")


def count(n: int, one: str, many: str | None = None) -> str:
    """``2 datasets``, ``1 dataset``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def _contrasts(scores: pd.DataFrame, pairs: Sequence[tuple[str, str]], rope: float) -> pd.DataFrame:
    rows = {}
    for a, b in pairs:
        result = ranks.compare(scores, a, b)
        if result.n:
            posterior = signed_rank(scores[a] - scores[b], rope)
            rows[a, b] = result._asdict() | {"p_holm": math.nan} | posterior._asdict()
    columns = [*ranks.Comparison._fields, "p_holm", "worse", "equal", "better"]
    index = pd.MultiIndex.from_tuples(rows, names=_PAIR) if rows else _nothing()
    table = pd.DataFrame(list(rows.values()), index=index, columns=columns)
    tests = columns[columns.index("low") :]
    table[tests] = table[tests].astype(float).where(table["n"] >= FEWEST_DATASETS)
    table["p_holm"] = ranks.holm(table["p_value"])
    return table


def _nothing() -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[], []], names=_PAIR)


def _rows(table: pd.DataFrame, *names: str) -> list[tuple[float, ...]]:
    return list(table[list(names)].itertuples(index=False, name=None))


def _text(value: float, form: str) -> str:
    return "–" if math.isnan(value) else form.format(value)
