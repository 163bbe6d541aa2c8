"""`imbax compare`: a page with the statistics of any table of scores, whoever made it."""

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

__all__ = ["method_table", "over_datasets", "write_comparison"]


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
    """Write ``<out>/comparison.md`` with ``tables/`` and ``figures/``; returns the page's path.

    ``scores`` are those of ``scores.read_scores``, ``source`` says where they come from. With a
    ``control`` every other method is compared with it, otherwise every pair is. Differences up to
    ``rope`` count as none in the Bayesian test. With ``lower_is_better``, for error rates and
    losses, the scores' sign is changed in all statistics. ``notices`` are shown first. Raises
    ``InputError`` for an unknown control or a rope that is no size.
    """
    if control is not None and control not in scores:
        raise InputError(f"no method {control!r}{did_you_mean(control, scores.columns)}")
    if not (rope >= 0 and math.isfinite(rope)):
        raise InputError(f"rope {rope:g}, expected a difference of scores, 0 or more")
    full = scores.dropna()
    given, full = full, -full if lower_is_better else full
    if control is None:
        title, table = "Every pair of methods", comparisons.every_pair(full, rope)
    else:
        title, table = f"Against {control}", comparisons.against_control(full, control, rope)
    methods = method_table(full).assign(**{"mean score": given.mean()})
    _write_tables(full, methods, table, Path(out, "tables"))
    few = ""
    if len(full) < ranks.FEWEST_DATASETS:
        few = (
            f"A test over {count(len(full), 'dataset')} is not meaningful (it takes at least "
            f"{ranks.FEWEST_DATASETS}), so only wins and losses are given."
        )
    sections = [
        f"# Comparison of {source}",
        _what_was_read(scores, full, lower_is_better),
        "\n".join(f"- {notice}" for notice in notices),
        "## Methods",
        comparisons.ranking(full),
        markdown(methods.map("{:.3f}".format).assign(best=methods["best"].map("{:.0f}".format))),
        over_datasets(full, out, first=() if control is None else (control,)),
        f"## {title}",
        few,
        comparisons.legend(table, rope),
        comparisons.to_read(table),
        "Tables for programs: [methods.csv](tables/methods.csv), "
        "[friedman.csv](tables/friedman.csv), [contrasts.csv](tables/contrasts.csv)"
        + (", [profiles.csv](tables/profiles.csv)." if profiles.drawable(full) else "."),
    ]
    path = Path(out, "comparison.md")
    text = "\n\n".join(section for section in sections if section) + "\n"
    disk.write_text(path, text)
    return path


def over_datasets(scores: pd.DataFrame, out: Path, first: Sequence[str] = ()) -> str:
    """Draw the figures over datasets into ``<out>/figures``; returns the Markdown that shows them.

    Empty below six datasets with a score of every method. ``first`` as in ``diagrams``.
    """
    if len(scores.dropna()) < ranks.FEWEST_DATASETS:
        return ""
    folder = Path(out, "figures")
    parts = []
    if path := diagrams.critical_difference(scores, folder / "critical_difference.png"):
        parts.append(
            "A bar joins methods whose mean ranks Nemenyi's test does not tell apart at the 5% "
            f"level.\n\n![critical difference diagram](figures/{path.name})"
        )
    if path := diagrams.performance_profiles(scores, folder / "profiles.png", first=first):
        parts.append(
            "Dolan and Moré's profiles: the share of datasets on which a method reaches a part θ "
            "of the best score (left, as Figure 3 of arXiv 2202.10550), and on which the best "
            "score is at most τ times its own (right, the classical form). Higher is better; at "
            "θ = τ = 1 stands the share on which it is the best.\n\n"
            f"![profiles](figures/{path.name})"
        )
    elif not profiles.drawable(scores):
        parts.append(
            "Profiles are ratios and need scores of 0 or more, of which higher is better: none is "
            "drawn."
        )
    return "\n\n".join(parts)


def _what_was_read(scores: pd.DataFrame, full: pd.DataFrame, lower_is_better: bool) -> str:
    better = "lower" if lower_is_better else "higher"
    text = (
        f"{count(len(full), 'dataset')}, {count(scores.shape[1], 'method')}; {better} scores are "
        "taken for better."
    )
    if lower_is_better:
        text += " A difference above 0 is a lower, better score."
    dropped = scores.index.difference(full.index, sort=False)
    if len(dropped):
        gaps = scores.isna().sum()
        without = ", ".join(f"`{m}` {n}" for m, n in gaps[gaps > 0].items())
        text += (
            f" {count(len(dropped), 'further dataset')} left out, because not every method has a "
            f"score there (gaps by method: {without}): {', '.join(map(str, dropped))}."
        )
    return text


def method_table(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a method, best mean rank first: mean score, rank, how often best, area."""
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
    facts = test._asdict() | {
        "critical_difference": ranks.critical_difference(test.n_methods, test.n)
    }
    written = {
        "methods": methods.rename(columns=lambda name: name.replace(" ", "_")).reset_index(),
        "friedman": pd.DataFrame([facts]),
        "contrasts": table.reset_index(),
    }
    if profiles.drawable(scores):
        written["profiles"] = profiles.profile(scores).reset_index()
    for name, content in written.items():
        disk.write_table(folder / f"{name}.csv", content, index=False)
