"""Reader of text files in any encoding and compression."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

from imbax.errors import InputError

__all__ = ["PACKED", "read_text"]

PACKED = (".gz", ".bz2", ".xz", ".zip")
"""Suffixes of compressed files that are unpacked."""

_MARKS = (  # UTF-32 comes first: its mark begins with that of UTF-16
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
_UNPACK = ((b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress), (b"\xfd7zXZ", lzma.decompress))
_OTHERS = (
    (b"PK\x03\x04", "a spreadsheet or an archive; save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet; save the table as CSV"),
    (b"PAR1", "a Parquet file; end its name in .parquet"),
    (b"\x93NUMPY", "a NumPy array; write it as CSV, or as an .npz with 'data' and 'label'"),
    (b"%PDF", "a PDF; save the table as CSV"),
    (b"<!doctype html", "a web page; download the table itself"),
    (b"<html", "a web page; download the table itself"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file with `git lfs pull`"),
)


def read_text(path: Path) -> tuple[str, list[str]]:
    """Returns a file's text, and notices to the user.

    Compressed files are recognised by their first bytes. The encoding is UTF-8, UTF-16 or UTF-32,
    the latter two also without a byte order mark; anything else is read as Windows-1252, with a
    notice.

    Raises
    ------
    InputError
        The file is not text, or its text is damaged.
    OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile
        A compressed file is damaged.
    """
    raw = _unpacked(path)
    start = raw[:64].lstrip().lower()
    for first, description in _OTHERS:
        if start.startswith(first.lower()):
            raise InputError(f"{path.name} is {description}")
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _checked(_strict(raw, encoding, path), path), []
    if encoding := _wide(raw):
        return _checked(_strict(raw, encoding, path), path), []
    try:
        return _checked(raw.decode("utf-8"), path), []
    except UnicodeDecodeError as error:
        text = raw.decode("utf-8", "replace")
        wrong = text.count("\ufffd")
        right = sum(ord(mark) > 127 for mark in text) - wrong
        if right > wrong:
            raise InputError(
                f"{path.name}: byte {error.start} is not UTF-8 although the other text is; the "
                "file is damaged, write it again"
            ) from None
    text = _checked(_strict(raw, "cp1252", path), path)
    return text, ["the text is not UTF-8 and was read as Windows-1252 (Latin-1)"]


def _unpacked(path: Path) -> bytes:
    raw = path.read_bytes()
    for first, unpack in _UNPACK:
        if raw.startswith(first):
            return unpack(raw)
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise InputError(
                    f"{path.name} contains {len(names)} files, expected one table; unpack it and "
                    "give the table's file"
                )
            return archive.read(names[0])
    return raw


def _wide(raw: bytes) -> str | None:
    """Detects UTF-16 or UTF-32 without a mark: most high bytes of mainly Latin text are 0."""
    sample = raw[:4096]
    sample = sample[: len(sample) // 4 * 4]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    zeros = [sample[place::4].count(0) / len(sample[place::4]) for place in range(4)]
    for encoding, high in (
        ("utf-32-le", (1, 2, 3)),
        ("utf-32-be", (0, 1, 2)),
        ("utf-16-le", (1, 3)),
        ("utf-16-be", (0, 2)),
    ):
        low = set(range(4)) - set(high)
        if all(zeros[i] > 0.7 for i in high) and all(zeros[i] < 0.1 for i in low):
            return encoding
    return None


def _strict(raw: bytes, encoding: str, path: Path) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} cannot be read as {path.suffix.lower()} (byte {error.start} is not "
            f"{encoding}); save the table as CSV in UTF-8"
        ) from None


def _checked(text: str, path: Path) -> str:
    if (at := text.find("\0")) >= 0:
        raise InputError(
            f"{path.name} cannot be read as {path.suffix.lower()} (character {at} is NUL); save "
            "the table as CSV in UTF-8"
        )
    return text
