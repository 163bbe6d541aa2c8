"""Registry of methods by name."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

from imbax.catalogue.adapters import add_images, add_rows, generate_images, refit_of
from imbax.catalogue.hosts import SEES, estimator_fields
from imbax.catalogue.spec import ROWS, SCORES, Facts, ImageFacts, Method, OnImages, OnTables
from imbax.errors import InputError, Range, check_ranges, did_you_mean
from imbax.losses.named import check_numbers
from imbax.methods.generator import Generator
from imbax.training import Program
from imbax.types import Resampled

__all__ = [
    "METHODS",
    "PAPER",
    "add",
    "add_family",
    "all_rows",
    "get",
    "image_method",
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
"""Default methods on tables."""

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
"""Methods of Tables 2 and 3 of the Explicit Gradient paper, and the fair ablation."""

_REGISTRY: dict[str, Method] = {}


def register(
    name: str,
    build: Callable[[Facts], Program] | None = None,
    *,
    sampler: Callable[..., Resampled] | None = None,
    generator: Callable[[ImageFacts], Generator] | None = None,
    estimator: Any = None,
    images: OnImages | None = None,
    **fields_of_method: Any,
) -> Method:
    """Registers a user-defined method, which then runs by name like the built-in methods.

    Parameters
    ----------
    name
        Name in tables and on the command line.
    build
        `Facts -> Program`; `training.one_shot` makes a program of a pure training function.
    sampler
        `(key, train, wanted [K], sizes) -> Resampled`, a change of training rows on tables and
        images; see `methods.sampling`. On tables, `ce` is trained on the result unless `build` is
        given.
    generator
        `ImageFacts -> Generator`, a generative model of images, trained on the training images of
        each run. Its images make all classes as large as the largest.
    estimator
        An unfitted estimator with scikit-learn's contract, such as a pipeline of imbalanced-learn,
        or a function without arguments that returns one. Each run fits a clone whose `random_state`
        parameters are the run's seed, on the same scaled rows as the other methods; see
        `catalogue.hosts`. Scores come from `predict_proba` or else `decision_function`.
    images
        Use on images; by default that of `generator` or else of `sampler`, if given.
    **fields_of_method
        Further fields of `Method` and `OnTables`; `title`, `kind` and `sees` have defaults. Other
        code outside JAX is passed as `host` instead of `build`, with `scores="rank"` by default.
        With `estimator` or `host`, `rows="train_valid"` trains on training and validation rows
        together.

    Examples
    --------
    A file for `imbax run --plugin FILE --methods lgbm lgbm_all_rows`; the second method trains the
    same estimator on training and validation rows, see `all_rows`.

    >>> import imbax
    >>> from lightgbm import LGBMClassifier  # doctest: +SKIP
    >>> imbax.register("lgbm", estimator=LGBMClassifier(), rows="train")  # doctest: +SKIP

    Raises
    ------
    InputError
        The name belongs to a built-in method; the method has no use or conflicting uses; a field is
        unknown, has no effect or has the wrong type; a number in `settings` is out of range; or
        `scores` is invalid.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"name={name!r}, expected a method name")
    if name in _REGISTRY and _REGISTRY[name].built_in:
        raise InputError(f"method {name!r} is built in; choose another name")
    if estimator is not None:
        if fields_of_method.get("host") is not None:
            raise InputError(f"method {name!r} has both `estimator` and `host`; leave out one")
        fields_of_method |= estimator_fields(name, estimator, fields_of_method)
    host = fields_of_method.get("host")
    if host is not None and (build is not None or sampler is not None):
        raise InputError(
            f"method {name!r} has both JAX code (`build` or `sampler`) and other code (`estimator` "
            "or `host`); give only one of them"
        )
    if sampler is not None and "resample" in fields_of_method:
        raise InputError(
            f"method {name!r} has both `sampler` and `resample`; leave out `resample`, which the "
            "sampler replaces"
        )
    _check_types(name, {"build": build, "sampler": sampler, "generator": generator})
    images = _use_on_images(name, images, generator)
    if (build, sampler, host, images) == (None, None, None, None):
        raise InputError(
            f"method {name!r} has no code; give `build` or `sampler` (JAX), `estimator` or `host` "
            "(other code), or `generator` or `images`"
        )
    excluded = ("name", "tables", "images", "program", "built_in")
    known = [f.name for f in (*fields(Method), *fields(OnTables)) if f.name not in excluded]
    for field in fields_of_method:
        if field not in known:
            raise InputError(f"method {name!r} has the unknown field {field!r}"
                             f"{did_you_mean(field, known)}")  # fmt: skip
    _check_types(name, fields_of_method)
    on_tables = {f.name for f in fields(OnTables)} & fields_of_method.keys()
    if on_tables and (build, sampler, host) == (None, None, None):
        raise InputError(
            f"method {name!r} runs only on images, but has fields for tables: "
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
    descriptions = {"title": name, "kind": "custom", "sees": "not declared"} | fields_of_method
    tables_use = OnTables(build, **tables) if runs_on_tables else None
    former = _REGISTRY.get(f"{name}_refit")
    if former is not None and former.tables is not None and former.tables.refits:
        del _REGISTRY[former.name]  # derived from the previous method of this name
    return add(Method(name, **descriptions, tables=tables_use, images=images))


def _use_on_images(name, images, generator):
    if generator is not None and images is not None:
        raise InputError(f"method {name!r} has both `generator` and `images`; leave out one")
    if generator is not None:
        return OnImages(generate_images, generator, cost=6.0)
    if not isinstance(images, OnImages | None):
        raise InputError(f"method {name!r}: images={images!r}, expected an `imbax.OnImages`")
    return images


def _check_rows(name, rows, host, sees_valid):
    if rows not in ROWS:
        raise InputError(f"method {name!r} has rows={rows!r}; expected {' or '.join(ROWS)}")
    if rows == "train_valid" and (host is None or sees_valid):
        raise InputError(
            f"method {name!r} cannot have rows='train_valid': it uses validation rows itself"
        )


def _check_types(name, values):
    """Raises InputError unless field values have the types of `Method` and `OnTables`."""
    kinds = {field.name: field.type for field in (*fields(Method), *fields(OnTables))}
    kinds |= {"starts_from": str, "settings": tuple, "options": Mapping}
    for field, value in values.items():
        kind, prefix = kinds.get(field), f"method {name!r}: "
        if field == "cost":
            Range(0, above=True).check(f"{prefix}cost", value)
        elif field in ("build", "sampler", "generator", "host", "resample"):
            if value is not None and not callable(value):
                raise InputError(f"{prefix}{field}={value!r}, expected a function")
        elif field == "starts_from" and value is None:
            continue
        elif isinstance(kind, type) and not isinstance(value, kind):
            raise InputError(f"{prefix}{field}={value!r}, expected {_KINDS[kind]}")
    for setting in values.get("settings", ()):
        check_ranges(setting, f"method {name!r}: ")
        check_numbers(getattr(setting, "loss", {}), f"method {name!r}: ")
    if values.get("starts_from") is not None:
        get(values["starts_from"])


_KINDS = {
    str: "text",
    bool: "True or False",
    tuple: "a tuple of hyperparameters",
    Mapping: "a dictionary",
}


def refit(name: str) -> Method:
    """Adds `{name}_refit`: retraining on training and validation rows for the best epoch number.

    `get` calls this function for the derived name of any method that can be refit.

    Raises
    ------
    InputError
        The method is not a single training from scratch on the unchanged training rows.
    """
    method, tables = get(name), get(name).tables
    if not method.is_neural or tables.resample or tables.starts_from or len(tables.settings) > 1:
        raise InputError(
            f"{name!r} cannot be refit: expected a JAX method that starts from no other method, "
            "changes no rows and has one setting; run it without _refit"
        )
    changes = {
        "name": f"{name}_refit",
        "title": f"{method.title}, refit on training and validation rows",
        "sees": "training rows; validation rows, which first choose the number of epochs",
        "note": "; ".join(
            filter(None, (method.note, f"retrained for {name}'s best number of epochs"))
        ),
        "tables": replace(
            tables, program=partial(refit_of, tables.program), starts_from=name, refits=True
        ),
        "images": None,
    }
    return add(replace(method, **changes))


def all_rows(name: str) -> Method:
    """Returns the method `{name}_all_rows`, trained on training and validation rows together.

    `get` calls this function for the derived name of any method that uses validation rows at most
    to choose the epoch. A method in JAX then keeps its last epoch. No rows are left to choose a
    threshold on: probabilities are cut at 0.5. The derived method is not in any list of names.

    Raises
    ------
    InputError
        The method needs validation rows for more than the epoch, or starts from another method.
    """
    method, tables = get(name), get(name).tables
    if tables is None or tables.rows != "train" or _needs_validation(method):
        raise InputError(
            f"{name!r} cannot be trained on validation rows: expected a method that starts from no "
            "other and needs validation rows at most to choose the epoch; run it without _all_rows"
        )
    return replace(
        method,
        name=f"{name}_all_rows",
        title=f"{method.title}, trained on training and validation rows",
        sees=SEES["train_valid"],
        tables=replace(tables, rows="train_valid"),
        built_in=False,
    )


def _needs_validation(method):
    """Whether a method needs validation rows for more than the epoch, or starts from another."""
    tables = method.tables
    if not method.is_neural:
        return tables.host_sees_valid
    depends = tables.starts_from or tables.refits or len(tables.settings) > 1
    return bool(depends) or "validation labels" in method.sees


_DERIVED = {"_refit": refit, "_all_rows": all_rows}
"""Functions that derive a method from another, by the suffix of the derived name."""


_FAMILIES: dict[str, Callable[[int], Method]] = {}


def add_family(name: str, make: Callable[[int], Method]) -> None:
    """Adds the methods `<name>_<number>`, which `make` builds from the number."""
    _FAMILIES[name] = make


def get(name: str) -> Method:
    """Returns the method of a name. Raises InputError with the nearest name."""
    for suffix, derive in _DERIVED.items():
        if name not in _REGISTRY and name.removesuffix(suffix) in _REGISTRY:
            return derive(name.removesuffix(suffix))
    if name in _REGISTRY:
        return _REGISTRY[name]
    family, _, number = name.rpartition("_")
    if family in _FAMILIES and number.isdecimal() and int(number):
        return _FAMILIES[family](int(number))
    raise InputError(f"unknown method {name!r}{did_you_mean(name, names())}")


def image_method(name: str) -> Method:
    """Returns the image method of a name. Raises InputError with the nearest name."""
    if name not in _REGISTRY or _REGISTRY[name].images is None:
        hint = did_you_mean(name, names("images"))
        raise InputError(f"unknown image method {name!r}{hint}; see `imbax list methods`")
    return _REGISTRY[name]


def names(use: str = "tables") -> tuple[str, ...]:
    """Returns the names of methods for "tables" or "images", in the order of result tables."""
    found = [name for name, method in _REGISTRY.items() if getattr(method, use) is not None]
    if use == "images":
        found.sort(key=lambda name: _order_on_images(_REGISTRY[name]))
    return tuple(found)


def add(method: Method) -> Method:
    """Adds a method at the end of the registry, or replaces the one of the same name."""
    _REGISTRY[method.name] = method
    return method


def _order_on_images(method):
    """Returns the rank of a method's kind: from losses to variants of generators."""
    kinds = ("loss", "sampling", "decoupled", "generative", "reading")
    return kinds.index(method.kind) if method.kind in kinds else len(kinds)
