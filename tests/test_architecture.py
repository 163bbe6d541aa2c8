"""The house rules: layers, no cycles, light imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "imbax"

# A module imports only from lines above its own. `data` sees nothing of the core but `errors`.
LAYERS = (
    ("errors",),
    ("divided",),
    ("types",),
    ("losses", "metrics", "calibration", "confusion", "neighbors", "rowwise", "density"),
    ("class_losses", "precision"),
    ("networks.layers", "networks.convolution"),
    ("networks.mlp", "networks.normalized"),
    ("networks.autoencoder", "networks.bagan", "networks.convex_mixer", "networks.resnet"),
    ("networks.deep_cross", "networks.bridge"),
    ("networks.tabular_gan",),
    ("training", "bilevel"),
    ("methods.duplicate", "methods.potential", "methods.refit"),
    ("methods.meta_training",),
    ("methods.smote",),
    (
        "methods.adasyn",
        "methods.borderline_smote",
        "methods.class_smote",
        "methods.random_under",
        "methods.sugar",
    ),
    ("methods.class_duplicate", "methods.codes", "methods.generator", "methods.points"),
    ("methods.class_rows",),
    ("methods.amdo", "methods.mc_ccr", "methods.mc_rbo"),
    ("methods.image_classifier", "methods.image_rows"),
    ("methods.cwgan", "methods.supervised", "methods.explicit_gradient"),
    ("methods.bagan", "methods.deepsmote", "methods.gamo"),
    ("methods.meta_weight_net", "methods.l2rw", "methods.metabalance", "methods.mesa"),
    ("methods.loss_methods", "methods.image_generators", "methods.latent_explicit_gradient"),
    ("methods.image_methods",),
    ("methods.registry",),
    ("methods.table_rows",),
    ("methods.builtin",),
    ("methods",),
    ("devices",),
    ("vectorize",),
    ("programs",),
    ("data",),
    ("estimators",),
    ("experiments",),
    ("listings", "bench", "arguments", "session"),
    ("cli",),
)
# Within these, modules import each other, without cycles.
FREE_INSIDE = ("data", "estimators", "experiments", "bench")


def modules():
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        name = name.removesuffix(".__init__").removesuffix("__init__")
        yield name, path


def imports(path):
    """Names below `imbax` that a file imports, at the top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from imbax.experiments import store` may name modules.
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            if name.startswith("imbax."):
                yield owner(name.removeprefix("imbax."))


def owner(name):
    """The module that a dotted name lies in."""
    known = {module for module, _ in modules()}
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def layer(name):
    for number, members in enumerate(LAYERS):
        for member in members:
            if name == member or (member in FREE_INSIDE and name.startswith(f"{member}.")):
                return number
    raise AssertionError(f"{name} has no place in the layers")


@pytest.mark.parametrize(("name", "path"), sorted(modules()), ids=lambda value: str(value)[-40:])
def test_imports_only_from_layers_above(name, path):
    if not name:
        return  # the face of the package loads every name lazily
    for other in imports(path):
        if not other:
            continue
        same_room = name.split(".")[0] == other.split(".")[0] and name.split(".")[0] in FREE_INSIDE
        assert same_room or layer(other) < layer(name), f"{name} imports {other}"
        if name.startswith("data"):
            assert other == "errors" or other.startswith("data"), f"{name} imports {other}"


def test_no_cycles():
    graph = {name: set(imports(path)) - {name, ""} for name, path in modules()}
    while graph:
        leaves = {name for name, others in graph.items() if not others & set(graph)}
        assert leaves, f"a cycle among {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in leaves}


def test_core_needs_only_the_core_packages():
    allowed = {"jax", "flax", "optax", "chex", "numpy", "imbax"} | sys.stdlib_module_names
    core = {module for members in LAYERS[: layer("vectorize") + 1] for module in members}
    for name, path in modules():
        if name not in core:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            assert {n.split(".")[0] for n in names} <= allowed, (name, names)


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import imbax", ("jax", "sklearn", "pandas", "matplotlib")),
        ("import imbax; imbax.outer_gradient", ("sklearn", "pandas", "matplotlib")),
        ("import imbax; imbax.register", ("sklearn", "pandas", "matplotlib")),
    ],
)
def test_imports_stay_light(code, heavy):
    check = f"{code}\nimport sys\nsys.exit(' '.join(m for m in {heavy!r} if m in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_loads():
    import imbax

    for name in imbax.__all__:
        assert getattr(imbax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        imbax.nothing  # noqa: B018
