"""Crystals as ASE Atoms: undeformed, and strained with the atoms at their affine places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.units import EV_PER_CUBIC_ANGSTROM

if TYPE_CHECKING:
    from pymatgen.core import Structure

GPA = 1 / EV_PER_CUBIC_ANGSTROM  # eV/Å³ in one GPa


def atoms_of(structure: Structure) -> Atoms:
    """A structure as Atoms, its Cartesian frame kept.

    Parameters
    ----------
    structure : pymatgen Structure

    Returns
    -------
    Atoms
        Periodic in three directions.

    Raises
    ------
    DataError
        A site is partly occupied, or its species is no chemical element.
    """
    symbols = [site.species_string for site in structure]
    try:
        return Atoms(symbols, cell=structure.lattice.matrix, scaled_positions=structure.frac_coords, pbc=True)
    except KeyError as error:
        raise DataError(f"found the species {error}; needed chemical elements: a calculator takes no partly occupied sites") from error


def structure_of(atoms: Atoms) -> Structure:
    """Atoms as a structure, the Cartesian frame kept.

    Parameters
    ----------
    atoms : Atoms

    Returns
    -------
    pymatgen Structure
    """
    from pymatgen.core import Structure  # deferred: pymatgen takes a second to import, and workers need none

    return Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions(wrap=False))


def strained(atoms: Atoms, F: Float[np.ndarray, "3 3"]) -> Atoms:
    """The cell deformed by F, the atoms at their affine places.

    Parameters
    ----------
    atoms : Atoms
        The reference.
    F : array (3, 3)
        Deformation gradient.

    Returns
    -------
    Atoms
        A copy, without a calculator.
    """
    deformed = atoms.copy()
    deformed.set_constraint()
    deformed.set_cell(atoms.cell.array @ F.T, scale_atoms=True)
    return deformed


def stress_of(atoms: Atoms) -> Float[np.ndarray, "3 3"]:
    """Cauchy stress by the calculator of the atoms, tension positive.

    Parameters
    ----------
    atoms : Atoms
        With a calculator.

    Returns
    -------
    array (3, 3)
        GPa.

    Raises
    ------
    DataError
        It is not finite.
    """
    stress = np.asarray(atoms.get_stress(voigt=False), dtype=np.float64) / GPA
    if not np.isfinite(stress).all():
        raise DataError("the calculator returned a stress that is not finite")
    return stress


def energy_of(atoms: Atoms) -> float:
    """Potential energy by the calculator of the atoms.

    Parameters
    ----------
    atoms : Atoms
        With a calculator.

    Returns
    -------
    float
        eV.

    Raises
    ------
    DataError
        It is not finite.
    """
    energy = float(atoms.get_potential_energy())
    if not np.isfinite(energy):
        raise DataError("the calculator returned an energy that is not finite")
    return energy


def forces_of(atoms: Atoms) -> Float[np.ndarray, "n 3"]:
    """Forces by the calculator of the atoms.

    Parameters
    ----------
    atoms : Atoms
        With a calculator.

    Returns
    -------
    array (n, 3)
        eV/Å.

    Raises
    ------
    DataError
        They are not finite.
    """
    forces = np.asarray(atoms.get_forces(), dtype=np.float64)
    if not np.isfinite(forces).all():
        raise DataError("the calculator returned forces that are not finite")
    return forces
