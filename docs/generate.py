"""Generated pages: methods from the catalogue, commands from the parser, names of the API.

They are written to `docs/generated`, which is not under version control.
"""

import argparse
import importlib.util
import inspect
import re
from pathlib import Path

import pandas as pd

import imbax
import imbax.experiments.tabular.baselines  # registers them
from imbax import catalogue
from imbax.catalogue.spec import Method
from imbax.cli.arguments import parser
from imbax.losses import by_class, named, per_example
from imbax.statistics import ranks

__all__ = ["write"]

FAMILIES = {
    "loss": "Losses",
    "sampling": "Sampling",
    "decoupled": "Decoupled training of images",
    "generative": "Generative models",
    "meta": "Gradients through an update",
    "tuning": "Tuned controls",
    "peer": "Estimators of other libraries",
    "reading": "Readings of DeepSMOTE",
}


def write(docs: Path) -> None:
    """Writes all generated pages below `docs`, except pages that have not changed."""
    out, benchmarks = docs / "generated", docs.parent / "benchmarks"
    results = {
        suite: _results(benchmarks / "results" / suite / "summary.csv")
        for suite in ("imblearn27", "imblearn27_paper")
    }
    names = dict.fromkeys([*catalogue.names(), *catalogue.names("images")])
    methods = [catalogue.get(name) for name in names]
    for method in methods:
        _keep(out / "methods" / f"{method.name}.md", _method_page(method, results))
    _keep(out / "methods" / "index.md", _methods_index(methods))
    _keep(out / "command_line.md", _command_line(parser()))
    _keep(out / "api.rst", _api())
    _benchmarks(docs, benchmarks)


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _benchmarks(docs: Path, benchmarks: Path) -> None:
    """`benchmarks/README.md` and the pages of the results that it links to."""
    kept = {path.parent.name: path for path in sorted(benchmarks.glob("results/*/README.md"))}

    def target(match: re.Match) -> str:
        text, link = match.groups()
        folder = link.removeprefix("benchmarks/").removeprefix("results/").strip("/")
        if folder.endswith(".png"):  # shown on the page of the results
            folder = folder.rpartition("/")[0]
        return f"[{text}]({folder}.md)" if folder in kept else text

    link = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)]*)\)")
    names = "\n".join(kept)
    text = link.sub(target, (benchmarks / "README.md").read_text(encoding="utf-8"))
    contents = f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    _keep(docs / "generated" / "benchmarks" / "index.md", text + contents)
    for name, path in kept.items():
        text = link.sub(target, path.read_text(encoding="utf-8"))
        text = re.sub(
            r"!\[([^\]]*)\]\(([^):]*)\)", rf"![\1](../../../benchmarks/results/{name}/\2)", text
        )
        _keep(docs / "generated" / "benchmarks" / f"{name}.md", text)


def _results(path: Path) -> pd.DataFrame:
    """Means `[method]` over the 26 data sets, and the test against cross-entropy."""
    scores = pd.read_csv(path).pivot(index="dataset", columns="method", values="mean").dropna()
    table = pd.DataFrame({"mean": scores.mean(), "rank": ranks.mean_ranks(scores)})
    tests = {name: ranks.compare(scores, name, "ce") for name in scores if name != "ce"}
    table = table.join(pd.DataFrame.from_dict({k: t._asdict() for k, t in tests.items()}, "index"))
    p_values = table["p_value"].dropna()
    table["p_holm"] = pd.Series(ranks.holm(p_values), index=p_values.index)
    return table.assign(datasets=len(scores), methods=scores.shape[1])


def _method_page(method: Method, results: dict[str, pd.DataFrame]) -> str:
    on = [word for word, part in (("tables", method.tables), ("images", method.images)) if part]
    facts = {
        "Name": f"`{method.name}`",
        "Runs on": " and ".join(on),
        "May see": method.sees,
        "Paper": method.paper,
        "Settings": method.note,
    }
    lines = [f"# {method.title}", ""]
    lines += [f":{label}: {text}" for label, text in facts.items() if text]
    lines += ["", *_description(method), ""]
    suite = next((suite for suite, table in results.items() if method.name in table.index), None)
    if suite:
        text = _result(method.name, results[suite].loc[method.name], suite)
        lines += ["## Result on 26 tables", "", text, ""]
    lines += ["## Use", "", "```sh", _command(method), "```", ""]
    return "\n".join(lines)


