"""Tests of cells with named networks."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import toys

from imbax import catalogue
from imbax.catalogue import registry
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments import store
from imbax.experiments.run import run_cells
from imbax.experiments.tabular import lab as lab_module
from imbax.experiments.tabular.fitting import network_names, on_network
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.experiments.tabular.schema import SCHEMA
from imbax.methods import supervised as sv
from imbax.networks.mlp import perceptron
from imbax.networks.named import NAMED, NamedNetwork
from imbax.networks.realmlp import realmlp
from imbax.reports.tabular.report import write_report
from imbax.results.evaluate import evaluate
from imbax.results.sources import Cells
from imbax.training import Fit, Program
from imbax.types import Network, Recipe

X, Y = toys.table(60, 20)
DATA = make_dataset(X, Y, name="toy")
PROTOCOL = Protocol(folds=2, epochs=2)
CUT = plan(DATA, [0], PROTOCOL)


def tilted(facts):
    """Network with score `tilt x_0`; `tilt` grows by 1 per epoch from the learning rate."""
    tilt = facts.network().recipe.learning_rate

    return Program(
        apply=lambda params, x: params["tilt"] * x[:, 0],
        init=lambda key, problem, hparams, start: start or {"tilt": jnp.float32(tilt)},
        epoch=lambda key, state, problem, hparams: ({"tilt": state["tilt"] + 1}, state["tilt"]),
        fit=Fit,
        checkpoint="last",
    )


def fixed_network(facts):
    """Like `tilted`, but it ignores the requested network."""
    return tilted(facts._replace(factory=perceptron))


def first_column(x, y, x_test, random_state):
    return x_test[:, 0]


@pytest.fixture(autouse=True)
def toy_methods(monkeypatch):
    """Methods for one test, and networks that start at 10 and -20; "mlp" starts at 0.001."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    catalogue.register("toy", tilted)
    catalogue.register("toy_next", tilted, starts_from="toy")
    catalogue.register("fixed", fixed_network)
    catalogue.register("host", host=first_column)
    for name, value in (("ten", 10.0), ("minus", -20.0)):
        network = Network(None, None, recipe=Recipe(learning_rate=value))
        made = NamedNetwork(name, lambda *_, network=network, **__: network, "", "")
        monkeypatch.setitem(NAMED, name, made)


OPTIONS = {"seeds": 1, "folds": 2, "epochs": 2}


def test_evaluate_trains_each_method_with_each_network(tmp_path):
    networks = ["mlp", "minus"]
    found = evaluate(X, Y, ["toy_next", "host"], network=networks, out=tmp_path, **OPTIONS)
    table = found.frame
    assert set(Cells(found._source.parts).read()[0]["method"]) == set(table["method"])
    assert list(table["method"].unique()) == ["host", "toy_next", "toy_next (minus)"]
    assert list(table["network"].unique()) == ["", "mlp", "minus"]
    assert len(table) == 6
    scores = table.groupby("method")["roc_auc"].mean()
    np.testing.assert_allclose(scores["toy_next"], scores["host"])
    np.testing.assert_allclose(scores["toy_next (minus)"], 1 - scores["host"], atol=1e-6)
    again = evaluate(X, Y, ["toy_next"], network="minus", out=tmp_path, **OPTIONS).frame
    same = table[table["method"] == "toy_next (minus)"]
    pd.testing.assert_frame_equal(again, same.reset_index(drop=True))


def key_content(monkeypatch, network):
    """Records the content and code of a key, and the key."""
    seen = []
    real = lab_module.key_of

    def key_of(content, *code, **options):
        seen.append((content, code))
        return real(content, *code, **options)

    monkeypatch.setattr(lab_module, "key_of", key_of)
    cell = TabularLab(PROTOCOL).cell(DATA, catalogue.get("ce"), network)
    monkeypatch.setattr(lab_module, "key_of", real)
    return *seen[-1], cell.key


def test_key_with_mlp_equals_key_without_network(monkeypatch):
    content, code, key = key_content(monkeypatch, None)
    assert set(content) == {"method", "tables", "protocol", "data", "splits", "starts_from"}
    assert len(code) == 3
    assert key_content(monkeypatch, "mlp")[-1] == key
    others = [key_content(monkeypatch, name) for name in ("realmlp", "tabm", "tabm_mini")]
    assert [content["network"] for content, _, _ in others] == ["realmlp", "tabm", "tabm_mini"]
    assert len({key, *(key for *_, key in others)}) == 4
    assert all(NAMED[content["network"]].factory in code for content, code, _ in others)


def test_host_method_has_one_cell_for_all_networks():
    lab = TabularLab(PROTOCOL)
    cells = [lab.cell(DATA, catalogue.get("host"), name) for name in ("mlp", "ten")]
    assert cells[0].place == cells[1].place == ("toy", "host", cells[0].key)
    assert cells[0].network == ""


