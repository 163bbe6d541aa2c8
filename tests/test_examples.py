"""Every example runs; the plugin works in the command line and in its report."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example(script):
    result = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_a_method_of_ones_own_in_the_command_line_and_the_report(tmp_path):
    code = "import sys; from imbax.cli import main; sys.exit(main())"
    arguments = ["run", "--plugin", EXAMPLES / "own_method.py", "--datasets", "moons_20"]
    arguments += ["--methods", "class_weighted", "logistic_regression"]
    arguments += ["--seeds", "1", "--folds", "2", "--epochs", "3", "--out", tmp_path]
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    runs = pd.read_csv(tmp_path / "tables" / "runs.csv")
    assert (runs["method"] == "class_weighted").sum() == 2
    assert "class_weighted" in (tmp_path / "report.md").read_text()


def test_the_readmes_python_runs():
    readme = (EXAMPLES.parent / "README.md").read_text()
    blocks = [block.split("```")[0] for block in readme.split("```python\n")[1:]]
    assert len(blocks) == 4
    for block in blocks:
        code = block.replace("seeds=5", "seeds=1, epochs=5")
        code = code.replace("Classifier(random_state=0)", "Classifier(max_iter=10, random_state=0)")
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
