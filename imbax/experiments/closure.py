"""The code that a function is made of: its own definition and all that it names, and so on.

The unit is a definition at the top of a module: a function, a class or an assignment. What counts
is the syntax tree without docstrings, so that comments and layout do not. Names are followed
through imports, into imbax and into a user's own files, and through the values of partials and
records; installed packages count by name, and for estimators and a user's functions by version.
"""

import ast
import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import imbax

__all__ = ["code_of", "described"]

_PACKAGE = Path(imbax.__file__).resolve().parent
_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")
)


class _Node(NamedTuple):
    """A definition: the name `name` at the top of a file; None: all that runs when it is loaded."""

    path: Path
    name: str | None


def code_of(*values: Any, versions: bool = False) -> str:
    """64 hex digits of the code of functions, or of any values that hold some.

    Args:
      *values: functions, classes, partials, records, containers.
      versions: count the versions of the installed packages that functions import inside, too.
    """
    foreign: set[str] = set()
    waiting = [node for value in values for node in _roots(value, foreign)]
    found: dict[str, str] = {}
    seen: set[_Node] = set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        module = _module(node.path)
        found[f"{_relative(node.path)}:{node.name}"] = module.digest(node.name)
        waiting += module.references(node.name)
        if versions:
            foreign |= {_version(package) for package in module.packages_inside(node.name)}
        waiting.append(_Node(node.path, None))
    parts = [sorted(found.items()), sorted(foreign), described(values)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def described(value: Any) -> Any:
    """What a value is, JSON-ready: numbers and text as they are, functions and classes by name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, functools.partial):
        return [described(value.func), described(value.args), described(value.keywords)]
    if isinstance(value, Mapping):
        return {str(name): described(item) for name, item in sorted(value.items(), key=str)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return [type(value).__qualname__, {name: described(getattr(value, name)) for name in names}]
    if isinstance(value, list | tuple | set | frozenset):
        return [type(value).__qualname__, *map(described, value)]
    if hasattr(value, "tolist"):
        return described(value.tolist())
    if hasattr(value, "get_params") and not isinstance(value, type):
        return [*_named(type(value)), described(value.get_params(deep=False))]
    if callable(value):
        function = inspect.unwrap(value)
        if not inspect.isroutine(function) and not isinstance(function, type):
            function = type(function)  # an object that can be called
        return _named(function)
    return repr(value)


def _named(function):
    return [
        getattr(function, "__module__", None),
        getattr(function, "__qualname__", repr(function)),
    ]


def _roots(value: Any, foreign: set[str]) -> Iterator[_Node]:
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
    function = getattr(function, "__func__", function)
    if not (inspect.isroutine(function) or isinstance(function, type)):
        if hasattr(function, "get_params"):
            yield from _roots(function.get_params(deep=False), foreign)
        function = type(function)
    path = _file_of(function)
    if path is None:
        if code := getattr(function, "__code__", None):  # typed in a session
            foreign.add(json.dumps(_bytecode(code)))
            names = [function.__globals__.get(name) for name in code.co_names]
            yield from _roots([item for item in names if inspect.isfunction(item)], foreign)
        else:
            foreign.add(_version(function.__module__ or ""))
        return
    top = function.__qualname__.split(".")[0]
    module = _module(path)
    yield from [_Node(path, top)] if top in module.definitions else module.everything()
    for cell in getattr(function, "__closure__", None) or ():
        yield from _roots(cell.cell_contents, foreign)
    if not _is_imbax(path):
        foreign |= {_version(name) for name in module.packages}
        # A plugin counts with all that it runs.
        yield from module.everything()


def _file_of(function) -> Path | None:
    """The file of imbax or of the user that a function lies in."""
    try:
        path = Path(inspect.getsourcefile(function) or "").resolve()
    except TypeError:
        return None
    return path if path.is_file() and _is_followed(path) else None


@functools.cache
def _is_followed(path: Path) -> bool:
    if _is_imbax(path):
        return True
    return not any(path.is_relative_to(folder) for folder in _INSTALLED)


def _is_imbax(path: Path) -> bool:
    return path.is_relative_to(_PACKAGE)


def _relative(path: Path) -> str:
    """Of a file of imbax its path in the package; of another its name alone."""
    return path.relative_to(_PACKAGE).as_posix() if _is_imbax(path) else path.name


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


@functools.cache
def _module(path: Path) -> "_Module":
    return _Module(path)


class _Module:
    """A file's definitions, and what its names mean."""

    def __init__(self, path: Path):
        self.path, self.definitions, self.imports = path, {}, {}
        self.stars: list[Path] = []
        self.packages: set[str] = set()
        self._effects: list[ast.stmt] = []
        for statement in ast.parse(path.read_bytes()).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imports |= self._imported(statement)
            elif names := _defined(statement):
                for name in names:
                    self.definitions.setdefault(name, []).append(statement)
            elif not _is_text(statement):
                self._effects.append(statement)
        self._digests: dict[str | None, str] = {}
        self._references: dict[str | None, list[_Node]] = {}

    def everything(self) -> list[_Node]:
        """All definitions, and what runs when the file is loaded."""
        return [_Node(self.path, name) for name in (*self.definitions, None)]

    def digest(self, name: str | None) -> str:
        """Of a definition's code."""
        if name not in self._digests:
            code = "".join(ast.dump(_without_text(part)) for part in self._statements(name))
            data = [_hash(file) for file in self._data(name)]
            self._digests[name] = hashlib.sha256("".join([code, *data]).encode()).hexdigest()
        return self._digests[name]

    def references(self, name: str | None) -> list[_Node]:
        """The definitions that a definition names."""
        if name not in self._references:
            found: dict[_Node, None] = {}
            for statement in self._statements(name):
                local = {}
                for node in ast.walk(statement):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        local |= self._imported(node)
                for path in _dotted(statement):
                    found |= dict.fromkeys(self._resolved(path, local))
            self._references[name] = list(found)
        return self._references[name]

    def packages_inside(self, name: str | None) -> set[str]:
        """Installed packages that a definition imports within its body."""
        found = set()
        for statement in self._statements(name):
            for node in ast.walk(statement):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(node.module.split(".")[0])
        return {name for name in found - {"imbax"} if name not in sys.stdlib_module_names}

    def lookup(self, name: str) -> list[_Node]:
        """What a name means in this file."""
        return list(self._resolved([name], {}))

    def _statements(self, name):
        return self._effects if name is None else self.definitions.get(name, [])

    def _data(self, name) -> Iterable[Path]:
        """Files of data beside this one that a definition names."""
        for statement in self._statements(name):
            for node in ast.walk(statement):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    text = node.value
                    if 4 < len(text) < 60 and "." in text and "\n" not in text and "/" not in text:
                        file = self.path.parent / text
                        if file.suffix in (".csv", ".toml", ".json", ".npz") and file.is_file():
                            yield file

    def _imported(self, statement) -> dict[str, tuple[Path | None, str | None]]:
        """What an import binds: (file, name in it), or (file, None) for a module."""
        bound = {}
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                top = alias.name if alias.asname else alias.name.split(".")[0]
                bound[alias.asname or top] = (self._file(top), None)
            return bound
        source = "." * statement.level + (statement.module or "")
        path = self._file(source)
        for alias in statement.names:
            below = self._file(f"{source}.{alias.name}") if path else None
            if alias.name == "*" and path:
                self.stars.append(path)
            elif below:
                bound[alias.asname or alias.name] = (below, None)
            else:
                bound[alias.asname or alias.name] = (path, alias.name)
        return bound

    def _file(self, module: str) -> Path | None:
        """The file of a module that is followed; others are kept by name."""
        if module.startswith("."):
            level = len(module) - len(module.lstrip("."))
            folder = self.path.parents[level - 1]
            return _existing(folder.joinpath(*filter(None, module.lstrip(".").split("."))))
        first, *rest = module.split(".")
        if first == "imbax":
            return _existing(_PACKAGE.joinpath(*rest))
        if first in sys.stdlib_module_names:
            return None
        if not _is_imbax(self.path) and (file := _user_file(self.path.parent, module)):
            return file
        self.packages.add(first)
        return None

    def _resolved(self, path: list[str], local) -> Iterator[_Node]:
        first, *rest = path
        imports = local if first in local else self.imports
        if first in self.definitions and first not in local:
            yield _Node(self.path, first)
        elif first in imports:
            file, name = imports[first]
            if file is None:
                return
            while name is None:
                if not rest:
                    yield from _module(file).everything()
                    return
                name, *rest = rest
                if below := _existing(file.parent / name) if file.stem == "__init__" else None:
                    file, name = below, None
            yield from self._named(file, name)
        else:
            for star in self.stars:
                yield from _module(star).lookup(first) if first in _module(star).definitions else ()

    def _named(self, file, name) -> Iterator[_Node]:
        module = _module(file)
        if module.known(name):
            yield from module.lookup(name)
        elif _is_imbax(file) and file.stem == "__init__":
            # A face loads some names lazily: what the name is tells where it lies.
            dotted = ".".join(["imbax", *file.parent.relative_to(_PACKAGE).parts])
            value = getattr(importlib.import_module(dotted), name, None)
            if callable(value):
                yield from _roots(value, set())

    def known(self, name: str) -> bool:
        """Whether the file gives the name a meaning."""
        return (
            name in self.definitions
            or name in self.imports
            or any(_module(star).known(name) for star in self.stars)
        )


def _existing(stem: Path) -> Path | None:
    for file in (stem.with_suffix(".py"), stem / "__init__.py"):
        if file.is_file():
            return file
    return None


def _user_file(folder: Path, module: str) -> Path | None:
    """A module of the user's: beside the file, loaded, or found, but not an installed package."""
    if beside := _existing(folder.joinpath(*module.split("."))):
        return beside.resolve()
    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is None and module.split(".")[0] not in sys.modules:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        origin = spec and spec.origin
    path = Path(origin).resolve() if origin and origin.endswith(".py") else None
    return path if path and _is_followed(path) else None


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _defined(statement) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    names = []
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
            names += [part.id for part in parts if isinstance(part, ast.Name)]
    return names


def _dotted(statement) -> Iterator[list[str]]:
    """The names in a statement, with the attributes that follow them: `a.b.c` as [a, b, c]."""
    waiting = [statement]
    while waiting:
        node = waiting.pop()
        path = []
        inner = node
        while isinstance(inner, ast.Attribute):
            path.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield [inner.id, *reversed(path)]
        else:
            waiting += ast.iter_child_nodes(inner)


def _without_text(statement):
    """Without docstrings and descriptions of fields, in place."""
    for node in ast.walk(statement):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]
    return statement


def _is_text(node) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
