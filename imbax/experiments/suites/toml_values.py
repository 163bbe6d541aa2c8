"""TOML files and checked access to their values."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imbax.errors import InputError, did_you_mean

__all__ = ["parsed", "refuse_unknown", "text", "texts"]


def parsed(path: Path) -> dict[str, Any]:
    """Parse a file. Raises InputError if it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"there is no file {path}; check the name and the folder") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a TOML file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not UTF-8 text; save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path.name} is not valid TOML ({error}); correct it there") from None


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise InputError with a suggestion for an unknown key."""
    known = list(known)
    for key in table:
        if key not in known:
            raise InputError(f"unknown key {key!r}{did_you_mean(key, known)}")


def text(table: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """Text of a key, or the default if the key is missing; InputError for other values."""
    value = table.get(key, default)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{key}={value!r}, expected text")
    return value


def texts(table: Mapping[str, Any], key: str) -> Sequence[str]:
    """List of texts of a key, also from a single text; empty if the key is missing."""
    value = table.get(key, ())
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
        raise InputError(f"{key}={value!r}, expected a list of texts")
    if key in table and not listed:
        raise InputError(f"{key} is empty; remove the key, or give at least one text")
    return tuple(listed)
