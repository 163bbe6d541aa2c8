"""Two commands on one folder: the second waits and prints a message."""

import os
import subprocess
import threading

import pytest
from commands import COMMAND, begun, on_table, readable, table, tables

from imbax.cli import main
from imbax.errors import InputError, StorageError
from imbax.experiments.lock import Lock

fcntl = pytest.importorskip("fcntl")


def test_second_command_waits_and_names_the_first(tmp_path, capfd):
    first, held = Lock(tmp_path), []
    with pytest.raises(InputError, match=f"process {os.getpid()} on .* writes to .*--out"):
        Lock(tmp_path, waits=False)
    second = threading.Thread(target=lambda: held.append(Lock(tmp_path)))
    second.start()
    while "waiting until it is done" not in capfd.readouterr().err:
        assert second.is_alive()
    assert held == []
    first.release()
    second.join(60)
    assert len(held) == 1
    held[0].release()
    Lock(tmp_path, waits=False).release()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\0", b'{"pid": "no"}', b"[" * 2000])
def test_stale_lock_files_do_not_block(content, tmp_path):
    (tmp_path / ".lock").write_bytes(content)
    lock = Lock(tmp_path, waits=False)
    (tmp_path / ".lock").write_bytes(content)
    with pytest.raises(InputError, match="another process writes to"):
        Lock(tmp_path, waits=False)
    lock.release()


def test_lock_files_that_are_links_are_not_followed(tmp_path):
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(tmp_path / "mine")
    with pytest.raises(StorageError, match="cannot be written"):
        Lock(tmp_path / "out")
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.thorough
def test_two_commands_lose_no_results(tmp_path):
    data, methods = table(tmp_path), ("logistic_regression", "ce")
    both = [begun(COMMAND, on_table(data, tmp_path / "out", *methods), stdout=subprocess.DEVNULL,
                  stderr=subprocess.PIPE, text=True) for _ in range(2)]  # fmt: skip
    errors = [process.communicate(timeout=1200)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert sum("waiting until it is done" in error for error in errors) == 1
    assert main(on_table(data, tmp_path / "alone", *methods)) == 0
    assert tables(tmp_path / "out") == tables(tmp_path / "alone")
    assert len(readable(tmp_path / "out")) == 8


@pytest.mark.thorough
def test_killed_commands_release_the_lock(tmp_path):
    hold = (
        "import sys, time; from pathlib import Path; from imbax.experiments.lock import Lock\n"
        "lock = Lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"
    )
    process = begun([*COMMAND[:2], hold], [tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=f"process {process.pid} on"):
        Lock(tmp_path, waits=False)
    process.kill()
    process.communicate()
    Lock(tmp_path, waits=False).release()
