"""kill -9 at random moments: resumed runs give the tables of an undisturbed run."""

import contextlib
import os
import sys
import time

import numpy as np
import pytest
import small_images
from commands import readable, tables
from forks import command, forked

MOMENTS = int(os.environ.get("IMBAX_KILLS", "3"))
TABLES = ["run", "--datasets", "moons_20", "--folds", "2", "--seeds", "2", "--epochs", "20"]
TABLES += ["--methods", "logistic_regression", "ce", "explicit_gradient", "--out"]
SUITES = {"tables": (command, *TABLES), "images": (small_images.run,)}


@contextlib.contextmanager
def begun(suite, out):
    """Process that runs the suite; it is killed when the context ends."""
    process = forked(*SUITES[suite], out)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def seconds_of(suite, out):
    """Duration of a complete run in seconds."""
    began = time.perf_counter()
    with begun(suite, out) as process:
        process.join(1200)
        assert not process.exitcode
    return time.perf_counter() - began


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("suite", SUITES)
def test_killed_runs_resume_to_the_undisturbed_tables(suite, tmp_path):
    seconds_of(suite, tmp_path / "compiling")
    length = seconds_of(suite, tmp_path / "whole")
    expected = tables(tmp_path / "whole")
    assert expected
    out, kills, rounds = tmp_path / "0", 0, 0
    for share in np.random.default_rng(0).uniform(0, 1, 10 * MOMENTS):
        if kills == MOMENTS:
            break
        # A run is completed by several processes, so later moments fall into its remaining part.
        began = time.perf_counter()
        with begun(suite, out) as process:
            process.join(share * length)
            process.kill()
            process.join()
        if process.exitcode == -9:
            kills += 1
            continue
        assert process.exitcode == 0
        assert tables(out) == expected
        # If the machine has become faster, some moments are after the end of the run.
        length = min(length, max(time.perf_counter() - began, 1.0))
        rounds += 1
        out = tmp_path / f"{rounds}"
    assert kills == MOMENTS
    seconds_of(suite, out)
    assert tables(out) == expected
    if suite == "tables":
        readable(out)
    assert list(tmp_path.rglob("*.tmp")) == []
    print(f"{suite}: {kills} kills, {rounds + 1} times to the end, {length:.1f} s each")
