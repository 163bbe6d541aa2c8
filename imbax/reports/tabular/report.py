"""Markdown report on a set of tabular runs, with tables and figures."""

import json
import warnings
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from imbax.errors import InputError
from imbax.experiments import disk, manifest, store
from imbax.experiments.tabular.schema import SCHEMA, unpack_plane
from imbax.reports.compare import over_datasets
from imbax.reports.comparisons import count
from imbax.reports.drawing import OWN_COLOUR
from imbax.reports.tabular import figures, single_dataset, tables
from imbax.reports.tabular.aggregates import over_runs
from imbax.reports.tabular.by_network import networks_page
from imbax.reports.tabular.calibration import (
    kinds_of_score,
    probabilities,
    probabilities_page,
    with_calibration,
)
from imbax.reports.tabular.ceiling import ceiling_section
from imbax.reports.tabular.conclusions import findings, further_from_paper, moving_points
from imbax.reports.tabular.metrics import metrics_page, with_metrics
from imbax.reports.tabular.optimism import optimistic_page
from imbax.reports.tabular.readings import readings_page
from imbax.statistics.ranks import LEVEL

if TYPE_CHECKING:
    from imbax.experiments.run import Outcome

__all__ = ["manifests_of", "plain", "timings", "write", "write_report"]

Provenance = Sequence[dict[str, Any]]

_FEWEST_TO_PLOT = 5
_MOST_LISTED = 20

_BY_DATASET = """## Results by data set

Bold cells are a metric's best mean and all means that are not significantly different from it, as
above. Precision and recall are means over runs; bands are one SD. A figure shows at most 12
methods: those of the paper, and the best of the others on that data set. Reliability diagrams show
the minority share against the predicted probability; each point is a tenth of the test rows of all
runs, with a 95% interval. Below the dotted line, probabilities are too high. Epochs are counted
from the start of the method itself; explicit_gradient starts from the checkpoint of ce. Synthetic
points are projected onto the first two principal axes of the training rows, for the first run in
which they moved."""


def write(out: Path, outcome: "Outcome", options: Namespace) -> Path:
    """Write the report of a run of a suite; returns its path."""
    optimistic = options.selection == "optimistic"
    return write_report([out], out, optimistic=optimistic, metrics=options.metrics)


