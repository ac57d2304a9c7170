"""Files: size limits, strict JSON, and writing that leaves the old file whole when it fails."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from constitutive.errors import DataError
from constitutive.plain import plain

MAX_TEXT_BYTES = 512 * 2**20
SCHEMA_VERSION = 1


def require_file(path: str | os.PathLike[str], limit: int = MAX_TEXT_BYTES) -> Path:
    """The path of an existing, regular file of at most `limit` bytes.

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
    """Text of a file in UTF-8. Raises DataError when it is missing, too large or not text."""
    file = require_file(path, limit)
    try:
        return file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: found bytes that are not UTF-8 text ({error}); needed a text file; is it damaged?") from error


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON object in a file.

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


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place only when the block ends without an error.

    Yields
    ------
    Path
        Write here. It is flushed to the disk, then renamed over `path`; on failure the old file stays whole.

    Raises
    ------
    DataError
        The folder cannot be written to, or the disk is full.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error}); needed a writable folder") from error
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error}); the old file is unchanged; free some space") from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[str]], Any]) -> None:
    """Write text by `write(file)` so that `path` holds the whole new text or, on failure, the whole old one."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        write(file)


def _entry(key: str, value: Any) -> str:
    """One line per key: small to read and to compare, without one line per number."""
    return f"{json.dumps(str(key))}: {json.dumps(plain(value), allow_nan=False, ensure_ascii=False)}"


def write_json(path: str | os.PathLike[str], document: dict[str, Any]) -> None:
    """Write a JSON object atomically; NaN is refused. Raises DataError when it cannot be written."""
    try:
        text = "{\n" + ",\n".join(_entry(key, value) for key, value in document.items()) + "\n}"
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: found a value that JSON cannot hold ({error}); needed numbers, text, lists and objects") from error
    write_atomically(path, lambda file: file.write(text + "\n"))
