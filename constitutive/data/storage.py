"""Files: size limits and strict JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constitutive.errors import DataError
from constitutive.files import write_text
from constitutive.plain import plain

MAX_TEXT_BYTES = 512 * 2**20
SCHEMA_VERSION = 1


def require_file(path: str | os.PathLike[str], limit: int = MAX_TEXT_BYTES) -> Path:
    """The path of an existing, regular file of at most `limit` bytes.

    Parameters
    ----------
    path : path
    limit : int
        Bytes.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        There is no such file, it is not a regular file, is empty, or is too large.
    """
    file = Path(path)
    try:
        if not file.is_file():
            raise DataError(f"{file}: found no such file; needed an existing file; check the path")
        size = file.stat().st_size
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be opened ({error}); needed a readable file") from error
    if size > limit:
        raise DataError(f"{file}: found {size / 2**20:.0f} MiB, needed at most {limit / 2**20:.0f} MiB; use HDF5 for large sets")
    if size == 0:
        raise DataError(f"{file}: found an empty file; needed data; was the run cut off?")
    return file


def read_text(path: str | os.PathLike[str], limit: int = MAX_TEXT_BYTES) -> str:
    """Text of a file in UTF-8.

    Parameters
    ----------
    path : path
    limit : int
        Largest size in bytes.

    Returns
    -------
    str

    Raises
    ------
    DataError
        The file is missing, empty, too large, or not UTF-8.
    """
    file = require_file(path, limit)
    try:
        return file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: found bytes that are not UTF-8 text ({error}); needed a text file; is it damaged?") from error


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON object in a file.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict

    Raises
    ------
    DataError
        The file is missing, too large, not JSON, too deeply nested, or no object.
    """
    text = read_text(path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: found no valid JSON ({error}); needed a JSON object; is the file cut off?") from error
    if not isinstance(document, dict):
        raise DataError(f"{path}: found a JSON {type(document).__name__}, needed an object with F and one stress")
    return document


def _entry(key: str, value: object) -> str:
    """One line per key: small to read and to compare, without one line per number."""
    return f"{json.dumps(str(key))}: {json.dumps(plain(value), allow_nan=False, ensure_ascii=False)}"


def write_json(path: str | os.PathLike[str], document: Mapping[str, object]) -> None:
    """Write a JSON object atomically; NaN is refused.

    Parameters
    ----------
    path : path
    document : mapping
        Arrays are written as lists.

    Raises
    ------
    DataError
        The document holds NaN or what JSON has no type for, or the file cannot be written.
    """
    try:
        text = "{\n" + ",\n".join(_entry(key, value) for key, value in document.items()) + "\n}"
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: found a value that JSON cannot hold ({error}); needed numbers, text, lists and objects") from error
    write_text(path, text + "\n")
