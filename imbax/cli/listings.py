"""Records that `imbax list` shows, for JSON, and tables of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from imbax.data.tabular import DataUnavailable, imblearn27, imblearn27_facts, quickstart
from imbax.experiments.suites import load_suite, suite_names

__all__ = ["datasets", "methods", "networks", "suites", "table"]

Records = list[dict[str, Any]]

_OTHER_ROWS = (
    "Methods on tables whose kind is peer are there a second time, trained on training and "
    "validation rows, by their name and _all_rows; a loss by its name and _refit, trained again on "
    "both for as many epochs as were best."
)
_HEADINGS = {"title": "what", "dataset": "data set", "datasets": "data sets", "use": "of"}
_SIZES = ("features", "rows", "minority", "ratio")


def suites() -> Records:
    """Name, what it is, and its defaults; the number of data sets is None where they are yours."""
    return [
        {
            "suite": suite.name,
            "title": suite.title,
            "datasets": len(suite.datasets) or None,
            "seeds": suite.seeds,
            "folds": suite.folds,
            "epochs": suite.epochs,
        }
        for suite in map(load_suite, suite_names())
    ]


def datasets(data_home: Path | None) -> Records:
    """The sizes in the paper's Table 4 and those measured on the sets at hand, or None."""
    found: Records = [
        {
            "suite": "quickstart",
            "dataset": name,
            "printed": None,
            "measured": _measured(quickstart(name)),
        }
        for name in load_suite("quickstart").datasets
    ]
    for facts in imblearn27_facts():
        printed = {name: getattr(facts, name, None) for name in _SIZES}
        measured = _of_imblearn(facts, data_home)
        about = {"suite": "imblearn27", "dataset": facts.name}
        found.append(about | {"printed": printed, "measured": measured})
    return found


def methods() -> Records:
    """Registered methods and what they may see."""
    from imbax.catalogue import get, names

    return [
        {
            "use": use,
            "method": method.name,
            "title": method.title,
            "kind": method.kind,
            "paper": method.paper,
            "sees": method.sees if use == "tables" else method.images.sees,
        }
        for use in ("tables", "images")
        for method in map(get, names(use))
    ]


def networks() -> Records:
    """Networks by name."""
    from imbax.networks.named import NAMED

    return [
        {"network": name, "title": one.title, "paper": one.paper, "note": one.note}
        for name, one in NAMED.items()
    ]


def table(what: str, records: Sequence[Mapping[str, Any]], is_measured: bool = False) -> Table:
    """The records of a kind, "suites", "datasets", "methods" or "networks", to be
    read.

    `is_measured` says whether sets that have no measured sizes were looked for.
    """
    if what == "datasets":
        title, records = "printed | measured", [_beside(one, is_measured) for one in records]
    else:
        title = None
    caption = _OTHER_ROWS if what == "methods" else None
    names = (_HEADINGS.get(name, name) for name in records[0])
    shown = Table(*names, title=title, caption=caption)
    for record in records:
        shown.add_row(*("yours" if value is None else str(value) for value in record.values()))
    return shown


def _beside(record, is_measured):
    """A data set with its printed and measured sizes in one column each."""
    printed, measured = record["printed"], record["measured"]
    sizes = {}
    for name in ("features", "rows", "ratio"):
        before = "-" if printed is None else printed[name]
        if measured is None:
            after = "absent" if is_measured else "-"
        elif name == "rows":
            after = f"{measured['rows']} ({measured['minority']} minority)"
        else:
            after = f"{measured['ratio']:.2f}:1" if name == "ratio" else measured[name]
        sizes[name] = f"{before} | {after}"
    return {"suite": record["suite"], "dataset": record["dataset"], **sizes}


def _of_imblearn(facts, data_home):
    """Without a folder nothing is measured: listing must not start a download."""
    if data_home is None:
        return None
    try:
        return _measured(imblearn27(facts.name, data_home))
    except DataUnavailable:
        return None


def _measured(dataset):
    sizes = (dataset.n_features, dataset.n_rows, dataset.n_minority, dataset.imbalance_ratio)
    return dict(zip(_SIZES, sizes, strict=True))
