"""Keys of cells change exactly if results could change."""

import functools
import importlib.util
import inspect
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import toys
from sklearn.compose import ColumnTransformer
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier
from tiers import asked

import imbax
from imbax import catalogue
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments.closure import code_of, definitions_of, described
from imbax.experiments.modules import module_of
from imbax.experiments.provenance import environment
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.fitting import on_network, with_factory
from imbax.experiments.tabular.lab import TabularLab, configuration
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.networks.named import NAMED

X, Y = toys.table(60, 20)
DATA = make_dataset(X, Y, name="toy")
PROTOCOL = Protocol()
PACKAGE = Path(imbax.__file__).parent


pytestmark = pytest.mark.usefixtures("own_registry")


def key(data=DATA, method="ce", protocol=PROTOCOL, splits=None):
    return TabularLab(protocol, splits=splits).cell(data, catalogue.get(method)).key


def test_keys_differ_between_methods():
    keys = {name: key(method=name) for name in catalogue.names()}
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
def test_key_depends_on_the_protocol(change):
    assert key(protocol=Protocol(**change)) != key()
    assert key(protocol=Protocol()) == key()


def test_closures_do_not_contain_the_version():
    assert "__version__" in inspect.getsource(environment)
    definitions, _ = definitions_of(environment)
    assert definitions and not any(name.endswith("__version__") for name in definitions)


def test_key_depends_on_the_given_splits():
    rows = np.arange(60)
    splits = [(rows[:30], rows[30:45], rows[45:])]
    assert key(splits=splits) == key(splits=[tuple(map(list, splits[0]))]) != key()
    assert key(splits=[(rows[1:31], rows[30:45], rows[45:])]) != key(splits=splits)


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
def test_key_depends_on_the_data(other):
    assert key(other()) != key()
    assert key(make_dataset(X.copy(), Y.copy(), name="other name")) == key()


class Hparams(NamedTuple):
    rate: float = 0.1


def host(x, y, x_test, random_state):
    return x_test[:, 0]


def registered(**fields):
    catalogue.register("mine", **({"host": host} | fields))
    return key(method="mine")


def test_key_depends_on_fields_of_the_method():
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
"""Docstring of the module."""

from {helper} import OFFSET

FACTOR = 2


def host(x, y, x_test, random_state):
    """Docstring of the function."""
    return FACTOR * x_test[:, 0] + OFFSET  # comment