def test_results_of_networks_are_stored_separately(tmp_path):
    networks = ("mlp", "ten")
    lab = TabularLab(PROTOCOL, out=tmp_path, networks=networks)
    methods = [catalogue.get(name) for name in ("toy", "toy_next", "host")]
    outcome = run_cells(lab, [("toy", lambda: DATA)], methods, [0], required=True)
    assert not outcome.failed
    rows = store.read([tmp_path], SCHEMA)
    assert sorted(set(zip(rows["method"], rows["network"], strict=True))) == [
        ("host", ""),
        ("toy", "mlp"),
        ("toy (ten)", "ten"),
        ("toy_next", "mlp"),
        ("toy_next (ten)", "ten"),
    ]
    described = {one["method"] for one in store.read_provenance([tmp_path])}
    assert described == set(rows["method"])
    without = store.read([tmp_path], schema_without_network())
    assert set(without["method"]) == described
    folders = {path.name for path in (tmp_path / "runs" / "toy").iterdir()}
    assert {"toy", "toy_next", "host"} < folders and len(folders) == 5
    # Two methods of two epochs each, starting at 10.
    last = store.read([tmp_path], SCHEMA, arrays=True)
    last = last[last["method"].str.startswith("toy_next")]
    curves = dict(zip(last["network"], last["train_curve"], strict=True))
    np.testing.assert_allclose([curves[name][-1] for name in networks], [3.001, 13])
    for network in networks:
        cells = [lab.cell(DATA, method, network) for method in methods]
        assert not any(lab.missing(cell, [0]) for cell in cells)
        assert not any(lab.replaces(cell, [0, 1]) for cell in cells)


def test_older_results_without_network_count_as_mlp(tmp_path):
    lab = TabularLab(PROTOCOL, out=tmp_path)
    cells = [lab.cell(DATA, catalogue.get(name)) for name in ("toy", "host")]
    old = schema_without_network()
    for cell in cells:
        lab.run(cell, [0])
        rows, about = store.load(tmp_path, *cell.place, 0, old)
        store.write(tmp_path, rows, {k: v for k, v in about.items() if k != "network"}, old)
        path = store.file_path(tmp_path, *cell.place, 0)
        assert "network" not in pq.read_schema(path).names
        assert lab.missing(cell, [0]) == []
        assert lab.rows(cell, [0])["network"].tolist() == [cell.network] * 2
    assert [cell.network for cell in cells] == ["mlp", ""]


def schema_without_network():
    return SCHEMA.remove(SCHEMA.get_field_index("network"))


def test_methods_with_a_fixed_network_reject_others(tmp_path):
    fixed = catalogue.get("fixed")
    lab = TabularLab(PROTOCOL, out=tmp_path, networks=("mlp", "ten"))
    assert on_network(CUT, fixed, "mlp")[1] is fixed
    methods, about = [fixed, catalogue.get("toy")], {"plugins": {"fixed": "file.py"}}
    outcome = run_cells(lab, [("toy", lambda: DATA)], methods, [0], required=True, **about)
    (place,) = outcome.failed
    assert place == "toy/fixed (ten)"
    assert "fixed trains a network of its own and not 'ten'" in outcome.failed[place]
    assert len(list((tmp_path / "runs").rglob("*.parquet"))) == 3


def test_training_with_schedules_starts_from_scratch():
    ce_long = catalogue.get("ce_long")
    cut, method = on_network(CUT, ce_long, "realmlp")
    assert (cut.facts.epochs, cut.protocol.epochs) == (4, 4)
    assert cut.facts.factory is realmlp
    assert (method.tables.starts_from, method.tables.resumes) == (None, False)
    cut, method = on_network(CUT, ce_long, "tabm_mini")
    assert (cut.facts.epochs, method) == (2, ce_long)


def test_continuing_another_training_is_refused():
    resuming = catalogue.register(
        "resuming",
        lambda facts: sv.program(facts.network(), epochs=2),
        starts_from="ce",
        resumes=True,
    )
    with pytest.raises(
        InputError, match=r"resuming \(realmlp\) cannot be run: .* of ce, .*schedules"
    ):
        on_network(CUT, resuming, "realmlp")


def test_missing_cosine_head_is_refused(monkeypatch):
    linear = NAMED["mlp"]._replace(factory=lambda features, classes, head: perceptron(features))
    monkeypatch.setitem(NAMED, "linear", linear)
    on_network(CUT, catalogue.get("focal"), "linear")
    with pytest.raises(InputError, match=r"ldam \(linear\) cannot be run: it needs a cosine head"):
        on_network(CUT, catalogue.get("ldam"), "linear")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("realmpl", r"unknown network 'realmpl'; did you mean 'realmlp'\?"),
        (["mlp", "x"], "unknown network 'x'"),
        ((), "network is empty, expected at least one name"),
        (3, "network=3, expected a name or a list of names"),
        ([perceptron], "network=<function perceptron.*expected a name"),
    ],
)
def test_unknown_network_names_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        network_names(given)


def test_duplicate_networks_are_removed():
    assert network_names("mlp") == ("mlp",)
    assert network_names(["tabm", "mlp", "tabm"]) == ("tabm", "mlp")


def test_built_in_methods_use_requested_network(monkeypatch):
    """A method that ignored the requested network would return scores of the MLP."""
    monkeypatch.setattr("imbax.experiments.tabular.fitting.is_cosine", lambda *_: True)
    for name in catalogue.names():
        method = catalogue.get(name)
        if method.built_in and method.is_neural:
            cut, _ = on_network(CUT, method, "realmlp")
            assert cut.facts.factory is realmlp


def test_default_recipe_has_no_schedules():
    assert Recipe() == NAMED["mlp"].recipe


@pytest.mark.thorough
def test_report_shows_methods_with_networks(tmp_path):
    evaluate(X, Y, ["toy", "host"], network=["mlp", "ten"], out=tmp_path, **OPTIONS)
    text = write_report([tmp_path], tmp_path).read_text()
    for heading in ("### Network `mlp`", "### Network `ten`", "## Networks"):
        assert heading in text
    assert "| toy (ten) | 1 | 0 | 1 | 0 | +0.000 |" in text
