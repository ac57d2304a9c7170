"""What stands between a hostile or damaged file and the parsers: size limits, a whitelist of formats, one kind of error."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from constitutive.data.storage import require_file
from constitutive.errors import ConstitutiveError, DataError

MAX_BYTES = 256 * 2**20
MAX_FRAMES = 1_000_000


@contextlib.contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a parser raises into a DataError that names the file; warnings of third-party parsers are dropped.

    Raises
    ------
    DataError
        The file is no readable `what`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ConstitutiveError:
        raise
    except MemoryError as error:
        raise DataError(f"{path}: found more than fits in memory while reading {what}; needed a smaller file") from error
    except Exception as error:  # parsers raise anything on mangled files
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{path}: found no readable {what} ({type(error).__name__}: {reason}); is it cut off or damaged?") from error


def read_whole_text(path: Path, what: str) -> str:
    """Text of a file whose last line is complete.

    Raises
    ------
    DataError
        The file is missing, too large, binary, or ends within a line.
    """
    content = require_file(path, MAX_BYTES).read_bytes()
    if b"\0" in content[:65536]:
        raise DataError(f"{path}: found binary data, needed {what}")
    text = content.decode("utf-8", errors="replace")
    if not text.endswith("\n"):
        raise DataError(f"{path}: found a last line without an end; needed the whole of {what}; is the file cut off?")
    return text


def parse_xml(path: Path, what: str) -> Any:
    """Root of an XML file, without entities, DTDs or external references (defusedxml).

    Raises
    ------
    DataError
        The file is missing, too large, no well-formed XML, or uses entities.
    """
    from defusedxml.ElementTree import parse

    require_file(path, MAX_BYTES)
    with parsing(path, what):
        return parse(path, forbid_dtd=True, forbid_entities=True, forbid_external=True).getroot()
