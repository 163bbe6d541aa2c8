"""Tables and report on the suite `sine`."""

import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from imbax.experiments import disk
from imbax.experiments.provenance import environment
from imbax.experiments.run import Outcome
from imbax.experiments.sine.problem import METHODS, Config, Result, grid
from imbax.experiments.sine.suite import setting_name
from imbax.reports.sine import figures
from imbax.reports.tabular.tables import markdown
from imbax.statistics.ranks import compare, holm

__all__ = ["runs_table", "summary_table", "write", "write_sine_report"]

_OURS, _FROZEN, _BASELINE = METHODS[:3]

_METHODS = """Errors are mean squared errors at 501 evenly spaced x, which no method uses.

- `explicit_gradient`: starts from θ₀ and moves the synthetic points by the gradient of the
  validation loss.
- `explicit_gradient_frozen`: the same with η₂ = 0, that is, with fixed synthetic points.
- `train_valid`: the network trained on training and validation points together, the paper's
  baseline.
- `train`: the network trained on the training points alone.
- `theta_0`: the network `train` after its first updates, the start of the first two methods.

All methods of a seed share the points and the initial network, and all except `theta_0` make the
same number of updates."""


def write(out: Path, outcome: Outcome, options: Namespace) -> Path:
    """Writes the report of a run of the suite; returns its path."""
    results = outcome.results
    return write_sine_report(results, next(iter(results)), out, options.command_line)


def runs_table(results: Mapping[str, Result]) -> pd.DataFrame:
    """Test and validation errors, one row per setting, seed and method."""
    rows = [
        pd.DataFrame(
            {
                "setting": name,
                "seed": np.repeat(np.arange(len(result.error)), len(METHODS)),
                "method": np.tile(METHODS, len(result.error)),
                "test_error": np.ravel(result.error).astype(float),
                "valid_error": np.ravel(result.valid_error).astype(float),
            }
        )
        for name, result in results.items()
    ]
    return pd.concat(rows, ignore_index=True)


