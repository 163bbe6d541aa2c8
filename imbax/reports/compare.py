"""`imbax compare`: statistics of any table of scores, written as one page."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from imbax.errors import InputError, did_you_mean
from imbax.experiments import disk
from imbax.reports import comparisons, diagrams
from imbax.reports.comparisons import count
from imbax.reports.tabular.tables import markdown
from imbax.statistics import profiles, ranks
from imbax.statistics.bayesian import ROPE

__all__ = [
    "method_table",
    "over_datasets",
    "profile_figures",
    "rank_figures",
    "write_comparison",
]


def write_comparison(
    scores: pd.DataFrame,
    out: Path,
    *,
    source: str,
    control: str | None = None,
    rope: float = ROPE,
    lower_is_better: bool = False,
    notices: Sequence[str] = (),
) -> Path:
    """Writes ``<out>/comparison.md`` with ``tables/`` and ``figures/``; returns the page's path.

    ``scores`` is a table read by ``score_files.read_scores`` and ``source`` names its file. If a
    ``control`` is given, every other method is compared with it; otherwise every pair is compared.
    The Bayesian test treats differences up to ``rope`` as practically equivalent. Set
    ``lower_is_better`` for error rates and losses: all statistics then use negated scores.
    ``notices`` are shown first. Raises ``InputError`` for an unknown control or an invalid rope.
    """
    if control is not None and control not in scores:
        raise InputError(f"no method {control!r}{did_you_mean(control, scores.columns)}")
    if not (rope >= 0 and math.isfinite(rope)):
        raise InputError(f"rope {rope:g}, expected a finite score difference of at least 0")
    full = scores.dropna()
    raw, full = full, -full if lower_is_better else full
    if control is None:
        title, table = "Every pair of methods", comparisons.every_pair(full, rope)
    else:
        title, table = f"Against {control}", comparisons.against_control(full, control, rope)
    methods = method_table(full).assign(**{"mean score": raw.mean()})
    _write_tables(full, methods, table, Path(out, "tables"))
    warning = ""
    if len(full) < ranks.FEWEST_DATASETS:
        warning = (
            f"A test over {count(len(full), 'data set')} is not meaningful (it needs at least "
            f"{ranks.FEWEST_DATASETS}), so only wins and losses are reported."
        )
    sections = [
        f"# Comparison of {source}",
        _input_summary(scores, full, lower_is_better),
        "\n".join(f"- {notice}" for notice in notices),
        "## Methods",
        comparisons.ranking(full),
        markdown(methods.map("{:.3f}".format).assign(best=methods["best"].map("{:.0f}".format))),
        over_datasets(full, out, first=() if control is None else (control,)),
        f"## {title}",
        warning,
        comparisons.legend(table, rope),
        comparisons.to_markdown(table),
        "Machine-readable tables: [methods.csv](tables/methods.csv), "
        "[friedman.csv](tables/friedman.csv), [contrasts.csv](tables/contrasts.csv)"
        + (", [profiles.csv](tables/profiles.csv)." if profiles.drawable(full) else "."),
    ]
    path = Path(out, "comparison.md")
    text = "\n\n".join(section for section in sections if section) + "\n"
    disk.write_text(path, text)
    return path


def over_datasets(scores: pd.DataFrame, out: Path, first: Sequence[str] = ()) -> str:
    """Draws all figures over data sets into ``<out>/figures``; returns Markdown that shows them.

    Returns an empty string if fewer than six data sets have a score of every method. ``first`` is
    passed to ``diagrams.performance_profiles``.
    """
    parts = (rank_figures(scores, out), profile_figures(scores, out, first))
    return "\n\n".join(part for part in parts if part)


def rank_figures(scores: pd.DataFrame, out: Path) -> str:
    """Rank diagram and matrix of win rates, as ``over_datasets``."""
    if len(scores.dropna()) < ranks.FEWEST_DATASETS:
        return ""
    folder = Path(out, "figures")
    parts = []
    if path := diagrams.critical_difference(scores, folder / "critical_difference.png"):
        parts.append(
            "A bar joins methods whose mean ranks are not significantly different by Nemenyi's "
            f"test at the 5% level.\n\n![critical difference diagram](figures/{path.name})"
        )
    if path := diagrams.win_rates(scores, folder / "win_rates.png"):
        parts.append(
            "Win rates: the share of data sets on which the row's method has a higher score than "
            "the column's; ties count half. Blue cells are wins of the row, orange cells are "
            f"losses.\n\n![matrix of win rates](figures/{path.name})"
        )
    return "\n\n".join(parts)


def profile_figures(scores: pd.DataFrame, out: Path, first: Sequence[str] = ()) -> str:
    """Performance profiles, as ``over_datasets``."""
    if len(scores.dropna()) < ranks.FEWEST_DATASETS:
        return ""
    path = diagrams.performance_profiles(scores, Path(out, "figures", "profiles.png"), first=first)
    if path:
        return (
            "Dolan and Moré's performance profiles: the fraction of data sets on which a method "
            "reaches the fraction θ of the best score (left, as in Figure 3 of arXiv 2202.10550), "
            "and on which the best score is at most τ times the method's score (right, the "
            "classical form). Higher is better; the value at θ = τ = 1 is the fraction of data "
            "sets on which the method is the best.\n\n"
            f"![profiles](figures/{path.name})"
        )
    if not profiles.drawable(scores):
        return (
            "Performance profiles are not drawn: they are ratios and need scores of 0 or more "
            "where higher is better."
        )
    return ""


def _input_summary(scores: pd.DataFrame, full: pd.DataFrame, lower_is_better: bool) -> str:
    better = "lower" if lower_is_better else "higher"
    text = (
        f"{count(len(full), 'data set')}, {count(scores.shape[1], 'method')}; {better} scores are "
        "better."
    )
    if lower_is_better:
        text += " A positive difference means a lower, better score."
    dropped = scores.index.difference(full.index, sort=False)
    if len(dropped):
        gaps = scores.isna().sum()
        gaps_by_method = ", ".join(f"`{m}` {n}" for m, n in gaps[gaps > 0].items())
        text += (
            f" {count(len(dropped), 'further data set')} left out, because some methods have no "
            f"score (gaps by method: {gaps_by_method}): {', '.join(map(str, dropped))}."
        )
    return text


def method_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean rank, mean score, number of best scores and profile area, one row per method.

    Methods with the best mean rank come first.
    """
    rounded = scores.round(ranks.TIE_DECIMALS)
    columns = {
        "mean rank": ranks.mean_ranks(scores),
        "mean score": scores.mean(),
        "best": rounded.eq(rounded.max(axis=1), axis=0).sum(),
    }
    if profiles.drawable(scores):
        columns["profile area"] = profiles.areas(scores)
    table = pd.DataFrame(columns).rename_axis("method")
    return table.sort_values("mean rank", kind="stable")


def _write_tables(
    scores: pd.DataFrame, methods: pd.DataFrame, table: pd.DataFrame, folder: Path
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    test = ranks.friedman(scores)
    statistics = test._asdict() | {
        "critical_difference": ranks.critical_difference(test.n_methods, test.n)
    }
    written = {
        "methods": methods.rename(columns=lambda name: name.replace(" ", "_")).reset_index(),
        "friedman": pd.DataFrame([statistics]),
        "contrasts": table.reset_index(),
    }
    if profiles.drawable(scores):
        written["profiles"] = profiles.profile(scores).reset_index()
    for name, content in written.items():
        disk.write_table(folder / f"{name}.csv", content, index=False)
