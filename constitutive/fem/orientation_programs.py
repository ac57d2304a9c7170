"""Orientations in the files of DAMASK (``material.yaml``), VPSC and Neper (``.tess``, ``.msh``)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import yaml

from constitutive.errors import DataError
from constitutive.fem.orientation_tables import WIDTH, Columns, Table, columns_of, numbers, whole

REWRITE = "write them with neper's -oridescriptor rodrigues, quaternion or euler-bunge"
_VPSC: dict[str, Columns] = {"b": "bunge", "k": "kocks", "r": "roe"}

# ---- DAMASK ----------------------------------------------------------------------------------------------------------


def from_damask(text: str, path: Path, first: int | None, constituent: int | None = None) -> Table:
    """Orientations of materials, which count from 0, as a grid's own ``material`` numbers do.

    Parameters
    ----------
    text : str
    path : Path
    first : int, optional
    constituent : int, optional
        Which one of each material, from 0; needed where there are several.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        It is no such file, or a material has several constituents and none is chosen.
    """
    materials = damask_constituents(text, path)
    several = [k for k, parts in enumerate(materials) if len(parts) > 1]
    if several and constituent is None:
        raise DataError(
            f"{path}: material {several[0]} has {len(materials[several[0]])} constituents (one of {len(several)} such materials), and a "
            "point has one orientation here: pass constituent= to choose one of them, from 0, or average over all by read_constituents"
        )
    chosen = 0 if constituent is None else constituent
    short = [k for k, parts in enumerate(materials) if not 0 <= chosen < len(parts)]
    if short:
        raise DataError(f"{path}: material {short[0]} has {len(materials[short[0]])} constituents, constituent={chosen} was asked for")
    parts = [each[chosen] for each in materials]
    values = np.array([quaternion for _, _, quaternion in parts])
    phases = [phase for _, phase, _ in parts]
    start = 0 if first is None else first
    return Table("quaternion", list(range(start, start + len(values))), values, phases=[] if "" in phases else phases)


def damask_constituents(text: str, path: Path) -> list[list[tuple[float, str, list[float]]]]:
    """Fraction, phase and quaternion of each constituent of each material.

    Parameters
    ----------
    text : str
    path : Path

    Returns
    -------
    list of list
        The phase is empty where the file names none.

    Raises
    ------
    DataError
        It is no such file, or the fractions of a material do not add up to 1.
    """
    try:
        materials = [material["constituents"] for material in yaml.safe_load(text)["material"]]
        found = [[(float(p.get("v", 1.0)), str(p.get("phase", "")), [float(x) for x in p["O"]]) for p in parts] for parts in materials]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a DAMASK material.yaml with material: [{{constituents: [{{O: [q0, q1, q2, q3]}}]}}]") from error
    for k, parts in enumerate(found):
        if not parts or any(len(quaternion) != 4 for _, _, quaternion in parts):
            raise DataError(f"{path}: material {k} needs constituents with four numbers as O (not a DAMASK material.yaml otherwise)")
        total = sum(fraction for fraction, _, _ in parts)
        if not abs(total - 1) <= 1e-3 or min(fraction for fraction, _, _ in parts) < 0:
            raise DataError(f"{path}: the fractions v of material {k} add up to {total:.4g}; DAMASK needs 1")
    if not found:
        raise DataError(f"{path}: its list of materials is empty")
    return found


# ---- VPSC ------------------------------------------------------------------------------------------------------------


def is_vpsc(text: str) -> bool:
    """Whether a text is a texture of VPSC: its fourth line is the convention's letter and the number of grains.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    lines = text.splitlines()[:4]
    return len(lines) == 4 and re.fullmatch(r"\s*[BKRbkr]\s+\d+.*", lines[3]) is not None


def from_vpsc(text: str, path: Path, first: int | None) -> Table:
    """A texture of VPSC: three lines of text, the convention (B, K or R) and the number of grains, then angles and weight.

    Parameters
    ----------
    text : str
    path : Path
    first : int, optional

    Returns
    -------
    Table
        Angles in degrees, in VPSC's own sense (sample → crystal, as Bunge's); with weights.

    Raises
    ------
    DataError
        Rows are missing or follow the last one, or have other columns.
    """
    lines = text.splitlines()
    letter, count = lines[3].split()[:2]
    rows = [line.split() for line in lines[4:] if line.strip()]
    further = next((k for k, row in enumerate(rows) if k >= int(count)), None)
    if further is not None:
        what = " ".join(rows[further])[:50]
        raise DataError(f"{path}: after its {count} grains follows {what!r} (the texture of another step?); cut out the one that is meant")
    table = numbers(rows, path)
    if table.shape != (int(count), 4):
        promised = f"its fourth line promises {count} of 4 (angles, weight)"
        raise DataError(f"{path}: {table.shape[0]} rows of {table.shape[1]} numbers; {promised}")
    start = 1 if first is None else first
    return Table(_VPSC[letter.lower()], list(range(start, start + len(table))), table[:, :3], weights=table[:, 3])


# ---- Neper -----------------------------------------------------------------------------------------------------------


def from_neper(text: str, path: Path, first: int | None) -> Table:
    """A tessellation's ``*ori`` of its ``**cell``, or a mesh's ``$ElsetOrientations``; both state their descriptor.

    Parameters
    ----------
    text : str
    path : Path
    first : int, optional

    Returns
    -------
    Table

    Raises
    ------
    DataError
        There are none, or their descriptor is not known.
    """
    found = re.search(r"\$ElsetOrientations\s+(\d+)\s+(\S+)\s+(.*?)\$EndElsetOrientations", text, re.DOTALL)
    if found:
        columns, passive = _stated(found[2], path)
        rows = _block(found[3], int(found[1]), WIDTH[columns] + 1, path)
        return Table(columns, whole(rows[:, 0], f"{path}: element sets"), rows[:, 1:], passive)
    if "$ElementOrientations" in text:
        raise DataError(f"{path}: its orientations belong to elements, not to grains: give them as an array per cell (orientation=)")
    cells = re.search(r"\*\*cell\s+(\d+)(.*?)(?=\n\s*\*\*+\w|\Z)", text, re.DOTALL)
    block = cells and re.search(r"(?:^|\n)\s*\*ori\s+(\S+)\s+(.*?)(?=\n\s*\*|\Z)", cells[2], re.DOTALL)
    if not cells or not block:
        raise DataError(f"{path}: no orientations in it (*ori of **cell, or $ElsetOrientations); write them with neper -T -format tess,ori")
    columns, passive = _stated(block[1], path)
    count = int(cells[1])
    ids = re.search(r"(?:^|\n)\s*\*id\s+(.*?)(?=\n\s*\*|\Z)", cells[2], re.DOTALL)
    start = 1 if first is None else first
    tags = whole(_block(ids[1], count, 1, path)[:, 0], f"{path}: *id") if ids else list(range(start, start + count))
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
