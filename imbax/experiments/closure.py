"""The code that a function is made of: its own definition and all that it names, and so on.

The unit is a definition at the top of a file, see `modules`. Names are followed through imports and
through the values of partials and records; installed packages count by name, and for estimators and
a user's functions by version.
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
    """64 hex digits of the code of functions, or of any values that hold some.

    Parameters
    ----------
    *values
        Functions, classes, partials, records, containers.
    versions
        Count the versions of the installed packages that functions import inside, too.
    """
    definitions, foreign = definitions_of(*values, versions=versions)
    parts = [sorted(definitions.items()), sorted(foreign), described(values)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def definitions_of(*values: Any, versions: bool = False) -> tuple[dict[str, str], set[str]]:
    """All definitions that values are made of, `{"file:name": digest}`; and what has no file."""
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
    """What a value is, JSON-ready: numbers and text as they are, functions and classes by name.

    Raises
    ------
    InputError
        It holds an object whose content cannot be told.
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
            # An object that can be called, such as a scorer, is what it holds.
            return [*_named(type(function)), described(getattr(function, "__dict__", {}))]
        if inspect.ismethod(function) and not isinstance(function.__self__, type):
            owner = function.__self__
            held = described(vars(owner)) if hasattr(owner, "__dict__") else described(owner)
            return [*_named(function), *_named(type(owner)), held]
        return _named(function)
    return _by_content(value)


def _by_content(value):
    """The same text for the same object in any process, also where its repr shows an address."""
    text = repr(value)
    if type(value).__module__ == "builtins":
        return text
    import joblib

    try:
        return [type(value).__qualname__, joblib.hash(value)]
    except Exception as error:  # whatever pickling raises
        if re.search(r" at 0x[0-9a-f]+", text):
            raise InputError(
                f"{text} is a parameter that can be neither printed nor pickled, so stored results "
                "of it could not be found again; give another value"
            ) from error
        return text


def _named(function):
    return [
        getattr(function, "__module__", None),
        getattr(function, "__qualname__", repr(function)),
    ]


def _roots(value: Any, foreign: set[str]) -> Iterator[Node]:
    """Definitions that a value holds; what has no file is described in `foreign`."""
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
        foreign |= _told_apart_by(function)
    if path is None:
        code = getattr(function, "__code__", None)
        if code is None:
            foreign.add(_version(function.__module__ or ""))
        elif (text := json.dumps([_bytecode(code)])) not in foreign:  # typed in a session
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
        # A plugin counts with all that it runs.
        yield from module.everything()


def _hold(values, owner, foreign):
    """Counts data that a user's function finds outside its code: in its closure or its object."""
    attributes = getattr(owner, "__dict__", {}) if not isinstance(owner, type) else {}
    foreign |= {json.dumps(described(value)) for value in values if _is_data(value)}
    found = {name: value for name, value in attributes.items() if _is_data(value)}
    if found:
        foreign.add(json.dumps(described(found)))


def _is_data(value):
    """Whether it is numbers, text, arrays, or containers of these alone."""
    if isinstance(value, Mapping):
        return all(map(_is_data, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_data, value))
    is_array = type(value).__module__ == "numpy" and hasattr(value, "tolist")
    return is_array or isinstance(value, bool | int | float | str)


def _told_apart_by(function):
    """Distinguish a user's functions of one name and file by defaults and a lambda's code."""
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
    """Values that a function closes over."""
    cells = getattr(function, "__closure__", None) or ()
    return [cell.cell_contents for cell in cells if cell != _EMPTY]


_EMPTY = types.CellType()


def _file_of(function) -> Path | None:
    """The file of imbax or of the user that a function lies in."""
    try:
        path = Path(inspect.getsourcefile(function) or "").resolve()
    except TypeError:
        return None
    return path if path.is_file() and is_followed(path) else None


def _relative(path: Path) -> str:
    """Of a file of imbax its path in the package; of another its name alone."""
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
    """Code typed in a session, and the code within it, without where it lies in memory."""
    if not inspect.iscode(value):
        return repr(value)
    return [value.co_code.hex(), value.co_names, [_bytecode(part) for part in value.co_consts]]
