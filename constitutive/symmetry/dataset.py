"""spglib's dataset of a cell at one tolerance, and of large cells without the searches that take spglib minutes.

- No operation is left by elimination: P1, without a search by spglib, which takes the square of the number of atoms.
- A supercell of displaced atoms in which spglib would find the translations but not their basis: spglib is given the cell averaged
  over the translations, which it would make its primitive cell of (:mod:`constitutive.symmetry.translations`).
- All else is given to spglib as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import spglib

from constitutive.errors import SymmetryError
from constitutive.symmetry.backend import call
from constitutive.symmetry.neighbours import neighbour_pairs
from constitutive.symmetry.operation_search import OperationSearch, search_operations
from constitutive.symmetry.structures import Cell
from constitutive.symmetry.translations import atoms_nearer_than, averaged, largest_displacement, pure_translations, spglib_overlays

_MANY_ATOMS = 200  # fewer are searched by spglib in a fraction of a second
_PASSES = 20  # of spglib, each with a lower tolerance, where the operations found are no group
_NO_SYMMETRY = np.array([[0.0, 0.0, 0.0], [0.13, 0.29, 0.41], [0.37, 0.17, 0.71], [0.61, 0.83, 0.23]])  # four unlike atoms


class SearchTooLongError(SymmetryError):
    """The search would take spglib longer than was allowed."""


@runtime_checkable
class Dataset(Protocol):
    """The parts of spglib's dataset that are used here.

    Attributes
    ----------
    number, hall_number : int
        Space group (1 to 230) and its setting (1 to 530).
    international, pointgroup : str
        Symbols.
    rotations : array (n, 3, 3)
        In fractions of the given cell.
    std_rotation_matrix : array (3, 3)
        From the given Cartesian frame to that of the idealised cell.
    std_lattice : array (3, 3)
        Idealised conventional cell, vectors in rows (Å).
    transformation_matrix : array (3, 3)
        From the given cell to the conventional one.
    mapping_to_primitive : array (atoms,)
        Atom of the primitive cell that each atom is an image of.
    """

    number: int
    hall_number: int
    international: str
    pointgroup: str
    rotations: np.ndarray
    std_rotation_matrix: np.ndarray
    std_lattice: np.ndarray
    transformation_matrix: np.ndarray
    mapping_to_primitive: np.ndarray


@dataclass  # not frozen: the attributes of the protocol can be set
class _NoSymmetry:
    """Dataset of a cell in P1."""

    number: int
    hall_number: int
    international: str
    pointgroup: str
    rotations: np.ndarray
    std_rotation_matrix: np.ndarray
    std_lattice: np.ndarray
    transformation_matrix: np.ndarray
    mapping_to_primitive: np.ndarray


def spglib_dataset(cell: Cell, symprec: float, *, most_comparisons: float = np.inf) -> Dataset:
    """Dataset of spglib, whichever way this spglib reports a failure (None, or an exception).

    Parameters
    ----------
    cell : Cell
    symprec : float
        Å.
    most_comparisons : float
        Limit on the expected number of pairs of atoms that spglib compares, some 30 million a second; none unless given.

    Returns
    -------
    Dataset

    Raises
    ------
    SymmetryError
        spglib finds no symmetry, as for atoms closer than symprec.
    SearchTooLongError
        The search would pass the limit.
    """
    translations = pure_translations(cell, symprec)
    if translations is not None and not spglib_overlays(cell, translations, symprec):
        dataset = _averaged_dataset(cell, symprec, len(translations.images), averaged(cell, translations))
        if dataset is not None and largest_displacement(cell, translations) < symprec:
            return dataset
    if translations is None and len(cell.kinds) > _MANY_ATOMS and not atoms_nearer_than(cell, symprec):
        search = search_operations(cell, symprec)
        dataset = _no_symmetry(cell, symprec) if search.complete and not search.left else None
        if dataset is not None:
            return dataset
        if _comparisons(search, len(cell.kinds)) > most_comparisons:
            raise SearchTooLongError(f"the search for symmetry at {symprec:g} Å among {len(cell.kinds)} atoms takes too long")
    dataset, reason = call(spglib.get_symmetry_dataset, cell.spglib, symprec=symprec)
    if dataset is None:
        raise SymmetryError(f"no symmetry found at symprec {symprec:g} Å (spglib: {reason}); {_closest_pair(cell, symprec)}")
    return dataset


def _averaged_dataset(cell: Cell, symprec: float, translations: int, mean: Cell) -> Dataset | None:
    """Dataset of the averaged cell; None where it has other translations than the cell itself."""
    dataset: Dataset | None = call(spglib.get_symmetry_dataset, mean.spglib, symprec=symprec)[0]
    if dataset is None or len(np.unique(dataset.mapping_to_primitive)) * translations != len(cell.kinds):
        return None
    return dataset


def _no_symmetry(cell: Cell, symprec: float) -> Dataset | None:
    """Dataset of a cell without operations: of four unlike atoms in its lattice, since spglib's setting of P1 depends on that alone."""
    few = cell.lattice, _NO_SYMMETRY, np.arange(1, len(_NO_SYMMETRY) + 1)
    found: Dataset | None = call(spglib.get_symmetry_dataset, few, symprec=symprec)[0]
    if found is None or found.number != 1:
        return None
    return _NoSymmetry(
        number=int(found.number),
        hall_number=found.hall_number,
        international=found.international,
        pointgroup=found.pointgroup,
        rotations=found.rotations,
        std_rotation_matrix=found.std_rotation_matrix,
        std_lattice=found.std_lattice,
        transformation_matrix=found.transformation_matrix,
        mapping_to_primitive=np.arange(len(cell.kinds), dtype=np.int32),
    )


def _comparisons(search: OperationSearch, atoms: int) -> float:
    """Expected number of pairs of atoms that spglib compares: half of the atoms for each operation, and a sort for each likely one."""
    once = search.tried * atoms / 2 + search.likely * atoms * np.log2(atoms)
    return float(once * (1 if search.is_group else _PASSES))


def _closest_pair(cell: Cell, symprec: float) -> str:
    """The two atoms nearest to each other, and what to do where they are one."""
    if len(cell.positions) < 2:
        return "there is one atom: use a smaller symprec"
    cutoff = (cell.volume / len(cell.positions)) ** (1 / 3)
    pairs = neighbour_pairs(cell.lattice, cell.positions, cutoff, closest=0.0)
    other = pairs.first != pairs.second
    if not other.any():
        return "use a smaller symprec"
    distance = np.linalg.norm(pairs.vector[other], axis=1)
    k = int(distance.argmin())
    i, j = sorted((int(pairs.first[other][k]), int(pairs.second[other][k])))
    text = f"the closest atoms, {i} and {j}, are {distance[k]:.3g} Å apart"
    if distance[k] < 0.5:
        return f"{text}: one atom seems to be listed twice (rounded coordinates of a special position?); keep one of them"
    return f"{text}: use a smaller symprec"
