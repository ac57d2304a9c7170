"""Whether any operation maps a large cell to itself within a tolerance, by elimination with k-d trees.

spglib tries each rotation of the lattice with each atom as the image of one atom, and looks through all atoms for each: the square of
the number of atoms, times up to 48, and more where atoms are displaced by about the tolerance. Here one atom after another rules out
those operations that move it to no atom of its kind. Where none is left, spglib finds P1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import spglib
from jaxtyping import Int

from constitutive.symmetry.backend import call
from constitutive.symmetry.neighbours import NearestAtoms, neighbour_pairs
from constitutive.symmetry.structures import Cell
from constitutive.symmetry.translations import origin_atom

_SLACK = 1 + 1e-6  # rounding of distances
_LATTICE_SLACK = 6.0  # a rotation of the lattice as spglib accepts it moves short lattice vectors by less than this many tolerances
_MOST_SEARCHES = 4_000_000
_TOGETHER = 50_000
_SAMPLE = 100  # operations
_PARTS = 8
_NEIGHBOURS = 1.7  # times the cube root of the volume of an atom: some shells of neighbours
_LARGEST_GROUP = 48
_COMPARED = 3  # atoms that spglib looks at before it compares all


@dataclass(frozen=True)
class OperationSearch:
    """What is left of the possible operations of a cell at one tolerance.

    Attributes
    ----------
    left : int
        Operations besides the identity that move every atom tried to within the tolerance of an atom of its kind.
    complete : bool
        Whether all atoms were tried; otherwise the limit on the number of searches was reached.
    likely : int
        Operations that were left after three atoms: each of them costs spglib a comparison of all atoms.
    tried : int
        All possible operations: rotations of the lattice times images of one atom.
    is_group : bool
        Whether all atoms were tried and those left, with the identity, have each rotation once and form a group.
    """

    left: int
    complete: bool
    likely: int
    tried: int
    is_group: bool


def search_operations(cell: Cell, tolerance: float) -> OperationSearch:
    """Eliminate the possible operations of a cell, one atom after another.

    An operation is a rotation that maps the lattice of the given cell to itself and takes the first atom of the rarest species to one
    of that species, as in spglib; every operation that spglib finds in the given cell is among them.

    Parameters
    ----------
    cell : Cell
    tolerance : float
        Å.

    Returns
    -------
    OperationSearch
    """
    candidates = _candidates(cell, tolerance)
    tried = len(candidates.image)
    atoms = np.random.default_rng(0).permutation(np.setdiff1d(np.arange(len(cell.kinds)), candidates.origin))
    candidates = _eliminate(cell, tolerance, candidates, atoms[:_COMPARED])[0]
    likely = len(candidates.image)
    if not likely:
        return OperationSearch(0, True, 0, tried, True)
    kinds = surroundings(cell, tolerance)
    candidates = candidates.some(np.flatnonzero(kinds[candidates.image] == kinds[candidates.origin]))
    rest = atoms[_COMPARED:][np.argsort(np.bincount(kinds)[kinds[atoms[_COMPARED:]]], kind="stable")]  # the rarest first
    candidates, complete = _eliminate(replace(cell, kinds=kinds), tolerance, candidates, rest)
    return OperationSearch(len(candidates.image), complete, likely, tried, complete and _is_group(candidates.rotation))


def _eliminate(cell: Cell, tolerance: float, candidates: _Candidates, atoms: np.ndarray) -> tuple[_Candidates, bool]:
    """Operations that move all of some atoms to atoms of their kind, and whether all atoms were tried."""
    nearest = NearestAtoms(cell.lattice, cell.positions, cell.kinds, tolerance * _SLACK)
    searches, ordered = 0, False
    while len(atoms) and len(candidates.image):
        count = len(candidates.image)
        if searches > _MOST_SEARCHES:
            return candidates, False
        if not ordered and count > _SAMPLE < len(atoms):
            atoms, ordered = _most_refusing_first(cell, nearest, candidates, atoms), True
        some, atoms = np.split(atoms, [max(1, _TOGETHER // count)])
        searches += len(some) * count
        candidates = candidates.some(np.flatnonzero(_moved_to_atoms(cell, nearest, candidates, some).all(axis=1)))
    return candidates, True


def _most_refusing_first(cell: Cell, nearest: NearestAtoms, candidates: _Candidates, atoms: np.ndarray) -> np.ndarray:
    """Atoms in the order in which they rule out operations, as learned from a few of these: those that are displaced most."""
    few = candidates.some(np.linspace(0, len(candidates.image) - 1, _SAMPLE).astype(int))
    parts = np.array_split(atoms, _PARTS)
    refused = np.concatenate([(~_moved_to_atoms(cell, nearest, few, part)).sum(axis=0) for part in parts])
    ordered: np.ndarray = atoms[np.argsort(-refused, kind="stable")]
    return ordered


def surroundings(cell: Cell, tolerance: float) -> Int[np.ndarray, " n"]:
    """Kinds that also tell the number of neighbours, where this number is the same for atoms that an operation maps to each other.

    An operation changes the distance of two atoms by less than twice the tolerance, so that neighbours may be counted up to the middle
    of a gap between the distances that is wider than four tolerances.

    Parameters
    ----------
    cell : Cell
    tolerance : float
        Å.

    Returns
    -------
    (n,)
        The kinds of the cell where there is no such gap.
    """
    cutoff = _NEIGHBOURS * (cell.volume / len(cell.kinds)) ** (1 / 3)
    pairs = neighbour_pairs(cell.lattice, cell.positions, cutoff)
    length = np.linalg.norm(pairs.vector, axis=1)
    distances = np.unique(length)
    gaps = np.diff(distances)
    if not len(gaps) or gaps.max() <= 4 * tolerance * _SLACK:
        return cell.kinds
    reach = distances[gaps.argmax()] + gaps.max() / 2
    count = np.bincount(pairs.first[length < reach], minlength=len(cell.kinds))
    found: np.ndarray = np.unique(np.stack([cell.kinds, count]), axis=1, return_inverse=True)[1].reshape(-1)
    return found


class _Candidates(NamedTuple):
    """Operations that take one atom, the origin, to another of its kind."""

    origin: int
    rotation: np.ndarray
    image: np.ndarray

    def some(self, index: np.ndarray) -> _Candidates:
        return _Candidates(self.origin, self.rotation[index], self.image[index])


def _candidates(cell: Cell, tolerance: float) -> _Candidates:
    rotations = lattice_rotations(cell.lattice, tolerance)
    origin = origin_atom(cell.kinds)
    images = np.flatnonzero(cell.kinds == cell.kinds[origin])
    rotation, image = np.repeat(rotations, len(images), axis=0), np.tile(images, len(rotations))
    identity = (rotation == np.eye(3, dtype=int)).all(axis=(1, 2)) & (image == origin)
    return _Candidates(origin, rotation[~identity], image[~identity])


def _moved_to_atoms(cell: Cell, nearest: NearestAtoms, operations: _Candidates, atoms: np.ndarray) -> np.ndarray:
    """Whether each operation moves each atom to within reach of an atom of its kind."""
    moved = np.zeros((len(operations.image), len(atoms)), dtype=bool)
    for kind in np.unique(cell.kinds[atoms]):
        own = np.flatnonzero(cell.kinds[atoms] == kind)
        arms = cell.positions[atoms[own]] - cell.positions[operations.origin]
        points = np.einsum("mij,aj->mai", operations.rotation, arms) + cell.positions[operations.image][:, None]
        moved[:, own] = np.isfinite(nearest(points.reshape(-1, 3), int(kind))[0]).reshape(len(operations.image), -1)
    return moved


def _is_group(rotations: np.ndarray) -> bool:
    """Whether integer matrices and the identity are all different and closed under multiplication."""
    if len(rotations) >= _LARGEST_GROUP:
        return False
    every = np.concatenate([np.eye(3, dtype=int)[None], rotations])
    keys = {matrix.tobytes() for matrix in every}
    return len(keys) == len(every) and all((a @ b).tobytes() in keys for a in every for b in every)


def lattice_rotations(lattice: np.ndarray, tolerance: float) -> Int[np.ndarray, "n 3 3"]:
    """Rotations, proper and improper, that map a lattice to itself, with some slack: all that spglib takes at this tolerance, and more.

    Parameters
    ----------
    lattice : (3, 3)
        Rows are the cell vectors in Å.
    tolerance : float
        Å.

    Returns
    -------
    (n, 3, 3)
        They act on columns of fractions of the cell.
    """
    reduced = call(spglib.niggli_reduce, lattice)[0]
    basis = lattice if reduced is None else np.asarray(reduced, dtype=float)
    slack = _LATTICE_SLACK * tolerance
    grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    length, lengths = np.linalg.norm(grid @ basis, axis=1), np.linalg.norm(basis, axis=1)
    choices = [grid[np.abs(length - one) <= slack] for one in lengths]
    index = np.stack(np.meshgrid(*[np.arange(len(c)) for c in choices], indexing="ij"), axis=-1).reshape(-1, 3)
    triples = np.stack([c[index[:, k]] for k, c in enumerate(choices)], axis=1)
    vectors = triples @ basis
    off = np.abs(vectors @ vectors.swapaxes(1, 2) - basis @ basis.T)
    kept = (off <= slack * (lengths[:, None] + lengths + slack)).all(axis=(1, 2)) & (np.abs(np.rint(np.linalg.det(triples))) == 1)
    change = np.rint(basis @ np.linalg.inv(lattice)).T
    found: np.ndarray = np.rint(change @ triples[kept].swapaxes(1, 2) @ np.linalg.inv(change)).astype(int)
    return found
