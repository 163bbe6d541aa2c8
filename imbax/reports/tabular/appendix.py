"""Appendix of a report: what was run, on which data, with which methods, and what is missing."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from imbax.experiments import manifest
from imbax.reports.comparisons import count
from imbax.reports.tabular import tables

__all__ = [
    "datasets_section",
    "manifests_of",
    "methods_section",
    "missing_section",
    "origins",
    "plain",
    "runs_section",
    "timings",
]

Provenance = Sequence[dict[str, Any]]

_MOST_LISTED = 20


def runs_section(runs: pd.DataFrame, provenance: Provenance, manifests: Provenance) -> str:
    """Section on the number of runs, the environments, the settings and the commands."""
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
        "- The checkpoint of each network was selected on validation rows, unless the settings or "
        "the method say otherwise. Held-out test rows were scored once, with that checkpoint, and "
        "were not used for any selection.",
        "- Metrics of every run: [runs.csv](tables/runs.csv)",
    ]
    commands = [c for manifest in manifests for c in manifest.get("commands", [])]
    if commands:
        lines += ["", "```", *dict.fromkeys(commands), "```"]
    return "## Runs\n\n" + "\n".join(lines)


def datasets_section(runs: pd.DataFrame, provenance: Provenance, manifests: Provenance) -> str:
    """Section on the size, imbalance, notices and origin of every data set."""
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
            origins(rows, manifests),
        ]
    )


def origins(datasets: Iterable[str], manifests: Provenance) -> str:
    """List of the sources and licences of data sets."""
    known = {name: one for manifest in manifests for name, one in manifest["origins"].items()}
    groups: dict[str, list[str]] = {}
    for name in datasets:
        text = "not recorded, as for arrays passed to Python functions"
        if name in known:
            text = f"{known[name].source}; licence: {known[name].licence}"
        groups.setdefault(text, []).append(name)
    lines = [f"- {', '.join(names)}: {text}" for text, names in groups.items()]
    return "\n".join(["Sources and licences of the data:", "", *lines])


def methods_section(provenance: Provenance) -> str:
    """Section with the title, the paper and the settings of every method."""
    facts = {one["method"]: one["method_facts"] for one in provenance}
    names = ["title", "paper", "kind", "sees", "note"]
    table = pd.DataFrame.from_dict(facts, orient="index").reindex(columns=names).fillna("")
    order = tables.in_order(facts)
    return f"## Methods\n\n{tables.markdown(table.loc[order].rename_axis('method'))}"


def missing_section(
    runs: pd.DataFrame, provenance: Provenance, manifests: Provenance, remarks: Sequence[str]
) -> str:
    """Section on diverged and missing runs, fallbacks and warnings."""
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


def manifests_of(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Manifests of the folders: commands, skipped data sets and failed cells."""
    return [manifest.read(folder) for folder in dict.fromkeys(f.resolve() for f in folders)]


def plain(facts: dict[str, Any]) -> str:
    """Names and values of facts as one line of text."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in facts.items()
    )
