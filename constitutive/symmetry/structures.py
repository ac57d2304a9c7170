"""Structures in: pymatgen Structure, ASE Atoms, or a file, to one pymatgen Structure; and on to spglib's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import numpy as np
from jaxtyping import Float, Int

from constitutive.errors import SymmetryError
from constitutive.symmetry.operations import Numbers
from constitutive.symmetry.stated import StatedSymmetry
from constitutive.symmetry.structure_files import read_file

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import PeriodicSite, Structure

    AnyStructure: TypeAlias = "Structure | Atoms | Cell | str | Path"
else:
    AnyStructure = object  # what is passed is checked where it is read, with a message for users


@dataclass(frozen=True)
class Cell:
    """A crystal as arrays, in a right-handed cell.

    Attributes
    ----------
    lattice : (3, 3)
        Rows are the cell vectors in Å, in the Cartesian frame of the structure given.
    positions : (n, 3)
        Fractional coordinates.
    kinds : (n,)
        Sites of one number hold the same species.
    names : tuple of str
        Species behind each number (kinds run from 1).
    weights : (n,)
        Atomic number of each site, averaged where it is mixed, plus a hundredth of its charge: one number for each species.
    magnetic_moments : (n, 3) or None
        Cartesian moments in Bohr magnetons, where given.
    notes : tuple of str
        Remarks of the reader of the file: atoms that were merged, warnings.
    stated : StatedSymmetry or None
        The symmetry that the file states.
    """

    lattice: Float[np.ndarray, "3 3"]
    positions: Float[np.ndarray, "n 3"]
    kinds: Int[np.ndarray, " n"]
    names: tuple[str, ...]
    weights: Float[np.ndarray, " n"]
    magnetic_moments: Float[np.ndarray, "n 3"] | None = None
    notes: tuple[str, ...] = ()
    stated: StatedSymmetry | None = None

    @property
    def spglib(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tuple that spglib takes."""
        return self.lattice, self.positions, self.kinds

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        return float(np.linalg.det(self.lattice))


def read_structure(x: AnyStructure) -> Structure:
    """Structure from a pymatgen Structure, an ASE Atoms, or a file.

    Parameters
    ----------
    x : Structure, Atoms, or path
        Files: CIF, POSCAR, extxyz (its last frame), JSON, and what else ASE reads. The Cartesian frame of the file is kept; a
        CIF has none: c is put along z and a in the xz plane, as pymatgen does.

    Returns
    -------
    pymatgen Structure

    Raises
    ------
    SymmetryError
        The file is missing, of no known format, or holds no periodic structure.
    """
    loaded = read_file(Path(x)).structure if isinstance(x, (str, Path)) else x
    if _is_atoms(loaded):
        return _from_atoms(loaded)
    if hasattr(loaded, "frac_coords") and hasattr(loaded, "lattice"):
        return loaded
    raise SymmetryError(f"a structure was needed, {type(x).__name__} found: pass a pymatgen Structure, ASE Atoms or a file")


def of_elements(structure: Structure) -> Structure:
    """A structure as calculations take it: chemical elements, without the charges and moments that a file states.

    Parameters
    ----------
    structure : pymatgen Structure

    Returns
    -------
    pymatgen Structure
        The same cell and sites; a partly occupied site is left as it is.

    Raises
    ------
    SymmetryError
        An element has several charges: without them its sites would be alike, and the crystal of a higher symmetry.
    """
    from pymatgen.core import Structure

    names = [site.specie.symbol if site.is_ordered else site.species_string for site in structure]
    charged = {name: sorted({site.species_string for site, own in zip(structure, names, strict=True) if own == name}) for name in names}
    for name, several in charged.items():
        if len(several) > 1:
            raise SymmetryError(
                f"found the species {', '.join(several)}; needed one charge of each element, as a calculation takes elements: state "
                f"the sites of {name} without charges if they may become alike"
            )
    return Structure(structure.lattice, names, structure.frac_coords)


def has_moments(structure: Structure) -> bool:
    """Whether a structure states magnetic moments other than zero.

    Parameters
    ----------
    structure : pymatgen Structure

    Returns
    -------
    bool
    """
    moments = _magnetic_moments(structure)
    return moments is not None and bool(moments.any())


