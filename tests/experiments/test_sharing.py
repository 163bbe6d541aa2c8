"""Work divided over devices and over processes is the same work."""

import subprocess
import sys

import pytest

from imbax.experiments.sharing import Share


def test_every_unit_falls_to_one_process_its_own_first(tmp_path):
    slow, quick = (Share(process, 2, tmp_path).turns(7) for process in (0, 1))
    first = [next(slow), next(slow)]
    assert first == [0, 2]
    assert list(quick) == [1, 3, 5, 6, 4]
    assert list(slow) == []
    assert list(Share().turns(3)) == [0, 1, 2]


def test_no_process_goes_on_alone_before_all_are_here(tmp_path, monkeypatch):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        (tmp_path / f"done-{len(waits)}").touch()

    monkeypatch.setattr("time.sleep", sleep)
    Share(0, 3, tmp_path).wait()
    assert len(waits) == 2
    assert not tmp_path.exists()


DEVICES = """
import sys
import jax, numpy as np
jax.config.update("jax_num_cpu_devices", 4)
from imbax.data.tabular import make_dataset
from imbax.experiments.cells import Engine, train_cell
from imbax.experiments.plan import Protocol, plan
from imbax.methods import get

y = np.arange(80) % 4 == 0
x = np.random.default_rng(0).normal(size=(80, 4)) + y[:, None]
cut = plan(make_dataset(x, y, name="toy"), [0, 1, 2], Protocol(folds=2, epochs=3))
results = []
for number in (1, 4):
    engine, start = Engine("map", tuple(jax.devices()[:number])), None
    for name in sys.argv[1:]:
        result = train_cell(cut, get(name), start=start, engine=engine)
        start = result.progress
    results.append((result.progress, result.test_score, result.curves))
jax.tree.map(np.testing.assert_array_equal, *results)
assert len(np.unique(results[0][0].best_score)) > 1
"""


@pytest.mark.parametrize(
    "methods", [("ce",), pytest.param(("ce", "explicit_gradient"), marks=pytest.mark.thorough)]
)
def test_four_devices_give_the_bits_of_one(methods):
    """Six runs, which do not divide by four."""
    command = [sys.executable, "-c", DEVICES, *methods]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
