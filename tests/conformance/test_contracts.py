"""Every module of methods follows the contract of its kind: parameters and results."""

import inspect
import pkgutil
import typing
from importlib import import_module

import pytest

from imbax import methods
from imbax.methods import image_classifier
from imbax.methods.generator import Generator
from imbax.training import Program
from imbax.types import Resampled

MODULES = {
    info.name: import_module(f"imbax.methods.{info.name}")
    for info in pkgutil.iter_modules(methods.__path__)
}
# Building blocks of methods, and an agent that is trained by a loop outside jax.
PIECES = {
    "optimizer",
    "codes",
    "explicit_gradient_options",
    "frozen_features",
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


def functions(is_wanted):
    """Functions that the modules define, as parameters of a test."""
    found = [
        (module_name, name, function)
        for module_name, module in MODULES.items()
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and is_wanted(name)
    ]
    return [pytest.param(MODULES[m], f, id=f"{m}.{name}") for m, name, f in found]


def takes(function):
    """Names of positional and of keyword-only parameters."""
    every = inspect.signature(function).parameters.values()
    assert not any(one.kind in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL) for one in every)
    names_of_kind = lambda kind: [one.name for one in every if one.kind is kind]
    return names_of_kind(inspect.Parameter.POSITIONAL_OR_KEYWORD), names_of_kind(
        inspect.Parameter.KEYWORD_ONLY
    )


def gives(function):
    return typing.get_type_hints(function)["return"]


def without_default(function):
    every = inspect.signature(function).parameters.values()
    return {one.name for one in every if one.default is one.empty}


@pytest.mark.parametrize(("module", "function"), functions(is_step))
def test_step_has_the_contract_signature(module, function):
    positional, by_name = takes(function)
    assert positional[:2] == ["key", "state"] and len(positional) > 2
    expected = {"config", "hparams"} if hasattr(module, "Hparams") else {"config"}
    assert expected <= set(by_name)
    assert {"hparams"} & set(by_name) == {"hparams"} & expected
    assert {*positional, *expected} <= without_default(function)


@pytest.mark.parametrize(("module", "function"), functions(is_step))
def test_step_returns_state_and_info(module, function):
    state, info = typing.get_args(gives(function))
    assert state is module.State
    assert typing.get_type_hints(function)["state"] is state
    assert info is not state


@pytest.mark.parametrize(("module", "function"), functions(lambda name: name == "sample"))
def test_sampler_has_the_contract_signature(module, function):
    positional, by_name = takes(function)
    trained = ["fitted"] if hasattr(module, "generator") else []
    assert positional == ["key", *trained, "train", "wanted", "sizes"]
    assert set(positional) <= without_default(function)
    if trained:
        assert "config" in by_name and "config" in without_default(function)
    elif module.__name__ != "imbax.methods.potential":  # needs the withheld rows
        assert not set(by_name) & without_default(function)
    assert gives(function) is Resampled


@pytest.mark.parametrize(("module", "function"), functions(lambda name: name == "program"))
def test_program_has_the_contract_signature(module, function):
    positional, by_name = takes(function)
    assert positional[:2] == ["network", "config"]
    assert "network" in without_default(function)
    assert not (set(positional[2:]) | set(by_name)) & without_default(function)
    assert gives(function) is Program
    config = typing.get_type_hints(function)["config"]
    assert module.Config in (config, *typing.get_args(config))


@pytest.mark.parametrize(("module", "function"), functions(lambda name: name == "generator"))
def test_generator_has_the_contract_signature(module, function):
    positional, by_name = takes(function)
    assert positional[:2] == ["config", "hparams"]
    assert {"config", "hparams"} <= without_default(function)
    assert not (set(positional[2:]) | set(by_name)) & without_default(function)
    assert gives(function) is Generator


@pytest.mark.parametrize(("module", "function"), functions(lambda name: name == "retrain"))
def test_second_stage_has_the_contract_signature(module, function):
    positional, by_name = takes(function)
    assert positional in (["key", "state", "train"], ["key", "state", "train", "wanted", "sizes"])
    assert {*positional, "config", "hparams"} == without_default(function)
    assert {"config", "hparams"} <= set(by_name)
    assert gives(function) is image_classifier.State


def test_every_module_has_one_kind():
    defined = {kind: {param.values[0] for param in functions(lambda name, kind=kind: name == kind)}
               for kind in ("sample", "program", "generator", "retrain")}  # fmt: skip
    assert defined["generator"] <= defined["sample"]
    assert not defined["program"] & defined["sample"]
    assert not defined["retrain"] & (defined["program"] | defined["sample"])
    classified = defined["program"] | defined["sample"] | defined["retrain"]
    assert classified == {MODULES[name] for name in set(MODULES) - PIECES - AGENTS}
