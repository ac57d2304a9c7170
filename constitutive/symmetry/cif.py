"""CIF: atoms on special positions whose coordinates are rounded, the symmetry that the file states, and the reader's own warnings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from constitutive.errors import SymmetryError
from constitutive.symmetry.stated import StatedSymmetry, stated_symmetry

if TYPE_CHECKING:
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifParser

_FRACTIONS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_CELL = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
_ROUNDING = 1.75  # images of a rounded special position differ by three half units of the last decimal at most
_SMALLEST_TOLERANCE = 1e-4  # in fractions, as in pymatgen
_LARGEST_MERGED = 0.2  # Å
_MENTIONED = 1e-4  # Å
_UNIMPORTANT = ("No structure parsed for section", "Skipping relative stoichiometry check")


def read_cif(path: Path) -> tuple[Structure, tuple[str, ...], StatedSymmetry | None]:
    """First structure of a CIF, remarks on it, and the symmetry that the file states.

    Images of one site that coincide but for the rounding of its coordinates are one atom, as in other CIF readers; the atom is put
    where they meet.

    Parameters
    ----------
    path : Path

    Returns
    -------
    structure : pymatgen Structure
    notes : tuple of str
        Merged atoms, and the warnings of pymatgen's reader.
    stated : StatedSymmetry or None

    Raises
    ------
    SymmetryError
        The file holds no structure; the message gives the reasons of pymatgen's reader.
    """
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parser = CifParser(path)
        blocks = parser.as_dict()
        block: Mapping[str, object] = next((b for b in blocks.values() if _FRACTIONS[0] in b), {})
        tolerance, decimals = _tolerance(block)
        parser = CifParser(path, site_tolerance=tolerance)
        try:
            structures = parser.parse_structures(primitive=False)
        except ValueError as error:
            reasons = _reasons(parser, caught) or [str(error)]
            raise SymmetryError(f"{path} could not be read as a structure ({'; '.join(reasons)})") from error
    structure, notes = structures[0], _reasons(parser, caught)
    rotations, translations = _operations(parser)
    if len(structures) == 1 and not structure.site_properties.get("magmom"):
        structure, moved = _on_special_positions(structure, rotations, translations, tolerance, decimals)
        notes = [*moved, *notes]
    stated = stated_symmetry(block, rotations, translations, np.asarray(structure.lattice.matrix))
    if len(structures) > 1:
        notes.append(f"the file holds {len(structures)} structures; the first is taken")
    return structure, tuple(notes), stated


def _column(block: Mapping[str, object], key: str) -> list[str]:
    values = block.get(key, [])
    return [str(v) for v in values] if isinstance(values, list) else [str(values)]


def _tolerance(block: Mapping[str, object]) -> tuple[float, int]:
    """Difference of coordinates below which images of a site are one atom, and the decimals of the file behind it."""
    texts = [text for key in _FRACTIONS for text in _column(block, key)]
    found = [re.match(r"[-+]?\d*\.(\d+)", text) for text in texts]
    decimals = max((len(match[1]) for match in found if match), default=0)
    lengths = [float(match[0]) for key in _CELL if (match := re.match(r"\d*\.?\d+", "".join(_column(block, key))))]
    if decimals == 0 or not lengths:
        return _SMALLEST_TOLERANCE, decimals
    return float(np.clip(_ROUNDING * 10.0**-decimals, _SMALLEST_TOLERANCE, _LARGEST_MERGED / max(lengths))), decimals


def _reasons(parser: CifParser, caught: list[warnings.WarningMessage]) -> list[str]:
    """Warnings of pymatgen's reader, each once."""
    texts = [str(text) for text in parser.warnings] + [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    lines: list[str] = []
    for text in texts:
        for line in text.replace("Issues encountered while parsing CIF: ", "").splitlines():
            line = line.strip().rstrip(".")
            if line and line not in lines and not line.startswith(_UNIMPORTANT):
                lines.append(line)
    return lines


def _operations(parser: CifParser) -> tuple[np.ndarray, np.ndarray]:
    operations = parser.symmetry_operations
    return np.array([op.rotation_matrix for op in operations]), np.array([op.translation_vector for op in operations])


def _on_special_positions(
    structure: Structure, rotations: np.ndarray, translations: np.ndarray, tolerance: float, decimals: int
) -> tuple[Structure, list[str]]:
    """Each atom at the mean of those of its images that lie within the tolerance."""
    positions, lattice = np.asarray(structure.frac_coords), np.asarray(structure.lattice.matrix)
    placed, widest, atoms = positions.copy(), 0.0, 0
    for k, x in enumerate(positions):
        shift = rotations @ x + translations - x
        shift -= np.round(shift)
        near = np.abs(shift).max(axis=1) < tolerance
        distance = float(np.linalg.norm(shift[near] @ lattice, axis=1).max(initial=0.0))
        if distance > _MENTIONED / 10:
            placed[k] = x + shift[near].mean(axis=0)
            atoms, widest = atoms + (distance > _MENTIONED), max(widest, distance)
    if not atoms:
        return structure, []
    moved = type(structure)(structure.lattice, structure.species_and_occu, placed, site_properties=structure.site_properties)
    text = (
        f"{atoms} of the {len(positions)} atoms lie on special positions whose coordinates are rounded to {decimals} decimals: their "
        f"images, up to {widest:.2g} Å apart, are taken as one atom at their mean"
    )
    return moved, [text]
