"""Every example runs; the plugin works on the command line and in its report."""

import contextlib
import re
import warnings
from pathlib import Path

import pandas as pd
import pytest
from tiers import asked

from imbax.cli import main

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# `own_generator` compiles for long and runs once, as a plugin on the command line.
NAMES = sorted({path.stem for path in EXAMPLES.glob("*.py")} - {"own_generator"})
NEEDS = {"skore_report": "skore", "mlflow_runs": "mlflow"}
# Slow settings of the examples and the README, and their replacements in tests.
FEWER = {
    "max_iter=40": "max_iter=4",
    "max_iter=20": "max_iter=4",
    "Classifier(random_state=0)": "Classifier(max_iter=4, random_state=0)",
    "epochs=40": "epochs=4",
    '"epochs"] == 40': '"epochs"] == 4',
    "epochs=50": "epochs=4",
    "seeds=3": "seeds=1, epochs=4",
    "seeds=5": "seeds=1, epochs=4",
    'MLPClassifier(network="mlp_ple")': "MLPClassifier(network='mlp', max_iter=4)",
    'network="mlp_ple",': 'network="mlp_ple", n_estimators=2, max_iter=4,',
    "range(100)": "range(4)",
    "n_estimators=5": "n_estimators=2",
}
FULL = {'MLPClassifier(network="mlp_ple")': "MLPClassifier(network='mlp_ple', n_estimators=2)"}

pytestmark = pytest.mark.usefixtures("own_registry")


def ran(code, folder, changes=FEWER):
    """Runs code as a script in this process, with few iterations, in an empty folder."""
    for full, short in changes.items():
        code = code.replace(full, short)
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "<example>", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("name", asked(NAMES, ("functional", "mixed_table")))
def test_example(name, tmp_path, capsys):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    ran((EXAMPLES / f"{name}.py").read_text(), tmp_path)
    assert capsys.readouterr().out.strip()


@pytest.mark.thorough
def test_plugin_runs_on_the_command_line(tmp_path):
    arguments = ["run", "--plugin", EXAMPLES / "my_method.py", "--datasets", "moons_20"]
    arguments += ["--methods", "class_weighted", "logistic_regression"]
    arguments += ["--seeds", "1", "--folds", "2", "--epochs", "3", "--out", tmp_path]
    with warnings.catch_warnings(action="ignore"):
        assert main(list(map(str, arguments))) == 0
    runs = pd.read_csv(tmp_path / "tables" / "runs.csv")
    assert (runs["method"] == "class_weighted").sum() == 2
    assert "class_weighted" in (tmp_path / "report.md").read_text()


@pytest.mark.thorough
def test_report_shows_images_and_tests_of_own_generator(tmp_path):
    arguments = ["run", "digits", "--plugin", EXAMPLES / "own_generator.py", "--out", tmp_path]
    arguments += ["--methods", "ros", "vae", "--seeds", "2", "--epochs", "1"]
    with warnings.catch_warnings(action="ignore"):
        assert main(list(map(str, arguments))) == 0
    text = (tmp_path / "report.md").read_text()
    compared = text.split("### Differences from the controls")[1].split("###")[0]
    assert "| vae |" in compared and "Conditional VAE" in text
    generated = pd.read_parquet(next(tmp_path.glob("runs/digits/vae/*.parquet")))
    assert (generated["generator_epochs"] == 40).all()
    assert any("generated" in path.name for path in tmp_path.rglob("*.png"))


@pytest.mark.thorough
def test_features_of_a_network_are_over_sampled_as_in_the_guide(tmp_path, capsys):
    guide = (EXAMPLES.parent / "docs" / "guide" / "images.md").read_text()
    blocks = [block.split("```")[0] for block in guide.split("```python\n")[1:]]
    (code,) = (block for block in blocks if "features(x_train)" in block)
    preamble = """
import imbax
from sklearn.datasets import load_digits
x, y_train = load_digits(return_X_y=True)
x_train, x_test, y_test = x, x, y_train
features = lambda x: x[:, 16:48]
"""
    ran(preamble + code, tmp_path)
    assert float(capsys.readouterr().out) > 0.9


README = (EXAMPLES.parent / "README.md").read_text()
BLOCKS = [block.split("```")[0] for block in README.split("```python\n")[1:]]
# Python blocks that are followed by a block with their output.
SHOWN = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)


def test_readme_has_python_with_its_output():
    assert len(BLOCKS) == len(SHOWN) == 3


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_of_the_readme_runs(number, tmp_path):
    ran(BLOCKS[number], tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize(("code", "output"), SHOWN, ids=["table", "pipeline", "method"])
def test_readme_shows_what_its_code_prints(code, output, tmp_path, capsys):
    """Words are equal, and numbers up to the rounding of other CPUs."""
    ran(code, tmp_path, FULL)
    printed = capsys.readouterr().out.split()
    assert len(printed) == len(output.split())
    for found, shown in zip(printed, output.split(), strict=True):
        if re.fullmatch(r"-?\d*\.\d+", shown):
            assert float(found) == pytest.approx(float(shown), abs=0.05)
        else:
            assert found == shown