def _description(method: Method) -> list[str]:
    """Directives for the docstring of the method's module or of its loss."""
    if importlib.util.find_spec(f"imbax.methods.{method.name}"):
        return ["```{eval-rst}", f".. automodule:: imbax.methods.{method.name}", "```"]
    if method.name in named.NAMED:
        text = inspect.getdoc(named.NAMED[method.name].loss_for) or ""
        found = re.match(r"`(per_example|by_class)\.(\w+)`", text)
        module = {"per_example": per_example, "by_class": by_class}
        if found and hasattr(module[found[1]], found[2]):
            where = f"imbax.losses.{found[1]}.{found[2]}"
            return ["```{eval-rst}", f".. autofunction:: {where}", "```"]
        return [text.split("\n\n")[0]]
    return []


def _result(name: str, row: pd.Series, suite: str) -> str:
    text = (
        f"Mean average precision {row['mean']:.3f} over {row['datasets']:.0f} data sets, mean rank "
        f"{row['rank']:.1f} among {row['methods']:.0f} methods"
    )
    if name != "ce" and pd.notna(row.get("p_holm")):
        text += (
            f"; better than `ce` on {row['wins']:.0f} data sets, worse on {row['losses']:.0f} "
            f"(Wilcoxon, p = {row['p_holm']:.2g} after Holm)"
        )
    return f"{text}. Command and spread: [{suite}](../benchmarks/{suite}.md)."


def _command(method: Method) -> str:
    return f"imbax run {'quickstart' if method.tables else 'digits'} --methods ce {method.name}"


def _methods_index(methods: list[Method]) -> str:
    lines = ["# Methods", "", "All methods get the same splits and scaling, and neural methods the",
             "same network, batch size and epochs unless stated otherwise.", ""]  # fmt: skip
    for kind in dict.fromkeys(method.kind for method in methods):
        family = [method for method in methods if method.kind == kind]
        lines += [f"## {FAMILIES.get(kind, kind.capitalize())}", ""]
        lines += [f"- [{method.title}]({method.name}.md), `{method.name}`" for method in family]
        lines += [""]
    names = [method.name for method in methods]
    return "\n".join([*lines, "```{toctree}", ":hidden:", "", *names, "```", ""])


def _command_line(top: argparse.ArgumentParser) -> str:
    lines = ["# Command line", ""]
    (commands,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in commands._choices_actions}
    for name, command in commands.choices.items():
        lines += [f"## imbax {name}", "", f"{helps.get(name, '')}".capitalize() + ".", ""]
        lines += ["```text", command.format_help().strip(), "```", ""]
    return "\n".join(lines)


def _api() -> str:
    """Autosummary of the public names of `imbax`, grouped by subpackage."""
    groups: dict[str, list[str]] = {}
    for name, home in imbax._HOME.items():
        groups.setdefault(home.split(".")[0], []).append(name)
    titles = {
        "estimators": "Estimators and samplers",
        "results": "Experiments and results",
        "catalogue": "Methods of your own",
        "metrics": "Metrics",
        "bilevel": "Bilevel gradients",
        "types": "Types",
        "engine": "Runs as an axis",
    }
    order = sorted(groups, key=lambda group: [*titles, group].index(group))
    lines = ["API reference", "=============", "", ".. currentmodule:: imbax", ""]
    for title, names in _titled(order, groups, titles).items():
        lines += [title, "-" * len(title), "", ".. autosummary::", "   :toctree: api", ""]
        lines += [*(f"   {name}" for name in sorted(names, key=str.lower)), ""]
    return "\n".join(lines)


def _titled(order, groups, titles) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group in order:
        found.setdefault(titles.get(group, "Functions"), []).extend(groups[group])
    return found
