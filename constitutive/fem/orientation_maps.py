"""Maps of EBSD as EDAX (``.ang``) and Oxford (``.ctf``) write them: points with Bunge's angles, phases and places."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from constitutive.errors import DataError
from constitutive.fem.orientation_tables import Table, is_number, numbers, whole

OBLIQUE_CELLS = ("hexagonal", "triclinic")  # where a and a* differ, or c and c*
NOT_INDEXED = 4 * np.pi  # each angle of a point without an orientation, by EDAX


@dataclass(frozen=True)
class PointMap:
    """The points of a map, in the order of the file.

    Attributes
    ----------
    places : array (n, 2)
        x and y in the file's unit (micrometres), y downwards as the programs draw it.
    angles : array (n, 3)
        Bunge's, in degrees.
    indexed : array (n,)
        False where the program found no orientation.
    phases : list of str
        Phase of each point.
    systems : dict
        Phase → what its lattice constants say of the axes: orthogonal, hexagonal or triclinic.
    """

    places: Float[np.ndarray, "n 2"]
    angles: Float[np.ndarray, "n 3"]
    indexed: Bool[np.ndarray, " n"]
    phases: list[str]
    systems: dict[str, str] = field(default_factory=dict)

    def table(self, first: int) -> Table:
        """Orientations of the points that have one.

        Parameters
        ----------
        first : int
            Tag of the first point.

        Returns
        -------
        Table
        """
        rows = np.flatnonzero(self.indexed)
        present = [self.phases[k] for k in rows]
        skewed = sorted({name for name in present if self.systems.get(name) in OBLIQUE_CELLS})
        tags = [int(row) + first for row in rows]
        return Table("bunge", tags, self.angles[rows], phases=present, skewed=skewed, left_out=int((~self.indexed).sum()))


def point_map(text: str, path: Path) -> PointMap:
    """Read a map by the ending of its name.

    Parameters
    ----------
    text : str
        The file's.
    path : Path

    Returns
    -------
    PointMap

    Raises
    ------
    DataError
        It is no such map.
    """
    readers = {".ang": _of_ang, ".ctf": _of_ctf}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: a map of EBSD ends in .ang (EDAX) or .ctf (Oxford); export it as one of these")
    return reader(text, path)


def from_map(text: str, path: Path, first: int | None) -> Table:
    """Orientations of a map's points.

    Parameters
    ----------
    text : str
    path : Path
    first : int, optional
        Tag of the first point, 1 without it.

    Returns
    -------
    Table
    """
    return point_map(text, path).table(1 if first is None else first)


def _of_ang(text: str, path: Path) -> PointMap:
    """EDAX: points in rows; the first three columns are Bunge's angles in radians, 4π where a point was not indexed."""
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if rows and not is_number(rows[0][0]):
        raise DataError(f"{path}: its first row {' '.join(rows[0])[:60]!r} is no row of an .ang file (numbers from the first column on)")
    table = numbers(rows, path)
    if table.shape[1] < 8:
        raise DataError(f"{path}: {table.shape[1]} columns; an .ang file of EDAX has 8 or more (phi1 Phi phi2 x y IQ CI phase)")
    angles = table[:, :3]
    indexed = np.asarray(~(np.abs(angles - NOT_INDEXED) < 1e-3).all(axis=1))
    largest = np.abs(angles[indexed]).max(initial=0.0)
    if not largest <= 2 * np.pi + 1e-3:
        raise DataError(f"{path}: an angle of {largest:.4g}; EDAX writes radians, up to 2 pi: this file holds something else")
    phases = [str(n) for n in whole(table[:, 7], f"{path}: column 8 (phase)")]
    return PointMap(table[:, 3:5], np.degrees(angles), indexed, phases, _ang_systems(text))


def _ang_systems(text: str) -> dict[str, str]:
    """Crystal system of each phase by the header's lattice constants; a single phase is written as 0 in the rows."""
    found: dict[str, str] = {}
    phase = "0"
    for line in text.splitlines():
        words = line.lstrip("# \t").split()
        if words[:1] == ["Phase"] and len(words) == 2:
            phase = words[1]
        elif words[:1] == ["LatticeConstants"] and len(words) == 7 and all(map(is_number, words[1:])):
            found[phase] = _system([float(word) for word in words[1:]])
    return {**found, "0": next(iter(found.values()))} if len(found) == 1 else found


def _of_ctf(text: str, path: Path) -> PointMap:
    """Oxford: a header, then points in rows below names; angles in degrees; phase 0 where a point was not indexed."""
    lines = [line for line in text.splitlines() if line.strip()]
    start = next((k for k, line in enumerate(lines) if line.lower().split()[:3] == ["phase", "x", "y"]), None)
    if start is None:
        raise DataError(f"{path}: no line 'Phase X Y ... Euler1 Euler2 Euler3'; a .ctf file has one below its header")
    names = lines[start].lower().split()
    table = numbers([line.replace(",", ".").split() for line in lines[start + 1 :]], path)
    if table.shape[1] != len(names) or not {"euler1", "euler2", "euler3"} <= set(names):
        raise DataError(f"{path}: {table.shape[1]} columns below {len(names)} names {names}; needed among them Euler1 Euler2 Euler3")
    phases = [str(n) for n in whole(table[:, 0], f"{path}: column Phase")]
    angles = table[:, [names.index(f"euler{k}") for k in (1, 2, 3)]]
    return PointMap(table[:, 1:3], angles, np.asarray(table[:, 0] > 0), phases, _ctf_systems(lines[:start]))


def _ctf_systems(header: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in header:
        words = line.replace(",", ".").replace(";", " ").split()
        if len(words) > 6 and all(map(is_number, words[:6])):
            found[str(len(found) + 1)] = _system([float(word) for word in words[:6]])
    return found


def _system(cell: list[float]) -> str:
    """A crystal system by lattice constants (Å, degrees): only whether axes are at right angles matters here."""
    angles = np.array(cell[3:])
    if np.allclose(angles, 90, atol=0.05):
        return "orthogonal"
    return "hexagonal" if np.allclose(angles, [90, 90, 120], atol=0.05) else "triclinic"
