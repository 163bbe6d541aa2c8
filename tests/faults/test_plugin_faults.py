"""Errors in plugins: the message names the file, and other methods run."""

import json

import pytest
from commands import on_table, readable, status_and_errors, table

pytestmark = pytest.mark.usefixtures("own_registry", "quick_figures")

GOOD = "logistic_regression"


def run(tmp_path, capsys, code, *methods):
    """Exit status, errors and methods in the report."""
    plugin, out = tmp_path / "my_plugin.py", tmp_path / "out"
    plugin.write_text(code)
    command = [*on_table(table(tmp_path), out, *methods, seeds=1), "--plugin", plugin]
    status, errors = status_and_errors(capsys, command)
    report = (out / "report.md").read_text() if (out / "report.md").exists() else ""
    return status, errors, [name for name in (GOOD, "mine") if f"| {name} |" in report]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import imbax\n1 / 0", "ZeroDivisionError: division by zero (line 2)"),
        ("def f(:", "SyntaxError"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import imbax; imbax.register('ce', host=print)", "InputError: method 'ce' is built in"),
    ],
)
def test_import_errors_name_the_plugin(code, says, tmp_path, capsys):
    status, errors, shown = run(tmp_path, capsys, code, GOOD, "mine")
    assert (status, shown) == (2, [GOOD])
    plugin_error, method_error = sorted(errors, key=lambda line: "mine" in line)
    assert f"my_plugin.py: {says}" in plugin_error
    assert "imbax: error: mine: is not registered, since --plugin " in method_error


def test_plugin_errors_without_other_methods_end_the_run(tmp_path, capsys):
    status, (line,), shown = run(tmp_path, capsys, "1 / 0", "mine")
    assert (status, shown) == (2, [])
    assert "my_plugin.py: ZeroDivisionError" in line


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise imbax.InputError('too\\nfew rows')", "InputError: too few rows"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise MemoryError('no room')", "no room"),
        ("return x_test[:3, 0]", ""),
    ],
)
def test_training_errors_name_the_plugin(body, says, tmp_path, capsys):
    code = f"import imbax\n\n\ndef f(x, y, x_test, random_state):\n    {body}\n\n\n"
    code += "imbax.register('mine', host=f)\n"
    status, (line,), shown = run(tmp_path, capsys, code, "mine", GOOD)
    assert (status, shown) == (2, [GOOD])
    assert line.startswith(f"imbax: error: table/mine: {says}")
    assert "my_plugin.py" in line and (not says or "line 5)" in line)
    assert set(readable(tmp_path / "out")["method"]) == {GOOD}
    assert "table/mine" in json.loads((tmp_path / "out" / "manifest.json").read_text())["failed"]
