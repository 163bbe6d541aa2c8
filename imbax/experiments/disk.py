"""Atomic file writes, and errors of full, read-only or missing disks."""

import contextlib
import io
import os
import platform
import re
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imbax.errors import StorageError

__all__ = [
    "abandon",
    "atomic",
    "check_there",
    "discard_leftovers",
    "write_table",
    "write_text",
    "writing",
]


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Convert an OSError (disk full, read-only or missing) into a StorageError with the path."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"{place} cannot be written ({error.strerror or error}); stored results are kept: fix "
            "the cause, or copy them to another --out, and run the same command again"
        ) from error


def check_there(out: Path) -> None:
    """Raise StorageError if a folder of results was deleted; it is not created again."""
    if not out.is_dir():
        raise StorageError(
            f"{out} cannot be written (the folder was deleted); restore it, or choose another "
            "--out, and run the same command again"
        )


@contextlib.contextmanager
def atomic(path: Path, *, durable: bool = True) -> Iterator[io.BufferedWriter]:
    """Open a file that gets its name only when it is complete; creates its folder.

    Parameters
    ----------
    path
        Path of the file.
    durable
        If True, flush the bytes to the disk before renaming, so that a power failure loses nothing.

    Raises
    ------
    StorageError
        The file cannot be written; an earlier file of that name is kept.
    """
    temporary = path.with_name(f".{path.name}.{_process(os.getpid())}-{secrets.token_hex(4)}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _temporaries.add(temporary)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        finally:
            _temporaries.discard(temporary)
        if durable and os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic(path, durable=False) as file:
        file.write(text.encode())


def write_table(path: Path, table: Any, **options: Any) -> None:
    """Write a data frame as a CSV file atomically; `options` are passed to `to_csv`."""
    write_text(path, table.to_csv(lineterminator="\n", **options))


_temporaries: set[Path] = set()


def abandon() -> None:
    """Delete incomplete files of this process, which is about to end."""
    for path in tuple(_temporaries):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def discard_leftovers(out: Path) -> None:
    """Delete incomplete files of killed processes of this machine."""
    if os.name != "posix":
        return
    for path in out.rglob(".*.tmp"):
        found = re.fullmatch(r"\..+\.([0-9a-f]{8}-(\d{1,9}))-[0-9a-f]{8}\.tmp", path.name)
        if found and found[1] == _process(int(found[2])) and not _is_alive(int(found[2])):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _process(pid):
    """Process and machine as part of a file name."""
    return f"{zlib.crc32(platform.node().encode()):08x}-{pid}"


def _is_alive(pid):
    """Returns whether another process with that number is running."""
    if pid == os.getpid():  # the process number was reused
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
