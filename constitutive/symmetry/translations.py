"""Translations that map a cell to itself within a tolerance, and the cell averaged over them.

spglib takes the vectors from one atom to others, keeps those that move every atom to within the tolerance of another one, and what
these generate. The basis of the primitive lattice it makes of three such vectors, rounded to whole fractions of the cell. In a large
supercell whose atoms are displaced the vectors carry the displacements of two atoms, and the rounding goes wrong: spglib then tries
to overlay the atoms by a false lattice, hundreds of times over all pairs, and lowers its tolerance until nothing but P1 may be left.
Here a translation is the mean over all atoms: the displacements cancel, and it is an exact fraction of the cell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from constitutive.symmetry.neighbours import NearestAtoms, neighbour_pairs
from constitutive.symmetry.structures import Cell

_TESTED_FIRST = 64  # atoms by which translations are ruled out before each is tried on all atoms
_FEW = 100  # images of the origin
_TOGETHER = 5_000  # searches at once
_PIECE = 256
_FIRST_VECTORS = 20  # one of these is in the basis that spglib takes
_ROUNDING = 1e-6  # of a fraction of the cell


@dataclass(frozen=True)
class Translations:
    """Translations that map a cell to itself, besides those of its own lattice.

    Attributes
    ----------
    origin : int
        Atom from which they were measured.
    images : (m,)
        Its images, itself included: one for each translation, by rising index.
    first : (n,)
        For each atom the first of the atoms that the translations map it to.
    shift : (n, 3)
        The exact translation from that atom, in fractions of the cell, between 0 and 1.
    """

    origin: int
    images: Int[np.ndarray, " m"]
    first: Int[np.ndarray, " n"]
    shift: Float[np.ndarray, "n 3"]


def origin_atom(kinds: Int[np.ndarray, " n"]) -> int:
    """The first atom of the rarest species, from which spglib measures translations.

    Parameters
    ----------
    kinds : (n,)
        A number for each species.

    Returns
    -------
    int
    """
    _, first, count = np.unique(kinds, return_index=True, return_counts=True)
    return int(first[count == count.min()].min())


def atoms_nearer_than(cell: Cell, distance: float) -> bool:
    """Whether two atoms of one kind, or an atom and its own image, are nearer than a distance.

    Parameters
    ----------
    cell : Cell
    distance : float
        Å.

    Returns
    -------
    bool
    """
    pairs = neighbour_pairs(cell.lattice, cell.positions, distance, closest=0.0)
    itself = (pairs.first == pairs.second) & (pairs.shift == 0).all(axis=1)
    return bool(((cell.kinds[pairs.first] == cell.kinds[pairs.second]) & ~itself).any())


def pure_translations(cell: Cell, tolerance: float) -> Translations | None:
    """Translations that map every atom to within a tolerance of an atom of its kind, and those that they generate.

    Parameters
    ----------
    cell : Cell
    tolerance : float
        Å.

    Returns
    -------
    Translations or None
        None where there are none besides the lattice of the cell, or where an atom has two atoms within the tolerance of its image.
    """
    origin = origin_atom(cell.kinds)
    others = np.flatnonzero(cell.kinds == cell.kinds[origin])
    others = others[others != origin]
    if len(others) < _FEW:
        others = _allowed_by_one_atom(cell, tolerance, origin, others)
    if not len(others):
        return None
    nearest = NearestAtoms(cell.lattice, cell.positions, cell.kinds, tolerance)
    candidates = _not_ruled_out(cell, nearest, origin, others)
    if not len(candidates) or atoms_nearer_than(cell, 2 * tolerance):
        return None
    maps: list[np.ndarray] = []
    vectors: list[np.ndarray] = []
    reached = np.zeros(len(cell.kinds), dtype=bool)
    reached[origin] = True
    for atom in candidates:
        if reached[atom]:
            continue
        vector = cell.positions[atom] - cell.positions[origin]
        found = _image_of_each(cell, nearest, vector)
        if found is not None:
            maps.append(found)
            vectors.append(_mean_vector(cell, found, vector))
            reached = _orbit(origin, maps)
    return _assemble(cell, origin, maps, vectors) if maps else None


def _allowed_by_one_atom(cell: Cell, tolerance: float, origin: int, others: np.ndarray) -> np.ndarray:
    """Those atoms to which the origin may be moved, as far as one atom tells, without a k-d tree: for small cells."""
    atom = len(cell.kinds) - 1
    points = cell.positions[atom] + cell.positions[others] - cell.positions[origin]
    off = points[:, None] - cell.positions[cell.kinds == cell.kinds[atom]]
    squared = (((off - np.rint(off)) @ cell.lattice) ** 2).sum(axis=2)
    allowed: np.ndarray = others[(squared < tolerance**2).any(axis=1)]
    return allowed


def _not_ruled_out(cell: Cell, nearest: NearestAtoms, origin: int, others: np.ndarray) -> np.ndarray:
    """Those atoms to which the origin may be moved, as far as some of the atoms tell."""
    atoms = np.random.default_rng(0).permutation(len(cell.kinds))[:_TESTED_FIRST]
    while len(atoms) and len(others):
        kind = cell.kinds[atoms[0]]
        some = atoms[: max(1, _TOGETHER // len(others))]
        some = some[cell.kinds[some] == kind]
        vectors = cell.positions[others] - cell.positions[origin]
        points = vectors[:, None] + cell.positions[some]
        distance = nearest(points.reshape(-1, 3), int(kind))[0]
        others = others[np.isfinite(distance).reshape(len(others), -1).all(axis=1)]
        atoms = np.setdiff1d(atoms, some, assume_unique=True)
    return others


def _image_of_each(cell: Cell, nearest: NearestAtoms, vector: np.ndarray) -> np.ndarray | None:
    """The atom that each atom is moved to by a translation; None where one is moved to no atom."""
    image = np.full(len(cell.kinds), -1)
    for kind in np.unique(cell.kinds):
        own = np.flatnonzero(cell.kinds == kind)
        for start in range(0, len(own), _PIECE):
            some = own[start : start + _PIECE]
            image[some] = nearest(cell.positions[some] + vector, int(kind))[1]
            if (image[some] < 0).any():
                return None
    return image if len(np.unique(image)) == len(image) else None


def _mean_vector(cell: Cell, image: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """The translation as a mean over all atoms, in which their displacements cancel."""
    off = cell.positions[image] - cell.positions - vector
    mean: np.ndarray = vector + (off - np.rint(off)).mean(axis=0)
    return mean


def _orbit(start: int, maps: list[np.ndarray]) -> np.ndarray:
    """Whether each atom is reached from one atom by the maps and what they generate."""
    reached = np.zeros(len(maps[0]), dtype=bool)
    reached[start] = True
    new = np.array([start])
    while len(new):
        new = np.unique(np.concatenate([image[new] for image in maps]))
        new = new[~reached[new]]
        reached[new] = True
    return reached


def _assemble(cell: Cell, origin: int, maps: list[np.ndarray], vectors: list[np.ndarray]) -> Translations | None:
    count = len(cell.kinds)
    first, shift = np.full(count, -1), np.zeros((count, 3))
    for start in range(count):
        if first[start] >= 0:
            continue
        first[start], new = start, np.array([start])
        while len(new):
            found = []
            for image, vector in zip(maps, vectors, strict=True):
                fresh = new[first[image[new]] < 0]
                first[image[fresh]], shift[image[fresh]] = start, shift[fresh] + vector
                found.append(image[fresh])
            new = np.concatenate(found)
    images = np.flatnonzero(first == first[origin])
    order = len(images)
    if (np.unique(first, return_counts=True)[1] != order).any():
        return None
    exact = np.rint(shift * order) / order  # the order of a translation divides their number
    if np.abs(exact - shift).max() > _ROUNDING:
        return None
    return Translations(origin, images, first, exact % 1.0)


def averaged(cell: Cell, translations: Translations) -> Cell:
    """The cell with every atom at the mean of the atoms that the translations map to it.

    Parameters
    ----------
    cell : Cell
    translations : Translations

    Returns
    -------
    Cell
    """
    return replace(cell, positions=_mean_positions(cell, translations)[translations.first] + translations.shift)


def largest_displacement(cell: Cell, translations: Translations) -> float:
    """Largest distance of an atom from the mean of the atoms that the translations map to it.

    Parameters
    ----------
    cell : Cell
    translations : Translations

    Returns
    -------
    float
        Å.
    """
    off = cell.positions - averaged(cell, translations).positions
    return float(np.linalg.norm((off - np.rint(off)) @ cell.lattice, axis=1).max())


def _mean_positions(cell: Cell, translations: Translations) -> np.ndarray:
    """Mean of each orbit, at the index of its first atom."""
    first = translations.first
    off = cell.positions - translations.shift - cell.positions[first]
    off -= np.rint(off)
    total = np.zeros_like(cell.positions)
    np.add.at(total, first, off)
    mean: np.ndarray = cell.positions + total / len(translations.images)
    return mean


def spglib_overlays(cell: Cell, translations: Translations, tolerance: float) -> bool:
    """Whether spglib finds the primitive cell of these translations at this tolerance, without lowering it.

    Parameters
    ----------
    cell : Cell
    translations : Translations
        As :func:`pure_translations` finds them at this tolerance.
    tolerance : float
        Å.

    Returns
    -------
    bool
    """
    return _basis_is_right(cell, translations, tolerance) and _atoms_are_told_apart(cell, translations, tolerance)


def _basis_is_right(cell: Cell, translations: Translations, tolerance: float) -> bool:
    """Whether the first three of its vectors that span a cell of the right volume are, rounded, a basis of the translations."""
    images = translations.images
    vectors = (cell.positions[images] - cell.positions[translations.origin])[images != translations.origin] % 1.0
    basis = _first_basis(cell.lattice, np.concatenate([vectors, np.eye(3)]), len(images), tolerance)
    if basis is None:
        return False
    turned = np.rint(np.linalg.inv(basis.T))
    if round(abs(np.linalg.det(turned))) != len(images):
        return False
    whole = (translations.shift[images] - translations.shift[translations.origin]) @ turned.T
    return bool(np.abs(whole - np.rint(whole)).max() < _ROUNDING * len(images))


def _first_basis(lattice: np.ndarray, vectors: np.ndarray, count: int, tolerance: float) -> np.ndarray | None:
    """The first three of the vectors, in the order of spglib, that span one cell of ``count`` in the given cell."""
    volume = abs(np.linalg.det(lattice))
    for i in range(min(len(vectors) - 2, _FIRST_VECTORS)):
        for start in range(i + 1, len(vectors) - 1, _PIECE):
            second = vectors[start : start + _PIECE]
            spanned = np.abs(np.cross(vectors[i], second) @ vectors[start + 1 :].T) * volume
            with np.errstate(divide="ignore"):
                right = (spanned > tolerance) & (np.rint(volume / spanned) == count)
            right &= np.arange(len(second))[:, None] <= np.arange(right.shape[1])
            if right.any():
                j, k = np.unravel_index(int(right.argmax()), right.shape)
                return np.stack([vectors[i], second[j], vectors[start + 1 + k]])
    return None


def _atoms_are_told_apart(cell: Cell, translations: Translations, tolerance: float) -> bool:
    """Whether some power of two times the tolerance holds all images of an atom, and no atom of another orbit."""
    off = cell.positions - translations.shift - cell.positions[translations.first]
    spread = float(np.linalg.norm((off - np.rint(off)) @ cell.lattice, axis=1).max())
    reach = tolerance
    while reach <= spread:
        reach *= 2
    # images of one atom are nearer than the reach to their first atom; atoms of other orbits must not be, wherever they are moved to
    return not atoms_nearer_than(averaged(cell, translations), reach + 2 * spread)
