"""What a set of runs shows, said in sentences made from the statistics."""

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
    "explicit_gradient_frozen": "the same training with the points held still",
    "ce": "cross-entropy, nothing done about the imbalance",
    "ce_long": "cross-entropy trained for as many epochs in all",
}


def findings(runs: pd.DataFrame) -> str:
    """Markdown paragraphs on who wins over datasets, and whether that is more than chance; on the
    methods of each network apart where there are several."""
    scores = tables.score_table(runs)
    parts = [comparisons.ranking(scores)]
    if len(scores) < FEWEST_DATASETS:
        parts.append(
            f"A test over {count(len(scores), 'dataset')} is not meaningful (it takes at least "
            f"{FEWEST_DATASETS}), so only wins and losses are given."
        )
    networks = by_network(runs)
    for network, of_network in networks.items():
        if list(networks) != [DEFAULT]:
            parts.append(f"### With the network `{network}`")
        parts += _of_one_network(of_network)
    return "\n\n".join(part for part in parts if part)


def _of_one_network(runs: pd.DataFrame) -> list[str]:
    scores, parts = tables.score_table(runs), []
    if _CONTROL in scores:
        rivals = [rival for rival in _RIVALS if rival in scores]
        parts.append(_against(scores, runs, rivals))
    else:
        parts.append(f"`{_CONTROL}` was not run here, so these runs say nothing about it.")
    if _BASELINE in scores and scores.shape[1] > 1:
        parts.append(_every_method(scores))
    return parts


def further_from_paper(runs: pd.DataFrame) -> str:
    """The section on datasets where plain cross-entropy does not repeat the paper's figure."""
    paper = tables.paper_figures().xs(_BASELINE, level="method").index
    ours = runs.loc[runs["method"] == _BASELINE, "dataset"]
    if not ours.isin(paper).any():
        return ""
    table = tables.beyond_paper(runs, _BASELINE)
    text = (
        "## Further from the paper than its spread\n\n"
        f"Datasets where our `{_BASELINE}` differs from the paper's by more than twice the "
        "paper's SD, or 0.02 where that is more: "
    )
    if table.empty:
        return f"{text}none of {ours[ours.isin(paper)].nunique()}."
    shown = table.assign(difference=table["difference"].map("{:+.2f}".format))
    for name in ("ours", "sd", "paper", "paper_sd"):
        shown[name] = shown[name].map("{:.2f}".format)
    return f"{text}\n\n{tables.markdown(shown.rename(columns={'paper_sd': 'paper sd'}))}"


def moving_points(runs: pd.DataFrame) -> str:
    """The section on synthetic points; empty where no method has any."""
    kept = runs[~runs["diverged"]]
    rows = {}
    for method in tables.in_order(kept["method"]):
        of_method = kept[kept["method"] == method]
        move, outside = of_method["x_synth_move"].dropna(), of_method["x_synth_outside"].dropna()
        if move.empty and not method.startswith("explicit_gradient"):
            continue
        rows[method] = {
            "runs": len(of_method),
            "starting point was best": int((of_method["epoch"] == 0).sum()),
            "move, median": "–" if move.empty else f"{move.median():.3g}",
            "move, largest": "–" if move.empty else f"{move.max():.3g}",
            "share outside": "–" if outside.empty else f"{outside.mean():.1%}",
        }
    if not rows:
        return ""
    return (
        "## Moving points\n\n"
        "In how many runs validation chose the starting point (epoch 0) over every later epoch, "
        "how far the synthetic points moved (root mean square per run, in the units of the scaled "
        "features) and which share of them ended outside the box of the training rows.\n\n"
        + tables.markdown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("method"))
    )


def _against(scores: pd.DataFrame, runs: pd.DataFrame, rivals: Sequence[str]) -> str:
    """Does the paper's method beat its own frozen form and cross-entropy?"""
    rivals = [rival for rival in rivals if (scores[_CONTROL] - scores[rival]).notna().any()]
    if not rivals:
        return f"`{_CONTROL}` has no rival here with a score on the same dataset."
    results = [ranks.compare(scores, _CONTROL, rival) for rival in rivals]
    corrected = ranks.holm([result.p_value for result in results])
    verdicts: dict[str, list[str]] = {}
    lines = []
    for rival, result, p in zip(rivals, results, corrected, strict=True):
        line = (
            f"- Against `{rival}` ({_RIVALS[rival]}): {count(result.wins, 'win')}, "
            f"{count(result.ties, 'tie')}, {count(result.losses, 'loss', 'losses')} on "
            f"{count(result.n, 'dataset')}, median difference {result.median_difference:+.3f}"
        )
        if result.n >= FEWEST_DATASETS:
            verdict = _verdict(result, p)
            verdicts.setdefault(verdict, []).append(f"`{rival}`")
            line += (
                f" (95% interval {interval_text(result.low, result.high)}, rank-biserial effect "
                f"{effect_text(result.effect_size)}); Wilcoxon signed-rank "
                f"p = {p_text(result.p_value)}, {p_text(p)} after Holm's correction for "
                f"{count(len(rivals), 'comparison')}: **{verdict}**; "
                f"{_likely(scores[_CONTROL] - scores[rival])}."
            )
        else:
            pairs = ranks.paired_differences(runs, _CONTROL, rival)
            line += ".\n" + "\n".join(
                f"  - {dataset}: {pair['mean']:+.3f}{_sd(pair['sd'])} over "
                f"{count(int(pair['n']), 'paired run')}, higher in {pair['higher']:.0f}"
                for dataset, pair in pairs.iterrows()
            )
        lines.append(line)
    heading = f"Does `{_CONTROL}` score higher than its rivals?"
    if verdicts:
        short = [f"{verdict} against {', '.join(names)}" for verdict, names in verdicts.items()]
        heading += f" At the {LEVEL:.0%} level: {'; '.join(short)}."
    return f"{heading}\n\n" + "\n".join(lines)


def _verdict(result: ranks.Comparison, p_value: float) -> str:
    if not p_value < LEVEL:
        return "no significant difference shown"
    return f"significantly {'better' if result.effect_size > 0 else 'worse'}"


def _every_method(scores: pd.DataFrame) -> str:
    table = comparisons.against_control(scores, _BASELINE)
    if table.empty:
        return ""
    said = comparisons.legend(table)
    return f"Every method against `{_BASELINE}`. {said}\n\n{comparisons.to_read(table)}"


def _likely(difference: pd.Series) -> str:
    chance = signed_rank(difference)
    return (
        f"Bayesian signed-rank: better with probability {chance.better:.2f}, equal within "
        f"±{ROPE:g} {chance.equal:.2f}, worse {chance.worse:.2f}"
    )


def _sd(sd: float) -> str:
    return "" if math.isnan(sd) else f" (SD {sd:.3f})"
