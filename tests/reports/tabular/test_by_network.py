"""Methods with several networks in tables and report sections."""

import numpy as np
import pandas as pd
import pytest

from imbax.experiments.labels import shown
from imbax.reports.tabular import tables
from imbax.reports.tabular.by_network import by_network, networks_page
from imbax.reports.tabular.conclusions import findings
from imbax.reports.tabular.single_dataset import control_of


def runs(cells, datasets=7):
    """Two folds of each (method, network, score); data set i adds i / 100 to the score."""
    rows = [
        {
            "dataset": f"d{number}",
            "method": shown(method, network),
            "network": network,
            "fold": fold,
            "seed": 0,
            "average_precision": score + number / 100 + (0.001 if fold else 0),
            "balanced_accuracy": np.nan,
            "diverged": False,
            "n_train": 60,
            "n_valid": 20,
            "n_test": 20,
        }
        for number in range(datasets)
        for method, network, score in cells
        for fold in range(2)
    ]
    return pd.DataFrame(rows)


CELLS = [
    ("explicit_gradient", "mlp", 0.4),
    ("ce", "mlp", 0.3),
    ("explicit_gradient", "realmlp", 0.5),
    ("ce", "realmlp", 0.6),
    ("trees", "", 0.7),
]
RUNS = runs(CELLS)


def test_labels_with_networks_are_grouped_by_method():
    names = ["trees", "ce (tabm)", "ce", "a (b)", "explicit_gradient (tabm)", "ce (realmlp)"]
    expected = ["explicit_gradient (tabm)", "ce", "ce (realmlp)", "ce (tabm)", "a (b)", "trees"]
    assert tables.in_order(names) == expected
    assert list(tables.score_table(RUNS)) == [
        "explicit_gradient",
        "explicit_gradient (realmlp)",
        "ce",
        "ce (realmlp)",
        "trees",
    ]


def test_runs_of_a_network_have_plain_method_names():
    parts = by_network(RUNS)
    assert list(parts) == ["mlp", "realmlp"]
    for part in parts.values():
        assert set(part["method"]) == {"explicit_gradient", "ce", "trees"}
    scores = {name: tables.score_table(part)["ce"].iloc[0] for name, part in parts.items()}
    assert scores == pytest.approx({"mlp": 0.3005, "realmlp": 0.6005})
    old = RUNS.drop(columns="network")
    assert by_network(old)["mlp"] is old
    assert list(by_network(runs([("trees", "", 0.1)]))) == ["mlp"]


def test_findings_compare_methods_within_one_network():
    text = findings(RUNS)
    first, second = text.split("### Network `realmlp`")
    assert "### Network `mlp`" in first
    assert "significantly better than `ce`" in first
    assert "significantly worse than `ce`" in second
    single = findings(runs(CELLS[:2]))
    assert "###" not in single and "significantly better than `ce`" in single
    other = findings(runs(CELLS[2:4]))
    assert "### Network `realmlp`" in other and "significantly worse" in other


def test_networks_are_compared_for_each_method():
    text = networks_page(RUNS)
    assert "compares a method with the same method on the network `mlp`" in text
    assert "| explicit_gradient (realmlp) | explicit_gradient | 7 | 7 | 0 | 0 | +0.100 |" in text
    assert "| ce (realmlp) | ce | 7 | 7 | 0 | 0 | +0.300 |" in text
    assert "trees" not in text
    assert networks_page(runs(CELLS[:2])) == ""


@pytest.mark.parametrize(
    ("methods", "control"),
    [
        (["explicit_gradient", "ce (realmlp)", "ce"], "ce"),
        (["explicit_gradient", "ce (realmlp)"], "ce (realmlp)"),
        (["explicit_gradient (tabm)", "trees"], "explicit_gradient (tabm)"),
        (["trees", "forest"], None),
    ],
)
def test_control_prefers_the_default_network(methods, control):
    assert control_of(methods) == control


def test_written_tables_include_the_network(tmp_path):
    folder = tables.write_tables(RUNS, [], tmp_path)
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores.columns[1:]) == list(tables.score_table(RUNS))
    written = pd.read_csv(folder / "runs.csv", keep_default_na=False)
    assert list(written.columns[:5]) == ["dataset", "method", "network", "fold", "seed"]
    assert set(written.query("method == 'ce (realmlp)'")["network"]) == {"realmlp"}
    assert set(written.query("method == 'trees'")["network"]) == {""}


def test_ensembles_are_compared_with_the_single_network():
    single = RUNS[RUNS["network"] != "realmlp"].assign(members="1")
    several = single[single["network"] == "mlp"].assign(
        method=[f"{name} x5" for name in single.loc[single["network"] == "mlp", "method"]],
        members="x5",
        average_precision=0.5,
    )
    both = pd.concat([single, several], ignore_index=True)
    assert tables.in_order(both["method"]) == [
        "explicit_gradient", "explicit_gradient x5", "ce", "ce x5", "trees",
    ]  # fmt: skip
    parts = by_network(both)
    assert list(parts) == ["mlp", "mlp x5"]
    for part in parts.values():
        assert set(part["method"]) == {"explicit_gradient", "ce", "trees"}
    assert (parts["mlp x5"].query("method == 'ce'")["average_precision"] == 0.5).all()
    text = networks_page(both)
    assert "| ce x5 | ce | 7 | 7 | 0 | 0 |" in text
    assert "the members of `x5` train" in text
    assert "`x5`" not in networks_page(RUNS)
    assert control_of(["trees", "ce x5", "ce x5 (realmlp)"]) == "ce x5"
