"""Tables of orientations as other programs write them: which columns hold what, in which unit, for which grain or point.

Nothing is guessed: a table without a header needs ``columns`` and has no others, a file of EDAX (``.ang``), Oxford (``.ctf``), Neper
(``.tess``, ``.msh``), VPSC or DAMASK (``material.yaml``) is read as its program defines it, and what contradicts that is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from constitutive.errors import DataError
from constitutive.fem.orientation_maps import from_map
from constitutive.fem.orientation_programs import from_damask, from_neper, from_vpsc, is_vpsc
from constitutive.fem.orientation_tables import MEANING, WIDTH, Columns, Table, columns_of, is_number, numbers, whole

_NAMES: dict[Columns, tuple[str, ...]] = {
    "bunge": (
        r"phi_?1|euler_?1|1_eu(ler)?|bunge_?1|euler-bunge_?1",
        r"phi|phi_?c|euler_?2|capital_?phi|2_eu(ler)?|bunge_?2|euler-bunge_?2",
        r"phi_?2|euler_?3|3_eu(ler)?|bunge_?3|euler-bunge_?3",
    ),
    "quaternion": (
        r"q_?0|a|w|qw|1_(qu|o|orientation|quaternion)",
        r"q_?1|b|x|qx|2_(qu|o|orientation|quaternion)",
        r"q_?2|c|y|qy|3_(qu|o|orientation|quaternion)",
        r"q_?3|d|z|qz|4_(qu|o|orientation|quaternion)",
    ),
    "rodrigues": (r"r_?[1x]|rod(rigues)?_?[1x]", r"r_?[2y]|rod(rigues)?_?[2y]", r"r_?[3z]|rod(rigues)?_?[3z]"),
}
_TAG = r"id|tag|grain|grain_?id|cell|cell_?id|material"
_PHASE = r"phase|phase_?id|phase_?index"
_WEIGHT = r"weights?|fractions?|volume_?fractions?"
_DENSITY = r"odf|intensity|density|frequency|values?"


def read_table(path: Path, columns: str | None, first: int | None, constituent: int | None = None) -> Table:
    """Read any of the files.

    Parameters
    ----------
    path : Path
    columns : str, optional
        What the columns hold where no header states it.
    first : int, optional
        Tag of the first row where the file has no tags.
    constituent : int, optional
        Of DAMASK's materials, from 0.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        The file is missing, or is not what it has to be.
    """
    if not path.is_file():
        raise DataError(f"no table of orientations at {path}")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    known: dict[str, Callable[[str, Path, int | None], Table]] = {
        **dict.fromkeys((".yaml", ".yml"), partial(from_damask, constituent=constituent)),
        **dict.fromkeys((".ang", ".ctf"), from_map),
        **dict.fromkeys((".tess", ".msh"), from_neper),
    }
    reader = known.get(path.suffix.lower(), from_vpsc if is_vpsc(text) else None)
    if constituent is not None and path.suffix.lower() not in (".yaml", ".yml"):
        raise DataError(f"{path}: constituent={constituent} belongs to DAMASK's material.yaml; leave it out")
    if reader is None:
        table = _from_text(text, path, columns, 1 if first is None else first)
    else:
        table = reader(text, path, first)
        if columns is not None and columns_of(columns)[0] != table.columns:
            raise DataError(f"{path}: holds {table.columns}, columns={columns!r} was given; leave it out, the format determines them")
    if len(set(table.tags)) != len(table.tags):
        twice = next(tag for tag in table.tags if table.tags.count(tag) > 1)
        raise DataError(f"{path}: the tag {twice} occurs twice; needed is one orientation for each")
    return table


# ---- plain tables ----------------------------------------------------------------------------------------------------


def _from_text(text: str, path: Path, columns: str | None, first: int) -> Table:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "%"))]
    rows = [_cells(line) for line in lines]
    if not rows:
        raise DataError(f"{path}: the table is empty")
    header = None if is_number(rows[0][0]) else [name.strip().lower() for name in rows.pop(0)]
    table = numbers(rows, path)
    given = None if columns is None else columns_of(columns)
    if header is None:
        return _headless(table, path, given, first)
    kind, chosen = _find_columns(header, given[0] if given else None, path)
    tag, phase, weight = (next((k for k, name in enumerate(header) if re.fullmatch(p, name)), None) for p in (_TAG, _PHASE, _WEIGHT))
    tags = list(range(first, first + len(table))) if tag is None else whole(table[:, tag], f"{path}: column {header[tag]!r}")
    phases = [] if phase is None else [str(n) for n in whole(table[:, phase], f"{path}: column {header[phase]!r}")]
    weights = np.zeros(0) if weight is None else table[:, weight]
    return Table(kind, tags, table[:, chosen], bool(given and given[1]), phases, weights=weights)


def _headless(table: np.ndarray, path: Path, given: tuple[Columns, bool] | None, first: int) -> Table:
    if given is None:
        raise DataError(f"{path} has no header: pass columns= one of {', '.join(f'{k!r} ({v})' for k, v in MEANING.items())}")
    kind, passive = given
    count, needed = table.shape[1], WIDTH[kind]
    if count != needed:
        raise DataError(
            f"{path} has no header and {count} columns, columns={kind!r} needs {needed} ({MEANING[kind]}): which of them hold the "
            "orientation, and whether others are grain numbers or weights, cannot be known; give the file a first line that names "
            f"its columns, such as 'id phi1 Phi phi2', or only those {needed}"
        )
    return Table(kind, list(range(first, first + len(table))), table, passive)


def _find_columns(header: list[str], columns: Columns | None, path: Path) -> tuple[Columns, list[int]]:
    density = [name for name in header if re.fullmatch(_DENSITY, name)]
    if density:
        raise DataError(
            f"{path}: column {density[0]!r} makes it a distribution of orientations over a space of angles, not a list of grains; "
            "draw grains from it first (MTEX: discreteSample; a column of another meaning needs another name)"
        )
    matches = {}
    for kind, patterns in _NAMES.items():
        found = [[k for k, name in enumerate(header) if re.fullmatch(pattern, name)] for pattern in patterns]
        if all(len(places) == 1 for places in found):
            matches[kind] = [places[0] for places in found]
    if columns in matches:
        return columns, matches[columns]
    if columns is None and len(matches) == 1:
        return next(iter(matches.items()))
    if matches:
        wanted = "pass columns= to choose" if columns is None else f"columns={columns!r} was given"
        raise DataError(f"{path}: the header {header} names {' and '.join(matches)}; {wanted}")
    raise DataError(f"{path}: the header {header} names neither phi1 Phi phi2 (degrees) nor q0 q1 q2 q3 (a b c d) nor r1 r2 r3")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line]))] if "," in line else line.split()
