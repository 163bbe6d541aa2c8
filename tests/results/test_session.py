"""What a command takes from its options and from its surroundings to use jax."""

from argparse import Namespace

import jax
import pytest

from imbax.errors import InputError
from imbax.results import session


@pytest.fixture
def initialized(monkeypatch):
    """What `jax.distributed` is started with."""
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *where: calls.append(where))
    return calls


def test_processes_are_of_flags_then_environment_then_jax(initialized, monkeypatch):
    session.join_processes()
    monkeypatch.setenv("JAX_NUM_PROCESSES", "3")
    monkeypatch.setenv("JAX_PROCESS_ID", "2")
    session.join_processes()
    session.join_processes("host:1", 2, 0)
    assert initialized == [(None, None, None), (None, 3, 2), ("host:1", 2, 0)]


def test_what_jax_says_to_missing_options_is_passed_on(monkeypatch):
    def initialize(*where):
        raise ValueError("coordinator_address should be defined.\nmore")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(InputError, match="coordinator_address should be defined; give --coord"):
        session.join_processes()


def test_the_budget_is_of_cores_unless_an_accelerator_is_there(monkeypatch):
    budget = lambda given: session.engine(Namespace(strategy="map", memory=given)).memory
    assert budget(None) == 4 * 2**30
    assert budget(0.5) == 2**29
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert budget(None) is None
