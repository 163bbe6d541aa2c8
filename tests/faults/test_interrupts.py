"""Ctrl-C at any time: exit status 130 within seconds, and no incomplete file."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import COMMAND, begun, ended, on_table, readable, table

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture(autouse=True)
def heeded():
    """Handle Ctrl-C, which background jobs of a shell and their commands would ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


LOST = """
import gc, sys
from imbax.cli.interrupt import ends_at_interrupt

class Failure(Exception):
    pass

def fail(phase, details):
    if phase == "start" and kinds:
        raise kinds.pop()

kinds = [Failure, KeyboardInterrupt]
gc.disable()
gc.callbacks.append(fail)
with ends_at_interrupt():
    gc.collect()
    print("then", file=sys.stderr, flush=True)
    gc.collect()
"""


def test_interrupt_in_a_callback_shows_no_traceback():
    """The garbage collector's callbacks of jax run at any time, also while Ctrl-C is handled."""
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True)
    before, after = done.stderr.split("then\n")
    assert (done.returncode, before) == (0, "")
    assert "Failure" in after and "KeyboardInterrupt" not in after


# A method with one stage of several minutes, and the seconds until the stage starts.
STAGES = {
    "a Python loop": (1, "for _ in range(10**12):\n            pass\n        return logits(x)"),
    "compiling": (
        8,
        "for _ in range(8_000):\n            x = jnp.sin(x) @ jnp.cos(x.T) @ x\n"
        "        return logits(x)",
    ),
    "a long scan": (
        3,
        "x = jax.lax.fori_loop(0, 10**9, lambda i, x: jnp.sin(x), x)\n        return logits(x)",
    ),
}
PLUGIN = """
from pathlib import Path
import jax, jax.numpy as jnp, imbax
from imbax.training import Fit, Program


def slow(facts):
    logits = lambda x: x[:, 0]

    def apply(params, x):
        Path(__file__ if "__file__" in globals() else "", "..", "begun").resolve().touch()
        {body}

    return Program(apply, lambda *_: jnp.zeros(()), lambda key, s, *_: (s, s), fit=Fit)


imbax.register("slow", slow)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_ends_long_stages(stage, tmp_path):
    plugin, out = tmp_path / "slow.py", tmp_path / "out"
    seconds, body = STAGES[stage]
    plugin.write_text(PLUGIN.format(body=body))
    arguments = on_table(table(tmp_path), out, "logistic_regression", "slow", seeds=1)
    with ended(
        begun(
            COMMAND,
            [*arguments, "--plugin", plugin],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        time.sleep(seconds)
        assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1].startswith("imbax: interrupted; finished cells are kept")
    assert "Traceback" not in errors
    assert len(readable(out)) == 2


@pytest.mark.thorough
def test_ctrl_c_ends_a_run_at_random_moments(tmp_path):
    data = table(tmp_path)
    for number, seconds in enumerate(np.random.default_rng(0).uniform(0.4, 6, 4)):
        out = tmp_path / str(number)
        arguments = [*on_table(data, out, "ce", "explicit_gradient"), "--epochs", "2000"]
        with ended(begun(COMMAND, arguments, stdout=subprocess.DEVNULL)) as process:
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            status = process.wait(30)
        # Before the command starts, Python ends the process, which a shell also reports as 130.
        assert status in ((130, 0) if out.exists() else (130, -signal.SIGINT))
        if out.exists():
            readable(out)


WATCHED = """
import sys, time
import imbax.cli.interrupt as interrupt
from imbax.experiments import disk
from pathlib import Path
interrupt._PATIENCE = 0.1
try:
    with interrupt.ends_at_interrupt(), disk.atomic(Path(sys.argv[1], "half")) as file:
        file.write(b"half")
        print("begun", flush=True)
        while True:
            try:
                time.sleep(600)
            except KeyboardInterrupt:
                pass  # a library that swallows the interrupt
finally:
    print("never", flush=True)
"""


OTHERWISE = """
import os, signal
import imbax.cli.interrupt as interrupt
with interrupt.ends_at_interrupt():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        {}
"""


@pytest.mark.parametrize("then", ["pass", "raise ImportError('half imported')", "raise SystemExit"])
def test_interrupts_swallowed_by_a_library_end_the_run(then):
    done = subprocess.run([*COMMAND[:2], OTHERWISE.format(then)], capture_output=True, text=True)
    output = "imbax: interrupted; finished cells are kept; run the same command to resume\n"
    assert (done.returncode, done.stderr) == (130, output)


def test_commands_that_ignore_interrupts_are_ended(tmp_path):
    process = begun([*COMMAND[:2], WATCHED], [tmp_path], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True)  # fmt: skip
    with ended(process):
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert errors == "imbax: interrupted; finished cells are kept; run the same command to resume\n"
    assert list(tmp_path.iterdir()) == []
