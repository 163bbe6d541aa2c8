"""Result files: atomic writes, round trips, and detection of damage."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbax.experiments import store
from imbax.experiments.tabular.schema import ARRAYS, SCHEMA, unpack_plane

CELL = {"datasets": ("ecoli",), "methods": ("ce",), "seeds": 1}


def test_rows_round_trip(results):
    runs = store.read([results], SCHEMA, arrays=True, dataset="ecoli")
    one = runs.query("method == 'explicit_gradient' and seed == 0 and fold == 0").iloc[0]
    assert one["test_y"].dtype == np.int8 and one["test_score"].dtype == np.float32
    assert len(one["test_y"]) == len(one["test_score"]) == 200
    assert set(unpack_plane(one["plane"])) == {
        *("x", "y", "start", "end"),
        *("grid_x", "grid_y", "probability"),
    }
    assert list(runs.columns) == SCHEMA.names
    assert len(runs) == 4 * 2 * 2


def test_arrays_are_read_on_request_only(results):
    runs = store.read([results], SCHEMA)
    assert list(runs.columns) == [n for n in SCHEMA.names if n not in ARRAYS]
    assert len(runs) == 7 * 4 * 2 * 2
    assert runs["diverged"].sum() == 2


def test_provenance_is_read_with_its_seed(results):
    provenance = store.read_provenance([results])
    assert len(provenance) == 7 * 4 * 2
    assert {one["seed"] for one in provenance} == {0, 1}
    assert provenance[0]["config"] == {"epochs": 30}


def test_files_without_a_fallback_column_are_read(make_results, tmp_path):
    make_results(tmp_path, **CELL)
    path = store.file_path(tmp_path, "ecoli", "ce", "0a1b", 0)
    expected = store.read([tmp_path], SCHEMA)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns("fallback"), path)
    assert store.has(tmp_path, "ecoli", "ce", "0a1b", 0, SCHEMA)
    assert store.read([tmp_path], SCHEMA).equals(expected)


def test_empty_folders_have_no_runs(tmp_path):
    assert store.read([tmp_path, tmp_path / "absent"], SCHEMA).empty
    assert store.read_provenance([tmp_path]) == []


def test_has_checks_the_key_and_the_seed(make_results, tmp_path):
    make_results(tmp_path, **CELL)
    assert store.has(tmp_path, "ecoli", "ce", "0a1b", 0, SCHEMA)
    assert not store.has(tmp_path, "ecoli", "ce", "0a1b", 1, SCHEMA)
    assert not store.has(tmp_path, "ecoli", "ce", "ffff", 0, SCHEMA)


@pytest.mark.parametrize("damage", ["cut", "page", "footer", "empty", "foreign"])
def test_damaged_files_are_missing_and_named(make_results, tmp_path, damage):
    make_results(tmp_path, **(CELL | {"seeds": 2}))
    path = store.file_path(tmp_path, "ecoli", "ce", "0a1b", 0)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "page":
        meta = pq.read_metadata(path).row_group(0).column(SCHEMA.names.index("roc_auc"))
        content[meta.data_page_offset + meta.total_compressed_size // 2] ^= 0xFF
    elif damage == "footer":
        content[-1] ^= 0xFF
    elif damage == "empty":
        content = b""
    path.write_bytes(content)
    if damage == "foreign":
        pq.write_table(pa.table({"a": [1]}), path)
    assert not store.has(tmp_path, "ecoli", "ce", "0a1b", 0, SCHEMA)
    with pytest.warns(UserWarning, match=f"damaged.*{path.name}"):
        runs = store.read([tmp_path], SCHEMA)
    assert set(runs["seed"]) == {1}


def test_results_in_two_folders_are_read_once(make_results, tmp_path):
    make_results(tmp_path / "a", **CELL)
    make_results(tmp_path / "b", **CELL)
    assert len(store.read([tmp_path / "a", tmp_path / "b"], SCHEMA)) == 2
    assert len(store.read([tmp_path / "a", tmp_path / "a"], SCHEMA)) == 2


def test_latest_of_two_settings_is_read(make_results, tmp_path, monkeypatch):
    clock = iter([30.0, 10.0, 20.0])
    monkeypatch.setattr(store.time, "time", lambda: next(clock))
    make_results(tmp_path / "new", key="new", **CELL)
    make_results(tmp_path / "old", key="old", **(CELL | {"seeds": 2}))
    folders = [tmp_path / "new", tmp_path / "old"]
    with pytest.warns(UserWarning, match=r"kept .*new-seed0.*left out .*old-seed0.*1 more"):
        runs = store.read(folders, SCHEMA)
    with pytest.warns(UserWarning, match="two settings of ce on ecoli"):
        provenance = store.read_provenance(folders)
    assert set(runs["seed"]) == {0}  # seeds of other settings are not read
    assert [one["key"] for one in provenance] == ["new"]


def test_failed_writes_keep_the_old_file(make_results, tmp_path, monkeypatch):
    make_results(tmp_path, **CELL)
    path = store.file_path(tmp_path, "ecoli", "ce", "0a1b", 0)
    before = path.read_bytes()

    def fail(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr(store.pq, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        make_results(tmp_path, **CELL)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_numpy_values_in_provenance_become_json(results, tmp_path):
    rows = store.read([results], SCHEMA, arrays=True, dataset="oil")
    rows = rows.query("method == 'ce' and seed == 0").to_dict("records")
    provenance = store.read_provenance([results])[0] | {"config": {"rate": np.float32(0.5)}}
    path = store.write(tmp_path, rows, provenance, SCHEMA)
    assert json.loads(pq.read_schema(path).metadata[b"imbax"])["config"] == {"rate": 0.5}


def test_invalid_rows_are_rejected(results, tmp_path):
    rows = store.read([results], SCHEMA, arrays=True, dataset="oil").to_dict("records")
    provenance = store.read_provenance([results])[0]
    with pytest.raises(ValueError, match="one seed"):
        store.write(tmp_path, rows, provenance, SCHEMA)
    with pytest.raises(ValueError, match=r"\['colour'\]"):
        store.write(tmp_path, [rows[0] | {"colour": "red"}], provenance, SCHEMA)
    with pytest.raises(ValueError, match=r"\['epoch'\]"):
        store.write(
            tmp_path, [{k: v for k, v in rows[0].items() if k != "epoch"}], provenance, SCHEMA
        )


def test_safe_names_are_valid_and_distinct():
    names = ["ecoli", "a/b", "a_b", "../up", "..", ".hidden", "a=b", "größe", "", "x" * 300]
    safe = [store.safe_name(name) for name in names]
    assert safe[0] == "ecoli"
    assert len(set(safe)) == len(names)
    for name in safe:
        assert Path(name).name == name and not name.startswith(".") and len(name) <= 80


def test_reading_does_not_import_jax_or_matplotlib():
    modules = "conclusions, figures, report, tables"
    code = (
        "import sys; from imbax.experiments import store; "
        "from imbax.statistics import bayesian, profiles, ranks; "
        f"from imbax.reports.tabular import {modules}; "
        "print(sorted({'jax', 'flax', 'matplotlib'} & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
