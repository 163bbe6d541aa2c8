"""Settings of jax from options, environment variables and devices."""

from argparse import Namespace

import jax
import pytest

from imbax.errors import InputError
from imbax.results import session


@pytest.fixture
def initialized(monkeypatch):
    """Arguments of the calls of `jax.distributed.initialize`."""
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *where: calls.append(where))
    return calls


def test_flags_take_precedence_over_environment_variables(initialized, monkeypatch):
    session.join_processes()
    monkeypatch.setenv("JAX_NUM_PROCESSES", "3")
    monkeypatch.setenv("JAX_PROCESS_ID", "2")
    session.join_processes()
    session.join_processes("host:1", 2, 0)
    assert initialized == [(None, None, None), (None, 3, 2), ("host:1", 2, 0)]


def test_errors_of_jax_distributed_are_passed_on(monkeypatch):
    def initialize(*where):
        raise ValueError("coordinator_address should be defined.\nmore")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(InputError, match="coordinator_address should be defined; give --coord"):
        session.join_processes()


def test_default_memory_budget_applies_to_cpus_only(monkeypatch):
    budget = lambda memory: session.engine(Namespace(strategy="map", memory=memory)).memory
    assert budget(None) == 4 * 2**30
    assert budget(0.5) == 2**29
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert budget(None) is None
