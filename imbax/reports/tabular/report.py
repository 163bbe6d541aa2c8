"""Report on a set of tabular runs as Markdown and as one HTML file, with tables and figures."""

import warnings
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from imbax.errors import InputError
from imbax.experiments import disk, store
from imbax.experiments.tabular.schema import SCHEMA, unpack_plane
from imbax.reports.answer import answer, titles_in
from imbax.reports.compare import profile_figures
from imbax.reports.drawing import OWN_COLOUR
from imbax.reports.overview import facts_of, grid_of, overview_figures
from imbax.reports.page import Section, write_page
from imbax.reports.tabular import figures, single_dataset, tables
from imbax.reports.tabular.aggregates import over_runs
from imbax.reports.tabular.appendix import (
    datasets_section,
    manifests_of,
    methods_section,
    missing_section,
    runs_section,
    timings,
)
from imbax.reports.tabular.by_network import networks_page
from imbax.reports.tabular.calibration import (
    kinds_of_score,
    probabilities,
    probabilities_page,
    with_calibration,
)
from imbax.reports.tabular.ceiling import ceiling_section
from imbax.reports.tabular.conclusions import findings, further_from_paper, moving_points
from imbax.reports.tabular.decisions import decisions_section
from imbax.reports.tabular.metrics import metrics_page, with_metrics
from imbax.reports.tabular.optimism import optimistic_page
from imbax.reports.tabular.readings import readings_page
from imbax.statistics.ranks import LEVEL

if TYPE_CHECKING:
    from imbax.experiments.run import Outcome

__all__ = ["write", "write_report"]

Provenance = Sequence[dict[str, Any]]

_FEWEST_TO_PLOT = 5
_OPEN = 2  # the section that is not folded: the comparison of methods
_MOVING_POINTS = ("explicit_gradient", "explicit_gradient_frozen")

_BY_DATASET = """## Results by data set

Bold cells are a metric's best mean and all means that are not significantly different from it, as
above. Precision and recall are means over runs; bands are one SD. A figure shows at most 12
methods: those of the paper, and the best of the others on that data set. Reliability diagrams show
the minority share against the predicted probability; each point is a tenth of the test rows of all
runs, with a 95% interval. Below the dotted line, probabilities are too high. Epochs are counted
from the start of the method itself."""
_ABOUT_POINTS = """`explicit_gradient` starts from the checkpoint of `ce`. Synthetic points are
projected onto the first two principal axes of the training rows, for the first run in which they
moved."""


def write(out: Path, outcome: "Outcome", options: Namespace) -> Path:
    """Writes the report of a run of a suite; returns its path."""
    optimistic = options.selection == "optimistic"
    return write_report([out], out, optimistic=optimistic, metrics=options.metrics)


def write_report(
    folders: Iterable[Path], out: Path, *, optimistic: bool = False, metrics: Any = ()
) -> Path:
    """Writes ``<out>/report.md`` and ``report.html`` on the runs of all folders.

    Tables and figures are written to ``<out>/tables`` and ``<out>/figures``. ``folders`` are output
    folders of earlier runs; ``out`` may be one of them. Returns the path of ``report.md``.
    ``optimistic`` adds a section on validation scores; ``metrics`` are additional metrics, as for
    ``named_metrics.metrics_of``. Raises ``InputError`` if the folders contain no results.
    """
    folders, out = [Path(folder) for folder in folders], Path(out)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs, provenance = store.read(folders, SCHEMA), store.read_provenance(folders)
    remarks = list(dict.fromkeys(str(warning.message) for warning in caught))
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    if runs.empty:
        raise InputError(
            f"no results in {', '.join(map(str, folders)) or 'an empty list of folders'}; expected "
            "files runs/<dataset>/<method>/*.parquet; run an experiment first or name its folder"
        )
    kinds = kinds_of_score(provenance)
    with warnings.catch_warnings(action="ignore"):  # already reported
        runs = with_calibration(runs, folders, kinds)
    runs = with_metrics(runs, folders, kinds, metrics)
    tables.write_tables(runs, provenance, out)
    contrasts = single_dataset.contrasts(runs)
    single_dataset.write(contrasts, out)
    manifests = manifests_of([*folders, out])
    scores = tables.score_table(runs)
    answers = answer(runs, scores, "average_precision", "average precision", _MOVING_POINTS)
    answers += titles_in(answers, provenance)
    head = [
        _summary(runs),
        _balanced_accuracy(runs),
        f"## Comparison of methods\n\n{findings(runs)}",
        networks_page(runs),
        single_dataset.overview(runs, contrasts),
        _profiles(scores, out),
        _differences(runs, out),
        over_runs(runs, out),
        probabilities_page(runs, provenance),
        metrics_page(runs),
        optimistic_page(runs, out) if optimistic else "",
        readings_page(runs, _readings(provenance), out),
        ceiling_section(runs),
        further_from_paper(runs),
        moving_points(runs),
    ]
    by_dataset = [
        _dataset(folders, out, runs, kinds, dataset, single_dataset.dataset_section(table))
        for dataset, table in sorted(contrasts.items())
    ]
    appendix = [
        runs_section(runs, provenance, manifests),
        datasets_section(runs, provenance, manifests),
        methods_section(provenance),
        missing_section(runs, provenance, manifests, remarks),
        timings(provenance),
    ]
    parts = [_BY_DATASET, *([_ABOUT_POINTS] if _MOVING_POINTS[0] in scores else [])]
    about = "\n\n".join([*parts, single_dataset.BY_DATASET])
    overview = overview_figures(runs, scores, "average_precision", out, "average precision")
    _write_html(out, runs, scores, answers, overview, head, [about, *by_dataset], appendix)
    path = out / "report.md"
    first = "\n\n".join(["# Report", *answers, overview])
    sections = [first, appendix[0], *head, *appendix[1:], about, *by_dataset]
    text = "\n\n".join(section.strip() for section in sections if section) + "\n"
    disk.write_text(path, text)
    return path


