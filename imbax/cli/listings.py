"""The tables that `imbax list` prints."""

from pathlib import Path

from rich.table import Table

from imbax.data.tabular import DataUnavailable, imblearn27, imblearn27_facts, quickstart
from imbax.experiments.suites import load_suite, suite_names

__all__ = ["datasets", "methods", "networks", "suites"]


def suites() -> Table:
    """Name, what it is, and its defaults."""
    table = Table("suite", "what", "data sets", "seeds", "folds", "epochs")
    for suite in map(load_suite, suite_names()):
        count = str(len(suite.datasets)) if suite.datasets else "yours"
        numbers = map(str, (suite.seeds, suite.folds, suite.epochs))
        table.add_row(suite.name, suite.title, count, *numbers)
    return table


def datasets(data_home: Path | None) -> Table:
    """The paper's Table 4 beside what is measured on the sets at hand."""
    table = Table("suite", "data set", "features", "rows", "ratio", title="printed | measured")
    for name in load_suite("quickstart").datasets:
        table.add_row(
            "quickstart", name, *(f"- | {value}" for value in _measured(quickstart(name)))
        )
    for facts in imblearn27_facts():
        printed = (facts.features, facts.rows, facts.ratio)
        table.add_row(
            "imblearn27",
            facts.name,
            *(f"{a} | {b}" for a, b in zip(printed, _of_imblearn(facts, data_home), strict=True)),
        )
    return table


def methods() -> Table:
    """Registered methods and what they may see."""
    from imbax.catalogue import get, names

    table = Table("of", "method", "what", "kind", "paper", "sees")
    for use in ("tables", "images"):
        for method in map(get, names(use)):
            sees = method.sees if use == "tables" else method.images.sees
            table.add_row(use, method.name, method.title, method.kind, method.paper, sees)
    return table


def networks() -> Table:
    """Networks by name."""
    from imbax.networks.named import NAMED

    table = Table("network", "what", "paper", "note")
    for name, network in NAMED.items():
        table.add_row(name, network.title, network.paper, network.note)
    return table


def _of_imblearn(facts, data_home):
    """Without a folder nothing is measured: listing must not start a download."""
    if data_home is None:
        return ("-",) * 3
    try:
        return _measured(imblearn27(facts.name, data_home))
    except DataUnavailable:
        return ("absent",) * 3


def _measured(dataset):
    minority = f"{dataset.n_rows} ({dataset.n_minority} minority)"
    return dataset.n_features, minority, f"{dataset.imbalance_ratio:.2f}:1"
