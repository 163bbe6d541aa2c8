"""The result of an experiment in three or four sentences, which name their tests."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from imbax.errors import InputError
from imbax.experiments.labels import method_of
from imbax.reports import comparisons
from imbax.reports.comparisons import count, p_text
from imbax.reports.tabular.tables import best_methods
from imbax.statistics import ranks
from imbax.statistics.ranks import FEWEST_DATASETS, LEVEL
from imbax.statistics.runs import scores_by_run, size_ratio
from imbax.statistics.single_dataset import not_testable

__all__ = ["answer", "best_first", "titles_in"]

_MOST_NAMED = 6


def answer(
    runs: pd.DataFrame, scores: pd.DataFrame, metric: str, name: str, pair: Sequence[str] = ()
) -> list[str]:
    """Sentences in Markdown: the leader, the methods not different from it, and one comparison.

    Parameters
    ----------
    runs
        One row per run.
    scores
        Mean of the metric `[dataset x method]`; higher is better.
    metric, name
        Column of `runs`, and its name in a sentence.
    pair
        A method and its ablation; the last sentence compares them if both have scores.
    """
    scores = scores.dropna(axis=1, how="all")
    if scores.shape[1] < 2:
        return [f"Only one method has scores of {name}, so there is no comparison."]
    full = scores.dropna()
    if len(full) >= FEWEST_DATASETS:
        sentences = _over_datasets(full, name)
    else:
        sentences = _on_datasets(runs, metric, name)
        if len(full) > 1:
            sentences.append(_overall(full, name))
    if len(pair) == 2 and set(pair) <= set(scores):
        sentences.append(_moved(runs, full, metric, name, *pair))
    return sentences


def titles_in(sentences: Sequence[str], provenance: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence with the titles of the methods that the sentences name, or no sentence.

    Titles are those of the stored results; a title that only repeats the name is left out.
    """
    titles = {one["method"]: one["method_facts"].get("title") or "" for one in provenance}
    named = dict.fromkeys(map(method_of, re.findall(r"`([^`]+)`", " ".join(sentences))))
    plain = {name: name.replace("_", " ").casefold() for name in named}
    clauses = [
        f"`{name}` is {titles[name]}"
        for name in named
        if titles.get(name, "").casefold() not in ("", plain[name])
    ]
    return [f"In words: {'; '.join(clauses)}."] if clauses else []


def best_first(scores: pd.DataFrame) -> list[str]:
    """The methods of ``scores`` [dataset x method], best mean rank or, without any, mean first."""
    by_mean = list(scores.mean().sort_values(ascending=False, kind="stable").index)
    if len(scores) == 1:
        return by_mean
    known = scores[by_mean].dropna(axis=1, how="all")
    order = list(ranks.mean_ranks(known).sort_values(kind="stable").index)
    return [*order, *(name for name in by_mean if name not in order)]


def _groups(runs: pd.DataFrame):
    return runs.groupby("dataset", sort=False)


def _is_single(runs):
    """Whether there is one run of each method, so that no test is possible."""
    return runs.groupby("method").size().max() < 2


def _untested(runs: pd.DataFrame, metric: str) -> list[str]:
    """Methods that cannot be tested against the best one on one data set."""
    try:
        return not_testable(scores_by_run(runs, metric), size_ratio(runs))
    except InputError:  # different splits
        return list(runs.groupby("method")[metric].mean().dropna().index)


def _over_datasets(scores: pd.DataFrame, name: str) -> list[str]:
    order = ranks.mean_ranks(scores).sort_values(kind="stable")
    best, others = order.index[0], order.index[1:]
    table = comparisons.against_control(scores, best)
    p_holm = table["p_holm"].droplevel("against").reindex(others)
    near = [method for method in others if not p_holm[method] < LEVEL]
    far = [method for method in others if p_holm[method] < LEVEL]
    first = (
        f"**`{best}` leads**: its mean rank by {name} over {count(len(scores), 'data set')} is "
        f"{order.iloc[0]:.2f} among {count(len(order), 'method')}."
    )
    test = "Wilcoxon's signed-rank test with Holm's correction at the 5% level"
    if not far:
        return [first, f"No other method is significantly different from it by {test}."]
    second = f"By {test}, {_names(far)} {_are(far)} significantly worse"
    if near:
        second += f"; {_names(near)} {_are(near)} not significantly different"
    return [first, f"{second}."]


