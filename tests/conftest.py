"""Shared fixtures: two CPU devices for jax, and the folder of real data."""

import contextlib
import functools
import gc
import itertools
import os
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Each worker, including commands that its tests start, has its own compilation cache.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
CACHES = ROOT / ".pytest_cache" / "compiled"
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(CACHES / WORKER)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
# Two workers run on two cores: threads of scikit-learn would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Programs compile in half the time, also in commands that tests start.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
# Operations do not record the lines they come from, which takes a tenth of the time.
os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import oracles  # noqa: E402
import pytest  # noqa: E402
from made_up_results import make_results, results  # noqa: E402, F401  fixtures

from imbax.engine import devices  # noqa: E402

# Traces are many small long-lived objects; garbage collection would take a tenth of the time.
gc.set_threshold(200_000, 20, 100)
# Two devices test the division of runs also on a single core. Commands that run in this process ask
# for as many on any machine, since jax cannot change the number once it is in use.
jax.config.update("jax_num_cpu_devices", 2)
devices.usable_cores = lambda: 2


# The second flag compiles each program in one part, since each worker has one core.
QUICK_FLAGS = ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")


def pytest_configure():
    """Compiles programs in two thirds of the time, with other last bits than for users.

    XLA aborts on unknown flags, so the flag is set only for tested versions. With
    IMBAX_TESTS_AS_USERS=1, programs compile as for users.
    """
    flags, others = " ".join(QUICK_FLAGS), os.environ.get("XLA_FLAGS", "")
    if WORKER == "main":
        share_compiled_programs()
    as_users = os.environ.get("IMBAX_TESTS_AS_USERS") == "1"
    if not as_users and flags not in others and version("jaxlib").startswith("0.10."):
        os.environ["XLA_FLAGS"] = f"{others} {flags}".strip()


def share_compiled_programs():
    """Links programs that a worker compiled in an earlier session into the other workers' caches.

    Done before the workers start, since two writers of one cache would damage each other's files.
    """
    folders = [folder for folder in CACHES.glob("*") if folder.is_dir()]
    for source, target in itertools.permutations(folders, 2):
        for file in source.iterdir():
            with contextlib.suppress(OSError):  # it exists, or the file system has no links
                os.link(file, target / file.name)


# The slowest files start first, so that workers finish at about the same time.
FIRST = (
    "test_examples.py",
    "test_methods.py",
    "test_main.py",
    "test_wheel.py",
    "test_library_checks.py",
    "test_papers.py",
)


def pytest_collection_modifyitems(items):
    """Sorts tests so that the slowest files start first."""
    items.sort(key=lambda item: item.path.name not in FIRST)


def pytest_terminal_summary(terminalreporter, config):
    """Prints the slowest tests and folders after the second tier."""
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
    """Clears caches, since compiled programs use up the 65,530 memory maps of a process.

    jax.clear_caches alone does not release programs that a `functools.cache` still refers to.
    """
    yield
    maps = Path("/proc/self/maps")
    if next(_numbers) % 5 or not maps.exists():
        return
    if maps.read_bytes().count(b"\n") > 30_000:
        for cached in gc.get_objects():
            if isinstance(cached, functools._lru_cache_wrapper):
                home = getattr(sys.modules.get(cached.__module__), "__file__", None) or ""
                if home.startswith(str(ROOT)):
                    cached.cache_clear()
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def own_registry(monkeypatch):
    """Removes methods that a test registers after the test; those of imbax stay."""
    import imbax.experiments.tabular.ablation
    import imbax.experiments.tabular.baselines  # noqa: F401
    from imbax.catalogue import registry

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


@pytest.fixture(scope="session")
def data_home() -> Path:
    """Folder with the loaders' caches next to the repository; skips the test without it."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "zenodo").is_dir():
        pytest.skip("real data is not available")
    return folder


def replaced_figures():
    """Replaces figures, which take most of the time of a report, and writes one format of each."""
    from imbax.reports.drawing import FORMATS

    with pytest.MonkeyPatch.context() as patch:
        draw = lambda figure, file, **_: file.write(b"figure")
        patch.setattr("matplotlib.figure.Figure.savefig", draw)
        patch.delitem(FORMATS, "svg")
        yield


quick_figures = pytest.fixture(replaced_figures)
module_figures = pytest.fixture(replaced_figures, scope="module")


@pytest.fixture
def assert_follows():
    """Checks a loss's value and gradient against a formula in NumPy; see `follows`."""
    return follows


def follows(loss, formula, logits, y):
    """Compares values and gradients (central differences) in float64 and float32."""
    value, slopes = formula(logits, y), np.random.default_rng(2).uniform(0.5, 2, len(y))
    gradient = oracles.central_differences(lambda z: slopes @ formula(z, y), logits)
    for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-3)):
        with jax.enable_x64(dtype is np.float64):
            z, given_y = jnp.asarray(logits, dtype), jnp.asarray(y, dtype)

            def weighted_sum(z, y=given_y):
                losses = loss(z, y)
                return slopes.astype(losses.dtype) @ losses, losses

            (_, losses), slope = jax.jit(jax.value_and_grad(weighted_sum, has_aux=True))(z)
            assert losses.shape == (len(y),)
            assert losses.dtype == dtype
            np.testing.assert_allclose(losses, value, tolerance, 1e-2 * tolerance)
            assert oracles.relative_error(slope, gradient) < max(1e-7, tolerance)
