"""From a structure to its point group: exact, in the structure's own Cartesian frame, for any choice of cell.

spglib's list of rotations holds only what maps the *given* cell to itself (16 of 48 for silicon in a 1×1×2 cell). So the operations
are those of the space-group type in spglib's database, in the idealised standard lattice, turned back to the given frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import spglib
from jaxtyping import Float, Int

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.backend import look_up
from constitutive.symmetry.dataset import spglib_dataset
from constitutive.symmetry.stated import disagreement
from constitutive.symmetry.structures import AnyStructure, Cell, read_cell

DEFAULT_SYMPREC = 0.01


@dataclass(frozen=True)
class Detection:
    """What spglib finds about a structure at one tolerance, as arrays.

    Attributes
    ----------
    operations : (n, 3, 3)
        Exact operations of the point group, in the Cartesian frame of the structure.
    space_group, space_group_number, hall_number
        Short Hermann–Mauguin symbol, number in the International Tables, number of the setting in spglib's database.
    symprec : float
        Tolerance in Å.
    cell : Cell
        The structure, in a right-handed cell.
    conventional : (3, 3)
        Rows are the conventional cell vectors (spglib's standard setting), idealised, in the structure's Cartesian frame, Å.
    raw_operations : (n, 3, 3)
        Operations that map the given cell to itself within symprec, in Cartesian components: orthogonal only as far as the cell
        is unstrained.
    deformation : (3, 3)
        Linear map from the idealised lattice to the given one: the identity for a cell without strain.
    centres : (m,)
        One site for each atom of the primitive cell.
    """

    operations: Float[np.ndarray, "g 3 3"]
    space_group: str
    space_group_number: int
    hall_number: int
    symprec: float
    cell: Cell
    conventional: Float[np.ndarray, "3 3"]
    raw_operations: Float[np.ndarray, "n 3 3"]
    deformation: Float[np.ndarray, "3 3"]
    centres: Int[np.ndarray, " m"]

    @cached_property
    def database_operations(self) -> tuple[np.ndarray, np.ndarray]:
        """Rotations (n, 3, 3) and translations (n, 3) of the space group in fractions of the conventional cell."""
        return database_operations(self.hall_number)

    @cached_property
    def generating_operations(self) -> tuple[int, ...]:
        """Indices of a few database operations whose rotations generate all others."""
        operations = _cartesian(self.database_operations[0], self.conventional)
        chosen: list[int] = []
        reached = np.eye(3)[None]
        for k, R in enumerate(operations):
            if not ops.contains(reached, R):
                chosen.append(k)
                reached = ops.generate(operations[chosen])
        return tuple(chosen)

    @cached_property
    def centring(self) -> Float[np.ndarray, "k 3"]:
        """Lattice points inside the conventional cell, in its fractions."""
        rotations, translations = self.database_operations
        return translations[(rotations == np.eye(3)).all(axis=(1, 2))]


def detect(x: AnyStructure, symprec: float = DEFAULT_SYMPREC, *, disorder: str = "refuse") -> Detection:
    """Operations of a structure's point group, and its space group.

    Parameters
    ----------
    x : pymatgen Structure, ASE Atoms, Cell, or path of a structure file
    symprec : float
        Largest distance in Å between atoms that count as equivalent; about ten times the noise of the coordinates.
    disorder : {"refuse", "species"}
        Partly occupied sites are an error, or each distinct occupation counts as a species of its own.

    Returns
    -------
    Detection

    Raises
    ------
    SymmetryError
        The structure cannot be read, symprec is not positive, or spglib finds no symmetry.
    """
    if not np.isfinite(symprec) or symprec <= 0:
        raise SymmetryError(f"symprec = {symprec} Å found; a positive tolerance is needed, 0.01 for most structures")
    cell = read_cell(x, disorder=disorder)
    dataset = spglib_dataset(cell, symprec)
    standard_to_given = ops.nearest_orthogonal(np.asarray(dataset.std_rotation_matrix, dtype=float)).T
    lattice = np.asarray(dataset.std_lattice, dtype=float)
    rotations = np.unique(database_operations(dataset.hall_number)[0], axis=0)
    conventional = lattice @ standard_to_given.T
    given = np.linalg.inv(np.asarray(dataset.transformation_matrix).T) @ cell.lattice
    return Detection(
        operations=standard_to_given @ _cartesian(rotations, lattice) @ standard_to_given.T,
        space_group=str(dataset.international),
        space_group_number=int(dataset.number),
        hall_number=int(dataset.hall_number),
        symprec=float(symprec),
        cell=cell,
        conventional=conventional,
        raw_operations=_cartesian(np.unique(np.asarray(dataset.rotations), axis=0), cell.lattice),
        deformation=given.T @ np.linalg.inv(conventional.T),
        centres=np.unique(np.asarray(dataset.mapping_to_primitive), return_index=True)[1],
    )


def disagreements(found: Detection) -> tuple[str, ...]:
    """Where the file contradicts itself about its symmetry, or states another one than was found in its atoms.

    Parameters
    ----------
    found : Detection

    Returns
    -------
    tuple of str
        Sentences; empty where the file states no symmetry or the right one.
    """
    stated = found.cell.stated
    if stated is None:
        return ()
    apart = disagreement(stated, found.space_group_number, ops.identify(found.operations), found.symprec)
    return (*stated.contradictions, apart) if apart else stated.contradictions


def database_operations(hall_number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (n, 3, 3) and translations (n, 3) of a setting of a space group, in fractions of its conventional cell.

    Parameters
    ----------
    hall_number : int
        1 to 530.

    Returns
    -------
    rotations : array (n, 3, 3)
    translations : array (n, 3)
    """
    found = look_up(spglib.get_symmetry_from_database, int(hall_number))
    return np.asarray(found["rotations"], dtype=float), np.asarray(found["translations"], dtype=float)


def _cartesian(rotations: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Cartesian matrices of fractional rotations W (acting on columns) in a cell whose rows are vectors: Lᵀ W L⁻ᵀ."""
    columns = lattice.T
    return columns @ rotations @ np.linalg.inv(columns)
