"""Suites defined by users' TOML files. Example:

    title = "Two tables and an OpenML data set"
    methods = ["ce", "explicit_gradient"]
    networks = ["mlp", "realmlp"]
    n_estimators = [1, 5]
    fold_ensemble = true
    seeds = 5
    plugin = "my_methods.py"

    [[datasets]]
    file = "churn.csv"
    target = "left"
    drop = ["customer"]

    [[datasets]]
    glob = "more/*.parquet"
    target = "y"

    [[datasets]]
    openml = 1590
    name = "adult"

    [[datasets]]
    openml = [31, 1464]

    [[datasets]]
    collection = "imblearn27"
    names = ["ecoli", "oil"]

Paths are relative to the file's folder.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

from imbax.data.files import table_files, tables_among
from imbax.errors import InputError, Range, did_you_mean
from imbax.experiments.neural.ensembles import ensembles_of
from imbax.experiments.suites import Suite, load_suite
from imbax.experiments.suites.toml_values import parsed, refuse_unknown, text, texts

__all__ = ["COLLECTIONS", "Source", "read_suite"]

COLLECTIONS = ("quickstart", "imblearn27", "adult", "long_tail")
"""Suites of the package that provide data sets for a user's file."""

_COLUMNS = ("target", "minority", "groups", "drop", "categorical")
_KEYS = {
    "file": ("file", "name", *_COLUMNS, "no_header"),
    "glob": ("glob", *_COLUMNS, "no_header"),
    "openml": ("openml", "name", *_COLUMNS),
    "collection": ("collection", "names"),
}
_ENSEMBLE_KEYS = ("n_estimators", "fold_ensemble")
_TOP = (
    *("title", "datasets", "methods", "networks", "seeds", "folds", "epochs", "plugin"),
    *("metrics", "checkpoint", *_ENSEMBLE_KEYS),
)
_DATASET_KEYS = {key for keys in _KEYS.values() for key in keys}
_LISTS = ("drop", "categorical", "names")


class Source(NamedTuple):
    """Source of one data set."""

    kind: str
    """Kind of source: "file", "openml" or "collection"."""
    name: str
    where: Any
    """Path, OpenML id, or name of a collection."""
    options: Mapping[str, Any] = {}
    """Arguments of `read_table` or `openml`."""


def read_suite(path: Path) -> Suite:
    """Read the suite in a file.

    Raises
    ------
    InputError
        The file does not exist, is not TOML, has an unknown key or an invalid value, names a file
        or a collection that does not exist, or has two data sets of the same name.
    """
    content = parsed(path)
    try:
        return _suite(path, content)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None


def _suite(path, content):
    from imbax.experiments.neural.checkpoints import check
    from imbax.experiments.tabular.plan import Protocol

    numbers = {"seeds": Range(1, whole=True), "folds": Range(2, whole=True)}
    numbers["epochs"] = Range(1, whole=True)
    protocol_keys = {field.name for field in fields(Protocol)} - set(numbers)
    top = (*_TOP, *sorted(protocol_keys))
    refuse_unknown(content, top)
    chosen = {name: numbers[name].check(name, content[name]) for name in numbers if name in content}
    protocol = {name: content[name] for name in protocol_keys & set(content)}
    Protocol(**protocol, **{k: v for k, v in chosen.items() if k != "seeds"})
    ensemble = {name: content[name] for name in _ENSEMBLE_KEYS if name in content}
    ensembles_of(**ensemble)
    sources = list(_sources(path.parent, content.get("datasets"), top))
    names = {source.where for source in sources if source.kind == "collection"}
    collections = [load_suite(name) for name in names]
    return Suite(
        path.stem,
        text(content, "title", path.stem),
        **({"seeds": 5, "folds": 4, "epochs": 200} | chosen),
        loader="sources",
        datasets=tuple(source.name for source in sources),
        methods=texts(content, "methods"),
        networks=texts(content, "networks") or Suite.networks,
        **ensemble,
        checkpoint=check(content.get("checkpoint", Suite.checkpoint)),
        withholds=any(suite.withholds for suite in collections),
        protocol=protocol,
        sources=tuple(sources),
        plugin=tuple(_plugins(path.parent, content)),
        metrics=_metrics(content),
    )


