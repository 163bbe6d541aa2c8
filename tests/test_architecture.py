"""Architecture rules: layers of folders, no import cycles, light imports, short files."""

import ast
import functools
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from tiers import asked

PACKAGE = Path(__file__).resolve().parents[1] / "imbax"

# A folder or top-level module imports only from the lines above its own.
LAYERS = (
    ("errors", "aliases", "sharding", "versions"),
    ("types", "metrics"),
    ("neighbors",),
    ("losses", "networks"),
    ("minibatches", "bilevel"),
    ("training",),
    ("methods",),
    ("engine",),
    ("catalogue",),
    ("data", "statistics"),
    ("estimators",),
    ("experiments",),
    ("reports",),
    ("results",),
    ("bench",),
    ("cli",),
    ("__main__",),
)
# The core consists of the layers above `catalogue`.
CORE = {name for names in LAYERS[:8] for name in names}
# Folders that may import only these parts of the core.
APART = {"data": {"errors"}, "statistics": {"errors"}}
# Methods that import other methods by definition; all others import none.
MADE_OF = {
    "borderline_smote": {"smote"},
    "adasyn": {"smote"},
    "deepsmote": {"smote"},
    "latent_explicit_gradient": {"deepsmote", "smote", "explicit_gradient", "supervised"},
}
# Files over the limit, with reasons.
LONG = {
    "engine/vectorize.py": "one class: devices, memory and compilation of runs as an axis",
    "methods/bagan.py": "an autoencoder and a GAN that only make sense together",
}


@functools.cache
def modules():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__").removesuffix("__init__")] = path
    return found


@functools.cache
def imports(name):
    """The modules of imbax that a module imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from imbax.experiments import store` may name modules.
            named = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {owner(n.removeprefix("imbax.")) for n in named if n.startswith("imbax.")}
    return found - {"", name}


def owner(name):
    """Returns the module that contains a dotted name."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name


def room(name):
    return name.split(".")[0]


def layer(name):
    for number, members in enumerate(LAYERS):
        if room(name) in members:
            return number
    raise AssertionError(f"{name} has no place in the layers")


@pytest.mark.parametrize("name", sorted(name for name in modules() if name))
def test_imports_only_from_layers_above(name):
    for other in imports(name):
        if room(other) == room(name):
            continue
        assert layer(other) < layer(name), f"{name} imports {other}"
        if room(name) in APART:
            assert room(other) in APART[room(name)], f"{name} imports {other}"


def test_no_cycles():
    # The `__init__` of a package names its modules.
    graph = {name: imports(name) for name in modules() if not is_face(name)}
    while graph:
        leaves = {name for name, others in graph.items() if not others & set(graph)}
        assert leaves, f"a cycle among {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in leaves}


def is_face(name):
    return modules()[name].name == "__init__.py"


def methods():
    """Modules with a method: a program, a sampler, or a generator."""
    contract = {"program", "sample", "generator"}
    for name, path in modules().items():
        if room(name) == "methods":
            names = {getattr(node, "name", "") for node in ast.parse(path.read_text()).body}
            if contract & names:
                yield name.removeprefix("methods.")


def test_methods_import_only_their_parts():
    known = set(methods())
    assert {"smote", "supervised", "deepsmote", "gamo"} <= known
    for name in known:
        others = {other.removeprefix("methods.") for other in imports(f"methods.{name}")}
        assert others & known == MADE_OF.get(name, set()), name


def test_methods_are_at_most_five_imports_deep():
    @functools.cache
    def depth(name):
        inside = [other for other in imports(name) if room(other) == "methods"]
        return 1 + max((depth(other) for other in inside if not is_face(other)), default=0)

    assert max(depth(name) for name in modules() if room(name) == "methods") <= 5


def test_core_needs_only_the_core_packages():
    allowed = {"jax", "flax", "optax", "chex", "numpy", "imbax"} | sys.stdlib_module_names
    for name, path in modules().items():
        if room(name) not in CORE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            assert {n.split(".")[0] for n in names} <= allowed, (name, names)


def test_data_and_statistics_need_no_jax():
    for name, path in modules().items():
        if room(name) in APART:
            assert "import jax" not in path.read_text(), name


def test_files_have_a_readable_size():
    lines = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines())
        for path in modules().values()
    }
    assert statistics.median(lines.values()) < 125
    assert {file for file, number in lines.items() if number > 350} <= set(LONG)
    assert len(LONG) <= 2
    for folder in PACKAGE.rglob("experiments/**/"):
        assert len(list(folder.glob("*.py"))) <= 15, folder


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import imbax", ("jax", "sklearn", "pandas", "matplotlib")),
        ("import imbax; imbax.outer_gradient", ("sklearn", "pandas", "matplotlib")),
        ("import imbax; imbax.register", ("sklearn", "pandas", "matplotlib")),
        ("import imbax.methods.smote", ("sklearn", "pandas", "imbax.catalogue", "imbax.engine")),
        ("import imbax.statistics.ranks", ("jax",)),
    ],
)
def test_imports_stay_light(code, heavy):
    check = f"{code}\nimport sys\nsys.exit(' '.join(m for m in {heavy!r} if m in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", asked(["smote", "amdo", "supervised", "gamo", "deepsmote"], ["amdo", "deepsmote"])
)
def test_a_method_loads_no_other(name):
    code = (
        f"import sys, imbax.methods.{name}\n"
        "print(*(m.split('.')[2] for m in sys.modules if m.startswith('imbax.methods.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(done.stdout.split()) & set(methods())
    assert loaded == {name} | MADE_OF.get(name, set()), done.stderr


def test_every_public_name_loads():
    import imbax

    for name in imbax.__all__:
        assert getattr(imbax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        imbax.nothing  # noqa: B018


def test_old_module_paths_forward_to_new_ones():
    import importlib

    import imbax
    from imbax.aliases import MOVED

    for old, new in MOVED.items():
        sys.modules.pop(f"imbax.{old}", None)
        with pytest.warns(DeprecationWarning, match=f"imbax.{new}"):
            module = importlib.import_module(f"imbax.{old}")
        home = importlib.import_module(f"imbax.{new}")
        for name in getattr(home, "__all__", ()):
            assert getattr(module, name) is getattr(home, name)
    assert imbax.methods.get("ce") is imbax.catalogue.get("ce")


def test_docstrings_are_numpydoc():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                lines = (ast.get_docstring(node) or "").splitlines()
                other = {"Args:", "Returns:", "Raises:", "Yields:"} & set(map(str.strip, lines))
                assert not other, f"{name}: {getattr(node, 'name', '')} has {other}"


def test_docstrings_describe_every_parameter_or_none():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            doc = (isinstance(node, ast.FunctionDef) and ast.get_docstring(node)) or ""
            _, title, section = doc.partition("Parameters\n----------\n")
            if not title:
                continue
            lines = section.split("\n\n")[0].splitlines()
            described = {n for line in lines if line[0] != " " for n in re.split(r"[ ,:*]+", line)}
            args = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            known = {arg.arg for arg in args}
            missing = known - described - {"self", "cls"}
            assert not missing, f"{name}: {node.name} does not describe {sorted(missing)}"
