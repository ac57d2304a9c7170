"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from constitutive.errors import ConstitutiveError, DataError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], error: type[ConstitutiveError] = DataError) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place only when the block ends without an error.

    Parameters
    ----------
    path : path
        The file to make or to replace.
    error : type, optional
        The exception to raise where it cannot be written.

    Yields
    ------
    Path
        Write here. It is flushed to the disk, then renamed over `path`; on failure the old file stays whole.

    Raises
    ------
    DataError
        Or `error`: the folder cannot be written to, or the disk is full.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
    except OSError as cause:
        raise error(f"{target}: cannot be written ({cause}); needed a writable folder") from cause
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as cause:
        raise error(f"{target}: cannot be written ({cause}); the old file is unchanged; free some space") from cause
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike[str], text: str, error: type[ConstitutiveError] = DataError) -> None:
    """Write text in UTF-8 so that `path` holds the whole new text or, on failure, the whole old one.

    Parameters
    ----------
    path : path
    text : str
    error : type of ConstitutiveError
        Raised when the file cannot be written.
    """
    with replacing(path, error) as temporary:
        temporary.write_text(text, encoding="utf-8")
