"""Methods by name."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

from imbax.catalogue.adapters import add_images, add_rows, refit_of
from imbax.catalogue.hosts import SEES, of_estimator
from imbax.catalogue.spec import ROWS, SCORES, Facts, Method, OnImages, OnTables
from imbax.errors import InputError, Range, check_ranges, did_you_mean
from imbax.losses.named import check_numbers
from imbax.training import Program
from imbax.types import Resampled

__all__ = [
    "METHODS",
    "PAPER",
    "absent",
    "add",
    "all_rows",
    "check_package",
    "get",
    "image_method",
    "missing_package",
    "names",
    "refit",
    "register",
]

METHODS = (
    "ce",
    "ce_long",
    "ce_tuned",
    "rs",
    "explicit_gradient",
    "explicit_gradient_frozen",
    "focal",
    "ros",
    "logistic_regression",
    "hist_gradient_boosting",
)
"""The methods that run on tables unless others are named."""

PAPER = (
    "ce",
    "explicit_gradient",
    "explicit_gradient_frozen",
    "focal",
    "ldam",
    "ros",
    "smote",
    "borderline_smote",
    "adasyn",
    "cwgan",
    "mesa",
)
"""The rows of Tables 2 and 3 of the Explicit Gradient paper, and the fair ablation."""

_REGISTRY: dict[str, Method] = {}

_BASELINES = ("lightgbm", "xgboost", "catboost")
"""The packages of the extra `baselines`."""


def register(
    name: str,
    build: Callable[[Facts], Program] | None = None,
    *,
    sampler: Callable[..., Resampled] | None = None,
    estimator: Any = None,
    images: OnImages | None = None,
    **fields_of_method: Any,
) -> Method:
    """Add a method of one's own; from then on it runs by name wherever the built-in ones do.

    Parameters
    ----------
    name
        What tables and the command line call it.
    build
        `Facts -> Program`; `training.one_shot` makes a program of a pure training function.
    sampler
        `(key, train, wanted [K], sizes) -> Resampled`, a change of training rows that runs on
        tables and on images; see `methods.sampling`. On tables `ce` is trained on the result unless
        `build` is given.
    estimator
        An unfitted estimator with scikit-learn's contract, a pipeline of imbalanced-learn included,
        or a function without arguments that makes one. Each run fits a clone whose parameters
        `random_state` are the run's seed, on the rows that all methods get, scaled alike; see
        `catalogue.hosts`. It is scored by `predict_proba`, else by `decision_function`.
    images
        How it runs on images, where a sampler does not say it all.
    **fields_of_method
        Further fields of `Method` and `OnTables`; `title`, `kind` and `sees` have defaults. Any
        other code outside jax is given as `host` in place of `build`, and its `scores` are "rank"
        unless it says that they are more. With `estimator` or `host`, `rows="train_valid"` trains
        on training and validation rows together.

    Examples
    --------
    A file for `imbax run --plugin FILE --methods lgbm lgbm_all_rows`; the second is the same
    estimator on training and validation rows, see `all_rows`.

    >>> import imbax
    >>> from lightgbm import LGBMClassifier  # doctest: +SKIP
    >>> imbax.register("lgbm", estimator=LGBMClassifier(), rows="train")  # doctest: +SKIP

    Raises
    ------
    InputError
        A built-in method has that name; it has no use or two; an unknown field, one that its use
        ignores, or one of another type; a number of `settings` is out of its range; or `scores` is
        none of the three.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"name={name!r}, expected a name for the method")
    if name in _REGISTRY and _REGISTRY[name].built_in:
        raise InputError(f"method {name!r} is built in; register yours under another name")
    if estimator is not None:
        if fields_of_method.get("host") is not None:
            raise InputError(f"method {name!r} has both `estimator` and `host`; leave out one")
        fields_of_method |= of_estimator(name, estimator, fields_of_method)
    host = fields_of_method.get("host")
    if host is not None and (build is not None or sampler is not None):
        raise InputError(
            f"method {name!r} needs either `build` or `sampler` (jax), or `estimator` or `host` "
            "(any other code); got both kinds"
        )
    if sampler is not None and "resample" in fields_of_method:
        raise InputError(
            f"method {name!r} has both `sampler` and `resample`; a sampler says how rows are "
            "changed, so leave out `resample`"
        )
    if (build, sampler, host, images) == (None, None, None, None):
        raise InputError(
            f"method {name!r} does nothing; give it `build` or `sampler` (jax), `estimator` or "
            "`host` (any other code), or `images`"
        )
    not_given = ("name", "tables", "images", "program", "built_in")
    known = [f.name for f in (*fields(Method), *fields(OnTables)) if f.name not in not_given]
    for field in fields_of_method:
        if field not in known:
            raise InputError(f"method {name!r} has {field!r}{did_you_mean(field, known)}, which is "
                             "no field of a method")  # fmt: skip
    _check_types(name, {"build": build, "sampler": sampler, **fields_of_method})
    on_tables = {f.name for f in fields(OnTables)} & fields_of_method.keys()
    if on_tables and (build, sampler, host) == (None, None, None):
        raise InputError(
            f"method {name!r} runs on images alone, but these fields are for tables: "
            f"{', '.join(sorted(on_tables))}; leave them out, or give `build`, `sampler` or `host`"
        )
    tables = {field: fields_of_method.pop(field) for field in on_tables}
    defaults = {"scores": "rank" if host else "logit", "several_classes": False}
    if sampler is not None:
        defaults["resample"] = partial(add_rows, sampler)
        images = images or OnImages(partial(add_images, sampler))
        if build is None:
            ce = get("ce").tables
            build = ce.program
            defaults |= {"settings": ce.settings, "several_classes": True}
    tables = defaults | tables
    if tables["scores"] not in SCORES:
        raise InputError(
            f"method {name!r} has scores={tables['scores']!r}; expected one of {', '.join(SCORES)}"
        )
    _check_rows(name, tables.get("rows", "train"), host, tables.get("host_sees_valid"))
    runs_on_tables = build is not None or host is not None
    about = {"title": name, "kind": "custom", "sees": "not declared"} | fields_of_method
    of_tables = OnTables(build, **tables) if runs_on_tables else None
    former = _REGISTRY.get(f"{name}_refit")
    if former is not None and former.tables is not None and former.tables.refits:
        del _REGISTRY[former.name]  # of the method that had this name before
    return add(Method(name, **about, tables=of_tables, images=images))


