"""Conclusions from a set of runs, as sentences made from the statistics."""

import math
from collections.abc import Sequence

import pandas as pd

from imbax.reports import comparisons
from imbax.reports.comparisons import count, effect_text, interval_text, p_text
from imbax.reports.tabular import tables
from imbax.reports.tabular.by_network import DEFAULT, by_network
from imbax.statistics import ranks
from imbax.statistics.bayesian import ROPE, signed_rank
from imbax.statistics.ranks import FEWEST_DATASETS, LEVEL

__all__ = ["findings", "further_from_paper", "moving_points"]

_CONTROL, _BASELINE = "explicit_gradient", "ce"
_RIVALS = {
    "explicit_gradient_frozen": "the same training with fixed synthetic points",
    "ce": "cross-entropy without any correction for imbalance",
    "ce_long": "cross-entropy trained for the same total number of epochs",
}


def findings(runs: pd.DataFrame) -> str:
    """Markdown paragraphs on the best methods over data sets and the significance of differences.

    If there are several networks, each network has its own paragraphs.
    """
    scores = tables.score_table(runs)
    parts = [comparisons.ranking(scores)]
    if len(scores) < FEWEST_DATASETS:
        parts.append(
            f"A test over {count(len(scores), 'data set')} is not meaningful (it needs at least "
            f"{FEWEST_DATASETS}), so only wins and losses are reported."
        )
    networks = by_network(runs)
    for network, network_runs in networks.items():
        if list(networks) != [DEFAULT]:
            parts.append(f"### Network `{network}`")
        parts += _network_findings(network_runs)
    return "\n\n".join(part for part in parts if part)


def _network_findings(runs: pd.DataFrame) -> list[str]:
    scores, parts = tables.score_table(runs), []
    if _CONTROL in scores:
        rivals = [rival for rival in _RIVALS if rival in scores]
        parts.append(_control_against_rivals(scores, runs, rivals))
    if _BASELINE in scores and scores.shape[1] > 1:
        parts.append(_methods_against_baseline(scores))
    return parts


def further_from_paper(runs: pd.DataFrame) -> str:
    """Section on data sets where plain cross-entropy does not reproduce the paper's score."""
    paper = tables.paper_figures().xs(_BASELINE, level="method").index
    ours = runs.loc[runs["method"] == _BASELINE, "dataset"]
    if not ours.isin(paper).any():
        return ""
    table = tables.beyond_paper(runs, _BASELINE)
    text = (
        "## Deviations from the paper\n\n"
        f"Data sets on which our mean score of `{_BASELINE}` differs from the paper's by more than "
        "twice the paper's SD and by more than 0.02: "
    )
    if table.empty:
        return f"{text}none of {ours[ours.isin(paper)].nunique()}."
    cells = table.assign(difference=table["difference"].map("{:+.2f}".format))
    for name in ("ours", "sd", "paper", "paper_sd"):
        cells[name] = cells[name].map("{:.2f}".format)
    return f"{text}\n\n{tables.markdown(cells.rename(columns={'paper_sd': 'paper sd'}))}"


def moving_points(runs: pd.DataFrame) -> str:
    """Section on the movement of synthetic points; empty if no method has any."""
    kept = runs[~runs["diverged"]]
    rows = {}
    for method in tables.in_order(kept["method"]):
        selected = kept[kept["method"] == method]
        move, outside = selected["x_synth_move"].dropna(), selected["x_synth_outside"].dropna()
        if move.empty and not method.startswith("explicit_gradient"):
            continue
        rows[method] = {
            "runs": len(selected),
            "epoch 0 was best": int((selected["epoch"] == 0).sum()),
            "median movement": "–" if move.empty else f"{move.median():.3g}",
            "largest movement": "–" if move.empty else f"{move.max():.3g}",
            "share outside": "–" if outside.empty else f"{outside.mean():.1%}",
        }
    if not rows:
        return ""
    return (
        "## Movement of synthetic points\n\n"
        "In runs in which epoch 0 was best, validation preferred the starting point to every later "
        "epoch: the result is the network of `ce`, and a comparison with `ce` compares a run with "
        "itself. Movement is the root mean square over the synthetic points of a run, in units of "
        "the scaled features. The share outside is that of points that ended outside the bounding "
        "box of the training rows.\n\n"
        + tables.markdown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("method"))
        + _unmoved_by_dataset(kept[kept["method"].isin(rows)])
    )


