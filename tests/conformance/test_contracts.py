"""Every module of methods keeps the contract of its kind: what its functions take and give."""

import inspect
import pkgutil
import typing
from importlib import import_module

import pytest

from imbax import methods
from imbax.methods.generator import Generator
from imbax.training import Program
from imbax.types import Resampled

MODULES = {
    info.name: import_module(f"imbax.methods.{info.name}")
    for info in pkgutil.iter_modules(methods.__path__)
}
# What methods are made of, and an agent that a loop outside jax trains.
PIECES = {
    "optimizer",
    "codes",
    "generator",
    "image_classifier",
    "meta_training",
    "points",
    "refit",
    "sampling",
}
AGENTS = {"mesa"}


def is_step(name):
    return name == "step" or name.endswith("_step")


def those(is_wanted):
    """Functions that the modules define, by name, as parameters of a test."""
    found = [
        (module_name, name, function)
        for module_name, module in MODULES.items()
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and is_wanted(name)
    ]
    return [pytest.param(MODULES[m], f, id=f"{m}.{name}") for m, name, f in found]


def takes(function):
    """Names of the parameters that may be given by position, and of those by name alone."""
    every = inspect.signature(function).parameters.values()
    assert not any(one.kind in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL) for one in every)
    of_kind = lambda kind: [one.name for one in every if one.kind is kind]
    return of_kind(inspect.Parameter.POSITIONAL_OR_KEYWORD), of_kind(inspect.Parameter.KEYWORD_ONLY)


def gives(function):
    return typing.get_type_hints(function)["return"]


def without_default(function):
    every = inspect.signature(function).parameters.values()
    return {one.name for one in every if one.default is one.empty}


@pytest.mark.parametrize(("module", "function"), those(is_step))
def test_a_step_takes_key_and_state_and_numbers_by_name(module, function):
    positional, by_name = takes(function)
    assert positional[:2] == ["key", "state"] and len(positional) > 2
    expected = {"config", "hparams"} if hasattr(module, "Hparams") else {"config"}
    assert expected <= set(by_name)
    assert {"hparams"} & set(by_name) == {"hparams"} & expected
    assert {*positional, *expected} <= without_default(function)


@pytest.mark.parametrize(("module", "function"), those(is_step))
def test_a_step_gives_the_next_state_and_what_to_know_of_it(module, function):
    state, info = typing.get_args(gives(function))
    assert state is module.State
    assert typing.get_type_hints(function)["state"] is state
    assert info is not state


@pytest.mark.parametrize(("module", "function"), those(lambda name: name == "sample"))
def test_a_sampler_takes_a_view_what_is_wanted_and_bounds(module, function):
    positional, by_name = takes(function)
    trained = ["fitted"] if hasattr(module, "generator") else []
    assert positional == ["key", *trained, "train", "wanted", "sizes"]
    assert set(positional) <= without_default(function)
    if trained:
        assert "config" in by_name and "config" in without_default(function)
    elif module.__name__ != "imbax.methods.potential":  # it asks for the rows that are withheld
        assert not set(by_name) & without_default(function)
    assert gives(function) is Resampled


@pytest.mark.parametrize(("module", "function"), those(lambda name: name == "program"))
def test_a_training_takes_a_network_and_its_config(module, function):
    positional, by_name = takes(function)
    assert positional[:2] == ["network", "config"]
    assert "network" in without_default(function)
    assert not (set(positional[2:]) | set(by_name)) & without_default(function)
    assert gives(function) is Program
    config = typing.get_type_hints(function)["config"]
    assert module.Config in (config, *typing.get_args(config))


@pytest.mark.parametrize(("module", "function"), those(lambda name: name == "generator"))
def test_a_generator_takes_its_config_and_numbers(module, function):
    positional, by_name = takes(function)
    assert positional[:2] == ["config", "hparams"]
    assert {"config", "hparams"} <= without_default(function)
    assert not (set(positional[2:]) | set(by_name)) & without_default(function)
    assert gives(function) is Generator


def test_every_module_is_of_one_kind():
    defined = {kind: {param.values[0] for param in those(lambda name, kind=kind: name == kind)}
               for kind in ("sample", "program", "generator")}  # fmt: skip
    assert defined["generator"] <= defined["sample"]
    assert not defined["program"] & defined["sample"]
    of_a_kind = defined["program"] | defined["sample"]
    assert of_a_kind == {MODULES[name] for name in set(MODULES) - PIECES - AGENTS}
