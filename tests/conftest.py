"""Shared fixtures: two CPU devices for jax, and where the real data lies, if it is there."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Commands that tests start keep their compiled programs here, not in the user's cache folder.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "compiled")

import jax  # noqa: E402
import pytest  # noqa: E402

# Two devices, so that runs are divided over devices also where one core does the work.
jax.config.update("jax_num_cpu_devices", 2)


@pytest.fixture
def quick_compile():
    """Programs compiled in half the time, for tests that run each program once or twice."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder with the loaders' caches beside the repository, or skip."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "zenodo").is_dir():
        pytest.skip("real data is not at hand")
    return folder
