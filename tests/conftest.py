"""Shared fixtures: two CPU devices for jax, and where the real data lies, if it is there."""

from pathlib import Path

import jax
import pytest

# Two devices, so that runs are divided over devices also where one core does the work.
jax.config.update("jax_num_cpu_devices", 2)

ROOT = Path(__file__).resolve().parents[1]


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
