"""Near atoms in a periodic cell, by k-d trees over the atoms and those images that lie within the cutoff."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Pairs(NamedTuple):
    """Pairs of atoms nearer than a cutoff, sorted by first atom, second atom and cell.

    Attributes
    ----------
    first, second : (m,)
        Indices of the atoms.
    shift : (m, 3)
        Cell of the second atom, in cell vectors, after both atoms were moved into the cell at the origin.
    vector : (m, 3)
        From the first atom to the second, Å.
    """

    first: Int[np.ndarray, " m"]
    second: Int[np.ndarray, " m"]
    shift: Int[np.ndarray, "m 3"]
    vector: Float[np.ndarray, "m 3"]


def neighbour_pairs(
    lattice: Float[np.ndarray, "3 3"],
    positions: Float[np.ndarray, "n 3"],
    cutoff: float,
    *,
    centres: Int[np.ndarray, " k"] | None = None,
    periodic: tuple[bool, bool, bool] = (True, True, True),
    closest: float = 1e-3,
) -> Pairs:
    """All pairs of atoms nearer than a cutoff, images included; each pair occurs from both of its ends.

    Parameters
    ----------
    lattice : (3, 3)
        Rows are the cell vectors in Å.
    positions : (n, 3)
        Fractional coordinates; they are moved into the cell along the periodic directions.
    cutoff : float
        Å.
    centres : (k,), optional
        Indices of the first atoms of the pairs; all atoms unless given.
    periodic : tuple of bool
        Along which cell vectors the crystal is repeated.
    closest : float
        Pairs nearer than this are left out, Å; 0 keeps atoms at the same place, and then each atom with itself too.

    Returns
    -------
    Pairs
    """
    from scipy.spatial import cKDTree  # deferred: SciPy's geometry takes 0.2 s to import

    wrapped = np.where(periodic, positions % 1.0, positions)
    atom, shift = _images(lattice, wrapped, cutoff, periodic)
    images = (wrapped[atom] + shift) @ lattice
    centres = np.arange(len(positions)) if centres is None else np.asarray(centres)
    own = wrapped[centres] @ lattice
    near = cKDTree(images).query_ball_point(own, cutoff)
    row = np.repeat(np.arange(len(centres)), [len(found) for found in near])
    column = np.concatenate([np.asarray(found, dtype=np.int64) for found in near])
    vector = images[column] - own[row]
    squared = (vector**2).sum(axis=1)
    kept = (squared < cutoff**2) & (squared >= closest**2)
    row, column, vector = row[kept], column[kept], vector[kept]
    order = np.lexsort((*shift[column].T[::-1], atom[column], row))
    column = column[order]
    return Pairs(centres[row[order]], atom[column], shift[column], vector[order])


class NearestAtoms:
    """The nearest atom of one kind to each of many points, where one lies within a distance.

    Parameters
    ----------
    lattice : (3, 3)
        Rows are the cell vectors in Å.
    positions : (n, 3)
        Fractional coordinates.
    kinds : (n,)
        A number for each species.
    reach : float
        Å; atoms farther away are not found.
    """

    def __init__(
        self, lattice: Float[np.ndarray, "3 3"], positions: Float[np.ndarray, "n 3"], kinds: Int[np.ndarray, " n"], reach: float
    ) -> None:
        from scipy.spatial import cKDTree  # deferred: SciPy's geometry takes 0.2 s to import

        self._lattice, self._reach = lattice, reach
        wrapped = positions % 1.0
        self._trees = {}
        for kind in np.unique(kinds):
            own = np.flatnonzero(kinds == kind)
            atom, shift = _images(lattice, wrapped[own], reach, (True, True, True))
            self._trees[int(kind)] = cKDTree((wrapped[own][atom] + shift) @ lattice), own[atom]

    def __call__(self, points: Float[np.ndarray, "m 3"], kind: int) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Distance to the nearest atom of a kind, and that atom.

        Parameters
        ----------
        points : (m, 3)
            Fractional coordinates, in any cell.
        kind : int
            Kind of the atoms looked for.

        Returns
        -------
        distance : (m,)
            Å; infinite where no atom of this kind lies within reach.
        atom : (m,)
            Its index; -1 where there is none.
        """
        tree, atoms = self._trees[kind]
        distance, image = tree.query((points % 1.0) @ self._lattice, distance_upper_bound=self._reach)
        found = np.isfinite(distance)
        return distance, np.where(found, atoms[np.where(found, image, 0)], -1)


def _images(lattice: np.ndarray, wrapped: np.ndarray, cutoff: float, periodic: tuple[bool, bool, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Atom and cell of each image that lies no farther than the cutoff from the cell at the origin."""
    reach = cutoff * np.linalg.norm(np.linalg.inv(lattice), axis=0)  # in fractions: the cutoff over the height of the cell
    ranges = [
        np.arange(-int(np.ceil(r)), int(np.ceil(r)) + 1) if p else np.zeros(1, dtype=int) for r, p in zip(reach, periodic, strict=True)
    ]
    atoms, shifts = [], []
    for shift in np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3):
        place = wrapped + shift
        inside = np.flatnonzero(((place > -reach - 1e-9) & (place < 1 + reach + 1e-9) | ~np.array(periodic)).all(axis=1))
        atoms.append(inside)
        shifts.append(np.broadcast_to(shift, (len(inside), 3)))
    return np.concatenate(atoms), np.concatenate(shifts)
