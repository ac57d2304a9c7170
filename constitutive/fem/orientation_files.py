"""Tables of orientations as other programs write them: which columns hold what, in which unit, for which grain or point.

Nothing is guessed: a table without a header needs ``columns`` and has no others, a file of EDAX (``.ang``), Oxford (``.ctf``), Neper
(``.tess``, ``.msh``) or DAMASK (``material.yaml``) is read as its program defines it, and what contradicts that is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import yaml
from jaxtyping import Float

from constitutive.errors import DataError

Columns = Literal["bunge", "kocks", "roe", "quaternion", "rodrigues", "axis-angle", "rotmat"]
WIDTH: dict[str, int] = {"bunge": 3, "kocks": 3, "roe": 3, "quaternion": 4, "rodrigues": 3, "axis-angle": 4, "rotmat": 9}
MEANING = {
    "bunge": "phi1 Phi phi2 in degrees",
    "kocks": "Psi Theta phi in degrees",
    "roe": "Psi Theta Phi in degrees",
    "quaternion": "w x y z",
    "rodrigues": "n tan(theta/2)",
    "axis-angle": "x y z and the angle in degrees",
    "rotmat": "the matrix crystal to lab, row by row",
}
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
_DENSITY = r"weights?|odf|intensity|density|frequency"
_NEPER = {"euler-bunge": "bunge", "euler-kocks": "kocks", "euler-roe": "roe", **{name: name for name in get_args(Columns)}}
REWRITE = "write them with neper's -oridescriptor rodrigues, quaternion or euler-bunge"
_SKEWED = {"trigonal", "hexagonal", "monoclinic", "triclinic"}  # where a and a* differ, or c and c*


@dataclass(frozen=True)
class Table:
    """Orientations as a file states them.

    Attributes
    ----------
    columns : str
        What the numbers of a row are.
    tags : list of int
        Of grains, points or materials.
    values : array (n, m)
        One row for each tag; angles in degrees.
    passive : bool
        The file says that its rotations take sample to crystal.
    phases : list of str
        Phase of each row; empty where the file names none.
    skewed : list of str
        Phases whose crystal system makes a difference between x ∥ a and x ∥ a*.
    left_out : int
        Points without an orientation (not indexed).
    """

    columns: Columns
    tags: list[int]
    values: Float[np.ndarray, "n m"]
    passive: bool = False
    phases: list[str] = field(default_factory=list)
    skewed: list[str] = field(default_factory=list)
    left_out: int = 0

    def of_phase(self, phase: str, path: Path) -> Table:
        """The rows of one phase.

        Parameters
        ----------
        phase : str
            Name in the file.
        path : Path
            For the message.

        Returns
        -------
        Table

        Raises
        ------
        DataError
            There is no such phase, or the file names none.
        """
        rows = [k for k, name in enumerate(self.phases) if name == phase]
        if not rows:
            known = ", ".join(sorted(set(self.phases))) or "none (the file names no phases)"
            raise DataError(f"{path}: no rows of phase {phase!r}; its phases: {known}")
        skewed = [name for name in self.skewed if name == phase]
        return replace(self, tags=[self.tags[k] for k in rows], values=self.values[rows], phases=[phase] * len(rows), skewed=skewed)


def columns_of(text: str) -> tuple[Columns, bool]:
    """Meaning of a descriptor such as ``"bunge"``, or Neper's ``"euler-bunge:passive"``, and whether it is passive.

    Parameters
    ----------
    text : str

    Returns
    -------
    columns : str
    passive : bool

    Raises
    ------
    DataError
        It is none that is known.
    """
    name, _, convention = text.strip().lower().partition(":")
    if name not in _NEPER or convention not in ("", "active", "passive"):
        raise DataError(f"columns={text!r}: needed one of {', '.join(_NEPER)}, with ':passive' where the rotations take sample to crystal")
    return _NEPER[name], convention == "passive"


def read_table(path: Path, columns: str | None, first: int | None) -> Table:
    """Read any of the files.

    Parameters
    ----------
    path : Path
    columns : str, optional
        What the columns hold where no header states it.
    first : int, optional
        Tag of the first row where the file has no tags.

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
        ".yaml": _from_damask, ".yml": _from_damask, ".ang": _from_ang, ".ctf": _from_ctf, ".tess": _from_neper, ".msh": _from_neper,
    }  # fmt: skip
    reader = known.get(path.suffix.lower())
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
    header = None if _is_number(rows[0][0]) else [name.strip().lower() for name in rows.pop(0)]
    numbers = _numbers(rows, path)
    given = None if columns is None else columns_of(columns)
    if header is None:
        return _headless(numbers, path, given, first)
    kind, chosen = _find_columns(header, given[0] if given else None, path)
    tag, phase = (next((k for k, name in enumerate(header) if re.fullmatch(p, name)), None) for p in (_TAG, _PHASE))
    tags = list(range(first, first + len(numbers))) if tag is None else _whole(numbers[:, tag], f"{path}: column {header[tag]!r}")
    phases = [] if phase is None else [str(n) for n in _whole(numbers[:, phase], f"{path}: column {header[phase]!r}")]
    return Table(kind, tags, numbers[:, chosen], bool(given and given[1]), phases)


