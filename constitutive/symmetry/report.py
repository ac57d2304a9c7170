"""The symmetry of a structure at one tolerance: point group, space group and frames."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from jaxtyping import Float

from constitutive.symmetry.detection import DEFAULT_SYMPREC, Detection, detect, disagreements
from constitutive.symmetry.frames import CrystalFrames, frames_of
from constitutive.symmetry.group import PointGroup
from constitutive.symmetry.structures import AnyStructure


@dataclass(frozen=True)
class SymmetryReport(Detection):
    """What was found about a structure's symmetry at one tolerance; see :class:`Detection` for the arrays.

    Attributes
    ----------
    sign_from : array, optional
        Measured tensor that fixes the signs which lattice and group leave open in the IEEE frame (:func:`crystal_frames`).
    """

    sign_from: Float[np.ndarray, "..."] | None = None

    @cached_property
    def point_group(self) -> PointGroup:
        """Point group in the Cartesian frame of the structure."""
        return PointGroup.from_operations(self.operations)

    @cached_property
    def disagreements(self) -> tuple[str, ...]:
        """Where the file contradicts itself about its symmetry, or states another one than its atoms have."""
        return disagreements(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """Disagreements, atoms that were merged on reading, and the warnings of the file's reader."""
        return (*self.disagreements, *self.cell.notes)

    @cached_property
    def frames(self) -> CrystalFrames:
        """Input, conventional and IEEE 176 frames."""
        return crystal_frames(self, sign_from=self.sign_from)


def find_symmetry(x: AnyStructure, symprec: float = DEFAULT_SYMPREC, *, disorder: str = "refuse") -> SymmetryReport:
    """Point group and space group of a structure.

    Parameters
    ----------
    x : pymatgen Structure, ASE Atoms, Cell, or path of a structure file
    symprec : float
        Largest distance in Å between atoms that count as equivalent; about ten times the noise of the coordinates.
    disorder : {"refuse", "species"}
        Partly occupied sites are an error, or each distinct occupation counts as a species of its own.

    Returns
    -------
    SymmetryReport

    Raises
    ------
    SymmetryError
        The structure cannot be read, symprec is not positive, or spglib finds no symmetry.

    Examples
    --------
    >>> from ase.build import bulk
    >>> report = find_symmetry(bulk("Si").repeat((1, 1, 2)))
    >>> report.space_group, report.space_group_number, report.point_group.symbol, report.point_group.order
    ('Fd-3m', 227, 'm-3m', 48)
    """
    found = detect(x, symprec, disorder=disorder)
    return SymmetryReport(**{field.name: getattr(found, field.name) for field in fields(found)})


def crystal_frames(report: SymmetryReport, *, sign_from: Float[np.ndarray, "..."] | None = None) -> CrystalFrames:
    """Input, conventional and IEEE 176 frames of a crystal.

    Parameters
    ----------
    report : SymmetryReport
        As :func:`find_symmetry` gives it.
    sign_from : array, optional
        Measured tensor in the input frame that fixes the signs which are open in the IEEE frame: piezoelectric (3, 3, 3) or (3,
        6), or elastic (3, 3, 3, 3) or (6, 6), order xx yy zz yz xz xy, stress-like components. Without one the bonds decide.

    Returns
    -------
    CrystalFrames

    Raises
    ------
    SymmetryError
        The tensor has another shape, or all its components that could decide vanish.

    Examples
    --------
    >>> from constitutive.symmetry import quartz
    >>> frames = crystal_frames(find_symmetry(quartz("right")))
    >>> frames.open_choices, frames.decided_by
    (2, 'bonds')
    """
    return frames_of(report, report.point_group, sign_from=sign_from)