def _sources(folder: Path, tables: Any, top: Sequence[str]) -> Iterator[Source]:
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise InputError(
            "expected at least one [[datasets]] table with file, glob, openml or collection"
        )
    places: dict[str, int] = {}
    for number, table in enumerate(tables, 1):
        try:
            if late := [key for key in table if key in set(top) - _DATASET_KEYS]:
                raise InputError(
                    f"{late[0]!r} is a key of the suite; put it above the first [[datasets]]"
                )
            found = list(_table_sources(folder, table))
        except InputError as error:
            raise InputError(f"[[datasets]] number {number}: {error}") from None
        for source in found:
            if source.name in places:
                raise InputError(
                    f"[[datasets]] numbers {places[source.name]} and {number} both have a data set "
                    f"{source.name!r}; rename one"
                )
            places[source.name] = number
            yield source


def _table_sources(folder: Path, table: Mapping[str, Any]) -> Iterator[Source]:
    """Sources of one `[[datasets]]` table."""
    kinds = [kind for kind in _KEYS if kind in table]
    if len(kinds) != 1:
        if not kinds:
            refuse_unknown(table, sorted(_DATASET_KEYS))
        found = " and ".join(kinds) or "none"
        raise InputError(f"expected one of file, glob, openml and collection, found {found}")
    (kind,) = kinds
    refuse_unknown(table, _KEYS[kind])
    options = {key: _value(table, key) for key in table if key in _COLUMNS}
    if kind in ("file", "glob"):
        if not isinstance(header := table.get("no_header", False), bool):
            raise InputError(f"no_header={header!r}, expected true or false")
        options["header"] = not header
    if kind == "file":
        path = folder / Path(text(table, "file")).expanduser()
        if not path.exists():
            raise InputError(f"there is no file {path}; check the name and the folder")
        files = table_files([path])
        if "name" in table and len(files) > 1:
            raise InputError(f"name applies to one data set, but {path} is a folder of several")
        for stem, file in files.items():
            yield Source("file", text(table, "name", stem), file, options)
    elif kind == "glob":
        pattern = text(table, "glob")
        names = glob(os.path.expanduser(pattern), root_dir=folder, recursive=True)
        if not names:
            raise InputError(
                f"no file matches {pattern!r} in {folder.resolve()}; check the pattern"
            )
        paths = [folder / name for name in sorted(names)]
        for stem, file in table_files(tables_among(paths, pattern)).items():
            yield Source("file", stem, file, options)
    elif kind == "openml":
        listed = table["openml"] if isinstance(table["openml"], list) else [table["openml"]]
        numbers = [Range(1, whole=True).check("openml", one) for one in listed]
        if not numbers:
            raise InputError("openml is empty; give the id of a data set")
        if "name" in table and len(numbers) != 1:
            raise InputError(f"name applies to one data set, but openml has {len(numbers)} ids")
        for number in numbers:
            name = text(table, "name", f"openml_{number}")
            yield Source("openml", name, number, options)
    else:
        collection = text(table, "collection")
        if collection not in COLLECTIONS:
            raise InputError(f"no collection {collection!r}{did_you_mean(collection, COLLECTIONS)}")
        known = load_suite(collection).datasets
        for name in texts(table, "names") or known:
            if name not in known:
                raise InputError(
                    f"{collection} has no data set {name!r}{did_you_mean(name, known)}"
                )
            yield Source("collection", name, collection)


def _metrics(content: Mapping[str, Any]) -> Sequence[str]:
    from imbax.experiments.tabular.named_metrics import metrics_of

    names = texts(content, "metrics")
    metrics_of(names)
    return names


def _plugins(folder: Path, content: Mapping[str, Any]) -> Iterator[str]:
    for name in texts(content, "plugin"):
        if not (folder / name).is_file():
            raise InputError(f"plugin {name!r} is not a file in {folder}; check the name")
        yield str(folder / name)


def _value(table: Mapping[str, Any], key: str) -> Any:
    """Value of a key that names columns, in the form of `read_table`'s arguments."""
    if key in _LISTS:
        return list(texts(table, key))
    value = table[key]
    kinds = {"target": (str, int), "minority": (str, int, float)}.get(key, (str,))
    if not isinstance(value, kinds) or (key == "target" and isinstance(value, bool)):
        number = "a whole number" if key == "target" else "a number"
        expected = "text" if kinds == (str,) else f"text or {number}"
        raise InputError(f"{key}={value!r}, expected {expected}")
    return value
