"""kill -9 at random moments: going on from there ends in the tables of an undisturbed run."""

import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from commands import COMMAND, begun, ended, readable, tables

MOMENTS = 20
SUITES = {
    "tables": (
        COMMAND,
        ["run", "--datasets", "moons_20", "--folds", "2", "--seeds", "2", "--epochs", "20",
         "--methods", "logistic_regression", "ce", "explicit_gradient", "--out"],
    ),
    "images": ([COMMAND[0], str(Path(__file__).with_name("small_images.py"))], []),
}  # fmt: skip


def seconds_of(command, arguments):
    """From the first line that it wrote until its end."""
    started = time.perf_counter()
    with ended(begun(command, arguments, stdout=subprocess.DEVNULL)) as process:
        while not any(arguments[-1].glob("*")):
            assert process.poll() is None
            time.sleep(0.01)
        begin = time.perf_counter()
        assert process.wait(1200) == 0
    return begin - started, time.perf_counter() - begin


@pytest.mark.thorough
@pytest.mark.parametrize("suite", SUITES)
def test_kill_9_at_random_moments(suite, tmp_path):
    command, arguments = SUITES[suite]
    seconds_of(command, [*arguments, tmp_path / "compiling"])
    start, length = seconds_of(command, [*arguments, tmp_path / "whole"])
    expected = tables(tmp_path / "whole")
    out, kills, rounds = tmp_path / "0", 0, 0
    for share in np.random.default_rng(0).uniform(0, 1, 10 * MOMENTS):
        if kills == MOMENTS:
            break
        # Over several attempts a run comes further: late moments are of the rest that is left.
        with ended(begun(command, [*arguments, out], stdout=subprocess.DEVNULL)) as process:
            began = time.perf_counter()
            try:
                status = process.wait(start + share * length)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
                continue
        assert status == 0
        assert tables(out) == expected
        # The machine may have become faster, and moments after the end kill nothing.
        length = min(length, max(time.perf_counter() - began - start, 1.0))
        rounds += 1
        out = tmp_path / f"{rounds}"
    assert kills == MOMENTS
    with ended(begun(command, [*arguments, out], stdout=subprocess.DEVNULL)) as process:
        assert process.wait(1200) == 0
    assert tables(out) == expected
    if suite == "tables":
        readable(out)
    assert list(tmp_path.rglob("*.tmp")) == []
    print(f"{suite}: {kills} kills, {rounds + 1} times to the end, {length:.1f} s each")