def _headless(numbers: np.ndarray, path: Path, given: tuple[Columns, bool] | None, first: int) -> Table:
    if given is None:
        raise DataError(f"{path} has no header: pass columns= one of {', '.join(f'{k!r} ({v})' for k, v in MEANING.items())}")
    kind, passive = given
    count, needed = numbers.shape[1], WIDTH[kind]
    if count != needed:
        raise DataError(
            f"{path} has no header and {count} columns, columns={kind!r} needs {needed} ({MEANING[kind]}): which of them hold the "
            "orientation, and whether others are grain numbers or weights, cannot be known; give the file a first line that names "
            f"its columns, such as 'id phi1 Phi phi2', or only those {needed}"
        )
    return Table(kind, list(range(first, first + len(numbers))), numbers, passive)


def _find_columns(header: list[str], columns: Columns | None, path: Path) -> tuple[Columns, list[int]]:
    density = [name for name in header if re.fullmatch(_DENSITY, name)]
    if density:
        raise DataError(
            f"{path}: column {density[0]!r} makes it a distribution of orientations, not a list of grains; draw grains from it first "
            "(MTEX: discreteSample; a column of another meaning needs another name)"
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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(rows: list[list[str]], path: Path) -> np.ndarray:
    try:
        table = np.array(rows, dtype=float)
    except ValueError as error:
        raise DataError(f"{path}: a row has a text or another number of columns than the first") from error
    if table.ndim != 2 or not table.size:
        raise DataError(f"{path}: the table has no rows")
    return table


def _whole(values: np.ndarray, where: str) -> list[int]:
    odd = np.flatnonzero(~(np.isfinite(values) & (values == np.round(values))))
    if len(odd):
        raise DataError(f"{where}: row {int(odd[0]) + 1} holds {values[odd[0]]}, a whole number is needed")
    return [int(value) for value in values]


# ---- DAMASK ----------------------------------------------------------------------------------------------------------


def _from_damask(text: str, path: Path, first: int | None) -> Table:
    """Materials count from 0, as a grid's own ``material`` numbers do."""
    try:
        materials = yaml.safe_load(text)["material"]
        constituents = [material["constituents"] for material in materials]
        values = np.array([parts[0]["O"] for parts in constituents], dtype=float)
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a DAMASK material.yaml with material: [{{constituents: [{{O: [q0, q1, q2, q3]}}]}}]") from error
    several = [k for k, parts in enumerate(constituents) if len(parts) > 1]
    if several:
        raise DataError(
            f"{path}: material {several[0]} has {len(constituents[several[0]])} constituents (one of {len(several)} such materials); a "
            "point has one orientation here: write each constituent as a material of its own"
        )
    if values.ndim != 2 or values.shape[1] != 4:
        raise DataError(f"{path}: O has shape {values.shape}, needed are four numbers per material")
    names = [parts[0].get("phase") for parts in constituents]
    phases = [] if None in names else [str(name) for name in names]
    start = 0 if first is None else first
    return Table("quaternion", list(range(start, start + len(values))), values, phases=phases)


# ---- maps of EBSD ----------------------------------------------------------------------------------------------------


def _from_ang(text: str, path: Path, first: int | None) -> Table:
    """EDAX: points in rows; the first three columns are Bunge's angles in radians, 4π where a point was not indexed."""
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if rows and not _is_number(rows[0][0]):
        raise DataError(f"{path}: its first row {' '.join(rows[0])[:60]!r} is no row of an .ang file (numbers from the first column on)")
    numbers = _numbers(rows, path)
    if numbers.shape[1] < 8:
        raise DataError(f"{path}: {numbers.shape[1]} columns; an .ang file of EDAX has 8 or more (phi1 Phi phi2 x y IQ CI phase)")
    angles = numbers[:, :3]
    indexed = np.asarray(~(np.abs(angles - 4 * np.pi) < 1e-3).all(axis=1))
    largest = np.abs(angles[indexed]).max(initial=0.0)
    if not largest <= 2 * np.pi + 1e-3:
        raise DataError(f"{path}: an angle of {largest:.4g}; EDAX writes radians, up to 2 pi: this file holds something else")
    phases = [str(n) for n in _whole(numbers[:, 7], f"{path}: column 8 (phase)")]
    systems = _ang_systems(text)
    return _map(np.degrees(angles), indexed, phases, systems, 1 if first is None else first)


def _ang_systems(text: str) -> dict[str, str]:
    """Crystal system of each phase by the header's lattice constants; a single phase is written as 0 in the rows."""
    found: dict[str, str] = {}
    phase = "0"
    for line in text.splitlines():
        words = line.lstrip("# \t").split()
        if words[:1] == ["Phase"] and len(words) == 2:
            phase = words[1]
        elif words[:1] == ["LatticeConstants"] and len(words) == 7 and all(map(_is_number, words[1:])):
            found[phase] = _system([float(word) for word in words[1:]])
    return {**found, "0": next(iter(found.values()))} if len(found) == 1 else found


def _from_ctf(text: str, path: Path, first: int | None) -> Table:
    """Oxford: a header, then points in rows below names; angles in degrees; phase 0 where a point was not indexed."""
    lines = [line for line in text.splitlines() if line.strip()]
    start = next((k for k, line in enumerate(lines) if line.lower().split()[:3] == ["phase", "x", "y"]), None)
    if start is None:
        raise DataError(f"{path}: no line 'Phase X Y ... Euler1 Euler2 Euler3'; a .ctf file has one below its header")
    names = lines[start].lower().split()
    numbers = _numbers([line.replace(",", ".").split() for line in lines[start + 1 :]], path)
    if numbers.shape[1] != len(names) or not {"euler1", "euler2", "euler3"} <= set(names):
        raise DataError(f"{path}: {numbers.shape[1]} columns below {len(names)} names {names}; needed among them Euler1 Euler2 Euler3")
    phases = [str(n) for n in _whole(numbers[:, 0], f"{path}: column Phase")]
    angles = numbers[:, [names.index(f"euler{k}") for k in (1, 2, 3)]]
    return _map(angles, np.asarray(numbers[:, 0] > 0), phases, _ctf_systems(lines[:start]), 1 if first is None else first)


def _ctf_systems(header: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in header:
        words = line.replace(",", ".").replace(";", " ").split()
        if len(words) > 6 and all(map(_is_number, words[:6])):
            found[str(len(found) + 1)] = _system([float(word) for word in words[:6]])
    return found


def _system(cell: list[float]) -> str:
    """A crystal system by lattice constants (Å, degrees): only whether axes are at right angles matters here."""
    angles = np.array(cell[3:])
    if np.allclose(angles, 90, atol=0.05):
        return "orthogonal"
    return "hexagonal" if np.allclose(angles, [90, 90, 120], atol=0.05) else "triclinic"


def _map(angles: np.ndarray, indexed: np.ndarray, phases: list[str], systems: dict[str, str], first: int) -> Table:
    rows = np.flatnonzero(indexed)
    present = [phases[k] for k in rows]
    skewed = sorted({name for name in present if systems.get(name) in _SKEWED})
    tags = [int(row) + first for row in rows]
    return Table("bunge", tags, angles[rows], phases=present, skewed=skewed, left_out=int((~indexed).sum()))


# ---- Neper -----------------------------------------------------------------------------------------------------------


def _from_neper(text: str, path: Path, first: int | None) -> Table:
    """A tessellation's ``*ori`` of its ``**cell``, or a mesh's ``$ElsetOrientations``; both say their descriptor."""
    found = re.search(r"\$ElsetOrientations\s+(\d+)\s+(\S+)\s+(.*?)\$EndElsetOrientations", text, re.DOTALL)
    if found:
        columns, passive = _stated(found[2], path)
        rows = _block(found[3], int(found[1]), WIDTH[columns] + 1, path)
        return Table(columns, _whole(rows[:, 0], f"{path}: element sets"), rows[:, 1:], passive)
    cells = re.search(r"\*\*cell\s+(\d+)(.*?)(?=\n\s*\*\*+\w|\Z)", text, re.DOTALL)
    block = cells and re.search(r"(?:^|\n)\s*\*ori\s+(\S+)\s+(.*?)(?=\n\s*\*|\Z)", cells[2], re.DOTALL)
    if not cells or not block:
        raise DataError(f"{path}: no orientations in it (*ori of **cell, or $ElsetOrientations); write them with neper -T -format tess,ori")
    columns, passive = _stated(block[1], path)
    count = int(cells[1])
    ids = re.search(r"(?:^|\n)\s*\*id\s+(.*?)(?=\n\s*\*|\Z)", cells[2], re.DOTALL)
    start = 1 if first is None else first
    tags = _whole(_block(ids[1], count, 1, path)[:, 0], f"{path}: *id") if ids else list(range(start, start + count))
    return Table(columns, tags, _block(block[2], count, WIDTH[columns], path), passive)


def _stated(descriptor: str, path: Path) -> tuple[Columns, bool]:
    try:
        columns, passive = columns_of(descriptor)
    except DataError as error:
        raise DataError(f"{path}: its orientations are {descriptor!r}; {REWRITE}") from error
    if columns == "rotmat":
        raise DataError(f"{path}: its matrices may be R or its transpose; {REWRITE}")
    return columns, passive


def _block(text: str, rows: int, width: int, path: Path) -> np.ndarray:
    try:
        values = np.array(text.split(), dtype=float)
    except ValueError as error:
        raise DataError(f"{path}: a text among the numbers of a block ({error})") from error
    if values.size != rows * width:
        raise DataError(f"{path}: {values.size} numbers in a block, needed {rows} rows of {width}")
    return values.reshape(rows, width)
