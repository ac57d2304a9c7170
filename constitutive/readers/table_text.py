r"""Tables as text: separators, decimal commas, titles with units, comments.

>>> titles, rows = split_table("F11;sigma_xx [GPa]\n0,99;-1,5\n", "x.csv")
>>> titles, rows
(['F11', 'sigma_xx [GPa]'], [['0.99', '-1.5']])
"""

from __future__ import annotations

import csv
import io
import re

from constitutive.errors import DataError

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([EeDd][-+]?\d+)?|[-+]?(nan|inf)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[-+]?(\d+,\d*|,\d+)([EeDd][-+]?\d+)?")
_TITLE = re.compile(r"[^\s\[]+(?:\s*\[[^\]]*\])?")


def split_table(text: str, where: str) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of a table, numbers with decimal points.

    Parameters
    ----------
    text : str
        Lines separated by commas, semicolons, tabulators or blanks; lines that begin with # are comments. A comment just before the
        numbers is taken as the line of titles where there is no other.
    where : str
        File, for messages.

    Raises
    ------
    DataError
        There is no line of titles, a row has another number of entries, or decimal commas cannot be distinguished from separators.
    """
    lines = text.splitlines()
    kept = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not kept:
        raise DataError(f"{where}: found no lines but comments; needed a table with a line of titles")
    if _is_numeric(kept[0]):
        kept.insert(0, _title_in_comment(lines, where))
    separator = _separator(kept[0])
    if separator is None:
        titles, rows = _TITLE.findall(kept[0]), [line.split() for line in kept[1:]]
    else:
        entries = list(csv.reader(io.StringIO("\n".join(kept)), delimiter=separator, skipinitialspace=True))
        titles, rows = entries[0], entries[1:]
    titles = [title.strip() for title in titles]
    _require_whole(titles, rows, separator, where)
    if separator != "," and any(_DECIMAL_COMMA.fullmatch(entry.strip()) for row in rows for entry in row):
        rows = [[_with_point(entry, where) for entry in row] for row in rows]
    return titles, [[entry.strip() for entry in row] for row in rows]


def _is_numeric(line: str) -> bool:
    words = [word for word in re.split(r"[\s;,]+", line.strip()) if word]
    return bool(words) and all(_NUMBER.fullmatch(word) for word in words)


def _title_in_comment(lines: list[str], where: str) -> str:
    first = next(i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#"))
    comments = [line.lstrip().lstrip("#").strip() for line in lines[:first] if line.strip()]
    if not comments:
        raise DataError(f"{where}: found numbers without a line of titles; needed names such as F11, ..., sigma_xx [GPa], ... above them")
    return comments[-1]


def _separator(titles: str) -> str | None:
    """The separator of the line of titles; None stands for blanks."""
    plain = re.sub(r"\[[^\]]*\]", "", titles)
    counts = {mark: plain.count(mark) for mark in (";", "\t", ",")}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else None


def _require_whole(titles: list[str], rows: list[list[str]], separator: str | None, where: str) -> None:
    short = [index for index, row in enumerate(rows) if len(row) != len(titles)]
    if rows and len(short) == len(rows) and separator == "," and all(len(row) == 2 * len(titles) for row in rows):
        raise DataError(
            f"{where}: found twice as many entries as titles: commas both between numbers and in them; needed ';' or blanks between "
            "numbers with decimal commas"
        )
    if short or not rows:
        found = len(rows[short[0]]) if short else 0
        place = f"row {short[0]} of {found} entries incomplete" if short else "none complete"
        raise DataError(f"{where}: found {len(rows)} rows, {place}; needed {len(titles)} entries in each")
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if twice:
        raise DataError(f"{where}: found the title {twice[0]!r} twice; needed one column of each name")


def _with_point(entry: str, where: str) -> str:
    word = entry.strip()
    if _DECIMAL_COMMA.fullmatch(word):
        return word.replace(",", ".")
    if "." in word and _NUMBER.fullmatch(word):
        raise DataError(f"{where}: found both decimal commas and decimal points ({word}); needed one of them")
    return word
