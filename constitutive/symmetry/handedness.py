"""Left and right: the enantiomorph of a crystal, and operations that a crystal does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.detection import DEFAULT_SYMPREC
from constitutive.symmetry.group import PointGroup
from constitutive.symmetry.report import SymmetryReport, find_symmetry
from constitutive.symmetry.structures import AnyStructure, Cell, read_structure
from constitutive.symmetry.words import operation_in_words

if TYPE_CHECKING:
    from pymatgen.core import Structure

_PAIRS = (
    (76, 78),
    (91, 95),
    (92, 96),
    (144, 145),
    (151, 153),
    (152, 154),
    (169, 170),
    (171, 172),
    (178, 179),
    (180, 181),
    (212, 213),
)
ENANTIOMORPHS: dict[int, int] = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


def enantiomorph_number(space_group_number: int) -> int:
    """Number of the space group of the mirror image: another one for the 11 pairs (P3₁21 and P3₂21), else the same.

    Parameters
    ----------
    space_group_number : int
        1 to 230.

    Returns
    -------
    int
    """
    return ENANTIOMORPHS.get(space_group_number, space_group_number)


def enantiomorph(x: AnyStructure) -> Structure:
    """The crystal after inversion through the origin, in the same Cartesian frame and cell; the other hand of a chiral crystal.

    Polar tensors of odd rank and axial tensors of even rank change sign, all others stay the same.

    Parameters
    ----------
    x : pymatgen Structure, ASE Atoms or path

    Returns
    -------
    pymatgen Structure

    Raises
    ------
    SymmetryError
        The structure cannot be read.
    """
    structure = read_structure(x)
    return type(structure)(structure.lattice, structure.species_and_occu, -structure.frac_coords, site_properties=structure.site_properties)


@dataclass(frozen=True)
class WrongOperation:
    """An operation that a crystal does not have.

    Attributes
    ----------
    operation : (3, 3)
        Cartesian matrix.
    words : str
    mismatch : float
        Largest distance in Å by which an atom misses another after it, at the best translation.
    """

    operation: Float[np.ndarray, "3 3"]
    words: str
    mismatch: float


def wrong_operations(report: SymmetryReport, imposed: PointGroup) -> tuple[WrongOperation, ...]:
    """Operations of an imposed group that the crystal does not have, worst first.

    Parameters
    ----------
    report : SymmetryReport
        Of the crystal.
    imposed : PointGroup
        In the Cartesian frame of the structure.

    Returns
    -------
    tuple of WrongOperation
        Empty where the crystal has all of them.
    """
    foreign = imposed.operations[ops.index_of(report.point_group.operations, imposed.operations) < 0]
    wrong = [WrongOperation(R, operation_in_words(imposed, R), mismatch(report.cell, R)) for R in foreign]
    return tuple(sorted(wrong, key=lambda w: -w.mismatch))


def require_symmetry(x: SymmetryReport | AnyStructure, imposed: PointGroup, symprec: float = DEFAULT_SYMPREC) -> SymmetryReport:
    """The symmetry of a crystal, if it has all operations of a group.

    Parameters
    ----------
    x : SymmetryReport, Structure, Atoms or path
    imposed : PointGroup
        In the Cartesian frame of the structure.
    symprec : float
        Å.

    Returns
    -------
    SymmetryReport
        Of the crystal.

    Raises
    ------
    SymmetryError
        An operation of the group is none of the crystal's; the message names the worst and by how much atoms miss.
    """
    report = x if isinstance(x, SymmetryReport) else find_symmetry(x, symprec)
    wrong = wrong_operations(report, imposed)
    if wrong:
        raise SymmetryError(
            f"wrong symmetry: {len(wrong)} of the {imposed.order} operations of {imposed.symbol} are none of this crystal, "
            f"whose point group is {report.point_group.symbol}; the worst, a {wrong[0].words}, misses atoms by "
            f"{wrong[0].mismatch:.2g} Å. Impose {report.point_group.symbol} in its own place, or turn the group into the structure's frame"
        )
    return report


def mismatch(cell: Cell, R: Float[np.ndarray, "3 3"]) -> float:
    """Largest distance in Å from an atom, turned by R and shifted as well as can be, to the nearest of its kind.

    Parameters
    ----------
    cell : Cell
    R : array (3, 3)
        Orthogonal, Cartesian.

    Returns
    -------
    float
    """
    inverse = np.linalg.inv(cell.lattice)
    turned = cell.positions @ cell.lattice @ R.T @ inverse
    kinds, counts = np.unique(cell.kinds, return_counts=True)
    rarest = np.flatnonzero(cell.kinds == kinds[counts.argmin()])
    return min(_worst_miss(cell, turned + (cell.positions[j] - turned[rarest[0]])) for j in rarest)


def _worst_miss(cell: Cell, positions: np.ndarray) -> float:
    worst = 0.0
    for kind in np.unique(cell.kinds):
        own = cell.kinds == kind
        shift = positions[own][:, None] - cell.positions[own][None]
        distance = np.linalg.norm((shift - np.round(shift)) @ cell.lattice, axis=-1)
        worst = max(worst, float(distance.min(axis=1).max()))
    return worst
