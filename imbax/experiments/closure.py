"""Closure of the code of a function: its definition and, recursively, all referenced definitions.

The unit is a top-level definition of a file, see `modules`. References are followed through imports
and through the values of partials and records. Installed packages are included by name, and for
estimators and users' functions also by version.
"""

import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imbax.errors import InputError
from imbax.experiments.modules import PACKAGE, Node, is_followed, is_imbax, module_of

__all__ = ["code_of", "definitions_of", "described"]


def code_of(*values: Any, versions: bool = False) -> str:
    """Hash (64 hex digits) of the code of functions, or of values that contain functions.

    Parameters
    ----------
    *values
        Functions, classes, partials, records, containers.
    versions
        If True, include the versions of the installed packages that functions import in their body.
    """
    definitions, foreign = definitions_of(*values, versions=versions)
    parts = [sorted(definitions.items()), sorted(foreign), described(values)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def definitions_of(*values: Any, versions: bool = False) -> tuple[dict[str, str], set[str]]:
    """Digests of the definitions of values, `{"file:name": digest}`; and objects without a file."""
    foreign: set[str] = set()
    waiting = [node for value in values for node in _roots(value, foreign)]
    found: dict[Node, str] = {}
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        definition = module_of(node.path).definition(node.name)
        found[node] = definition.digest
        waiting += [*definition.references, Node(node.path, None)]
        if versions:
            foreign |= set(map(_version, definition.packages))
    named = {f"{_relative(node.path)}:{node.name or ''}": found[node] for node in found}
    return named, foreign


def described(value: Any) -> Any:
    """JSON-ready description of a value: numbers and text unchanged, functions and classes by name.

    Raises
    ------
    InputError
        The value contains an object that can be neither printed nor pickled.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, functools.partial):
        return [described(value.func), described(value.args), described(value.keywords)]
    if isinstance(value, Mapping):
        return {str(name): described(item) for name, item in sorted(value.items(), key=str)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return [type(value).__qualname__, {name: described(getattr(value, name)) for name in names}]
    if isinstance(value, set | frozenset):
        return ["set", *sorted(map(described, value), key=json.dumps)]
    if isinstance(value, list | tuple):
        return [type(value).__qualname__, *map(described, value)]
    if hasattr(value, "tolist") and not isinstance(value, type):
        return described(value.tolist())
    if hasattr(value, "get_params") and not isinstance(value, type):
        return [*_named(type(value)), described(value.get_params(deep=False))]
    if callable(value):
        function = inspect.unwrap(value)
        if not inspect.isroutine(function) and not isinstance(function, type):
            # A callable object, such as a scorer, is described by its attributes.
            return [*_named(type(function)), described(getattr(function, "__dict__", {}))]
        if inspect.ismethod(function) and not isinstance(function.__self__, type):
            owner = function.__self__
            held = described(vars(owner)) if hasattr(owner, "__dict__") else described(owner)
            return [*_named(function), *_named(type(owner)), held]
        return _named(function)
    return _by_content(value)


def _by_content(value):
    """Text that is equal for equal objects in any process, also if their repr has an address."""
    text = repr(value)
    if type(value).__module__ == "builtins":
        return text
    import joblib

    try:
        return [type(value).__qualname__, joblib.hash(value)]
    except Exception as error:  # pickling may raise any error
        if re.search(r" at 0x[0-9a-f]+", text):
            raise InputError(
                f"parameter {text} can be neither printed nor pickled, so its stored results could "
                "not be found again; give another value"
            ) from error
        return text


def _named(function):
    return [
        getattr(function, "__module__", None),
        getattr(function, "__qualname__", repr(function)),
    ]


def _roots(value: Any, foreign: set[str]) -> Iterator[Node]:
    """Definitions in a value; objects without a file are described in `foreign`."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return
    if isinstance(value, functools.partial):
        yield from _roots((value.func, value.args, value.keywords), foreign)
    elif isinstance(value, Mapping):
        yield from _roots(list(value.values()), foreign)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _roots(item, foreign)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _roots([getattr(value, f.name) for f in dataclasses.fields(value)], foreign)
    elif callable(value) or hasattr(value, "get_params"):
        yield from _roots_of_callable(value, foreign)


def _roots_of_callable(value, foreign):
    function = inspect.unwrap(value) if callable(value) else value
    owner = getattr(function, "__self__", None) if inspect.ismethod(function) else None
    function = getattr(function, "__func__", function)
    if not (inspect.isroutine(function) or isinstance(function, type)):
        has_params = hasattr(function, "get_params")
        held = function.get_params(deep=False) if has_params else getattr(function, "__dict__", {})
        yield from _roots(held, foreign)
        function = type(function)
    path = _file_of(function)
    if path is None or not is_imbax(path):
        foreign |= _distinction(function)
    if path is None:
        code = getattr(function, "__code__", None)
        if code is None:
            foreign.add(_version(function.__module__ or ""))
        elif (text := json.dumps([_bytecode(code)])) not in foreign:  # interactive code
            foreign.add(text)
            named = [function.__globals__.get(name) for name in code.co_names]
            values = [*named, *_contents(function)]
            _hold(values, owner, foreign)
            functions = filter(inspect.isfunction, values)
            yield from _roots([item for item in functions if item is not function], foreign)
        return
    top = function.__qualname__.split(".")[0]
    module = module_of(path)
    yield from [Node(path, top)] if top in module.definitions else module.everything()
    for value in _contents(function):
        if value is not function:
            yield from _roots(value, foreign)
    if not is_imbax(path):
        _hold(_contents(function), owner, foreign)
        foreign |= {_version(name) for name in module.packages}
        # A plugin is included with all its code.
        yield from module.everything()


def _hold(values, owner, foreign):
    """Include data that a user's function uses outside its code: its closure and its object."""
    attributes = getattr(owner, "__dict__", {}) if not isinstance(owner, type) else {}
    foreign |= {json.dumps(described(value)) for value in values if _is_data(value)}
    found = {name: value for name, value in attributes.items() if _is_data(value)}
    if found:
        foreign.add(json.dumps(described(found)))


def _is_data(value):
    """Returns whether a value is a number, text, an array, or a container of these only."""
    if isinstance(value, Mapping):
        return all(map(_is_data, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_data, value))
    is_array = type(value).__module__ == "numpy" and hasattr(value, "tolist")
    return is_array or isinstance(value, bool | int | float | str)


def _distinction(function):
    """Defaults and, for a lambda, bytecode: they distinguish functions of one name and file."""
    code = getattr(function, "__code__", None)
    if code is None:
        return set()
    found = set()
    for defaults in filter(None, (function.__defaults__, function.__kwdefaults__)):
        if _is_data(defaults):
            found.add(f"{function.__qualname__} {json.dumps(described(defaults))}")
    if code.co_name == "<lambda>":
        found.add(json.dumps(_bytecode(code)))
    return found


def _contents(function):
    """Values in the closure of a function."""
    cells = getattr(function, "__closure__", None) or ()
    return [cell.cell_contents for cell in cells if cell != _EMPTY]


_EMPTY = types.CellType()


def _file_of(function) -> Path | None:
    """File of imbax or of the user that defines a function."""
    try:
        path = Path(inspect.getsourcefile(function) or "").resolve()
    except TypeError:
        return None
    return path if path.is_file() and is_followed(path) else None


def _relative(path: Path) -> str:
    """Path within the package for a file of imbax; the file name for other files."""
    return path.relative_to(PACKAGE).as_posix() if is_imbax(path) else path.name


def _version(module: str) -> str:
    package = module.split(".")[0]
    try:
        return f"{package} {importlib.metadata.version(_distributions().get(package, package))}"
    except importlib.metadata.PackageNotFoundError:
        return package


@functools.cache
def _distributions():
    found = importlib.metadata.packages_distributions()
    return {package: names[0] for package, names in found.items()}


def _bytecode(value):
    """Bytecode of interactive code, including nested code, without memory addresses."""
    if not inspect.iscode(value):
        return repr(value)
    return [value.co_code.hex(), value.co_names, [_bytecode(part) for part in value.co_consts]]
