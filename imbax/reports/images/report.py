"""Report on a suite of images: scores, generated images and confusion matrices."""

import warnings
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbax.catalogue import names as names_of_methods
from imbax.errors import InputError
from imbax.experiments import disk, store
from imbax.experiments.images.metrics import TESTS
from imbax.experiments.images.schema import SCHEMA, unpack
from imbax.experiments.run import Outcome
from imbax.reports.answer import answer, titles_in
from imbax.reports.compare import profile_figures
from imbax.reports.comparisons import count, ranking
from imbax.reports.images import figures
from imbax.reports.images.tables import (
    against_controls,
    image_summary,
    mean_scores,
    readings_table,
    score_table,
)
from imbax.reports.overview import facts_of, grid_of, overview_figures
from imbax.reports.page import Section, write_page
from imbax.reports.tabular.appendix import manifests_of, origins, plain, timings
from imbax.reports.tabular.tables import markdown, timing_table

__all__ = ["write", "write_image_report"]

_INCOMPARABLE = """**These results were obtained with more than one protocol or on different images;
methods should not be compared.** Run all of them with one command."""
_METRIC = "balanced_acsa"
_COLLAPSED = 0.1
_SHOWN = 6

_METRICS_LEGEND = """Values are percentages, mean ± SD over runs (folds and seeds). ACSA is the mean
recall over classes (balanced accuracy), G-mean the square root of mean recall times mean
specificity, and F1 the macro average. The balanced test part has equally many images of each class,
so ACSA on it is plain accuracy. Columns marked *paper* are the figures printed in arXiv 2105.02340
(balanced test: its journal version), for another training recipe and other splits; `?` marks a
printed G-mean above √(ACSA), which no classifier can reach. Bold cells are the highest mean and
every method that is not significantly different from it by the corrected resampled t test (Nadeau
and Bengio 2003) with Holm's correction at the 5% level. If the protocols differ, only the highest
mean is bold."""


def write(out: Path, outcome: Outcome, options: Namespace) -> Path:
    """Writes the report of a run of a suite; returns its path."""
    return write_image_report([out], out)


def write_image_report(folders: Iterable[Path], out: Path) -> Path:
    """Writes ``<out>/report.md`` and ``report.html``, with tables and figures, on all runs.

    Returns the path of ``report.md``. Raises ``InputError`` if the folders contain no results.
    """
    folders, out = [Path(folder) for folder in folders], Path(out)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs = store.read(folders, SCHEMA, arrays=True)
        provenance = store.read_provenance(folders)
    remarks = list(dict.fromkeys(str(warning.message) for warning in caught))
    if runs.empty:
        raise InputError(f"no results in {', '.join(map(str, folders))}; run an experiment first")
    runs = _in_order(runs)
    summary = image_summary(runs)
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    small = [name for name in runs if runs[name].map(np.isscalar).all()]
    for name, table in (("runs", runs[small].drop(columns="looks")), ("summary", summary)):
        disk.write_table(folder / f"{name}.csv", table, index=False)
    scores = mean_scores(runs)
    disk.write_table(folder / "scores.csv", scores)
    disk.write_table(folder / "timings.csv", timing_table(provenance), index=False)
    manifests = manifests_of([*folders, out])
    records = {name: [one for one in provenance if one["dataset"] == name] for name in scores.index}
    is_comparable = {name: _is_comparable(found) for name, found in records.items()}
    all_sets = [
        _over_sets(scores.loc[[name for name in records if is_comparable[name]]], out),
    ]
    by_dataset = []
    for dataset, rows in runs.groupby("dataset", sort=False):
        about = records[dataset][0]
        classes = about["dataset_facts"]["classes"]
        parts = [
            f"## {dataset}",
            _counts(about, rows),
            _METRICS_LEGEND,
            "" if is_comparable[dataset] else _INCOMPARABLE,
            *(
                score_table(summary, dataset, test, rows if is_comparable[dataset] else None)
                for test in TESTS
            ),
            against_controls(rows) if is_comparable[dataset] else "",
            readings_table(rows, about["dataset_facts"]["train"]),
            _collapsed_classes(rows, classes),
            _figures(rows, classes, out, dataset),
        ]
        by_dataset.append("\n\n".join(part.strip() for part in parts if part))
    appendix = [
        _runs_section(runs, provenance, manifests, remarks),
        f"## Data sets\n\n{origins(scores.index, manifests)}",
        _methods(provenance),
        timings(provenance),
    ]
    comparable = runs[runs["dataset"].map(is_comparable)]
    answers, overview = _head(comparable, scores.loc[comparable["dataset"].unique()], out)
    answers += titles_in(answers, provenance)
    if len(comparable) < len(runs):
        answers.append(_INCOMPARABLE.replace("\n", " "))
    _write_html(out, comparable, scores, answers, overview, all_sets, by_dataset, appendix)
    sections = ["# Report", *answers, overview, appendix[0], *all_sets, *by_dataset, *appendix[1:]]
    path = out / "report.md"
    text = "\n\n".join(section.strip() for section in sections if section) + "\n"
    disk.write_text(path, text)
    return path