def _check_rows(name, rows, host, sees_valid):
    if rows not in ROWS:
        raise InputError(f"method {name!r} has rows={rows!r}; expected {' or '.join(ROWS)}")
    if rows == "train_valid" and (host is None or sees_valid):
        raise InputError(
            f"method {name!r} cannot have rows='train_valid': it looks at validation rows itself"
        )


def _check_types(name, given):
    """InputError unless fields of a card are what `Method` and `OnTables` say that they are."""
    kinds = {field.name: field.type for field in (*fields(Method), *fields(OnTables))}
    kinds |= {"starts_from": str, "settings": tuple, "options": Mapping}
    for field, value in given.items():
        kind, where = kinds.get(field), f"method {name!r}: "
        if field == "cost":
            Range(0, above=True).check(f"{where}cost", value)
        elif field in ("build", "sampler", "host", "resample"):
            if value is not None and not callable(value):
                raise InputError(f"{where}{field}={value!r}, expected a function")
        elif field == "starts_from" and value is None:
            continue
        elif isinstance(kind, type) and not isinstance(value, kind):
            raise InputError(f"{where}{field}={value!r}, expected {_KINDS[kind]}")
    for setting in given.get("settings", ()):
        check_ranges(setting, f"method {name!r}: ")
        check_numbers(getattr(setting, "loss", {}), f"method {name!r}: ")
    if given.get("starts_from") is not None:
        get(given["starts_from"])


_KINDS = {
    str: "text",
    bool: "True or False",
    tuple: "a tuple of hyperparameters",
    Mapping: "a dictionary",
}


