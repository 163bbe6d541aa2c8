"""Definitions of Python files, their code and their references.

A definition is a function, a class or an assignment at the top level of a file. Its code is its
syntax tree without docstrings, so that comments and layout do not matter. References are followed
through imports into imbax and into users' files; installed packages are recorded by name.
"""

import ast
import functools
import hashlib
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import imbax

__all__ = ["PACKAGE", "Definition", "Module", "Node", "is_followed", "is_imbax", "module_of"]

PACKAGE = Path(imbax.__file__).resolve().parent
_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")
)


class Node(NamedTuple):
    """Top-level name of a file; None stands for the statements that run when it is loaded."""

    path: Path
    name: str | None


class Definition(NamedTuple):
    """Code and references of a definition."""

    digest: str
    """Hash of the syntax tree and of the data files named in it."""
    references: list[Node]
    """Referenced definitions."""
    packages: set[str]
    """Installed packages imported in the body."""


def module_of(path: Path) -> "Module":
    """Definitions of the current version of a file."""
    return _parsed(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=512)
def _parsed(path: Path, written: int) -> "Module":
    return Module(path)


class Module:
    """Definitions of a file, and the meaning of its names."""

    def __init__(self, path: Path):
        self.path = path
        self.definitions: dict[str, Any] = {}
        self.imports: dict[str, Any] = {}
        self.stars: list[Path] = []
        self.packages: set[str] = set()
        self._effects: list[ast.stmt] = []
        for statement in ast.parse(path.read_bytes()).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imports |= self._imported(statement)
            elif names := _defined(statement):
                for name in names:
                    if name != "__version__":  # a release alone does not change results
                        self.definitions.setdefault(name, []).append(statement)
            elif not _is_text(statement):
                self._effects.append(statement)
        self._seen: dict[str | None, Definition] = {}
        self._looked_up: set[str] = set()

    def everything(self) -> list[Node]:
        """All definitions, and the statements that run when the file is loaded."""
        return [Node(self.path, name) for name in (*self.definitions, None)]

    def definition(self, name: str | None) -> "Definition":
        """Definition of a name; None: the statements that run when the file is loaded."""
        if name not in self._seen:
            self._seen[name] = self._examined(name)
        return self._seen[name]

    def _examined(self, name):
        statements = self._effects if name is None else self.definitions.get(name, [])
        nodes = [node for statement in statements for node in ast.walk(statement)]
        local, packages, data, chained, paths = {}, set(), [], set(), []
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                local |= self._imported(node)
                packages |= _packages(node)
            elif isinstance(node, ast.Name | ast.Attribute) and id(node) not in chained:
                paths.append(_chain(node, chained))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                data += self._data(node.value)
            if isinstance(body := getattr(node, "body", None), list):
                # A bare string is a docstring or the description of a field.
                node.body = [part for part in body if not _is_text(part)]
        code = "".join([*map(ast.dump, statements), *map(_hash, data)])
        found = [node for path in paths if path for node in self._resolved(path, local)]
        digest = hashlib.sha256(code.encode()).hexdigest()
        return Definition(digest, list(dict.fromkeys(found)), packages)

    def _data(self, text: str) -> list[Path]:
        """Data file in this file's folder that is named by a text, if any."""
        if not re.fullmatch(r"[\w-]+\.(csv|toml|json|npz)", text):
            return []
        file = self.path.parent / text
        return [file] if file.is_file() else []

    def lookup(self, name: str) -> list[Node]:
        """Definitions that a name refers to in this file."""
        if name in self._looked_up:
            return []  # circular imports
        self._looked_up.add(name)
        try:
            return list(self._resolved([name], {}))
        finally:
            self._looked_up.discard(name)

    def _imported(self, statement) -> dict[str, tuple[Path | None, str | None]]:
        """Names bound by an import: (file, name in it), or (file, None) for a module."""
        bound: dict[str, tuple[Path | None, str | None]] = {}
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
        """File of a module whose references are followed; other modules are recorded by name."""
        if module.startswith("."):
            level = len(module) - len(module.lstrip("."))
            folder = self.path.parents[level - 1]
            return _existing(folder.joinpath(*filter(None, module.lstrip(".").split("."))))
        first, *rest = module.split(".")
        if first == "imbax":
            return _existing(PACKAGE.joinpath(*rest))
        if first in sys.stdlib_module_names:
            return None
        if not is_imbax(self.path) and (file := _user_file(self.path.parent, module)):
            return file
        self.packages.add(first)
        return None

    def _resolved(self, path: list[str], local) -> Iterator[Node]:
        first, *rest = path
        imports = local if first in local else self.imports
        if first in self.definitions and first not in local:
            yield Node(self.path, first)
        elif first in imports:
            file, name = imports[first]
            if file is None:
                return
            while name is None:
                if not rest:
                    yield from module_of(file).everything()
                    return
                name, *rest = rest
                if below := _existing(file.parent / name) if file.stem == "__init__" else None:
                    file, name = below, None
            yield from self._named(file, name)
        else:
            for star in self.stars:
                yield from (
                    module_of(star).lookup(first) if first in module_of(star).definitions else ()
                )

    def _named(self, file, name) -> Iterator[Node]:
        module = module_of(file)
        if module.known(name):
            yield from module.lookup(name)
        elif is_imbax(file) and file.stem == "__init__":
            # A package may load names lazily: the object itself has the module of its definition.
            dotted = ".".join(["imbax", *file.parent.relative_to(PACKAGE).parts])
            value: Any = getattr(importlib.import_module(dotted), name, None)
            path = module_file(getattr(value, "__module__", None))
            if path:
                yield from module_of(path).lookup(value.__qualname__.split(".")[0])

    def known(self, name: str) -> bool:
        """Returns whether the file defines or imports the name."""
        return (
            name in self.definitions
            or name in self.imports
            or any(module_of(star).known(name) for star in self.stars)
        )


def module_file(module: Any) -> Path | None:
    """File of a module of imbax with a dotted name."""
    first, *rest = str(module).split(".")
    return _existing(PACKAGE.joinpath(*rest)) if first == "imbax" else None


def _existing(stem: Path) -> Path | None:
    for file in (stem.with_suffix(".py"), stem / "__init__.py"):
        if file.is_file():
            return file
    return None


def _user_file(folder: Path, module: str) -> Path | None:
    """File of a user's module: in the folder, loaded, or found; not of an installed package."""
    if file := _existing(folder.joinpath(*module.split("."))):
        return file.resolve()
    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is None and module.split(".")[0] not in sys.modules:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        origin = spec and spec.origin
    path = Path(origin).resolve() if origin and origin.endswith(".py") else None
    return path if path and is_followed(path) else None


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


def _chain(node, chained: set[int]) -> list[str]:
    """Name with its attributes, `a.b.c` as [a, b, c]; empty for other nodes.

    Inner nodes are recorded in `chained`, since they have no meaning on their own.
    """
    path = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
        chained.add(id(node))
    return [node.id, *reversed(path)] if isinstance(node, ast.Name) else []


def _packages(node) -> set[str]:
    """Installed packages named by an import statement."""
    if isinstance(node, ast.Import):
        found = {alias.name.split(".")[0] for alias in node.names}
    else:
        found = set() if node.level else {node.module.split(".")[0]}
    return {name for name in found - {"imbax"} if name not in sys.stdlib_module_names}


def _is_text(node) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@functools.cache
def is_followed(path: Path) -> bool:
    if is_imbax(path):
        return True
    return not any(path.is_relative_to(folder) for folder in _INSTALLED)


def is_imbax(path: Path) -> bool:
    return path.is_relative_to(PACKAGE)
