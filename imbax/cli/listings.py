"""Records of `imbax list`, for JSON and as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from imbax.data.tabular import DataUnavailable, imblearn27, imblearn27_facts, quickstart
from imbax.experiments.suites import load_suite, suite_names

__all__ = ["datasets", "methods", "networks", "suites", "table"]

Records = list[dict[str, Any]]

_OTHER_ROWS = (
    "Every table method of kind peer, loss or sampling is also available with the suffix "
    "_all_rows, trained on training and validation rows (networks to the last epoch), and every "
    "loss with the suffix _refit, retrained on both for the best number of epochs."
)
_HEADINGS = {"title": "description", "dataset": "data set", "datasets": "data sets", "use": "data"}
_SIZES = ("features", "rows", "minority", "ratio")


def suites() -> Records:
    """Returns suites with their defaults; `datasets` is None if the user gives the data sets."""
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
    """Returns data sets with printed (the paper's Table 4) and measured sizes; None: unknown."""
    records: Records = [
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
        measured = _measured_imblearn(facts, data_home)
        names = {"suite": "imblearn27", "dataset": facts.name}
        records.append(names | {"printed": printed, "measured": measured})
    return records


def methods() -> Records:
    """Returns the registered methods, one record for each use."""
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
    """Returns the networks by name."""
    from imbax.networks.named import NAMED

    return [
        {"network": name, "title": one.title, "paper": one.paper, "note": one.note}
        for name, one in NAMED.items()
    ]


def table(what: str, records: Sequence[Mapping[str, Any]], is_measured: bool = False) -> Table:
    """Returns a table of records; `what` is "suites", "datasets", "methods" or "networks".

    `is_measured`: whether the data were searched for, so that missing sizes mean missing data.
    """
    if what == "datasets":
        title, records = "printed | measured", [_with_sizes(one, is_measured) for one in records]
    else:
        title = None
    caption = _OTHER_ROWS if what == "methods" else None
    names = (_HEADINGS.get(name, name) for name in records[0])
    listing = Table(*names, title=title, caption=caption)
    for record in records:
        listing.add_row(*("yours" if value is None else str(value) for value in record.values()))
    return listing


def _with_sizes(record, is_measured):
    """Returns a data set's record with printed and measured sizes joined in columns."""
    printed, measured = record["printed"], record["measured"]
    sizes = {}
    for name in ("features", "rows", "ratio"):
        printed_size = "-" if printed is None else printed[name]
        if measured is None:
            measured_size = "absent" if is_measured else "-"
        elif name == "rows":
            measured_size = f"{measured['rows']} ({measured['minority']} minority)"
        else:
            measured_size = f"{measured['ratio']:.2f}:1" if name == "ratio" else measured[name]
        sizes[name] = f"{printed_size} | {measured_size}"
    return {"suite": record["suite"], "dataset": record["dataset"], **sizes}


def _measured_imblearn(facts, data_home):
    """Returns measured sizes, or None without a folder, since listing must not download data."""
    if data_home is None:
        return None
    try:
        return _measured(imblearn27(facts.name, data_home))
    except DataUnavailable:
        return None


def _measured(dataset):
    sizes = (dataset.n_features, dataset.n_rows, dataset.n_minority, dataset.imbalance_ratio)
    return dict(zip(_SIZES, sizes, strict=True))