def _unmoved_by_dataset(runs: pd.DataFrame) -> str:
    """Share of the runs on each data set whose best epoch is the starting point."""
    if runs["dataset"].nunique() < 2:
        return ""
    share = (runs["epoch"] == 0).groupby([runs["dataset"], runs["method"]]).mean().unstack()
    share = share[tables.in_order(share.columns)].map("{:.0%}".format).replace("nan%", "–")
    title = "Share of runs in which epoch 0 was best, by data set:"
    return f"\n\n{title}\n\n{tables.markdown(share.rename_axis(index='dataset', columns=None))}"


def _control_against_rivals(scores: pd.DataFrame, runs: pd.DataFrame, rivals: Sequence[str]) -> str:
    """Paragraph on the paper's method against its frozen form and cross-entropy."""
    rivals = [rival for rival in rivals if (scores[_CONTROL] - scores[rival]).notna().any()]
    if not rivals:
        return f"No rival of `{_CONTROL}` has a score on the same data set."
    results = [ranks.compare(scores, _CONTROL, rival) for rival in rivals]
    corrected = ranks.holm([result.p_value for result in results])
    verdicts: dict[str, list[str]] = {}
    lines = []
    for rival, result, p in zip(rivals, results, corrected, strict=True):
        line = (
            f"- Against `{rival}` ({_RIVALS[rival]}): {count(result.wins, 'win')}, "
            f"{count(result.ties, 'tie')}, {count(result.losses, 'loss', 'losses')} on "
            f"{count(result.n, 'data set')}, median difference {result.median_difference:+.3f}"
        )
        if result.n >= FEWEST_DATASETS:
            verdict = _verdict(result, p)
            verdicts.setdefault(verdict, []).append(f"`{rival}`")
            line += (
                f" (95% interval {interval_text(result.low, result.high)}, rank-biserial effect "
                f"{effect_text(result.effect_size)}); Wilcoxon signed-rank "
                f"p = {p_text(result.p_value)}, {p_text(p)} after Holm's correction for "
                f"{count(len(rivals), 'comparison')}: **{verdict}**; "
                f"{_posterior(scores[_CONTROL] - scores[rival])}."
            )
        else:
            pairs = ranks.paired_differences(runs, _CONTROL, rival)
            line += ".\n" + "\n".join(
                f"  - {dataset}: {pair['mean']:+.3f}{_sd(pair['sd'])} over "
                f"{count(int(pair['n']), 'paired run')}, higher in {pair['higher']:.0f} and lower "
                f"in {pair['lower']:.0f}"
                for dataset, pair in pairs.iterrows()
            )
        lines.append(line)
    heading = f"Does `{_CONTROL}` score higher than its rivals?"
    if verdicts:
        short = [
            f"{verdict} {'from' if 'different' in verdict else 'than'} {', '.join(names)}"
            for verdict, names in verdicts.items()
        ]
        heading += f" At the {LEVEL:.0%} level: {'; '.join(short)}."
    return f"{heading}\n\n" + "\n".join(lines)


def _verdict(result: ranks.Comparison, p_value: float) -> str:
    if not p_value < LEVEL:
        return "not significantly different"
    return f"significantly {'better' if result.effect_size > 0 else 'worse'}"


def _methods_against_baseline(scores: pd.DataFrame) -> str:
    table = comparisons.against_control(scores, _BASELINE)
    if table.empty:
        return ""
    legend = comparisons.legend(table)
    return f"Every method against `{_BASELINE}`. {legend}\n\n{comparisons.to_markdown(table)}"


def _posterior(difference: pd.Series) -> str:
    posterior = signed_rank(difference)
    return (
        f"Bayesian signed-rank probabilities: better {posterior.better:.2f}, equivalent within "
        f"±{ROPE:g} {posterior.equal:.2f}, worse {posterior.worse:.2f}"
    )


def _sd(sd: float) -> str:
    return "" if math.isnan(sd) else f" (SD {sd:.3f})"
