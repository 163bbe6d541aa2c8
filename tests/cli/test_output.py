"""Output of commands: JSON, completion scripts, dry runs and versions."""

import json
import runpy
import sys

import numpy as np
import pandas as pd
import pytest

import imbax
from imbax.cli import main
from imbax.cli.json_output import print_json
from imbax.experiments.suites import suite_names


def printed(capsys, *arguments):
    """Returns the JSON document on stdout, and stderr."""
    assert main([str(argument) for argument in arguments]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def test_module_is_the_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["imbax", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("imbax", run_name="__main__")
    assert (ended.value.code, capsys.readouterr().out) == (0, f"imbax {imbax.__version__}\n")
    monkeypatch.setattr(sys, "argv", ["imbax", "list", "nothing"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("imbax", run_name="__main__")
    assert ended.value.code == 2


def test_lists_are_printed_as_json(capsys):
    suites, _ = printed(capsys, "list", "suites", "--json")
    assert [one["suite"] for one in suites] == list(suite_names())
    assert {one["suite"]: one["datasets"] for one in suites}["imblearn27"] == 27
    assert {one["suite"]: one["datasets"] for one in suites}["custom"] is None
    methods, _ = printed(capsys, "list", "methods", "--json")
    assert {"use": "tables", "method": "ce"}.items() <= methods[0].items()
    datasets, _ = printed(capsys, "list", "datasets", "--json")
    moons = next(one for one in datasets if one["dataset"] == "moons_20")
    assert moons["printed"] is None
    assert moons["measured"] == {"features": 2, "rows": 1200, "minority": 57, "ratio": 1143 / 57}
    oil = next(one for one in datasets if one["dataset"] == "oil")
    assert oil["measured"] is None and oil["printed"]["rows"] == 937


def test_output_of_a_plugin_is_not_in_the_json(capsys, tmp_path, own_registry):
    (tmp_path / "plugin.py").write_text(
        "import imbax\nimbax.register('mine', host=print)\nprint(1)"
    )
    methods, err = printed(capsys, "list", "methods", "--json", "--plugin", tmp_path / "plugin.py")
    assert "mine" in {one["method"] for one in methods} and err == "1\n"


def test_comparison_is_printed_as_json(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("imbax.reports.compare.over_datasets", lambda *_, **__: "")  # figures
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(rng.random((8, 3)).round(3), columns=["a", "b", "c"])
    scores.index = [f"set {i}" for i in range(8)]
    scores.loc["set 7", "a"] = np.nan
    scores.to_csv(tmp_path / "errors.csv", index_label="data set")
    command = ["compare", tmp_path / "errors.csv", "--out", tmp_path / "out", "--control", "a"]
    document, err = printed(capsys, *command, "--json")
    assert "1 of 8 data sets left out" in err and "if lower scores are better" in err
    assert (document["datasets"], document["left_out"], document["control"]) == (7, ["set 7"], "a")
    assert document["notices"] == [
        "the file name suggests errors; if lower scores are better, use --lower-is-better"
    ]
    scores.to_csv(tmp_path / "focal_loss_ap.csv", index_label="data set")
    command[1] = tmp_path / "focal_loss_ap.csv"
    assert printed(capsys, *command, "--json")[0]["notices"] == []
    assert {one["method"] for one in document["methods"]} == {"a", "b", "c"}
    assert {one["method"]: one["mean_score"] for one in document["methods"]}["b"] == pytest.approx(
        scores.dropna()["b"].mean()
    )
    assert document["friedman"]["n"] == 7
    assert [one["against"] for one in document["contrasts"]] == ["a", "a"]
    assert document["page"] == str(tmp_path / "out" / "comparison.md")
    small = scores.head(4)
    small.to_csv(tmp_path / "few.csv", index_label="data set")
    document, _ = printed(
        capsys, "compare", tmp_path / "few.csv", "--out", tmp_path / "x", "--json"
    )
    assert document["contrasts"][0]["p_value"] is None


def test_numbers_without_json_notation_become_null(capsys):
    print_json({"a": [np.float64("nan"), np.int64(3), float("inf"), "é"], 1: (True, None)})
    assert capsys.readouterr().out.replace("\n", "").replace(" ", "") == (
        '{"a":[null,3,null,"é"],"1":[true,null]}'
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_script_contains_commands_and_options(capsys, shell):
    with pytest.raises(SystemExit) as caught:
        main(["--print-completion", shell])
    assert caught.value.code == 0
    script = capsys.readouterr().out
    for word in ("run", "report", "compare", "list", "bench", "dry-run", "plugin", "min_max"):
        assert word in script
    files = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/", "tcsh": "d/"}
    assert files[shell] in script


def test_dry_run_uses_stored_timings_and_writes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("imbax.reports.tabular.report.write", lambda *_: tmp_path / "report.md")

    def dry(*options):
        assert main([*command, *options, "--dry-run"]) == 0
        return capsys.readouterr().out

    folder = tmp_path / "out"
    command = ["run", "--methods", "logistic_regression", "--folds", "2", "--out", str(folder)]
    command += ["--datasets", "moons_20"]
    out = dry("--seeds", "1")
    assert "2 runs to do in 1 of 1 cells" in out
    assert "time: unknown, " in out and "memory: at most 0.1 MiB" in out and "budget 4 GiB" in out
    assert list(tmp_path.iterdir()) == []
    assert main([*command, "--seeds", "1"]) == 0
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert "0 runs to do in 0 of 1 cells" in dry("--seeds", "1")
    out = dry("--seeds", "3", "--datasets", "moons_20", "digits_8")
    (moons,) = [line for line in out.splitlines() if "│ moons_20" in line]
    (digits,) = [line for line in out.splitlines() if "│ digits_8" in line]
    cells = [cell.strip() for cell in moons.split("│")[1:-1]]
    assert cells[:4] == ["moons_20", "logistic_regression", "2", "4"]
    assert cells[-1] == "its own runs"
    assert [cell.strip() for cell in digits.split("│")][-2] == "runs on moons_20"
    assert "10 runs to do in 2 of 2 cells" in out and "from stored timings" in out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_dry_run_downloads_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "cache"))
    command = ["run", "imblearn27", "--methods", "ce", "--out", str(tmp_path / "out"), "--dry-run"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert out.count(" does not exist") == 27 and "0 runs to do in 0 of 0 cells" in out
    assert main([*command, "--datasets", "oil"]) == 2
    assert "error: oil: oil: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_show_versions_handles_missing_packages(capsys, monkeypatch):
    imbax.show_versions()
    lines = dict(line.strip().split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["imbax"] == imbax.__version__
    assert lines["numpy"] == np.__version__
    assert lines["devices"].startswith("cpu (")
    names = {"python", "jax", "jaxlib", "flax", "optax", "scikit-learn", "imbalanced-learn"}
    assert names | {"pandas", "platform"} <= set(lines)
    monkeypatch.setitem(sys.modules, "jax", None)

    def absent(name):
        raise imbax.versions.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("imbax.versions.importlib.metadata.version", absent)
    imbax.show_versions()
    out = capsys.readouterr().out
    assert "optax: not installed" in out and "devices: unknown (ModuleNotFoundError" in out