'''
HELPER = "OFFSET = 1\nUNUSED = 2\n"
NUMBERS = itertools.count()


def key_of_source(folder, source=SOURCE, helper=HELPER, wrap=lambda f: f):
    """Key of the method of a plugin that imports a file from its folder."""
    folder = folder / str(next(NUMBERS))
    folder.mkdir()
    (folder / "helper.py").write_text(helper)
    (folder / "plugin.py").write_text(source.replace("{helper}", "helper"))
    module = loaded_as(folder, "plugin")
    return registered(host=wrap(module.host))


def loaded_as(folder, name):
    before = {m: sys.modules.pop(m, None) for m in (name, "helper")}
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        for m, module in before.items():
            sys.modules.pop(m, None)
            if module:
                sys.modules[m] = module


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("  # comment", "", True),
        ("  # comment", "  # other comment", True),
        ("Docstring of the function.", "Another docstring.", True),
        ('"""Docstring of the module."""', "", True),
        ("\n\n\ndef", "\ndef", True),
        ("x_test[:, 0]", "(x_test[:, 0])", True),
        ("FACTOR = 2", "FACTOR = 3", False),
        ("x_test[:, 0]", "x_test[:, 1]", False),
        ("FACTOR * x", "-FACTOR * x", False),
    ],
)
def test_key_depends_on_code_but_not_on_layout(tmp_path, old, new, same):
    assert old in SOURCE
    changed = key_of_source(tmp_path, SOURCE.replace(old, new))
    assert (changed == key_of_source(tmp_path)) == same


def test_key_depends_on_imports_of_a_plugin(tmp_path):
    assert key_of_source(tmp_path, helper="OFFSET = 2\n") != key_of_source(tmp_path)


def test_key_depends_on_the_code_of_a_sampler(tmp_path):
    """The training function may be in another module."""

    def key(source):
        folder = tmp_path / str(next(NUMBERS))
        folder.mkdir()
        (folder / "sampling.py").write_text(source)
        module = loaded_as(folder, "sampling")
        return registered(host=None, sampler=module.sample)

    source = "def sample(key, train, wanted, sizes):\n    return train, 1\n"
    assert key(source) == key(source)
    assert key(source) != key(source.replace("1", "2"))


def test_key_of_a_partial_depends_on_its_function(tmp_path):
    def wrap(function):
        return functools.partial(functools.partial(function), random_state=0)

    changed = SOURCE.replace("FACTOR = 2", "FACTOR = 3")
    expected = key_of_source(tmp_path, wrap=wrap)
    assert key_of_source(tmp_path, wrap=wrap) == expected
    assert key_of_source(tmp_path, changed, wrap=wrap) != expected
    assert key_of_source(tmp_path) != expected


def test_key_depends_on_parameters_and_versions():
    def fit(estimator, x, y, x_test, random_state):
        return estimator.fit(x, y).predict_proba(x_test)[:, 1]

    keys = [
        registered(host=functools.partial(fit, DecisionTreeClassifier(max_depth=depth)))
        for depth in (2, 2, 3)
    ]
    assert keys[0] == keys[1] != keys[2]
    _, foreign = definitions_of(DecisionTreeClassifier())
    assert any(name.startswith("scikit-learn ") or "sklearn" in name for name in foreign)


def test_key_depends_on_contents_of_an_estimator():
    """Pipelines, arrays and callable objects, such as scorers, are included by content."""

    def of(beta=1, names="ab", depth=2, **about):
        scoring = make_scorer(fbeta_score, beta=beta)
        grid = {"classifier__max_depth": np.array([depth])}
        columns = ColumnTransformer([("kept", "passthrough", list(names))])
        model = Pipeline([("columns", columns), ("classifier", DecisionTreeClassifier())])
        catalogue.register("mine", estimator=GridSearchCV(model, grid, scoring=scoring), **about)
        return key(method="mine")

    same, others = of(), [of(beta=2), of(names="ba"), of(depth=3), of(rows="train_valid")]
    assert of() == same and len({same, *others}) == 5
    _, foreign = definitions_of(catalogue.get("mine").tables)
    assert any(name.split()[0] in ("sklearn", "scikit-learn") for name in foreign)


def test_circular_imports_are_supported(tmp_path):
    helper = "from plugin import FACTOR as OFFSET\n"
    source = SOURCE.replace("FACTOR = 2", "from helper import OFFSET as FACTOR")
    for name, text in (("helper", helper), ("plugin", source.replace("{helper}", "helper"))):
        (tmp_path / f"{name}.py").write_text(text)
    assert module_of(tmp_path / "plugin.py").lookup("FACTOR") == []


class Held:
    """Object with an address in its repr."""

    def __init__(self, value):
        self.value = value


def test_objects_without_a_stable_repr_are_hashed_or_rejected():
    assert described(Held(1)) == described(Held(1)) != described(Held(2))
    with pytest.raises(InputError, match="can be neither printed nor pickled"):
        described(Held(lambda: 1))


@pytest.mark.thorough
def test_interactive_methods_have_a_key():
    """Code of a notebook or of `python -c` has no file."""
    space = {"__name__": "__main__"}
    exec(
        compile("def host(x, y, x_test, random_state): return x_test[:, 0]", "<cell>", "exec"),
        space,
    )
    assert len(registered(host=space["host"])) == 16
    code = (
        "import imbax\n"
        "from imbax.data.tabular import quickstart\n"
        "from imbax.experiments.tabular.lab import TabularLab\n"
        "from imbax.experiments.tabular.plan import Protocol\n"
        "mine = imbax.register('mine', host=lambda x, y, x_test, random_state: x_test[:, 0])\n"
        "print(len(TabularLab(Protocol()).cell(quickstart('moons_20'), mine).key))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "16", done.stderr.splitlines()[-1]


TYPED = """
def helper(v):
    return {}

def host(x, y, x_test, random_state):
    return sorted(x_test[:, 0], key=lambda v: helper(v))
"""


def key_of_typed(text):
    space = {"__name__": "__main__"}
    exec(compile(text, "<cell>", "exec"), space)
    return registered(host=space["host"])


def test_key_of_interactive_code_has_no_addresses():
    """Includes called functions, so that a later session finds stored results."""
    assert key_of_typed(TYPED.format("-v")) == key_of_typed(TYPED.format("-v"))


class Callable:
    def __call__(self, x, y, x_test, random_state):
        return x_test[:, 0]


def test_callable_objects_have_a_key():
    assert len(registered(host=Callable())) == 16
    assert len(registered(host=Callable().__call__)) == 16


NETWORKS = [("smote", "mlp"), ("explicit_gradient", "mlp"), ("ldam_drw", "realmlp")]


@pytest.mark.parametrize("which", asked(NETWORKS, [("smote", "mlp")]), ids="-".join)
def test_key_covers_all_code_that_runs(which):
    """Comparison with the functions called during training, recorded by a profiler."""
    name, network = which
    lab, method = TabularLab(Protocol(folds=2, epochs=2)), catalogue.get(name)
    data, called = make_dataset(*toys.table(64, 20, seed=5), name="traced"), set()

    def note(frame, event, argument):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)):
            module = Path(path).relative_to(PACKAGE).as_posix()
            called.add(f"{module}:{frame.f_code.co_qualname.split('.')[0]}")

    cut, _ = on_network(plan(data, [0], lab.protocol), method, network)
    state = lab._start(lab.cell(data, method, network), cut)
    code, factory = [], NAMED[network].factory
    sys.setprofile(note)
    try:
        cut = plan(data, [0], lab.protocol)
        if network != "mlp":
            cut, _ = with_factory(cut, method, network, factory)
            code = [with_factory, factory]
        train_cell(cut, method, start=state)
    finally:
        sys.setprofile(None)
    known, _ = definitions_of(plan, train_cell, method.tables, *code)
    ran = {one for one in called if not one.endswith((":<module>", ":<lambda>"))}
    assert len(ran) > 40
    assert ran - set(known) <= {"aliases.py:Finder"}


def test_configuration_and_environment_are_json_ready():
    for name in catalogue.names():
        config = configuration(catalogue.get(name), PROTOCOL)
        assert json.loads(json.dumps(config)) == config
        assert config["epochs"] == 200
        assert len(config["settings"]) == len(catalogue.get(name).tables.settings)
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["imbax"] == imbax.__version__
    assert found["devices"] == 2
    assert all(found[name] for name in ("jax", "numpy", "scikit-learn", "python", "device", "cpu"))


def test_key_does_not_depend_on_other_networks():
    known, _ = definitions_of(with_factory, NAMED["realmlp"].factory)
    assert "networks/realmlp.py:realmlp" in known
    assert not any(one.startswith(("networks/tabm.py", "networks/mlp_plr.py")) for one in known)


# Prints the keys of a copy of the package after each edit, `[file, old, new]` in JSON. The package
# is imported again for each edit, in a process forked after its dependencies were imported.
KEYS = """
import json, os, sys
from pathlib import Path
import flax.nnx, imblearn.pipeline, jax, matplotlib.figure, optax, pandas, sklearn.ensemble

def keys():
    import toys
    from imbax.catalogue import get, image_method
    from imbax.data.tabular import make_dataset
    from imbax.experiments.images.lab import ImageLab
    from imbax.experiments.images.metrics import score_run
    from imbax.experiments.provenance import key_of
    from imbax.experiments.tabular.lab import TabularLab
    from imbax.experiments.tabular.plan import Protocol
    data, lab = make_dataset(*toys.table(60, 20), name="toy"), TabularLab(Protocol())
    tables = ("ce", "focal", "smote", "gamo", "explicit_gradient")
    found = {name: lab.cell(data, get(name)).key for name in tables}
    found |= {"metrics": lab._metrics_key()}
    found |= {"images": key_of({}, image_method("deepsmote").images)}
    return found | {"image_metrics": key_of({}, score_run)}

sys.path.insert(0, sys.argv[1])
for file, old, new in json.loads(sys.argv[2]):
    path = Path("imbax", file)
    before = path.read_text()
    assert old in before, old
    path.write_text(before.replace(old, new, 1))
    assert "imbax" not in sys.modules
    if process := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, file
    else:
        print(json.dumps(keys()), flush=True)
        os._exit(0)
    path.write_text(before)
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Keys of a copy of the package after each edit of one of its files."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "imbax", ignore=shutil.ignore_patterns("__pycache__"))

    def keys(edits):
        space = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-W", "ignore", "-c", KEYS, str(Path(toys.__file__).parent)]
        command += [json.dumps(edits)]
        done = subprocess.run(command, capture_output=True, text=True, env=space, cwd=folder)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return keys


NO_EDIT = ("types.py", "", "")
TABLES = {"ce", "focal", "smote", "gamo", "explicit_gradient"}


def decorated(name):
    """Definition without and with a decorator that changes only its code."""
    return f"{name}(", f"@(lambda same: same)\n{name}("


EDITS = [
    ("methods/gamo.py", "label_noise: float = 0.1", "label_noise: float = 0.2", {"gamo"}),
    ("bilevel/gradients.py", *decorated("def outer_gradient"), {"explicit_gradient"}),
    ("losses/per_example.py", *decorated("def focal"), {"focal", "explicit_gradient"}),
    ("metrics/ranking.py", *decorated("def precision_at_recall"), {"metrics"}),
    ("metrics/confusion.py", *decorated("def macro_f1"), {"metrics", "image_metrics"}),
    ("experiments/tabular/metrics.py", '"recall": 0.75', '"recall": 0.76', {"metrics"}),
    ("minibatches.py", *decorated("def shuffled_minibatches"), {*TABLES, "images"}),
    ("catalogue/tabular.py", "cost=3.0", "cost=4.0", set()),
    ("catalogue/samplers.py", '"k = 5"', '"k = five"', set()),
    ("networks/autoencoder.py", *decorated("class Encoder"), {"images"}),
]


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_edits_change_the_keys_of_affected_methods(copied):
    """Every edit is tested in a separate process, because stored results rely on this."""
    expected, *found = copied([NO_EDIT, *(edit[:3] for edit in EDITS)])
    # The key computed in this process is the same.
    assert expected["explicit_gradient"] == key(method="explicit_gradient")
    for (file, *_, changed), keys in zip(EDITS, found, strict=True):
        assert {name for name in expected if keys[name] != expected[name]} == changed, file


def test_keys_are_fast_to_compute():
    """The limit is generous; benchmarks measure the time."""
    started = time.perf_counter()
    key()
    assert time.perf_counter() - started < 10


def made_with(factor):
    class Held:
        def __init__(self):
            self.factor = factor

        def by_object(self, x):
            return x * self.factor

    def inside(x):
        return x * factor

    def recursive(x):
        return recursive(x - factor) if x > 0 else x

    typed = {"inside": inside, "FACTOR": factor}
    exec("def by_name(x): return inside(x) * FACTOR", typed)
    return inside, recursive, Held().by_object, typed["by_name"]


@pytest.mark.parametrize("which", range(4), ids=["closure", "recursive", "object", "session"])
def test_key_depends_on_closures_and_objects(which):
    one, again, other = (code_of(made_with(factor)[which]) for factor in (1, 1, [2]))
    assert one == again != other


def test_descriptions_have_no_addresses():
    assert code_of(functools.partial(host, random_state=1)) != code_of(
        functools.partial(host, random_state=2)
    )
    assert code_of({"b": 1, "a": 2}) == code_of({"a": 2, "b": 1})


def test_functions_with_equal_names_are_distinguished():
    class Times:
        def __init__(self, factor):
            self.factor = factor

        def apply(self, x):
            return x * self.factor

    def closed(factor):
        return lambda x: x * factor

    def default(factor):
        def times(x, by=factor):
            return x * by

        return times

    for make in (closed, default):
        assert code_of(make(1)) == code_of(make(1)) != code_of(make(2))
    assert code_of(lambda x: x**2) != code_of(lambda x: x * 2)
    assert described(Times(1).apply) == described(Times(1).apply) != described(Times(2).apply)
