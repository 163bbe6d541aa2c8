"""Loaders of the data sets of suites: functions named by the `loader` of a suite.

Each function takes `(suite, options)` with the options of the command line, and returns the names
of the requested data sets with functions that load them. Unknown names raise InputError.
"""

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from imbax.data.origins import Origin, collection_origin, file_origin, openml_origin
from imbax.errors import InputError, argument, did_you_mean
from imbax.experiments.suites import Suite, load_suite

__all__ = ["adult", "datasets_of", "file", "images", "imblearn27", "long_tail"]
__all__ += ["origin_of", "quickstart", "sources"]

Loaders = list[tuple[str, Callable[[], Any]]]


def datasets_of(suite: Suite, options: Namespace) -> Loaders:
    """Requested data sets of a suite. Raises InputError for unknown names."""
    return globals()[suite.loader](suite, options)


def origin_of(suite: Suite, name: str) -> Origin:
    """Origin of a data set of a suite."""
    if suite.loader == "file":
        return file_origin(name)
    if suite.loader != "sources":
        return collection_origin(suite.loader, name)
    (source,) = (source for source in suite.sources if source.name == name)
    if source.kind == "collection":
        return collection_origin(load_suite(source.where).loader, name)
    return (
        openml_origin(source.where) if source.kind == "openml" else file_origin(source.where.name)
    )


def quickstart(suite: Suite, options: Namespace) -> Loaders:
    """Data sets of scikit-learn and synthetic data sets."""
    from imbax.data.tabular import quickstart

    return _each(_wanted(suite, options), quickstart)


def imblearn27(suite: Suite, options: Namespace) -> Loaders:
    """Data sets of imbalanced-learn's benchmark, ordered by shape to share compiled programs."""
    from imbax.data.tabular import imblearn27, imblearn27_facts
    from imbax.experiments.tabular.padding import columns, rows

    names = _wanted(suite, options)
    if not options.datasets:
        shapes = {f.name: (columns(f.features, f.rows), rows(f.rows)) for f in imblearn27_facts()}
        names = sorted(names, key=shapes.__getitem__)
    return _each(names, imblearn27, data_home=options.data_home)


def adult(suite: Suite, options: Namespace) -> Loaders:
    """Adult with a minority subsampled to an imbalance ratio."""
    from imbax.data.adult import adult

    return _each(_wanted(suite, options), adult, data_home=options.data_home)


def long_tail(suite: Suite, options: Namespace) -> Loaders:
    """Long-tailed tables with several classes."""
    from imbax.data.long_tail import long_tail

    return _each(_wanted(suite, options), long_tail, data_home=options.data_home)


def file(suite: Suite, options: Namespace) -> Loaders:
    """Tables from the user's files."""
    from imbax.data.files import read_table, table_files

    if options.data is None:
        raise InputError(f"suite {suite.name} needs --data FILE (and {argument('target')})")
    files = table_files(options.data)
    columns = ("target", "minority", "groups", "drop", "categorical")
    about = {name: getattr(options, name) for name in columns} | {"header": not options.no_header}
    names = _wanted(replace(suite, datasets=tuple(files)), options)
    return [(name, partial(read_table, files[name], **about)) for name in names]


def sources(suite: Suite, options: Namespace) -> Loaders:
    """Data sets of the sources in a user's suite file."""
    by_name = {source.name: source for source in suite.sources}
    return [(name, partial(_load, by_name[name], options)) for name in _wanted(suite, options)]


def _load(source, options):
    """Load the data set of a `Source`."""
    if source.kind == "collection":
        request = Namespace(datasets=[source.name], data_home=options.data_home)
        return dict(datasets_of(load_suite(source.where), request))[source.name]()
    if source.kind == "openml":
        from imbax.data.openml import openml

        return openml(source.where, name=source.name, data_home=options.data_home, **source.options)
    from imbax.data.files import read_table

    return replace(read_table(source.where, **source.options), name=source.name)


def images(suite: Suite, options: Namespace) -> Loaders:
    """Images with each requested imbalance, reduced according to `--scale`."""
    from imbax.data.images import images, shrunk
    from imbax.data.imbalance import recounted

    scale = suite.tiny if options.scale == "tiny" else {}
    fraction, factor = scale.get("fraction", 1.0), scale.get("shrink", 1)

    def load(name, kind):
        return shrunk(recounted(images(name, options.data_home), kind, fraction), factor)

    kinds = options.imbalance or ["paper"]
    return [(name, partial(load, name, kind)) for name in suite.datasets for kind in kinds]


def _each(names: Sequence[str], load: Callable[..., Any], **about: Any) -> Loaders:
    return [(name, partial(load, name, **about)) for name in names]


def _wanted(suite: Suite, options: Namespace) -> Sequence[str]:
    """Requested names, or all names."""
    for name in options.datasets or ():
        if name not in suite.datasets:
            raise InputError(
                f"suite {suite.name} has no data set {name!r}{did_you_mean(name, suite.datasets)}"
            )
    return options.datasets or suite.datasets
