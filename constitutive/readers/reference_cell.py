"""The reference cell of a conversion: from a structure, a structure file, or the output of a code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from constitutive.errors import ConstitutiveError, DataError
from constitutive.readers.frames import SAME_CELL, Frame, Reference
from constitutive.readers.options import SETS
from constitutive.readers.sources import detect
from constitutive.symmetry import read_structure
from constitutive.symmetry.structures import AnyStructure

if TYPE_CHECKING:
    from pymatgen.core import Structure

# Names of species for mixed sites: no chemical symbol begins like them, so that pymatgen takes them as dummies.
_DUMMIES = [f"Q{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + [f"X{letter}" for letter in "abcd"]


def read_reference(
    source: AnyStructure, disorder: str, frames_of: Callable[[Path, str], list[Frame]], *, stated: str | None = None
) -> Reference:
    """The reference cell from a code's output (then with its energy), a structure file, or a structure object.

    Parameters
    ----------
    source
        The structure, or the path of a file.
    disorder
        "refuse" partly occupied sites, or "species".
    frames_of
        Reads the states of a file of a given format.
    stated
        Format that the user says the outputs have, for one that is not found out by itself.

    Raises
    ------
    ConstitutiveError
        There is no structure in it, or an output of several cells.
    """
    if isinstance(source, (str, Path)):
        frame = _state(Path(source), frames_of, stated)
        if frame is not None:
            return Reference(frame.cell, frame.species, frame.frac, frame.energy)
    structure = ordered(read_structure(source), disorder, str(source) if isinstance(source, (str, Path)) else "the structure")
    species = tuple(site.species_string for site in structure)
    return Reference(np.array(structure.lattice.matrix), species, np.array(structure.frac_coords, dtype=np.float64), None)


def _state(path: Path, frames_of: Callable[[Path, str], list[Frame]], stated: str | None) -> Frame | None:
    """The state of an output of a code, the one with the number behind an @ where there is one; None for a structure only."""
    name, _, number = str(path).rpartition("@")
    if name and number.isdigit() and not path.exists():
        frames = frames_of(Path(name), _kind(Path(name), stated))
        if int(number) >= len(frames):
            raise DataError(f"{name}: found {len(frames)} states; needed one with number {number}; they count from 0")
        return frames[int(number)]
    try:
        kind = _kind(path, stated)
    except DataError:
        return None
    if kind in SETS:
        return None
    try:
        frames = frames_of(path, kind)
    except ConstitutiveError:
        if kind not in ("extxyz", "traj", "ase"):
            raise
        return None  # a structure without a stress is reference enough
    if not frames:
        return None
    spread = max(float(np.abs(np.linalg.inv(frames[0].cell) @ frame.cell - np.eye(3)).max()) for frame in frames)
    if spread > SAME_CELL:
        raise DataError(
            f"{path}: found {len(frames)} states of different cells as the reference; needed one; say which by its number ({path}@0), "
            "or give a file with one state"
        )
    return frames[0]


def _kind(path: Path, stated: str | None) -> str:
    """The format of a file: found out, or where that fails, the one that ASE is to read."""
    try:
        return detect(path)
    except DataError:
        if stated is None or stated.partition(":")[0] != "ase" or not path.is_file():
            raise
        return "ase"


def ordered(structure: Structure, disorder: str, where: str) -> Structure:
    """A structure whose sites hold one species each.

    With disorder="species" each distinct mixture becomes a species of its own, under a dummy name (Qa, Qb, ...).

    Raises
    ------
    DataError
        A site is partly occupied and `disorder` is "refuse".
    """
    if structure.is_ordered:
        return structure
    mixed = [site for site in structure if not site.is_ordered]
    if disorder == "refuse":
        raise DataError(
            f"{where}: found partly occupied sites ({mixed[0].species_string} at {np.round(mixed[0].frac_coords, 4).tolist()}); needed one "
            "species on each; order the structure, or let each occupation count as a species of its own (--disorder species)"
        )
    names = dict(zip(dict.fromkeys(site.species_string for site in mixed), _DUMMIES, strict=False))
    if len(names) < len({site.species_string for site in mixed}):
        raise DataError(f"{where}: found more than {len(_DUMMIES)} kinds of mixed sites; needed fewer; order the structure")
    from pymatgen.core import Structure  # deferred: pymatgen takes a second to import

    species = [site.species_string if site.is_ordered else names[site.species_string] for site in structure]
    return Structure(structure.lattice, species, structure.frac_coords)
