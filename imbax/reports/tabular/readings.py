"""Report section on variants of Explicit Gradient: the effect of each design choice."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbax.experiments import disk
from imbax.experiments.labels import method_of
from imbax.reports.comparisons import against_control, legend, to_markdown
from imbax.reports.drawing import INK, new_figure, save
from imbax.reports.tabular.tables import score_table

__all__ = ["readings_page"]

_DEFAULT, _FROZEN = "explicit_gradient", "explicit_gradient_frozen"


def readings_page(runs: pd.DataFrame, titles: dict[str, str], out: Path) -> str:
    """Section that compares every variant with the default; writes a figure and a table.

    The table is `tables/readings.csv`. The section is empty without variants or without the
    default.

    Parameters
    ----------
    runs
        One row per run.
    titles
        Change that each variant makes, by method name.
    out
        The report's folder.
    """
    titles = {name: title for name, title in titles.items() if method_of(name) == name}
    present = [name for name in (_FROZEN, *titles) if name in set(runs["method"])]
    if not titles or _DEFAULT not in set(runs["method"]):
        return ""
    scores = score_table(runs[runs["method"].isin([_DEFAULT, *present])])
    table = against_control(scores, _DEFAULT)
    if table.empty:
        return ""
    titles = {_FROZEN: "fixed synthetic points (η₂ = 0)"} | titles
    disk.write_table(Path(out, "tables", "readings.csv"), table.droplevel("against"))
    figure = _figure(scores, titles, Path(out, "figures", "readings.png"))
    named = table.rename(index=titles, level="method")
    return "\n\n".join(
        [
            "## Variants of the method",
            f"Each row compares `{_DEFAULT}` with one choice changed to `{_DEFAULT}` itself, over "
            f"data sets. {legend(table)} By method name: [readings.csv](tables/readings.csv).",
            to_markdown(named),
            f"![variants of the method](figures/{figure.name})",
        ]
    )


def _figure(scores: pd.DataFrame, titles: dict[str, Any], path: Path) -> Path:
    """Differences from the default: a dot per data set, a bar at the mean; best variant on top."""
    difference = scores.drop(columns=_DEFAULT).sub(scores[_DEFAULT], axis=0)
    order = difference.mean().sort_values().index
    figure, (ax,) = new_figure(7.6, 1 + 0.27 * len(order), 1)
    ax.axvline(0, color=INK, linewidth=0.8)
    for height, name in enumerate(order):
        values = difference[name].dropna()
        ax.scatter(values, np.full(len(values), height), s=14, color="#0072B2", alpha=0.55, lw=0)
        ax.plot([values.mean()] * 2, [height - 0.35, height + 0.35], color="#D55E00", linewidth=2)
    ax.set_yticks(range(len(order)), [titles[name] for name in order])
    ax.set(xlabel="Average precision minus explicit_gradient's\n(dots: data sets, bar: mean)")
    ax.set_ylim(-0.6, len(order) - 0.4)
    return save(figure, path)