def _write_html(out, runs, scores, answers, overview, head, by_dataset, appendix) -> Path:
    return write_page(
        out / "report.html",
        title=f"Report: {', '.join(sorted(set(runs['suite'])))}",
        facts=facts_of(runs),
        answer=answers,
        overview=overview,
        grid=grid_of(runs, scores, "average_precision", "Average precision"),
        sections=[
            *(Section(text, is_folded=place != _OPEN) for place, text in enumerate(head)),
            *(Section(text, is_folded=True) for text in by_dataset),
        ],
        appendix=[Section(text, is_folded=True) for text in appendix],
    )


def _summary(runs: pd.DataFrame) -> str:
    table = tables.summary_table(runs)
    best = tables.best_cells(runs, table)
    return (
        "## Average precision\n\n"
        "Mean ± SD over runs (folds and seeds). Bold cells are the highest mean of a data set and "
        "every method that is not significantly different from it by the corrected resampled t "
        f"test with Holm's correction at the {LEVEL:.0%} level. For more than two classes, average "
        "precision is the one-vs-rest macro average. Columns marked *paper* are the figures "
        "printed in arXiv 2202.10550, for other splits and settings. Other metrics: "
        "[summary.csv](tables/summary.csv).\n\n" + tables.markdown(table, best)
    )


def _balanced_accuracy(runs: pd.DataFrame) -> str:
    runs = tables.multiclass_runs(runs)
    if runs.empty:
        return ""
    table = tables.summary_table(runs, "balanced_accuracy")
    best = tables.best_cells(runs, table, "balanced_accuracy")
    return (
        "## Balanced accuracy\n\n"
        "Mean recall over classes, for data sets with more than two classes; means, SDs and bold "
        "cells as above. Input for `imbax compare`: "
        "[balanced_accuracy.csv](tables/balanced_accuracy.csv).\n\n" + tables.markdown(table, best)
    )


def _readings(provenance: Provenance) -> dict[str, str]:
    facts = {one["method"]: one["method_facts"] for one in provenance}
    return {name: fact["title"] for name, fact in facts.items() if fact["kind"] == "reading"}


def _profiles(scores: pd.DataFrame, out: Path) -> str:
    text = profile_figures(scores, out, first=tuple(OWN_COLOUR))
    return text and f"## Performance profiles\n\n{text}"


def _differences(runs: pd.DataFrame, out: Path) -> str:
    if runs["dataset"].nunique() < _FEWEST_TO_PLOT:
        return ""
    path = figures.score_differences(runs, out / "figures" / "differences.png")
    title = "## Differences by data set\n\n"
    return path and f"{title}![differences by data set](figures/{path.name})"


def _dataset(
    folders: Sequence[Path],
    out: Path,
    runs: pd.DataFrame,
    kinds: dict[str, str],
    dataset: str,
    contrasts: str,
) -> str:
    methods = tables.in_order(runs["method"])
    with warnings.catch_warnings(action="ignore"):  # already reported
        rows = store.read(folders, SCHEMA, arrays=True, dataset=dataset)
    rows = rows.assign(probability=probabilities(rows, kinds))
    stem = out / "figures" / store.safe_name(dataset)
    images = {
        "precision and recall": figures.precision_recall(
            rows, stem.with_name(f"{stem.name}_precision_recall.png"), methods=methods
        ),
        "reliability": figures.reliability_diagram(
            rows, stem.with_name(f"{stem.name}_reliability.png"), methods=methods
        ),
        "training": figures.training_curves(
            rows, stem.with_name(f"{stem.name}_training.png"), methods=methods
        ),
    }
    monitored = rows[rows["method"] == "explicit_gradient"]
    images["convergence of the points"] = figures.convergence(
        monitored, stem.with_name(f"{stem.name}_convergence.png")
    )
    moved = rows[rows["plane"].notna() & (rows["x_synth_move"] > 0)]
    for i, method in enumerate(tables.in_order(moved["method"])):
        plane = unpack_plane(moved.loc[moved["method"] == method, "plane"].iloc[0])
        suffix = f"_{store.safe_name(method)}" if i else ""
        path = stem.with_name(f"{stem.name}_points{suffix}.png")
        images[f"points of {method}"] = figures.synthetic_points(
            plane, path, f"{method} on {dataset}"
        )
    decisions = decisions_section(rows, kinds)
    dataset_runs = runs[runs["dataset"] == dataset]
    table = tables.dataset_table(dataset_runs)
    return "\n\n".join(
        [
            f"### {dataset}",
            tables.markdown(table, tables.best_of_dataset(dataset_runs, table)),
            *([contrasts] if contrasts else []),
            *([decisions] if decisions else []),
            *(
                f"![{name} on {dataset}](figures/{path.name})"
                for name, path in images.items()
                if path
            ),
        ]
    )
