"""Files that are whole or not there, and what a disk says when it cannot take them."""

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
    """Turns what a disk says, full, read-only or gone, into a StorageError that names the place."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"{place} cannot be written ({error.strerror or error}); what is stored there stays: "
            "see to it, or copy it to another --out, and run the same command again"
        ) from error


def check_there(out: Path) -> None:
    """Raises StorageError where a folder of results has vanished; it is not to be made anew."""
    if not out.is_dir():
        raise StorageError(
            f"{out} cannot be written (the folder has vanished); see to it, or name another --out, "
            "and run the same command again"
        )


@contextlib.contextmanager
def atomic(path: Path, *, durable: bool = True) -> Iterator[io.BufferedWriter]:
    """A file that takes its name only once it is whole; makes its folder.

    Parameters
    ----------
    path
        The file.
    durable
        Whether its bytes are on the disk by then, so that it survives a loss of power.

    Raises
    ------
    StorageError
        It cannot be written; an earlier file of that name is still there.
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
    """Write a text in UTF-8, whole or not at all."""
    with atomic(path, durable=False) as file:
        file.write(text.encode())


def write_table(path: Path, table: Any, **options: Any) -> None:
    """Write a data frame as CSV, whole or not at all; `options` are those of `to_csv`."""
    write_text(path, table.to_csv(lineterminator="\n", **options))


_temporaries: set[Path] = set()


def abandon() -> None:
    """Delete what this process has begun to write, since it is about to end."""
    for path in tuple(_temporaries):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def discard_leftovers(out: Path) -> None:
    """Delete what processes of this machine that were killed had begun to write."""
    if os.name != "posix":
        return
    for path in out.rglob(".*.tmp"):
        found = re.fullmatch(r"\..+\.([0-9a-f]{8}-(\d{1,9}))-[0-9a-f]{8}\.tmp", path.name)
        if found and found[1] == _process(int(found[2])) and not _is_alive(int(found[2])):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _process(pid):
    """It and its machine, in a file's name."""
    return f"{zlib.crc32(platform.node().encode()):08x}-{pid}"


def _is_alive(pid):
    """Whether another process of that number runs."""
    if pid == os.getpid():  # an earlier one had the same number
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