def _head(runs, scores, out):
    """Sentences on the result, and the overview's figures, both by ACSA on the balanced test."""
    if runs.empty:
        return [], ""
    pair = ("latent_explicit_gradient", "latent_explicit_gradient_frozen")
    answers = answer(runs, scores, _METRIC, "ACSA on the balanced test", pair)
    return answers, overview_figures(runs, scores, _METRIC, out, "balanced ACSA")


def _write_html(out, runs, scores, answers, overview, all_sets, by_dataset, appendix):
    write_page(
        out / "report.html",
        title=f"Report: {', '.join(scores.index)}",
        facts=facts_of(runs),
        answer=answers,
        overview=overview,
        grid=grid_of(runs, scores, _METRIC, "ACSA on the balanced test"),
        sections=[
            *(Section(text) for text in all_sets),
            *(Section(text, is_folded=len(by_dataset) > 1) for text in by_dataset),
        ],
        appendix=[Section(text, is_folded=True) for text in appendix],
    )


def _is_comparable(provenance):
    """Returns whether all results of a data set have the same protocol and the same images."""
    seen = {(plain(one["config"]), one["dataset_facts"]["fingerprint"]) for one in provenance}
    return len(seen) == 1


def _over_sets(scores, out):
    """Section on all data sets together; empty if there are too few."""
    if not (profiles := profile_figures(scores, out)):
        return ""
    text = (
        "Comparison by mean ACSA on the balanced test; the scores are in "
        "[scores.csv](tables/scores.csv), an input for `imbax compare`. Data sets made of the same "
        "images are not independent."
    )
    return "\n\n".join(["## Comparison over all data sets", text, ranking(scores), profiles])


def _in_order(runs):
    names = dict.fromkeys([*names_of_methods("images"), *sorted(set(runs["method"]))])
    rank = {name: number for number, name in enumerate(names)}
    keys = runs.assign(rank=runs["method"].map(rank))
    order = keys.sort_values(["dataset", "rank", "seed", "fold"], kind="stable").index
    return runs.loc[order].reset_index(drop=True)


def _runs_section(runs, provenance: Sequence[dict[str, Any]], manifests, remarks):
    n_methods, n_seeds = runs["method"].nunique(), runs["seed"].nunique()
    lines = [
        f"- {count(len(runs), 'run')}: {count(n_methods, 'method')}, {count(n_seeds, 'seed')}, "
        f"{count(runs['fold'].nunique(), 'fold')}",
        "- All methods use the same classifier and, under one protocol, the same number of steps; "
        "results are those of the last epoch. Held-out test images were scored once and were not "
        "used for any selection.",
    ]
    for title, name in (("Protocol", "config"), ("Environment", "environment")):
        texts = dict.fromkeys(plain(one[name]) for one in provenance)
        lines += [f"- {title}: {text}" for text in texts]
    diverged = runs[runs["diverged"]].groupby("method").size()
    lines += [f"- {method}: {count(n, 'run')} diverged, left out" for method, n in diverged.items()]
    for manifest in manifests:
        for name, verb in (("skipped", "was skipped"), ("failed", "failed")):
            lines += [f"- {item} {verb}: {why}" for item, why in manifest.get(name, {}).items()]
    lines += [f"- {remark}" for remark in remarks]
    commands = dict.fromkeys(c for manifest in manifests for c in manifest.get("commands", []))
    return "\n".join(["## Runs", "", *lines, "", "```", *commands, "```"])


