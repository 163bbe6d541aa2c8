"""Shared fixtures: two CPU devices for jax, and where the real data lies, if it is there."""

import gc
import itertools
import os
from collections import Counter
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A worker, and the commands that its tests start, keep compiled programs in a folder of their own.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "compiled" / WORKER)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
# Two workers on two cores: threads of scikit-learn's would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Programs compile in half the time, here and in the commands that tests start.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import oracles  # noqa: E402
import pytest  # noqa: E402
from made_up_results import make_results, results  # noqa: E402, F401  fixtures

# Traces are many small objects that live on: looking for cycles among them takes a tenth of all.
gc.set_threshold(200_000, 20, 100)
# Two devices, so that runs are divided over devices also where one core does the work.
jax.config.update("jax_num_cpu_devices", 2)


def pytest_configure():
    """Programs compile in two thirds of the time, with other last bits than users get.

    XLA ends a process that is given a flag it does not know, so this one is given where it was
    tried. With IMBAX_TESTS_AS_USERS=1 programs compile as users' do.
    """
    flag, given = "--xla_cpu_use_fusion_emitters=false", os.environ.get("XLA_FLAGS", "")
    as_users = os.environ.get("IMBAX_TESTS_AS_USERS") == "1"
    if not as_users and flag not in given and version("jaxlib").startswith("0.10."):
        os.environ["XLA_FLAGS"] = f"{given} {flag}".strip()


# The files that take longest: no worker is to be left alone with one at the end.
FIRST = (
    "test_examples.py",
    "test_methods.py",
    "test_main.py",
    "test_wheel.py",
    "test_library_checks.py",
)


def pytest_collection_modifyitems(items):
    """Tests of a file go to one worker together, in this order."""
    items.sort(key=lambda item: item.path.name not in FIRST)


def pytest_terminal_summary(terminalreporter, config):
    """After the second tier: where its time went, so that growth is seen."""
    if config.option.markexpr != "thorough":
        return
    tests, folders = Counter(), Counter()
    for report in itertools.chain(*terminalreporter.stats.values()):
        if hasattr(report, "duration"):
            tests[report.nodeid] += report.duration
            folders[os.path.dirname(report.nodeid.partition("::")[0])] += report.duration
    for title, seconds in (("folders", folders.most_common()), ("tests", tests.most_common(20))):
        terminalreporter.section(f"slowest {title}")
        for name, each in seconds:
            terminalreporter.write_line(f"{each:8.1f} s  {name}")


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def few_memory_maps():
    """Linux allows a process 65,530 memory maps; compiled programs that are kept use them up."""
    yield
    maps = Path("/proc/self/maps")
    if next(_numbers) % 5 or not maps.exists():
        return
    if maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()


@pytest.fixture
def own_registry(monkeypatch):
    """Methods that a test registers are gone after it; peers and readings are there before it."""
    from imbax.catalogue import registry

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder with the loaders' caches beside the repository, or skip."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "zenodo").is_dir():
        pytest.skip("real data is not at hand")
    return folder


@pytest.fixture
def assert_follows():
    """Checks a loss's value and gradient against a formula in NumPy; see `follows`."""
    return follows


def follows(loss, formula, logits, y):
    """In float64 to rounding, in float32 to its precision; gradients by central differences."""
    value, slopes = formula(logits, y), np.random.default_rng(2).uniform(0.5, 2, len(y))
    gradient = oracles.central_differences(lambda z: slopes @ formula(z, y), logits)
    for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-3)):
        with jax.enable_x64(dtype is np.float64):
            z, given_y = jnp.asarray(logits, dtype), jnp.asarray(y, dtype)

            def weighed(z, y=given_y):
                given = loss(z, y)
                return slopes.astype(given.dtype) @ given, given

            (_, given), slope = jax.jit(jax.value_and_grad(weighed, has_aux=True))(z)
            assert given.shape == (len(y),)
            assert given.dtype == dtype
            np.testing.assert_allclose(given, value, tolerance, 1e-2 * tolerance)
            assert oracles.relative_error(slope, gradient) < max(1e-7, tolerance)
