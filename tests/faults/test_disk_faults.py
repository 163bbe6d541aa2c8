"""Full, read-only and missing disks: one-line errors, exit status 2, readable stored results."""

import errno
import itertools
import os
import subprocess
from pathlib import Path

import pytest
from commands import on_table, readable, status_and_errors, table, tables
from tiers import asked

from imbax.cli import main
from imbax.errors import StorageError
from imbax.experiments import disk, store
from imbax.experiments.lab import Lab

METHOD = "logistic_regression"
pytestmark = pytest.mark.usefixtures("module_figures")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return table(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory, module_figures):
    """Tables of an undisturbed run, and the files that it opened for writing."""
    out, opened = tmp_path_factory.mktemp("whole"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", failing(lambda path: opened.append(path)))
        assert main(on_table(data, out, METHOD)) == 0
    return tables(out), len(opened)


def failing(fault):
    """`Path.open` that calls `fault(path)` before a file is opened for writing."""
    opens = Path.open

    def opening(path, mode="r", *args, **kwargs):
        if set(mode) & set("wax"):
            fault(path)
        return opens(path, mode, *args, **kwargs)

    return opening


def full(fault):
    """`Path.open` with files that accept only a few bytes once `fault()` is true."""
    opens = Path.open

    def opening(path, mode="r", *args, **kwargs):
        file = opens(path, mode, *args, **kwargs)
        if not (set(mode) & set("wax") and fault()):
            return file

        class Full:
            def write(self, content):
                file.write(content[:3])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def __getattr__(self, name):
                return getattr(file, name)

        return Full()

    return opening


def one_line(capsys, arguments, says):
    """Check that a command ends with status 2 and a one-line error."""
    status, (line,) = status_and_errors(capsys, arguments)
    assert status == 2
    assert line.startswith("imbax: error: ") and says in line and "cannot be written" in line
    assert len(line) < 600


# Upper bound of the number of files that a run opens.
WRITES = range(16)
FULL = [("ENOSPC", number) for number in WRITES]
# These fail when a file is opened, and differ in their message only.
OPENING = [("EIO", number) for number in WRITES] + [("EROFS", 1), ("EACCES", 6)]


@pytest.mark.parametrize("failing_write", asked((*FULL, *OPENING), (FULL[1], FULL[6])), ids=str)
def test_failed_writes_give_a_one_line_error_and_lose_nothing(
    failing_write, data, whole, tmp_path, capsys, monkeypatch
):
    """Each write of a run fails in turn, and so do all later writes."""
    (error, number), (expected, writes) = failing_write, whole
    if number >= writes:
        pytest.skip("a run has no more writes")
    number_of_write = itertools.count()
    code = getattr(errno, error)

    def fault(path=None):
        is_now = next(number_of_write) >= number
        if is_now and path is not None:
            raise OSError(code, os.strerror(code), str(path))
        return is_now

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full(fault) if error == "ENOSPC" else failing(fault))
        one_line(capsys, on_table(data, tmp_path / "out", METHOD), os.strerror(code))
    seeds = set(readable(tmp_path / "out")["seed"])
    assert seeds == set(range(min(number, 2)))
    at = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    assert main(on_table(data, tmp_path / "out", METHOD)) == 0
    assert {path: path.stat().st_mtime_ns for path in at} == at, "computed again"
    assert tables(tmp_path / "out") == expected


@pytest.mark.thorough
def test_tested_write_numbers_cover_a_run(whole):
    assert whole[1] == 15 <= len(WRITES)


@pytest.mark.thorough
@pytest.mark.parametrize("size", ["16k", "32k", "48k"])
def test_full_disks_give_a_one_line_error_and_lose_nothing(size, data, whole, tmp_path, capsys):
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(tmp_path)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        one_line(capsys, on_table(data, tmp_path, METHOD), os.strerror(errno.ENOSPC))
        kept = readable(tmp_path)
        subprocess.run(["mount", "-o", "remount,size=20m", tmp_path], check=True)
        assert main(on_table(data, tmp_path, METHOD)) == 0
        assert tables(tmp_path) == whole[0]
        assert len(kept) in (0, 2, 4)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("when", ["between seeds", "before the report"])
def test_deleted_folders_are_not_created_again(when, data, whole, tmp_path, capsys, monkeypatch):
    out, away = tmp_path / "out", tmp_path / "away"

    def vanishing(function):
        def called(*given, **options):
            result = function(*given, **options)
            if not away.exists():
                out.rename(away)
            return result

        return called

    with monkeypatch.context() as patch:
        if when == "between seeds":
            patch.setattr(store, "write", vanishing(store.write))
        else:
            patch.setattr(Lab, "run", vanishing(Lab.run))
        one_line(capsys, on_table(data, out, METHOD), "")
    assert set(readable(away)["seed"]) == ({0} if when == "between seeds" else {0, 1})
    assert not out.exists()
    away.rename(out)
    assert main(on_table(data, out, METHOD)) == 0
    assert tables(out) == whole[0]


def test_only_files_of_killed_processes_are_discarded(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [
        tmp_path / "runs" / f".a.parquet.{disk._process(pid)}-0123abcd.tmp"
        for pid in (dead.pid, os.getpid(), os.getppid())
    ]
    other = tmp_path / "runs" / f".a.parquet.00000000-{dead.pid}-0123abcd.tmp"
    other_name = tmp_path / "runs" / ".mine.tmp"
    (tmp_path / "runs").mkdir()
    for path in (*left, other, other_name):
        path.touch()
    disk.discard_leftovers(tmp_path)
    assert [path.exists() for path in (*left, other, other_name)] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_abandoned_files_are_deleted(tmp_path):
    with pytest.raises(StorageError), disk.atomic(tmp_path / "a") as file:
        file.write(b"half")
        disk.abandon()
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
