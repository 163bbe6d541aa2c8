"""Tests of the variants of Explicit Gradient and of the page that compares them."""

import pandas as pd
import pytest

import imbax.experiments.tabular.ablation  # noqa: F401  registers the variants
from imbax.catalogue import Facts, get, names
from imbax.experiments.suites import load_suite
from imbax.methods.explicit_gradient import Hparams
from imbax.reports.tabular.readings import readings_page

READINGS = [name for name in names() if get(name).kind == "reading"]
FACTS = Facts(features=3, max_minority=5, max_synth=5, n_synth="double", epochs=2)


def test_suite_runs_all_variants_on_ten_data_sets():
    suite = load_suite("ablation")
    assert len(suite.datasets) == 10
    assert set(suite.datasets) < set(load_suite("imblearn27").datasets)
    rest = {"ce", "explicit_gradient", "explicit_gradient_frozen"}
    assert set(suite.methods) == {*READINGS, *rest}


@pytest.mark.parametrize("name", READINGS)
def test_each_variant_differs_in_one_choice(name):
    default, reading = get("explicit_gradient"), get(name)
    (hparams,) = reading.tables.settings
    changed = [f for f in Hparams._fields if getattr(hparams, f) != getattr(Hparams(), f)]
    assert len(changed) + len(reading.tables.options) == 1
    # Variants with traced numbers share the compiled program; the others must build a program.
    assert (reading.tables.program is default.tables.program) == bool(changed)
    assert reading.tables.program(FACTS).start_admissible


def runs(**scores):
    """Seven data sets with one run each; scores start at a method's number and rise by 0.1."""
    return pd.DataFrame(
        {"dataset": f"set{i}", "method": m, "fold": 0, "seed": 0, "average_precision": s + 0.1 * i}
        for m, s in scores.items()
        for i in range(7)
    )


def test_page_shows_difference_of_each_variant(tmp_path):
    (tmp_path / "tables").mkdir()
    table = runs(explicit_gradient=0.2, explicit_gradient_frozen=0.2, eg_box=0.15, ce=0.3)
    page = readings_page(table, {"eg_box": "points in a box"}, tmp_path)
    line = next(line for line in page.splitlines() if line.startswith("| points in a box"))
    assert [cell.strip() for cell in line.split("|")[2:7]] == ["7", "0", "0", "7", "-0.050"]
    assert "fixed synthetic points" in page
    assert "| ce" not in page
    table = pd.read_csv(tmp_path / "tables" / "readings.csv", index_col="method")
    assert table.loc["eg_box", "losses"] == 7
    assert (tmp_path / "figures" / "readings.png").stat().st_size > 5000


def test_no_page_without_variants(tmp_path):
    assert readings_page(runs(explicit_gradient=0.2, ce=0.3), {}, tmp_path) == ""
    assert readings_page(runs(eg_box=0.2, ce=0.3), {"eg_box": "box"}, tmp_path) == ""
