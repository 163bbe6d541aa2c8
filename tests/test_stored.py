"""Results and models stored by an earlier commit are still readable; see `stored/README.md`."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import skops.io

import imbax
from imbax.cli import main

STORED = Path(__file__).parent / "stored"
COMMAND = [sys.executable, "-c", "import sys; from imbax.cli import main; sys.exit(main())"]
RUN = ["dataset", "method", "fold", "seed"]


@pytest.fixture
def results(tmp_path):
    """Copy of the stored table results and of their table."""
    shutil.copytree(STORED / "results", tmp_path / "stored" / "results")
    shutil.copy(STORED / "table.csv", tmp_path / "stored")
    return tmp_path / "stored" / "results"


def arrays(name):
    with np.load(STORED / name) as file:
        return dict(file)


def runs_of(path):
    return pd.read_csv(path).set_index(RUN).sort_index()


def test_stored_table_results_are_unchanged(results, capsys):
    before = runs_of(results / "tables" / "runs.csv")
    shutil.rmtree(results / "tables")
    assert main(["report", str(results)]) == 0
    assert "report.md" in capsys.readouterr().out
    after = runs_of(results / "tables" / "runs.csv")
    assert len(before) == 8
    pd.testing.assert_frame_equal(after[before.columns], before)
    text = (results / "report.md").read_text()
    assert json.loads((results / "manifest.json").read_text())["commands"][0] in text
    for method in before.index.unique("method"):
        assert f"| {method} |" in text


def test_stored_image_results_are_unchanged(tmp_path):
    shutil.copytree(STORED / "image_results", tmp_path, dirs_exist_ok=True)
    columns = ["balanced_acsa", "imbalanced_acsa"]
    files = (tmp_path / "runs").rglob("*.parquet")
    parts = [pq.read_table(file, columns=[*RUN, *columns]).to_pandas() for file in files]
    before = pd.concat(parts).set_index(RUN).sort_index()
    assert main(["report", str(tmp_path)]) == 0
    after = runs_of(tmp_path / "tables" / "runs.csv")
    assert len(before) == 4
    pd.testing.assert_frame_equal(after[columns], before, check_dtype=False)
    text = (tmp_path / "report.md").read_text()
    for method in ("ce", "smote"):
        assert f"| {method} |" in text


@pytest.mark.thorough
def test_results_of_other_code_are_recomputed(results):
    files = [path for path in results.rglob("*") if path.is_file()]
    kept = {path: path.read_bytes() for path in files if path.suffix in (".parquet", ".pickle")}
    (command,) = json.loads((results / "manifest.json").read_text())["commands"]
    run = [*COMMAND, *shlex.split(command)[1:]]
    folder = results.parent.parent
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    output = " ".join(f"{done.stdout} {done.stderr}".split())
    assert "computed again, stored with other code or settings: table/ce, table/" in output
    assert [path for path in files if not path.is_file()] == []
    assert {path: path.read_bytes() for path in kept} == kept
    runs = set((results / "runs").rglob("*.parquet"))
    assert len(runs) == 8
    assert len(runs & kept.keys()) == 4
    assert len(runs_of(results / "tables" / "runs.csv")) == 8


def test_saved_sampler_generates_the_same_rows():
    expected = arrays("deepsmote.npz")
    sampler = imbax.DeepSMOTE.load(STORED / "deepsmote.safetensors")
    assert sampler.classes_.tolist() == ["a", "b"]
    assert sampler.n_iter_ == 20
    codes = sampler.encode(expected["x"])
    np.testing.assert_allclose(codes, expected["codes"], 1e-4, 1e-5)
    made = {
        "sample": sampler.sample(6, "b"),
        "sample_of_seed": sampler.sample(6, "b", random_state=1),
        "decoded": sampler.decode(expected["codes"]),
    }
    for name, images in made.items():
        assert images.dtype == np.uint8
        # A value halfway between two levels may be rounded up or down.
        np.testing.assert_allclose(images.astype(int), expected[name].astype(int), 0, 1)


def by_joblib():
    return joblib.load(STORED / "classifier.joblib")


def by_skops():
    path = STORED / "classifier.skops"
    types = skops.io.get_untrusted_types(file=path)
    assert all(name.startswith("imbax.") for name in types)
    return skops.io.load(path, trusted=types)


@pytest.mark.parametrize("load", [by_joblib, by_skops])
def test_saved_classifier_predicts_the_same(load):
    expected = arrays("classifier.npz")
    classifier = load()
    assert isinstance(classifier, imbax.ImbalancedMLPClassifier)
    proba = classifier.predict_proba(expected["x"])
    np.testing.assert_allclose(proba, expected["proba"], 1e-5)
    classifier.set_params(network="mlp")  # the default of the commit that stored it
    classifier.fit(expected["x"], expected["y"])  # refits with its stored parameters
    np.testing.assert_allclose(classifier.predict_proba(expected["x"]), proba, 1e-3)
