"""Protection of the parsers from hostile and damaged files: size limits, encodings, complete last lines, one kind of error."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from constitutive.data.storage import require_file
from constitutive.errors import ConstitutiveError, DataError

MAX_BYTES = 256 * 2**20
MAX_FRAMES = 1_000_000
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LAST_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?$")
_EXPONENT = re.compile(r"[EeDd][-+]?\d{2,}$")
_ENOUGH_DECIMALS = 8  # a number of varying length cut after so many is right to 1e-8
_ROWS = 50


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
    except ConstitutiveError as error:
        if str(path) in str(error):
            raise
        raise DataError(f"{path}: {error}") from error
    except MemoryError as error:
        raise DataError(f"{path}: found more than fits in memory while reading {what}; needed a smaller file") from error
    except Exception as error:  # parsers raise anything on mangled files
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{path}: found no readable {what} ({type(error).__name__}: {reason}); is it cut off or damaged?") from error


def read_whole_text(path: Path, what: str, assume: Callable[[str], None] | None = None) -> str:
    r"""Text of a file whose last line is complete, without byte-order mark, every line ended by ``\n``.

    A last line without an end is taken where its last number is written out as those of the lines before it.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should be, for messages.
    assume : callable, optional
        Takes the sentence that a last line without an end is taken as whole.

    Raises
    ------
    DataError
        The file is missing, too large, binary, or ends within a line.
    """
    content = require_file(path, MAX_BYTES).read_bytes()
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content[:65536]:
        raise DataError(f"{path}: found binary data, needed {what}")
    text = content.decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    if text.endswith("\n"):
        return text
    if not _ends_whole(text):
        raise DataError(
            f"{path}: found a last line without an end; needed the whole of {what}; is the file cut off? "
            "If it is whole, end its last line by a new line"
        )
    if assume is not None:
        assume(f"{path.name}: the last line, which has no end, is whole")
    return text + "\n"


def _ends_whole(text: str) -> bool:
    """Whether the last line looks like those before it: as many words, the last one written out as theirs."""
    lines = [line for line in text[-65536:].split("\n")[-_ROWS:] if line.strip()]
    if len(lines) < 2:
        return False
    words = _words(lines[-1])
    alike = [_words(line) for line in lines[:-1] if len(_words(line)) == len(words)]
    if _LAST_NUMBER.match(words[-1]) is None:
        return any(words[-1] == row[-1] for row in alike)
    others = [row[-1] for row in alike if _LAST_NUMBER.match(row[-1])]
    return bool(others) and _is_whole_number(words[-1], others)


def _is_whole_number(last: str, others: list[str]) -> bool:
    """Whether a number is written out as others of its column are; no where that cannot be determined."""
    with_exponent = sum(_EXPONENT.search(word) is not None for word in others)
    if 2 * with_exponent > len(others) or _EXPONENT.search(last):
        return _EXPONENT.search(last) is not None
    others = [word for word in others if not _EXPONENT.search(word)]
    decimals = [len(word.partition(".")[2]) for word in others]
    found = len(last.partition(".")[2])
    if max(decimals) == 0:
        return len(last) >= max(len(word) for word in others)
    return found == decimals[0] if len(set(decimals)) == 1 else found >= max(_ENOUGH_DECIMALS, min(decimals))


def _words(line: str) -> list[str]:
    """Entries of a line that is separated by semicolons, tabulators, commas or blanks; decimal commas become points."""
    for separator in (";", "\t"):
        if separator in line:
            return [word.strip().replace(",", ".") for word in line.strip().split(separator)]
    return re.split(r"\s*,\s*" if "," in line else r"\s+", line.strip())


def parse_xml(path: Path, what: str) -> Element:
    """Root of an XML file, without entities, DTDs or external references (defusedxml).

    Raises
    ------
    DataError
        The file is missing, too large, no well-formed XML, or uses entities.
    """
    from defusedxml.ElementTree import parse

    require_file(path, MAX_BYTES)
    with parsing(path, what):
        root = parse(path, forbid_dtd=True, forbid_entities=True, forbid_external=True).getroot()
        if root is None:
            raise DataError(f"{path}: found no XML element; needed {what}")
        return root