def _is_atoms(x: object) -> TypeGuard[Atoms]:
    return hasattr(x, "get_scaled_positions") and hasattr(x, "cell")


def _check_periodic(atoms: Atoms) -> None:
    along = [name for name, repeated in zip("abc", atoms.pbc, strict=True) if repeated]
    if len(along) in (1, 2):
        kind = "a slab or layer" if len(along) == 2 else "a wire or chain"
        raise SymmetryError(
            f"the structure is periodic along {' and '.join(along)} only: {kind}; a bulk crystal's three-dimensional periodic cell is "
            "needed (pbc=True along all three cell vectors)"
        )
    if abs(np.linalg.det(np.asarray(atoms.cell))) < 1e-6 or not along:
        raise SymmetryError("the atoms have no three-dimensional periodic cell (a molecule?): set cell and pbc=True")


def _from_atoms(atoms: Atoms) -> Structure:
    from pymatgen.core import Lattice, Structure

    _check_periodic(atoms)
    cell = np.asarray(atoms.cell)
    properties = {}
    if atoms.has("initial_magmoms"):
        properties["magmom"] = list(atoms.get_initial_magnetic_moments())
    return Structure(Lattice(cell), atoms.get_chemical_symbols(), atoms.get_scaled_positions(), site_properties=properties)


def _vectors(moments: Numbers) -> np.ndarray:
    """Moments as vectors; numbers mean along z."""
    given = np.asarray(moments, dtype=float)
    return given if given.ndim == 2 else np.stack([np.zeros_like(given), np.zeros_like(given), given], axis=1)


def _magnetic_moments(structure: Structure) -> np.ndarray | None:
    """Cartesian moments from the site property magmom (a number means along z) or from the spins of the species."""
    moments = structure.site_properties.get("magmom")
    if moments is None:
        spins = [getattr(next(iter(site.species)), "spin", None) for site in structure]
        if all(spin is None for spin in spins):
            return None
        moments = [spin or 0.0 for spin in spins]
    vectors = np.zeros((len(structure), 3))
    for row, moment in zip(vectors, moments, strict=True):
        value = np.asarray(getattr(moment, "global_moment", moment) if moment is not None else 0.0, dtype=float)
        row[...] = value if value.shape == (3,) else (0.0, 0.0, float(value))
    return vectors


def _species_name(site: PeriodicSite, disorder: str) -> str:
    if site.is_ordered:
        species = next(iter(site.species))
        state = getattr(species, "oxi_state", None)
        return f"{species.symbol}{state:+g}" if state else str(species.symbol)
    if disorder == "refuse":
        content = ", ".join(f"{amount:g} {species}" for species, amount in site.species.items())
        raise SymmetryError(
            f"site at {np.round(site.frac_coords, 4).tolist()} is disordered ({content}): the crystal has no exact symmetry. "
            "Order it, or pass disorder='species' (--disorder species) to let each occupation count as a species of its own"
        )
    return "/".join(sorted(f"{species}:{amount:.4g}" for species, amount in site.species.items()))


def _species_weight(site: PeriodicSite) -> float:
    occupants = [(species.Z + 0.01 * (getattr(species, "oxi_state", None) or 0.0), part) for species, part in site.species.items()]
    return float(sum(weight * part for weight, part in occupants))


def read_cell(x: AnyStructure, *, disorder: str = "refuse") -> Cell:
    """Arrays of a structure, with a right-handed cell in the same Cartesian frame.

    Parameters
    ----------
    x : Structure, Atoms or path
    disorder : {"refuse", "species"}
        Partly occupied sites are an error, or each distinct occupation counts as a species of its own.

    Returns
    -------
    Cell
        Lattice in rows (Å), fractional positions, species as numbers with their names, moments where the structure has them.

    Raises
    ------
    SymmetryError
        No structure, a flat cell, non-finite numbers, or disordered sites that were not allowed.
    """
    if disorder not in ("refuse", "species"):
        raise SymmetryError(f"disorder={disorder!r} is unknown; 'refuse' or 'species' are needed")
    if isinstance(x, Cell):
        return x
    if isinstance(x, (str, Path)):
        file = read_file(Path(x))
        return replace(_read_cell(file.structure, disorder), notes=file.notes, stated=file.stated)
    return _read_cell(x, disorder)