def summary_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Summary with one row per setting and method, over the seeds that did not diverge.

    `median`, `q25`, `q75`, `mean` and `sd` describe the test error, `valid_median` the validation
    error. The other columns compare Explicit Gradient with the row's method on the same seeds:
    `difference` is the median of its test error minus the method's, `wins` and `losses` are the
    numbers of seeds on which its error is lower and higher, `p_value` is from Wilcoxon's two-sided
    test, and `p_holm` is the p-value after Holm's correction for the setting's methods.
    """
    finite = runs.replace([np.inf, -np.inf], np.nan)
    cells = finite.groupby(["setting", "method"], sort=False)
    error = cells["test_error"]
    summary = pd.DataFrame(
        {
            "n": error.count(),
            "diverged": error.size() - error.count(),
            "median": error.median(),
            "q25": error.quantile(0.25),
            "q75": error.quantile(0.75),
            "mean": error.mean(),
            "sd": error.std(ddof=1),
            "valid_median": cells["valid_error"].median(),
        }
    )
    against = {}
    for setting, rows in finite.groupby("setting", sort=False):
        # `compare` treats higher scores as better.
        scores = -rows.pivot(index="seed", columns="method", values="test_error")
        results = {rival: compare(scores, _OURS, rival) for rival in METHODS if rival != _OURS}
        p_holm = holm([one.p_value for one in results.values()])
        for (rival, one), p in zip(results.items(), p_holm, strict=True):
            against[setting, rival] = (
                *(-one.median_difference, one.wins, one.losses, one.p_value, p),
            )
    columns = ["difference", "wins", "losses", "p_value", "p_holm"]
    other = pd.DataFrame.from_dict(against, orient="index", columns=columns)
    other.index = pd.MultiIndex.from_tuples(other.index)
    summary = summary.join(other.reindex(summary.index))
    return summary.astype({"wins": "Int64", "losses": "Int64"}).reset_index()


def write_sine_report(
    results: Mapping[Config, Result], base: Config, out: Path, command: str = ""
) -> Path:
    """Writes `<out>/report.md`, tables and figures on all settings and seeds.

    Parameters
    ----------
    results
        Results by setting, with leaves `[seeds, ...]`; the settings include `base`.
    base
        Setting of the paper.
    out
        Folder of the report.
    command
        Command line shown in the report.
    """
    named = {setting_name(config, base): result for config, result in results.items()}
    runs = runs_table(named)
    summary = summary_table(runs)
    folder = Path(out, "tables")
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("runs", runs), ("summary", summary)):
        disk.write_table(folder / f"{name}.csv", table, index=False)
    zero = _zero(base)
    paper = summary[summary["setting"] == "paper"].set_index("method")
    sections = [
        "# Regression of a sine",
        _runs_section(base, len(results[base].error), command),
        f"## The paper's setting\n\n{_METHODS}\n\n{markdown(_formatted(paper))}",
        _conclusions(paper, zero),
        _distance_to_truth(results[base], base),
        _panels(results[base], base, Path(out)),
        _length(results[base], base, zero, Path(out)),
        _numbers(results, base, zero, Path(out)),
        _settings(summary),
        "Errors of every run: [runs.csv](tables/runs.csv). All values of the tables, and mean ± "
        "SD: [summary.csv](tables/summary.csv).",
    ]
    path = Path(out, "report.md")
    disk.write_text(path, "\n\n".join(sections) + "\n")
    return path


def _zero(config):
    """Mean squared test error of predicting 0 everywhere."""
    return float((np.asarray(grid(config))[:, 1] ** 2).mean())


def _runs_section(base, seeds, command):
    fields = ", ".join(f"{name} {value}" for name, value in base._asdict().items())
    machine = ", ".join(f"{name} {value}" for name, value in environment().items())
    lines = [f"- {seeds} seeds; {fields}", f"- Environment: {machine}"]
    return "\n".join([*lines, *(["", "```", command, "```"] if command else [])])


def _formatted(paper):
    spread = [f"{r.median:.3f} [{r.q25:.3f}, {r.q75:.3f}]" for r in paper.itertuples()]
    mean = [f"{r.mean:.2f} ± {r.sd:.2f}" for r in paper.itertuples()]
    wins = [
        "" if math.isnan(r.difference) else f"{r.difference:+.3f} ({r.wins} of {r.n})"
        for r in paper.itertuples()
    ]
    table = {
        "test error, median [quartiles]": spread,
        "mean ± SD": mean,
        "validation error, median": [f"{value:.2g}" for value in paper["valid_median"]],
        "Explicit Gradient minus method, median (lower in)": wins,
        "p (Wilcoxon, Holm)": [_p(value) for value in paper["p_holm"]],
        "diverged": [str(value) for value in paper["diverged"]],
    }
    return pd.DataFrame(table, index=paper.index)


def _conclusions(paper, zero):
    ours = paper.loc[_OURS, "median"]
    sentences = []
    for rival, title in ((_BASELINE, "the paper's baseline"), (_FROZEN, "fixed synthetic points")):
        row = paper.loc[rival]
        if not row["p_holm"] < 0.05:
            verdict = "is not significantly different from"
        else:
            verdict = "is better than" if row["difference"] < 0 else "is worse than"
        sentences.append(
            f"Explicit Gradient {verdict} {title} (`{rival}`): median test error {ours:.3f} "
            f"against {row['median']:.3f}, lower on {row['wins']} of {row['n']} seeds, "
            f"p = {_p(row['p_holm'])}."
        )
    sentences.append(f"The test error of predicting 0 everywhere is {zero:.3f}.")
    return " ".join(sentences)


def _distance_to_truth(result, base):
    start, end = (
        np.median(np.abs(rows[..., 1] - np.sin(base.frequency * rows[..., 0])), axis=1)
        for rows in (result.start, result.end)
    )
    return (
        "Do the synthetic points move onto the true function, as in Figure 1 of the paper? Their "
        "vertical distance from the function (median over points, then over seeds) is "
        f"{np.median(start):.2f} at the start and {np.nanmedian(end):.2f} at the end. It decreases "
        f"on {np.sum(end < start)} of {len(end)} seeds."
    )


def _panels(result, base, out):
    ours, baseline = (result.error[:, METHODS.index(name)] for name in (_OURS, _BASELINE))
    ours = np.where(np.isfinite(ours), ours, np.inf)
    chosen = {
        "typical": (np.argsort(ours)[(len(ours) - 1) // 2], "median test error"),
        "luckiest": (np.argmin(ours - baseline), "largest lead over the baseline"),
    }
    truth, images = np.asarray(grid(base)), []
    for name, (seed, why) in chosen.items():
        title = f"Seed {seed}, the {name} one for Explicit Gradient: {why}"
        path = out / "figures" / f"three_panels_{name}.png"
        figures.three_panels(result, int(seed), truth, path, title=title)
        images.append(f"![{title}](figures/{path.name})")
    return "\n\n".join(images)


def _length(result, base, zero, out):
    figures.error_by_length(result, base, zero, out / "figures" / "length.png")
    curves = pd.DataFrame(np.nanmedian(result.curve, axis=0).T, columns=list(METHODS))
    best = curves[_OURS].iloc[base.records :].min()
    early = curves[_BASELINE].iloc[: base.records]
    updates = (np.arange(base.records) + 1) * base.epochs // base.records
    below = updates[early.to_numpy() < best]
    first = f"after {below[0]} updates" if len(below) else f"after more than {base.epochs} updates"
    return (
        "## Length of training\n\nThe paper does not state the number of updates, so the test "
        "error is shown by number of updates. The lowest median of Explicit Gradient at any number "
        f"of updates after θ₀ is {best:.3f}; the baseline's median is first below this value "
        f"{first}.\n\n![test error by updates](figures/length.png)"
    )


def _numbers(results, base, zero, out):
    synthetic = {c.n_synth: r for c, r in results.items() if c == base._replace(n_synth=c.n_synth)}
    real = {
        c.n_train: r
        for c, r in results.items()
        if c == base._replace(n_train=c.n_train, n_valid=c.n_train)
    }
    figures.error_by_numbers(synthetic, real, zero, out / "figures" / "numbers.png")
    return (
        "## Other numbers of points\n\n"
        f"Left: number of synthetic points, with {base.n_train} + {base.n_valid} real points. "
        f"Right: number of real points, with {base.n_synth} synthetic points.\n\n"
        "![test error by numbers of points](figures/numbers.png)"
    )


def _settings(summary):
    rows = summary.set_index(["setting", "method"])
    shown = {}
    for setting in dict.fromkeys(summary["setting"]):
        by_method = rows.loc[setting]
        shown[setting] = {name: f"{by_method.loc[name, 'median']:.3f}" for name in METHODS[:4]}
        for rival in (_BASELINE, _FROZEN):
            row = by_method.loc[rival]
            shown[setting][f"lower than {rival}"] = f"{row['wins']:.0f} of {row['n']:.0f}"
    table = pd.DataFrame.from_dict(shown, orient="index").rename_axis("setting")
    return (
        "## All settings\n\nMedian test errors, and numbers of seeds on which Explicit Gradient is "
        "lower. `imbax.experiments.sine.problem` explains the settings.\n\n"
        f"{markdown(table)}"
    )


def _p(value):
    return "" if math.isnan(value) else f"{value:.2g}"
