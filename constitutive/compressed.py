"""Compressed files: gzip, xz and bzip2, known by their first bytes, unpacked into a temporary file of the same name.

>>> from constitutive.compressed import plain_name
>>> plain_name("runs/vasprun.xml.gz")
'vasprun.xml'
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from constitutive.errors import ConstitutiveError, DataError

_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}
_SUFFIXES = (".gz", ".xz", ".bz2")
_BLOCK = 2**20
MAX_UNPACKED_BYTES = 2**30


def compression(path: str | os.PathLike[str]) -> str | None:
    """The compression of a file, "gzip", "xz" or "bzip2", by its first bytes; None for a plain or missing file."""
    try:
        with open(path, "rb") as file:
            head = file.read(6)
    except OSError:
        return None
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def plain_name(path: str | os.PathLike[str]) -> str:
    """The name of a file without the suffix of its compression.

    Parameters
    ----------
    path : path

    Returns
    -------
    str
        The last part of the path: "OUTCAR" of "runs/OUTCAR.gz", unchanged where the suffix is of no known compression.
    """
    name = Path(path).name
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in _SUFFIXES else name


def _opened(path: Path, kind: str) -> IO[bytes]:
    if kind == "gzip":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return cast(IO[bytes], lzma.open(path, "rb")) if kind == "xz" else cast(IO[bytes], bz2.open(path, "rb"))


@contextlib.contextmanager
def uncompressed(path: str | os.PathLike[str], limit: int = MAX_UNPACKED_BYTES) -> Iterator[Path]:
    """The path of the plain content: `path` itself, or a temporary file that is removed afterwards.

    Parameters
    ----------
    path : path
        A file, compressed or not.
    limit : int
        Bytes that the content may have.

    Yields
    ------
    Path
        A file with the name of `path` without the suffix of the compression.

    Raises
    ------
    DataError
        The compressed file is damaged or cut off, or unpacks to more than `limit`. An error raised inside the block that names
        the temporary file is raised again with the name of `path`.
    """
    source = Path(path)
    kind = compression(source)
    if kind is None:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="constitutive-") as folder:
        plain = Path(folder) / plain_name(source)
        _unpack(source, plain, kind, limit)
        try:
            yield plain
        except ConstitutiveError as error:
            if str(plain) not in str(error):
                raise
            error.args = tuple(str(part).replace(str(plain), str(source)) for part in error.args)
            raise


def _unpack(source: Path, plain: Path, kind: str, limit: int) -> None:
    try:
        with _opened(source, kind) as packed, plain.open("wb") as file:
            size = 0
            while block := packed.read(_BLOCK):
                size += len(block)
                if size > limit:
                    raise DataError(f"{source}: found more than {limit / 2**20:.0f} MiB unpacked; needed less; use HDF5 for large sets")
                file.write(block)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{source}: found no whole {kind} file ({error}); needed one; is it cut off?") from error


def head_of(path: str | os.PathLike[str], count: int) -> bytes:
    """The first `count` bytes of the plain content.

    Parameters
    ----------
    path : path
        Compressed or plain.
    count : int
        Bytes of the plain content.

    Returns
    -------
    bytes
        Fewer where the file is shorter.

    Raises
    ------
    DataError
        The compressed file is damaged or cut off.
    """
    source = Path(path)
    kind = compression(source)
    if kind is None:
        with source.open("rb") as file:
            return file.read(count)
    try:
        with _opened(source, kind) as packed:
            return packed.read(count)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{source}: found no whole {kind} file ({error}); needed one; is it cut off?") from error