def _read_cell(loaded: Structure | Atoms, disorder: str) -> Cell:
    if _is_atoms(loaded):  # without the detour by pymatgen, which takes longer to import than all else
        _check_periodic(loaded)
        moments = _vectors(loaded.get_initial_magnetic_moments()) if loaded.has("initial_magmoms") else None
        lattice, positions = np.array(loaded.cell, dtype=float), np.array(loaded.get_scaled_positions(wrap=False), dtype=float)
        return _cell(lattice, positions, loaded.get_chemical_symbols(), np.array(loaded.numbers, dtype=float), moments)
    structure = read_structure(loaded)
    labels = [_species_name(site, disorder) for site in structure]
    weights = np.array([_species_weight(site) for site in structure])
    lattice, positions = np.array(structure.lattice.matrix, dtype=float), np.array(structure.frac_coords, dtype=float)
    return _cell(lattice, positions, labels, weights, _magnetic_moments(structure))


def cell_of_elements(lattice: Float[np.ndarray, "3 3"], symbols: Sequence[str], positions: Float[np.ndarray, "n 3"]) -> Cell | None:
    """Arrays of a crystal whose species are plain chemical elements, without making pymatgen's Structure, which takes a second to import.

    Parameters
    ----------
    lattice : (3, 3)
        Rows are the cell vectors, Å.
    symbols : sequence of str
        One for each site.
    positions : (n, 3)
        Fractional coordinates.

    Returns
    -------
    Cell or None
        None where a name is no element's symbol (an ion such as Na+, a dummy): pymatgen knows these.

    Raises
    ------
    SymmetryError
        A flat cell, or numbers that are not finite.
    """
    from ase.data import atomic_numbers  # deferred: ASE is read only where it is needed

    numbers = np.array([atomic_numbers.get(symbol, 0) for symbol in symbols], dtype=float)
    return _cell(lattice, positions, list(symbols), numbers, None) if len(symbols) and numbers.min() > 0 else None


def atom_arrays(x: AnyStructure) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[bool, bool, bool]]:
    """Cell vectors (rows, Å), fractional positions, atomic numbers, and along which cell vectors the structure is repeated.

    Unlike :func:`read_cell` this takes slabs, wires and molecules whose periodic boundary is open along some cell vectors; missing
    cell vectors become unit vectors across the others. Mixed sites count as the element of their mean atomic number.

    Parameters
    ----------
    x : pymatgen Structure, ASE Atoms or path

    Returns
    -------
    lattice : array (3, 3)
        Å, vectors in rows.
    positions : array (atoms, 3)
        Fractions of the cell vectors.
    numbers : array (atoms,)
    periodic : tuple of bool
        Along each cell vector.

    Raises
    ------
    SymmetryError
        The structure cannot be read.
    """
    loaded = read_file(Path(x)).structure if isinstance(x, (str, Path)) else x
    if _is_atoms(loaded):
        lattice = np.array(loaded.cell.complete(), dtype=float)
        pbc = np.asarray(loaded.pbc) & (np.abs(np.asarray(loaded.cell)).max(axis=1) > 0)
        positions = np.asarray(loaded.positions, dtype=float) @ np.linalg.inv(lattice)
        return lattice, positions, np.asarray(loaded.numbers), (bool(pbc[0]), bool(pbc[1]), bool(pbc[2]))
    cell = read_cell(loaded, disorder="species")
    return cell.lattice, cell.positions, np.round(cell.weights).astype(int), (True, True, True)


def _cell(lattice: np.ndarray, positions: np.ndarray, labels: list[str], weights: np.ndarray, moments: np.ndarray | None) -> Cell:
    if not (np.isfinite(lattice).all() and np.isfinite(positions).all()):
        raise SymmetryError("the structure holds numbers that are not finite: correct its cell and coordinates")
    volume = np.linalg.det(lattice)
    if abs(volume) < 1e-3:
        raise SymmetryError(f"the cell has a volume of {abs(volume):.2g} Å³: three independent cell vectors are needed")
    if volume < 0:  # the same atoms at the same places, described by the cell -a, -b, -c
        lattice, positions = -lattice, -positions
    names = tuple(dict.fromkeys(labels))
    kinds = np.array([names.index(name) + 1 for name in labels], dtype=np.int32)
    return Cell(lattice, positions, kinds, names, weights, moments)
