"""The key of a cell: it changes with whatever could change a result, and with nothing else."""

import ast
import functools
import importlib.util
import itertools
import json
import posixpath
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import toys

import imbax
from imbax import methods
from imbax.catalogue import registry
from imbax.data.tabular import make_dataset
from imbax.experiments import provenance
from imbax.experiments.provenance import cell_key, configuration, environment
from imbax.experiments.tabular.plan import Protocol

X, Y = toys.table(60, 20)
DATA = make_dataset(X, Y, name="toy")
PROTOCOL = Protocol()
PACKAGE = Path(imbax.__file__).parent


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


def key(data=DATA, method="ce", protocol=PROTOCOL):
    return cell_key(data, methods.get(method), protocol)


def test_keys_differ_between_methods_and_look_like_keys():
    keys = {name: key(method=name) for name in methods.names()}
    assert len(set(keys.values())) == len(keys)
    assert all(len(k) == 16 and set(k) <= set("0123456789abcdef") for k in keys.values())


@pytest.mark.parametrize(
    "change",
    [
        {"folds": 5},
        {"epochs": 100},
        {"n_synth": "balance"},
        {"valid_fraction": 0.3},
        {"precision": "bfloat16"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_protocol_is_in_the_key(change):
    assert key(protocol=Protocol(**change)) != key()
    assert key(protocol=Protocol()) == key()


def nudged(x):
    x = np.asarray(x, np.float64).copy()
    x[7, 2] = np.nextafter(x[7, 2], np.inf)
    return x


@pytest.mark.parametrize(
    "other",
    [
        lambda: make_dataset(nudged(X), Y, name="toy"),
        lambda: make_dataset(X, np.roll(Y, 1), name="toy"),
        lambda: make_dataset(X[::-1], Y[::-1], name="toy"),
        lambda: make_dataset(X, Y, name="toy", groups=np.arange(60) // 3),
    ],
    ids=["one bit of x", "y", "order", "groups"],
)
def test_the_data_are_in_the_key(other):
    assert key(other()) != key()
    assert key(make_dataset(X.copy(), Y.copy(), name="other name")) == key()


class Hparams(NamedTuple):
    rate: float = 0.1


def host(x, y, x_test, random_state):
    return x_test[:, 0]


def registered(**facts):
    methods.register("mine", **({"host": host} | facts))
    return key(method="mine")


def test_what_the_registry_says_is_in_the_key():
    keys = [
        registered(),
        registered(settings=(Hparams(),)),
        registered(settings=(Hparams(0.2),)),
        registered(settings=(Hparams(), Hparams(0.2))),
        registered(options={"depth": 3}),
        registered(starts_from="ce"),
        registered(starts_from="focal"),
    ]
    assert len(set(keys)) == len(keys)
    assert registered(title="Another title", note="and a note") == keys[0]


SOURCE = '''
"""What the module is about."""

FACTOR = 2


def host(x, y, x_test, random_state):
    """What it does."""
    return FACTOR * x_test[:, 0]  # why
'''


NUMBERS = itertools.count()


def key_of_source(folder, source, wrap=lambda f: f):
    path = folder / f"own_{next(NUMBERS)}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return registered(host=wrap(module.host))


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("  # why", "", True),
        ("  # why", "  # because", True),
        ("What it does.", "What else it does.", True),
        ('"""What the module is about."""', "", True),
        ("\n\n\ndef", "\ndef", True),
        ("x_test[:, 0]", "(x_test[:, 0])", True),
        ("FACTOR = 2", "FACTOR = 3", False),
        ("x_test[:, 0]", "x_test[:, 1]", False),
        ("FACTOR * x", "-FACTOR * x", False),
    ],
)
def test_source_counts_as_code(tmp_path, old, new, same):
    assert old in SOURCE
    changed = key_of_source(tmp_path, SOURCE.replace(old, new))
    assert (changed == key_of_source(tmp_path, SOURCE)) == same


def test_the_code_of_a_sampler_counts_too(tmp_path):
    """The training may be another module's, as of a sampler in front of a built-in one."""

    def key(source):
        path = tmp_path / f"sampler_{next(NUMBERS)}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return registered(host=None, build=methods.get("ce").build, resample=module.resample)

    source = "def resample(key, problem, facts):\n    return problem.train, 1\n"
    assert key(source) == key(source)
    assert key(source) != key(source.replace("1", "2"))


def test_a_partial_stands_for_its_function(tmp_path):
    def wrap(function):
        return functools.partial(functools.partial(function), random_state=0)

    changed = SOURCE.replace("FACTOR = 2", "FACTOR = 3")
    assert key_of_source(tmp_path, SOURCE, wrap=wrap) == key_of_source(tmp_path, SOURCE)
    assert key_of_source(tmp_path, SOURCE, wrap=wrap) != key_of_source(tmp_path, changed, wrap=wrap)


def test_a_method_typed_in_a_session_has_a_key():
    """As in a notebook or `python -c`: there is no file to read."""
    space = {"__name__": "__main__"}
    exec(
        compile("def host(x, y, x_test, random_state): return x_test[:, 0]", "<cell>", "exec"),
        space,
    )
    assert len(registered(host=space["host"])) == 16
    code = (
        "import imbax\n"
        "from imbax.experiments.provenance import cell_key\n"
        "from imbax.experiments.tabular.plan import Protocol\n"
        "from imbax.data.tabular import quickstart\n"
        "imbax.register('mine', host=lambda x, y, x_test, random_state: x_test[:, 0])\n"
        "from imbax.catalogue import get\n"
        "print(len(cell_key(quickstart('moons_20'), get('mine'), Protocol())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "16", done.stderr.splitlines()[-1]


TYPED = "def host(x, y, x_test, random_state):\n    return sorted(x_test[:, 0], key=lambda v: {})"


def key_of_typed(text):
    space = {"__name__": "__main__"}
    exec(compile(text, "<cell>", "exec"), space)
    return registered(host=space["host"])


def test_the_key_of_typed_code_is_of_the_code_not_of_where_it_lies_in_memory():
    """Functions within the function included; a later session must find what is stored."""
    assert key_of_typed(TYPED.format("-v")) == key_of_typed(TYPED.format("-v"))
    assert key_of_typed(TYPED.format("-v")) != key_of_typed(TYPED.format("+v"))


class Callable:
    def __call__(self, x, y, x_test, random_state):
        return x_test[:, 0]


def test_a_method_may_be_any_callable():
    assert len(registered(host=Callable())) == 16
    assert len(registered(host=Callable().__call__)) == 16


def imported(module):
    """The modules of imbax that a file imports at its top, by path below the package."""
    for node in ast.parse((PACKAGE / f"{module}.py").read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("imbax"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                path = "/".join(name.split(".")[1:])
                if (PACKAGE / f"{path}.py").is_file():
                    yield path


@pytest.mark.parametrize("name", [n for n in methods.names() if methods.get(n).build])
def test_every_module_a_result_is_made_of_is_in_its_key(name):
    """All that training imports, but what cannot change a number."""
    harmless = {"devices", "errors", "vectorize", "data/tabular", "data/checks"}
    method = methods.get(name)
    found, new = set(), {posixpath.normpath(f"methods/{source}") for source in method.sources}
    new |= {"experiments/cells", "networks/mlp"}  # the registry builds the network
    while new:
        found |= new
        new = {other for module in new for other in imported(module)} - found
    hashed = {
        path.relative_to(PACKAGE).with_suffix("").as_posix()
        for path in provenance._source_files(method)
    }
    assert found - harmless <= hashed
    assert method.sources


def test_configuration_and_environment_are_json():
    for name in methods.names():
        config = configuration(methods.get(name), PROTOCOL)
        assert json.loads(json.dumps(config)) == config
        assert config["epochs"] == 200
        assert len(config["settings"]) == len(methods.get(name).settings)
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["imbax"] == imbax.__version__
    assert found["devices"] == 2
    assert all(found[name] for name in ("jax", "numpy", "scikit-learn", "python", "device", "cpu"))


def test_the_key_is_the_same_in_another_process():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import toys\n"
        "from imbax.data.tabular import make_dataset\n"
        "from imbax.experiments.tabular.plan import Protocol\n"
        "from imbax.experiments.provenance import cell_key\n"
        "from imbax.catalogue import get\n"
        "data = make_dataset(*toys.table(60, 20), name='toy')\n"
        "print(cell_key(data, get('explicit_gradient'), Protocol()))"
    )
    tests = Path(toys.__file__).parent
    done = subprocess.run([sys.executable, "-c", code, tests], capture_output=True, text=True)
    assert done.stdout.strip() == key(method="explicit_gradient"), done.stderr