def _on_datasets(runs: pd.DataFrame, metric: str, name: str) -> list[str]:
    leaders, equal, different, untested, unknown = [], [], [], [], []
    for dataset, rows in _groups(runs):
        means = rows.groupby("method")[metric].mean().dropna()
        if means.empty:
            continue
        best = best_methods(rows, metric)
        no_test = set(_untested(rows, metric)) - set(best)
        worse = [method for method in means.index if method not in {*best, *no_test}]
        leaders.append(f"`{best[0]}` on {dataset} ({means[best[0]]:.3f})")
        if _is_single(rows):
            untested.append(str(dataset))
        elif worse:
            different.append(f"on {dataset} {_names(worse)} {_are(worse)} significantly worse")
        elif not no_test:
            equal.append(str(dataset))
        if no_test and not _is_single(rows):
            unknown.append(f"{_names(sorted(no_test))} on {dataset}")
    clauses = []
    if equal:
        clauses.append(f"no method is significantly different from the best on {_joined(equal)}")
    test = "the corrected resampled t test with Holm's correction at the 5% level"
    sentences = [f"**Highest mean {name}**: {_joined(leaders)}."]
    if clauses or different:
        sentences.append(f"By {test}, {'; '.join([*clauses, *different])}.")
    if unknown:
        sentences.append(
            f"No test against the best is possible for {_joined(unknown)}: too few runs in common, "
            "or the same difference in all of them."
        )
    if untested:
        sentences.append(f"One run of each method on {_joined(untested)} allows no test.")
    return sentences


def _overall(scores: pd.DataFrame, name: str) -> str:
    """The best mean rank and the highest mean over a few data sets, which no test compares."""
    order, means = ranks.mean_ranks(scores), scores.mean()
    first = list(order.index[order.round(6) == order.round(6).min()])
    highest = means.idxmax()
    have = "has" if len(first) == 1 else "share"
    sentence = f"Over {len(scores)} data sets, {_names(first)} {have} the best mean rank"
    sentence += f" ({order.min():.2f})"
    if first == [highest]:
        sentence += f" and the highest mean ({means[highest]:.3f})"
    else:
        sentence += f", and `{highest}` has the highest mean {name} ({means[highest]:.3f})"
    return f"{sentence}; fewer than {FEWEST_DATASETS} data sets allow no test of this."


def _moved(
    runs: pd.DataFrame, scores: pd.DataFrame, metric: str, name: str, method: str, ablation: str
) -> str:
    result = ranks.compare(scores, method, ablation) if len(scores) else None
    change = f"Moving the synthetic points (`{method}` less `{ablation}`)"
    if result is not None and result.n >= FEWEST_DATASETS:
        verdict = "changed" if result.p_value < LEVEL else "did not significantly change"
        return (
            f"{change} {verdict} {name}: {count(result.wins, 'win')}, {count(result.ties, 'tie')}, "
            f"{count(result.losses, 'loss', 'losses')}, median difference "
            f"{result.median_difference:+.3f}, Wilcoxon p = {p_text(result.p_value)}."
        )
    verdicts = []
    for dataset, rows in _groups(runs):
        means = rows.groupby("method")[metric].mean()
        if not {method, ablation} <= set(means.dropna().index):
            continue
        both = rows[rows["method"].isin([method, ablation])]
        is_tie = len(best_methods(both, metric)) == 2
        difference = means[method] - means[ablation]
        if _is_single(both):
            verdict = "one run"
        elif not is_tie and _untested(both, metric):
            verdict = "no test possible"
        else:
            verdict = f"{'not ' * is_tie}significant"
        verdicts.append(f"{dataset} {difference:+.3f} ({verdict})")
    changes = f"{change} changed mean {name} by {', '.join(verdicts)}"
    return f"{changes}, each by one corrected resampled t test."


def _names(methods: Sequence[str]) -> str:
    shown = [f"`{method}`" for method in methods[:_MOST_NAMED]]
    if len(methods) > _MOST_NAMED:
        shown.append(f"{len(methods) - _MOST_NAMED} more")
    return _joined(shown)


def _joined(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _are(methods: Sequence[str]) -> str:
    return "is" if len(methods) == 1 else "are"