def _counts(about, rows):
    facts = about["dataset_facts"]
    height, width, channels = facts["shape"]
    text = (
        f"Images are {height} x {width} x {channels}. Training images per class: "
        f"{', '.join(map(str, facts['train']))}; test images {rows['n_test'].iloc[0]} (balanced). "
        f"Fingerprint of the first run's split: `{facts['splits'][0][:12]}`."
    )
    notices = [f"- {notice}" for notice in dict.fromkeys(facts["notices"])]
    single = [name for name, n in zip(facts["classes"], facts["train"], strict=True) if n == 1]
    if single:
        notices.append(
            f"- {', '.join(single)}: only one training image, which SMOTE can only duplicate"
        )
    return "\n".join([text, "", *notices]) if notices else text


def _collapsed_classes(rows, classes):
    lines = []
    for method, method_rows in rows.groupby("method", sort=False):
        kept = [one for one in method_rows["variance_kept"] if len(one)]
        if not kept:
            continue
        mean = np.mean(kept, 0)
        low = [f"{classes[c]} ({mean[c]:.2f})" for c in np.flatnonzero(mean < _COLLAPSED)]
        if low:
            lines.append(f"- {method} collapsed on {', '.join(low)}: variance kept below 0.1")
    return "\n".join(lines)


def _figures(rows, classes, out, dataset):
    parts, made, strips = [], {}, {}
    first = rows.drop_duplicates("method").set_index("method")
    stem = out / "figures" / store.safe_name(dataset)
    path = lambda name: stem.with_name(f"{stem.name}_{name}.png")
    for method, looks in first["looks"].items():
        looks = unpack(looks)
        if "generated" not in looks:
            continue
        made.setdefault("real", looks["real"][:, :_SHOWN])
        made[method] = looks["generated"][:, :_SHOWN]
        if "reconstruction" in looks:
            blocks = {"real": looks["real"], "reconstructed": looks["reconstruction"]}
            blocks["generated"] = looks["generated"]
            figures.sheet(blocks, classes, path(f"{method}_sheet"))
            parts.append((f"`{method}`: real images, reconstructions, generated images",
                          f"{method}_sheet"))  # fmt: skip
            strips[method] = looks["strip"]
    if made:
        figures.sheet(made, classes, path("generated"))
        parts.insert(
            0, ("generated images of each method; none for the largest class", "generated")
        )
    for method, strip in strips.items():
        figures.sheet({f"{method}: interpolation between two images": strip}, classes,
                      path(f"{method}_strip"))  # fmt: skip
        parts.append((f"`{method}`: interpolation between the codes of two images",
                      f"{method}_strip"))  # fmt: skip
    matrices = {
        method: np.sum(group["balanced_confusion"].tolist(), 0).reshape(len(classes), -1)
        for method, group in rows.groupby("method", sort=False)
    }
    figures.confusions(matrices, classes, path("confusion"))
    parts.append(("confusion matrices, balanced test, all runs", "confusion"))
    for column, title, name in (
        ("loss", "classifier's training loss", "classifier"),
        ("generator_loss", "generator's training loss", "generator"),
    ):
        losses = {
            method: _stacked(group[column])
            for method, group in rows.groupby("method", sort=False)
            if group[column].map(len).max()
        }
        if losses:
            figures.curves(losses, title, path(name))
            parts.append((title, name))
    images = [f"{text[0].upper()}{text[1:]}:\n\n![{text}](figures/{path(name).name})"
              for text, name in parts]  # fmt: skip
    return "\n\n".join(["### Figures", *images])


def _stacked(lists):
    size = max(map(len, lists))
    return np.stack([np.pad(one, (0, size - len(one)), constant_values=np.nan) for one in lists])


def _methods(provenance):
    facts = {one["method"]: one["method_facts"] for one in provenance}
    names = [name for name in names_of_methods("images") if name in facts] or list(facts)
    table = pd.DataFrame.from_dict(facts, orient="index")
    table = table.loc[names, ["title", "paper", "kind", "sees", "note"]].rename_axis("method")
    return f"## Methods\n\n{markdown(table)}"
