"""Crystals as ASE Atoms: undeformed, and strained with the atoms at their affine places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.units import EV_PER_CUBIC_ANGSTROM

if TYPE_CHECKING:
    from collections.abc import Callable

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


def bare(atoms: Atoms) -> Atoms:
    """A cell alone, without calculator, constraints and other arrays: what another thread or process computes.

    Parameters
    ----------
    atoms : Atoms

    Returns
    -------
    Atoms
        Periodic in three directions.
    """
    return Atoms(atoms.get_chemical_symbols(), cell=atoms.cell.array, positions=atoms.positions, pbc=True)


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
        It is not finite, or the calculator failed.
    """
    return _computed("a stress", atoms, lambda: atoms.get_stress(voigt=False)) / GPA


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
        It is not finite, or the calculator failed.
    """
    return float(_computed("an energy", atoms, atoms.get_potential_energy))


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
        They are not finite, or the calculator failed.
    """
    return _computed("forces", atoms, atoms.get_forces)


def _computed(what: str, atoms: Atoms, compute: Callable[[], object]) -> np.ndarray:
    """What the calculator returns, as finite numbers; calculators raise what they like."""
    try:
        values = np.asarray(compute(), dtype=np.float64)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"the calculator returned no {what.split()[-1]} of {atoms.get_chemical_formula()} "
            f"({type(error).__name__}: {error}); needed energy, forces and stress of such a cell: try it by ASE alone"
        ) from error
    if not np.isfinite(values).all():
        raise DataError(f"the calculator returned {what} that {'are' if what == 'forces' else 'is'} not finite")
    return values