def refit(name: str) -> Method:
    """Add `{name}_refit`: that training anew, on training and validation rows, for its best epochs.

    `get` does so by itself for the name of any method that can be refit.

    Raises
    ------
    InputError
        The method is not a single training from scratch on the training rows as they are.
    """
    method, tables = get(name), get(name).tables
    if not method.is_neural or tables.resample or tables.starts_from or len(tables.settings) > 1:
        raise InputError(
            f"{name!r} cannot be refit: expected a method in jax that starts from no other, "
            "changes no rows and has one setting; run it as it is"
        )
    changes = {
        "name": f"{name}_refit",
        "title": f"{method.title}, refit on training and validation rows",
        "sees": "training rows; validation rows choose the epochs and are then trained on",
        "note": "; ".join(filter(None, (method.note, f"trained anew for {name}'s best epochs"))),
        "tables": replace(
            tables, program=partial(refit_of, tables.program), starts_from=name, refits=True
        ),
        "images": None,
    }
    return add(replace(method, **changes))


def all_rows(name: str) -> Method:
    """The method `{name}_all_rows`: that one, trained on training and validation rows together.

    `get` makes it for the name of any method that runs outside jax and sees training rows alone. It
    is in no list of names.

    Raises
    ------
    InputError
        The method is in jax, or looks at validation rows itself.
    """
    method, tables = get(name), get(name).tables
    if tables is None or tables.host is None or tables.host_sees_valid or tables.rows != "train":
        raise InputError(
            f"{name!r} cannot be trained on validation rows too: expected a method outside jax "
            f"that sees training rows alone; of one in jax there may be {name}_refit"
        )
    return replace(
        method,
        name=f"{name}_all_rows",
        title=f"{method.title}, trained on training and validation rows",
        sees=SEES["train_valid"],
        tables=replace(tables, rows="train_valid"),
        built_in=False,
    )


_DERIVED = {"_refit": refit, "_all_rows": all_rows}
"""Functions that derive a method from another, by the suffix of its name."""


def missing_package(method: Method) -> str:
    """The package that a method needs and that is not installed, or ""."""
    package = "" if method.tables is None else method.tables.package
    return package if package and importlib.util.find_spec(package) is None else ""


def absent() -> list[str]:
    """Names of the methods on tables whose packages are not installed."""
    return [name for name in names() if missing_package(get(name))]


def check_package(method: Method) -> None:
    """Raises InputError where the package that a method needs is not installed."""
    if package := missing_package(method):
        what = '"imbax[baselines]"' if package in _BASELINES else package
        raise InputError(f"method {method.name!r} needs {package}: pip install {what}")


def get(name: str) -> Method:
    """The method of that name. Raises InputError naming the nearest one."""
    for suffix, derive in _DERIVED.items():
        if name not in _REGISTRY and name.removesuffix(suffix) in _REGISTRY:
            return derive(name.removesuffix(suffix))
    if name not in _REGISTRY:
        raise InputError(f"unknown method {name!r}{did_you_mean(name, names())}")
    return _REGISTRY[name]


def image_method(name: str) -> Method:
    """The method of that name, which runs on images. Raises InputError naming the nearest one."""
    if name not in _REGISTRY or _REGISTRY[name].images is None:
        near = did_you_mean(name, names("images"))
        raise InputError(f"no method {name!r} for images{near}; `imbax list methods`")
    return _REGISTRY[name]


def names(use: str = "tables") -> tuple[str, ...]:
    """Names of the methods for that use, "tables" or "images", in the order of the tables."""
    found = [name for name, method in _REGISTRY.items() if getattr(method, use) is not None]
    if use == "images":
        found.sort(key=lambda name: _order_on_images(_REGISTRY[name]))
    return tuple(found)


def add(method: Method) -> Method:
    """Put a method at the end of the tables, or in the place of one of the same name."""
    _REGISTRY[method.name] = method
    return method


def _order_on_images(method):
    """Losses, then what copies or moves images, then generators and their readings."""
    kinds = ("loss", "sampling", "generative", "reading")
    return kinds.index(method.kind) if method.kind in kinds else len(kinds)