def write_report(
    folders: Iterable[Path], out: Path, *, optimistic: bool = False, metrics: Any = ()
) -> Path:
    """Write ``<out>/report.md`` on the runs of all folders, and its tables and figures.

    ``folders`` are output folders of earlier runs; ``out`` may be one of them. Returns the report's
    path. ``optimistic`` adds a section on validation scores; ``metrics`` are additional metrics, as
    for ``named_metrics.metrics_of``. Raises ``InputError`` if the folders contain no results.
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
    with warnings.catch_warnings(action="ignore"):  # reported already
        runs = with_calibration(runs, folders, kinds)
    runs = with_metrics(runs, folders, kinds, metrics)
    tables.write_tables(runs, provenance, out)
    contrasts = single_dataset.contrasts(runs)
    single_dataset.write(contrasts, out)
    manifests = manifests_of([*folders, out])
    sections = [
        "# Report",
        _runs_section(runs, provenance, manifests),
        _summary(runs),
        _balanced_accuracy(runs),
        f"## Comparison of methods\n\n{findings(runs)}",
        networks_page(runs),
        single_dataset.overview(runs, contrasts),
        over_datasets(tables.score_table(runs), out, first=tuple(OWN_COLOUR)),
        _differences(runs, out),
        over_runs(runs, out),
        probabilities_page(runs, provenance),
        metrics_page(runs),
        optimistic_page(runs, out) if optimistic else "",
        readings_page(runs, _readings(provenance), out),
        ceiling_section(runs),
        further_from_paper(runs),
        _datasets(runs, provenance),
        _methods(provenance),
        moving_points(runs),
        _missing_runs(runs, provenance, manifests, remarks),
        timings(provenance),
        f"{_BY_DATASET}\n\n{single_dataset.BY_DATASET}",
        *(
            _dataset(folders, out, runs, kinds, dataset, single_dataset.dataset_section(table))
            for dataset, table in sorted(contrasts.items())
        ),
    ]
    path = out / "report.md"
    text = "\n\n".join(section.strip() for section in sections if section) + "\n"
    disk.write_text(path, text)
    return path


def _runs_section(runs: pd.DataFrame, provenance: Provenance, manifests: Provenance) -> str:
    n_datasets, n_methods = runs["dataset"].nunique(), runs["method"].nunique()
    n_seeds, n_folds = runs["seed"].nunique(), runs["fold"].nunique()
    lines = [
        f"- Suite: {', '.join(sorted(set(runs['suite'])))}",
        f"- {count(len(runs), 'run')}: {count(n_datasets, 'data set')}, "
        f"{count(n_methods, 'method')}, {count(n_seeds, 'seed')}, {count(n_folds, 'fold')}",
    ]
    sizes = runs.groupby(["dataset", "method"]).size().unstack(fill_value=0)
    most = sizes.max(axis=1)
    gaps = [f"{m} on {d} ({n} of {most[d]})" for (d, m), n in sizes.stack().items() if n < most[d]]
    if gaps:
        more = f" and {len(gaps) - _MOST_LISTED} more" if len(gaps) > _MOST_LISTED else ""
        lines.append(f"- Fewer runs than other methods: {', '.join(gaps[:_MOST_LISTED])}{more}")
    for title, name in (("Environment", "environment"), ("Settings", "settings")):
        for text, n in Counter(plain(one[name]) for one in provenance).most_common():
            lines.append(f"- {title}: {text} ({count(n, 'result file')})")
    lines += [
        "- The checkpoint of each network was selected on validation rows. Held-out test rows were "
        "scored once, with that checkpoint, and were not used for any selection.",
        "- Metrics of every run: [runs.csv](tables/runs.csv)",
    ]
    commands = [c for manifest in manifests for c in manifest.get("commands", [])]
    if commands:
        lines += ["", "```", *dict.fromkeys(commands), "```"]
    return "## Runs\n\n" + "\n".join(lines)


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


def _datasets(runs: pd.DataFrame, provenance: Provenance) -> str:
    repeats = runs.groupby("dataset")["test_rows_in_train"].mean()
    test_rows = runs.groupby("dataset")["n_test"].mean()
    rows, notes = {}, []
    for one in provenance:
        dataset, facts = one["dataset"], one["dataset_facts"]
        if dataset in rows:
            continue
        rows[dataset] = {
            "rows": facts["n_rows"],
            "features": facts["n_features"],
            "classes": facts.get("n_classes", 2),
            "minority": facts["n_minority"],
            "ratio": f"{facts['imbalance_ratio']:.1f}",
            "test rows": f"{test_rows[dataset]:.0f}",
            "test rows also in training": f"{repeats[dataset]:.1f}",
            "notices": "; ".join(facts["notices"]),
        }
        prints = {p["dataset_facts"]["fingerprint"] for p in provenance if p["dataset"] == dataset}
        if len(prints) > 1:
            notes.append(
                f"The methods did not all use the same rows of {dataset}: its content differs "
                "between result files, so its scores should not be compared."
            )
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("dataset")
    if (table["classes"] == 2).all():
        del table["classes"]
    return "\n\n".join(
        [
            "## Data sets",
            "The imbalance ratio is the number of majority rows per minority row; for more than "
            "two classes, of the largest and the smallest class. Test rows, and test rows with an "
            "exact copy among the training rows, are means per run.",
            tables.markdown(table),
            *notes,
        ]
    )


def _methods(provenance: Provenance) -> str:
    facts = {one["method"]: one["method_facts"] for one in provenance}
    names = ["title", "paper", "kind", "sees", "note"]
    table = pd.DataFrame.from_dict(facts, orient="index").reindex(columns=names).fillna("")
    order = tables.in_order(facts)
    return f"## Methods\n\n{tables.markdown(table.loc[order].rename_axis('method'))}"


def _readings(provenance: Provenance) -> dict[str, str]:
    facts = {one["method"]: one["method_facts"] for one in provenance}
    return {name: fact["title"] for name, fact in facts.items() if fact["kind"] == "reading"}


def _missing_runs(
    runs: pd.DataFrame, provenance: Provenance, manifests: Provenance, remarks: Sequence[str]
) -> str:
    diverged = runs.groupby(["dataset", "method"])["diverged"].agg(["sum", "size"])
    lines = [
        f"- {method} on {dataset}: {row['sum']} of {count(row['size'], 'run')} diverged and "
        "are not included in the means"
        for (dataset, method), row in diverged[diverged["sum"] > 0].iterrows()
    ] or ["- No run diverged."]
    others = {one["method"]: one["method_facts"].get("fallback") for one in provenance}
    failed = runs.groupby(["dataset", "method"])["fallback"].agg(["sum", "size"])
    lines += [
        f"- {method} fell back to {others[method] or 'another rule'} in {row['sum']} of "
        f"{count(row['size'], 'run')} on {dataset}"
        for (dataset, method), row in failed[failed["sum"] > 0].iterrows()
    ]
    for name, verb in (("skipped", "was skipped"), ("failed", "failed")):
        reasons = {k: v for manifest in manifests for k, v in manifest.get(name, {}).items()}
        lines += [f"- {item} {verb}: {reason}" for item, reason in sorted(reasons.items())]
    lines += [f"- {remark}" for remark in remarks]
    return "## Missing and diverged runs\n\n" + "\n".join(lines)


def timings(provenance: Provenance) -> str:
    """Section on compilation and running times by method."""
    names = ["n_runs", "compile_seconds", "run_seconds"]
    table = tables.timing_table(provenance).groupby("method")[names].sum()
    table = table.loc[tables.in_order(table.index)]
    table.loc["total"] = table.sum()
    shown = pd.DataFrame(
        {
            "runs": table["n_runs"].map("{:.0f}".format),
            "compile, s": table["compile_seconds"].map("{:.1f}".format),
            "run, s": table["run_seconds"].map("{:.1f}".format),
            "run, s per run": (table["run_seconds"] / table["n_runs"]).map("{:.3f}".format),
        }
    ).rename_axis("method")
    return (
        "## Time\n\nCompilation and running times, summed over data sets and seeds; by data set in "
        f"[timings.csv](tables/timings.csv).\n\n{tables.markdown(shown)}"
    )


def _differences(runs: pd.DataFrame, out: Path) -> str:
    if runs["dataset"].nunique() < _FEWEST_TO_PLOT:
        return ""
    path = figures.score_differences(runs, out / "figures" / "differences.png")
    return path and f"![differences by data set](figures/{path.name})"


def _dataset(
    folders: Sequence[Path],
    out: Path,
    runs: pd.DataFrame,
    kinds: dict[str, str],
    dataset: str,
    contrasts: str,
) -> str:
    methods = tables.in_order(runs["method"])
    with warnings.catch_warnings(action="ignore"):  # reported already
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
    dataset_runs = runs[runs["dataset"] == dataset]
    table = tables.dataset_table(dataset_runs)
    return "\n\n".join(
        [
            f"### {dataset}",
            tables.markdown(table, tables.best_of_dataset(dataset_runs, table)),
            *([contrasts] if contrasts else []),
            *(
                f"![{name} on {dataset}](figures/{path.name})"
                for name, path in images.items()
                if path
            ),
        ]
    )


def manifests_of(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Manifests of the folders: commands, skipped data sets and failed cells."""
    return [manifest.read(folder) for folder in dict.fromkeys(f.resolve() for f in folders)]


def plain(facts: dict[str, Any]) -> str:
    """Names and values of facts as one line of text."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in facts.items()
    )
